"""Evaluation: failures are not answers, and the tables say what was measured."""

import math

import pytest
from support.reports import FixedModel

from qfnb import ChatCompletion, Dataset, EvaluationManager, Model, Service, errors
from qfnb.evaluation import (
    ExactMatchEvaluator,
    LocalEvaluator,
    LocalJudgeEvaluator,
    PairwiseJudge,
    RougeLEvaluator,
)
from qfnb.evaluation.evaluator import (
    QianfanManualEvaluator,
    QianfanRefereeEvaluator,
    QianfanRuleEvaluator,
)

RULES = QianfanRuleEvaluator(using_accuracy=True)


ROWS = Dataset([{"prompt": f"q{n}", "response": "yes"} for n in range(4)])


def evaluate(*models, evaluators=None):
    return EvaluationManager(local_evaluators=evaluators or [ExactMatchEvaluator()]).eval(
        models, ROWS
    )


def test_a_failed_row_is_not_a_wrong_answer():
    result = evaluate(FixedModel("a", ["yes", "no", ValueError("away"), "yes"]))
    row = result.summary.iloc[0]
    assert (row["n"], row["failed"], row["mean"]) == (3, 1, pytest.approx(2 / 3))
    failed = result.samples.iloc[2]
    assert failed["error"] == "ValueError: away"
    assert failed[["exact_match"]].isna().all()


def test_models_are_compared_on_what_both_answered():
    result = evaluate(
        FixedModel("a", ["no", "no", "no", ValueError("x")]),
        FixedModel("b", ["yes", "yes", ValueError("y"), "yes"]),
    )
    pair = result.pairs.iloc[0]
    assert (pair["n"], pair["wins"], pair["losses"], pair["difference"]) == (2, 2, 0, 1)
    assert "no difference shown" in pair["verdict"]


class ConstantEvaluator(LocalEvaluator):
    """Gives each answer the same scores."""

    def __init__(self, **scores):
        self.scores = scores

    def evaluate(self, input, reference, output):  # noqa: A002
        return self.scores


def test_texts_are_notes_and_not_applicable_scores_stay_missing():
    result = evaluate(
        FixedModel("a", ["x"] * 4),
        evaluators=[ConstantEvaluator(m="n/a", k=None, ok=True, why="好", inf=math.inf)],
    )
    assert result.metric_names == ("m", "k", "ok", "inf")
    assert result.summary["missing"].tolist() == [4, 4, 0, 4]
    assert result.samples["why"].tolist() == ["好"] * 4
    assert math.isnan(result.metrics["a"]["m"])


def test_answers_are_pre_processed_for_the_evaluators_only():
    def last_word(output, *, input, reference):  # noqa: A002
        return output.split()[-1]

    manager = EvaluationManager(
        local_evaluators=[ExactMatchEvaluator()], pre_processors=[last_word]
    )
    result = manager.eval([FixedModel("a", ["I say yes"] * 4)], ROWS)
    assert result.samples["exact_match"].tolist() == [1] * 4
    assert result.samples["output"].tolist() == ["I say yes"] * 4


def test_evaluators_say_something_of_a_model_as_a_whole():
    class Summing(ConstantEvaluator):
        def summarize(self, metric_dataset):
            return {"sum": sum(metric_dataset["m"])}

    result = evaluate(FixedModel("a", ["x", "y", "z", ValueError("no")]), evaluators=[Summing(m=2)])
    assert result.metrics["a"] == {"sum": 6, "m": 2}


def test_lower_scores_can_be_the_better_ones():
    class Length(LocalEvaluator):
        lower_is_better = frozenset({"length"})

        def evaluate(self, input, reference, output):  # noqa: A002
            return {"length": len(output)}

    rows = [{"prompt": f"q{n}", "response": "y"} for n in range(8)]
    manager = EvaluationManager(local_evaluators=[Length()])
    pair = manager.eval(
        [FixedModel("a", ["long"] * 8), FixedModel("b", ["s"] * 8)], rows
    ).comparisons[0]
    assert (pair.verdict, pair.test.wins, pair.test.difference) == ("b is better", 8, -3)


