"""One call, one card: better, worse or cannot tell, and the evidence."""

from types import SimpleNamespace

import pytest
from support.reports import FixedModel

import qfnb
from qfnb.errors import InvalidArgumentError
from qfnb.evaluation import LocalEvaluator
from qfnb.evaluation.report import Report, Sample
from qfnb.evaluation.report.text import failure_sentence

ROWS = [{"prompt": f"q{n}", "response": "早上九点开门"} for n in range(12)]
RIGHT = "早上九点开门"
WRONG = "晚上十点关门"


def card(before, after, **named):
    return qfnb.compare(
        FixedModel("base", before),
        FixedModel("tuned", after),
        ROWS,
        metrics=["exact_match"],
        **named,
    )


def test_better():
    verdict_card = card([WRONG] * 12, [RIGHT] * 11 + [WRONG])
    assert (verdict_card.verdict, round(verdict_card.difference, 3)) == ("better", 0.917)
    assert verdict_card.comparison.p_holm < 0.01
    assert (len(verdict_card.improvements), verdict_card.regressions) == (10, ())


def test_worse_has_its_regressions_with_what_differs():
    verdict_card = card([RIGHT] * 12, [WRONG] * 12)
    assert (verdict_card.verdict, len(verdict_card.regressions)) == ("worse", 10)
    assert ("delete", "早") in verdict_card.regressions[0].edits


def test_cannot_tell_says_how_many_questions_would():
    verdict_card = card([WRONG] * 12, [RIGHT] * 2 + [WRONG] * 10)
    assert verdict_card.verdict == "cannot tell"
    assert f"with about {verdict_card.comparison.test.needed} questions (power 80%)" in repr(
        verdict_card
    )


def test_failed_rows_are_counted_with_the_worst_case():
    verdict_card = card([WRONG] * 12, [RIGHT] * 6 + [ValueError("x")] * 6)
    assert verdict_card.scores[1].mean == 1
    assert (
        "tuned: 6 of 12 questions have a score, 6 failed; "
        "the mean would be 0.500–1.000 if the others were all wrong or all right."
    ) in verdict_card.lines()


@pytest.mark.parametrize("metrics", ["rouge_l", [], ["nonsense"]])
def test_wrong_metrics_are_refused_before_anybody_is_asked(metrics):
    with pytest.raises(InvalidArgumentError):
        qfnb.compare("ERNIE-Speed-8K", "ERNIE-Lite-8K", ROWS, metrics=metrics)


def test_a_function_scores_by_what_its_parameters_are_named():
    def opens_at_nine(output, reference):
        return "九点" in output and "九点" in reference

    models = FixedModel("base", [WRONG] * 12), FixedModel("tuned", [RIGHT] * 12)
    verdict_card = qfnb.compare(*models, ROWS, metrics=[opens_at_nine])
    assert (verdict_card.comparison.metric, verdict_card.verdict) == ("opens_at_nine", "better")


@pytest.mark.parametrize("metric", [lambda prediction: 1.0, lambda: 1.0, 3, str])
def test_what_cannot_score_is_refused_before_anybody_is_asked(metric):
    with pytest.raises(InvalidArgumentError, match="cannot score"):
        qfnb.compare(None, None, ROWS, metrics=[metric])


def test_an_evaluator_that_gives_a_bare_number_is_named():
    class Nine(LocalEvaluator):
        def evaluate(self, input, reference, output):  # noqa: A002
            return 1.0

    with pytest.raises(InvalidArgumentError, match=r"Nine gave 1.0 .* numbers by name"):
        qfnb.compare(
            FixedModel("base", [RIGHT] * 12),
            FixedModel("tuned", [RIGHT] * 12),
            ROWS,
            metrics=[Nine()],
        )


def test_a_trainer_is_asked_by_what_it_deployed():
    trainer = SimpleNamespace(
        output={"model": "am-1", "service": FixedModel("tuned", [RIGHT] * 12)}
    )
    assert (
        qfnb.compare(
            FixedModel("base", [WRONG] * 12), trainer, ROWS, metrics=["exact_match"]
        ).verdict
        == "better"
    )
    with pytest.raises(InvalidArgumentError, match="neither a service nor a model"):
        qfnb.compare("base", SimpleNamespace(output={}), ROWS)


def test_cost_and_latency_before_and_after():
    def sample(model, n, seconds, cost):
        return Sample(model, n, "q", "r", "four", {"m": 1.0}, seconds=seconds, cost=cost)

    samples = [sample("a", n, 1.0 + n, 0.01) for n in range(3)] + [
        sample("b", n, 0.5, 0.02) for n in range(3)
    ]
    shifts = {
        shift.name: shift for shift in Report(tuple(samples), ("a", "b"), ("m",)).card().shifts
    }
    assert (shifts["median latency"].change, shifts["cost of 1,000 answers"].ratio) == (
        -1.5,
        pytest.approx(2),
    )
    assert shifts["95th percentile of latency"].before == 3


def test_a_cost_that_is_a_range_or_unknown_is_shown_as_such():
    costs = {"a": {"cost": 0.02, "cost_low": 0.01}, "b": {}}
    samples = tuple(
        Sample(m, n, "q", "r", "four", {"m": 1.0}, **costs[m]) for m in "ab" for n in range(3)
    )
    report = Report(samples, ("a", "b"), ("m",))
    assert "cost of 1,000 answers (CNY): 10–20 → –" in report.card().lines()
    usage = report.usage.set_index("model")
    assert list(usage.loc["a", ["cost_low", "cost"]]) == pytest.approx([0.03, 0.06])
    assert usage.loc["b", ["cost_low", "cost"]].isna().all()


def test_a_question_that_was_not_asked_is_no_reason():
    errors = ["NotAsked", "NotAsked", "APIError: no such model"]
    samples = tuple(Sample("a", n, "q", "r", "", {}, error=error) for n, error in enumerate(errors))
    assert (
        failure_sentence(Report(samples, ("a",), ("m",)), "a")
        == "a: 1 failed by: APIError: no such model"
    )


def test_the_card_says_why_questions_failed_and_says_nothing_twice():
    lines = card([WRONG] * 12, [ValueError("no such model")] * 12).lines()
    assert "tuned: 12 failed by: ValueError: no such model" in lines
    assert len(lines) == len(set(lines))
