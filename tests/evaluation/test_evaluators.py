"""Evaluators: what each measures, by class and by name."""

import pytest

from qfnb import errors
from qfnb.evaluation import (
    ChoiceEvaluator,
    ExactMatchEvaluator,
    F1Evaluator,
    GuardEvaluator,
    JsonFieldsEvaluator,
    LocalJudgeEvaluator,
    MetricEvaluator,
    NumberEvaluator,
    OpenCompassLocalEvaluator,
    RougeLEvaluator,
)
from qfnb.evaluation.local_evaluators import evaluators_by_name


@pytest.mark.parametrize(
    ("evaluator", "scores"),
    [
        (ExactMatchEvaluator(), {"exact_match": 1}),
        (F1Evaluator(), {"f1": 1}),
        (F1Evaluator(recipe="qianfan"), {"f1": 0.8}),
        (RougeLEvaluator(), {"rouge_l": 1}),
        (MetricEvaluator("bleu4", "llamafactory"), {"bleu4": (1 / 5) ** 0.25}),
        (GuardEvaluator(), {"degenerate": 0, "repetition": 0}),
    ],
)
def test_what_evaluators_measure(evaluator, scores):
    assert evaluator.evaluate("几点？", "九点开门", "九点开门。") == pytest.approx(scores)
    assert all(name in evaluator.describe() for name in scores)


def test_evaluators_of_structure():
    assert ChoiceEvaluator("ABCDE").evaluate("", "E", "答案是 E") == {"choice": 1}
    assert JsonFieldsEvaluator(["a"]).evaluate("", '{"a": 1, "b": 2}', '{"a": 1}') == {
        "json_fields": 1
    }


def test_a_number_is_right_within_its_tolerance():
    assert NumberEvaluator().evaluate("", "1/3", "大约是 0.33。") == {"number": 0}
    rounded = NumberEvaluator(tolerance=0.02)
    assert rounded.evaluate("", "1/3", "大约是 0.33。") == {"number": 1}
    assert rounded.describe() == {"number": "number, equal within 2%"}


@pytest.mark.parametrize("tolerance", [-0.1, float("nan"), float("inf"), "1%"])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(errors.InvalidArgumentError, match=r"tolerance=.*0\.01 is one percent"):
        NumberEvaluator(tolerance)


def test_a_metric_that_counts_anew_says_its_version():
    described = [
        JsonFieldsEvaluator(),
        ChoiceEvaluator(),
        *evaluators_by_name(["exact_match", "edit_similarity"]),
    ]
    assert all(
        text.endswith("[version 2]")
        for evaluator in described
        for text in evaluator.describe().values()
    )


def test_an_opencompass_evaluator_is_asked_row_by_row():
    class Accuracy:
        def score(self, predictions, references):
            return {"accuracy": 100.0 * (predictions == references), "details": ["x"]}

    evaluator = OpenCompassLocalEvaluator(open_compass_evaluator=Accuracy())
    rows = evaluator.evaluate_all(["q", "q"], ["a", "a"], ["a", "b"])
    assert rows == [{"accuracy": 100}, {"accuracy": 0}]


def test_an_evaluator_declares_whether_it_compares_with_a_reference():
    kinds = ExactMatchEvaluator, JsonFieldsEvaluator, ChoiceEvaluator, NumberEvaluator
    assert all(kind().needs_reference for kind in kinds)
    assert not GuardEvaluator().needs_reference
    assert not LocalJudgeEvaluator().needs_reference