def test_a_judges_scale_makes_the_worst_case():
    judge = LocalJudgeEvaluator(FixedModel("judge", ["评分: 4", "评分: 5", "评分: 3"]))
    score = evaluate(
        FixedModel("a", ["1", "2", ValueError("x"), "3"]), evaluators=[judge]
    ).model_scores[0]
    assert (score.n, score.mean, score.worst, score.best) == (3, 4, 3, 4.25)


def only(rows, **named):
    return EvaluationManager(local_evaluators=[ExactMatchEvaluator()]).eval_only(rows, **named)


def test_outputs_that_exist_are_scored_without_asking():
    rows = [
        {"prompt": "1+1", "expected_output": "2", "a": "2", "b": "3"},
        {"prompt": "1+2", "expected_output": "3", "a": None, "b": "3"},
    ]
    result = only(rows, output_column=["a", "b"], model=["first", "second"])
    assert result.summary[["model", "n", "failed", "mean"]].values.tolist() == [
        ["first", 1, 1, 1.0],
        ["second", 2, 0, 0.5],
    ]
    assert "NoOutput" in result.samples["error"][1]


def test_a_batchs_frame_is_scored_with_its_errors():
    import pandas as pd

    frame = pd.DataFrame(
        {
            "prompt": ["a", "b"],
            "response": ["x", "y"],
            "text": ["x", None],
            "error": ["", "ServerError"],
            "message": ["", "away"],
        }
    )
    result = only(frame, output_column="text", model="m")
    assert result.samples["error"].tolist() == ["", "ServerError: away"]
    assert result.model_scores[0].coverage == 0.5


LOCAL = EvaluationManager(local_evaluators=[ExactMatchEvaluator()])


def test_a_failed_row_is_asked_again_and_the_others_are_not(sandbox, fault):
    rows = [{"prompt": f"some fail {n}", "response": "x"} for n in range(6)]
    fault("chat.v2", "status", status=400, times=1)
    first = LOCAL.eval(["ERNIE-Speed-8K"], rows)
    run = LOCAL.start(["ERNIE-Speed-8K"], rows)
    assert (first.model_usage[0].answered, run.report().model_usage[0].answered) == (5, 6)
    assert run.batches[0].progress.cached == 5


def test_one_model_twice_is_asked_twice(sandbox):
    rows = [{"prompt": f"twice {n}", "response": "x"} for n in range(3)]
    run = LOCAL.start(
        [ChatCompletion(model="ERNIE-Speed-8K"), Service(model="ERNIE-Speed-8K")], rows
    )
    assert run.report().comparisons[0].test.ties == 3
    first, second = (each.name for each in run.batches)
    assert (run.models, second) == (("ERNIE-Speed-8K (1)", "ERNIE-Speed-8K (2)"), f"{first}-2")


def test_conversations_and_personas_are_asked_as_such(sandbox):
    rows = [
        {
            "history": [{"prompt": "你好", "response": "你好！"}],
            "prompt": "再说一次",
            "response": "你好！",
            "system": "简短",
        }
    ]
    run = LOCAL.start(["ERNIE-Speed-8K"], rows)
    assert run.report().records[0].row["system"] == "简短"
    messages = run.batches[0].results()[0].input
    assert [turn["role"] for turn in messages] == ["system", "user", "assistant", "user"]


def test_a_question_that_cannot_be_asked_is_a_failed_row(sandbox):
    result = LOCAL.eval(
        ["ERNIE-Speed-8K"], [{"prompt": "  ", "response": "x"}, {"prompt": "好", "response": "x"}]
    )
    assert result.samples["error"].str.startswith("InvalidArgumentError").tolist() == [True, False]


def test_an_evaluation_is_followed_and_cancelled(sandbox, control):
    run = LOCAL.start(
        ["ERNIE-Speed-8K"],
        [{"prompt": f"cancel {n}", "response": "x"} for n in range(200)],
        worker_num=1,
    )
    run.cancel()
    result = run.report()
    assert result.model_usage[0].answered < 200
    assert run.batches[0].progress.state == "cancelled"
    assert (result.samples["error"] == "NotAsked").any()


