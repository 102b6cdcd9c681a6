"""Answers into scores, part by part."""

from qfnb.evaluation import LocalEvaluator, measuring
from qfnb.evaluation.samples import Sample


class Noting(LocalEvaluator):
    """Notes which answers it saw after which."""

    def __init__(self, seen, name):
        self.seen, self.name = seen, name

    def evaluate(self, input, reference, output):  # noqa: A002 - the seed's name
        self.seen.append(f"{self.name}{input}")
        return {self.name: 1.0}


def test_many_answers_are_scored_part_by_part_and_the_steps_are_counted(monkeypatch):
    monkeypatch.setattr(measuring, "PART", 2)
    seen, steps = [], []
    samples = [Sample("a", n, str(n), "", "x", {}) for n in range(3)]
    evaluators = [Noting(seen, "p"), Noting(seen, "q")]
    found = measuring.measure(samples, evaluators, counted=lambda *step: steps.append(step))
    assert seen == ["p0", "p1", "q0", "q1", "p2", "q2"]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [sample.scores for sample in found.samples] == [{"p": 1.0, "q": 1.0}] * 3
