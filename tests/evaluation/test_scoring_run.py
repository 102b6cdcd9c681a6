"""Answers into scores, one after the other."""

from qfnb.evaluation import LocalEvaluator, scoring_run
from qfnb.evaluation.samples import Sample


class RecordingEvaluator(LocalEvaluator):
    """Records the order in which it saw answers."""

    def __init__(self, calls, name):
        self.calls = calls
        self.name = name

    def evaluate(self, input, reference, output):  # noqa: A002 - the seed's name
        self.calls.append(f"{self.name}{input}")
        return {self.name: 1.0}


def test_many_answers_are_scored_part_by_part_and_the_steps_are_counted():
    calls = []
    steps = []
    samples = [Sample("a", n, str(n), "", "x", {}) for n in range(3)]
    evaluators = [RecordingEvaluator(calls, "p"), RecordingEvaluator(calls, "q")]
    fields, failures = scoring_run.score_samples(
        samples, evaluators, on_progress=lambda *step: steps.append(step)
    )
    assert calls == ["p0", "q0", "p1", "q1", "p2", "q2"]
    assert steps == [(2, 6), (4, 6), (6, 6)]
    assert [sample.scores for sample in fields["records"]] == [{"p": 1.0, "q": 1.0}] * 3
    assert not failures
