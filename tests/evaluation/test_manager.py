"""Evaluation: failures are not answers, and the tables say what was measured."""

import json

import pytest

from qfnb import Dataset, EvaluationManager, Service, errors
from qfnb.evaluation import ExactMatchEvaluator, LocalEvaluator, RougeLEvaluator
from qfnb.evaluation.evaluator import QianfanManualEvaluator, QianfanRefereeEvaluator, QianfanRuleEvaluator

RULES = QianfanRuleEvaluator(using_accuracy=True)


class Replies:
    """A model that gives these answers."""

    def __init__(self, label, answers):
        self.label, self.answers = label, answers

    def get_res(self):
        return self

    def batch_do(self, messages_list, worker_num=None):
        return self

    def results(self):
        return [answer if isinstance(answer, Exception) else {"result": answer} for answer in self.answers]


ROWS = Dataset([{"prompt": f"q{n}", "response": "yes"} for n in range(4)])


def evaluate(*models, evaluators=None):
    return EvaluationManager(local_evaluators=evaluators or [ExactMatchEvaluator()]).eval(models, ROWS)


def test_a_failed_row_is_not_a_wrong_answer():
    result = evaluate(Replies("a", ["yes", "no", ValueError("away"), "yes"]))
    row = result.summary_df.iloc[0]
    assert (row["n"], row["failed"], row["mean"]) == (3, 1, pytest.approx(2 / 3))
    failed = result.samples_df.iloc[2]
    assert failed["error"] == "ValueError: away"
    assert failed[["exact_match"]].isna().all()


def test_models_are_compared_on_what_both_answered():
    result = evaluate(
        Replies("a", ["no", "no", "no", ValueError("x")]),
        Replies("b", ["yes", "yes", ValueError("y"), "yes"]),
    )
    pair = result.pairs_df.iloc[0]
    assert (pair["n"], pair["wins"], pair["losses"], pair["difference"]) == (2, 2, 0, 1)
    assert "no difference shown" in pair["verdict"]


def test_models_of_one_name_are_told_apart():
    assert evaluate(Replies("a", ["yes"] * 4), Replies("a", ["no"] * 4)).models == ("a (1)", "a (2)")


def test_an_evaluator_of_ones_own():
    class Length(LocalEvaluator):
        def evaluate(self, input, reference, output):  # noqa: A002
            return {"length": len(output), "asked": len(input)}

    result = evaluate(Replies("a", ["1", "22", "333", "4444"]), evaluators=[Length()])
    assert result.metrics["a"] == {"length": 2.5, "asked": 2}


def test_everything_goes_into_json():
    result = evaluate(Replies("a", ["yes", ValueError("x"), "no", "no"]), Replies("b", ["yes"] * 4))
    assert set(json.loads(result.to_json())) == {"samples", "summary", "pairs"}


def test_all_rows_failed_is_said_not_hidden():
    result = evaluate(Replies("a", [ValueError("x")] * 4), Replies("b", ["yes"] * 4))
    assert result.summary_df.iloc[0][["n", "failed"]].tolist() == [0, 4]
    assert "nan" in repr(result).lower()


@pytest.mark.parametrize(
    "kinds", [{}, {"local_evaluators": [RougeLEvaluator()], "qianfan_evaluators": [RULES]}]
)
def test_exactly_one_kind_of_evaluator(kinds):
    with pytest.raises(errors.InvalidArgumentError, match="one of the two"):
        EvaluationManager(**kinds)


def test_the_platform_takes_models_not_services():
    with pytest.raises(errors.InvalidArgumentError, match="local_evaluators"):
        EvaluationManager(qianfan_evaluators=[RULES]).eval([Replies("a", [])], ROWS)


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (QianfanRuleEvaluator, {}, "using_similarity"),
        (QianfanRefereeEvaluator, {}, "app_id=0"),
        (QianfanRefereeEvaluator, {"app_id": 1, "prompt_max_score": 0}, "prompt_max_score=0"),
    ],
)
def test_an_evaluator_of_the_platform_is_checked(kind, values, words):
    with pytest.raises(errors.InvalidArgumentError, match=words):
        kind(**values)


def test_people_judge_four_dimensions_at_most():
    named = [d["dimension"] for d in QianfanManualEvaluator(["准确", "满意度"]).conf()["evaluationDimension"]]
    assert named == ["满意度", "准确"]
    with pytest.raises(errors.InvalidArgumentError, match="4 at most"):
        QianfanManualEvaluator(["a", "b", "c", "d"]).conf()


def test_nothing_to_evaluate_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match="0 models"):
        evaluate()


def test_the_base_model_over_the_sandbox(sandbox):
    result = EvaluationManager(local_evaluators=[ExactMatchEvaluator()]).eval(
        [Service(model="ERNIE-Speed-8K")], ROWS
    )
    assert result.summary_df.iloc[0]["mean"] == 0
    assert result.samples_df["latency_s"].gt(0).all()