def test_a_model_without_a_service_answers_on_the_platform(monkeypatch):
    answers = [{"prompt": f"q{n}", "llm_output": "yes" if n else ""} for n in reversed(range(4))]
    monkeypatch.setattr(
        Model, "batch_inference", lambda self, dataset: Dataset(answers, schema="prompts")
    )
    result = LOCAL.eval([Model(id="amv-1", name="tuned")], ROWS)
    assert (result.models, result.model_scores[0].mean, result.model_scores[0].failed) == (
        ("tuned",),
        1,
        1,
    )


def test_a_model_with_a_service_is_asked_through_it(sandbox):
    model = Model(id="amv-1", name="tuned")
    model.service = Service(model="ERNIE-Speed-8K")
    run = LOCAL.start([model], ROWS)
    assert run.report().model_usage[0].answered == 4
    assert run.batches[0].progress.model == "ERNIE-Speed-8K"


def half(reference, output):
    return float(reference == output) / (output != "three")


def test_an_evaluator_that_raises_on_a_row_leaves_that_row_without_a_score_and_says_why():
    result = evaluate(
        FixedModel("a", ["yes", "no", "three", "yes"]), evaluators=[half, ExactMatchEvaluator()]
    )
    rows = result.samples
    assert rows["half"].isna().tolist() == [False, False, True, False]
    assert rows["exact_match"].tolist() == [1, 0, 0, 1]
    reason = (
        "half could not be computed for 1 answer of a, row 2: ZeroDivisionError: float "
        "division by zero"
    )
    assert reason in result.notes


class Lazy(ConstantEvaluator):
    def evaluate_all(self, inputs, references, outputs):
        return [{"m": 1}]


X = FixedModel("a", ["x"] * 4)
ON_PLATFORM = EvaluationManager(qianfan_evaluators=[RULES])
REFUSED = [
    (EvaluationManager, "one of the two"),
    (lambda: EvaluationManager([RougeLEvaluator()], [RULES]), "one of the two"),
    (lambda: EvaluationManager(qianfan_evaluators=[RULES] * 2), "two QianfanRuleEvaluator"),
    (lambda: EvaluationManager([ExactMatchEvaluator()] * 2), "two evaluators give 'exact_match'"),
    (lambda: ON_PLATFORM.eval([X], ROWS), "local_evaluators"),
    (lambda: ON_PLATFORM.eval([], ROWS, n=2), "local_evaluators"),
    (QianfanRuleEvaluator, "using_similarity"),
    (QianfanRefereeEvaluator, "app_id=0"),
    (lambda: QianfanRefereeEvaluator(1, prompt_max_score=0), "prompt_max_score=0"),
    (lambda: QianfanManualEvaluator("abcd").conf(), "4 at most"),
    (lambda: PairwiseJudge(3), "model=3: a judge is a model's name"),
    (lambda: LocalJudgeEvaluator(3), "model=3: a judge is a model's name"),
    (evaluate, "0 models"),
    (lambda: LOCAL.eval([7], ROWS), "int cannot be asked"),
    (
        lambda: evaluate(X, evaluators=[ConstantEvaluator(m=1), ConstantEvaluator(m=2)]),
        "two evaluators give 'm'",
    ),
    (lambda: evaluate(X, evaluators=[Lazy()]), "1 rows for 4 answers"),
    (
        lambda: evaluate(FixedModel("a", ["three"] * 4), evaluators=[half]),
        "half could not be computed for 4 answers of a",
    ),
    (lambda: only([]), "0 rows"),
    (lambda: only("text"), "has no rows"),
    (lambda: only([{"prompt": "a"}]), "no column 'llm_output'"),
    (lambda: only([{"llm_output": "b"}], reference_column="gold"), "no column"),
    (lambda: only([{"prompt": "a", "llm_output": "b"}], cluster="doc"), "no column 'doc'"),
    (lambda: only([{"prompt": "a", "llm_output": "b"}], model=["a", "b"]), "2 labels"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_what_is_wrong_is_refused_in_words(call, words):
    with pytest.raises(errors.InvalidArgumentError, match=words):
        call()


def test_satisfaction_is_always_the_first_dimension():
    (first, second) = QianfanManualEvaluator(["准确", "满意度"]).conf()["evaluationDimension"]
    assert (first, second) == ({"dimension": "满意度"}, {"dimension": "准确"})
