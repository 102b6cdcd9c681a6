"""Evaluators as the official SDK writes them."""

import importlib

import pytest
from pydantic import Field
from qfnb.common import Prompt

from qfnb.compat.tables.dataset import Dataset
from qfnb.evaluation import EvaluationManager, LocalJudgeEvaluator
from qfnb.evaluation.evaluator import Evaluator, LocalEvaluator, QianfanRuleEvaluator


class Longer(LocalEvaluator):
    limit: int = 3
    words: list[str] = Field(default_factory=list)

    def evaluate(self, input, reference, output):  # noqa: A002
        return {"longer": len(output) > self.limit, "listed": output in self.words}

    def summarize(self, metric_dataset):
        return {"share": sum(metric_dataset.col_list("longer")["longer"]) / len(metric_dataset)}


def test_what_a_subclass_annotates_is_a_keyword():
    assert (Longer().limit, Longer().words) == (3, [])
    assert Longer(limit=1, words=["a"]).evaluate("q", "r", "ab") == {
        "longer": True,
        "listed": False,
    }
    assert Longer().words is not Longer().words
    with pytest.raises(TypeError, match="Longer has no field size"):
        Longer(size=1)


def test_every_evaluator_has_one_base():
    assert isinstance(Longer(), Evaluator)
    assert QianfanRuleEvaluator(using_accuracy=True).evaluate("q", "r", "o") == {}
    assert QianfanRuleEvaluator(using_accuracy=True).summarize(None) is None


def test_a_judge_takes_a_prompt_of_the_sdk():
    prompt = Prompt("标准 {criteria} 题 {prompt} 答 {response}")
    assert LocalJudgeEvaluator(evaluation_prompt=prompt)._prompt_template().names == (
        "criteria",
        "prompt",
        "response",
    )


def test_answers_that_are_there_are_scored_by_the_datasets_own_columns():
    columns = {"q": ["a", "b"], "right": ["x", "yyyy"], "said": ["x", "yyyy"]}
    dataset = Dataset(
        columns, eval_input_column="q", eval_llm_output_column="said", reference_column="right"
    )
    report = EvaluationManager(local_evaluators=[Longer()]).eval_only(dataset)
    assert [bool(value) for value in report.result_dataset["longer"]] == [False, True]
    assert [numbers["share"] for numbers in report.metrics.values()] == [0.5]


def test_the_paths_of_the_sdk():
    names = {
        "evaluation_manager": "EvaluationManager", "evaluation_result": "EvaluationResult",
        "local_evaluator": "LocalJudgeEvaluator", "opencompass_evaluator": "OpenCompassLocalEvaluator",
        "consts": "QianfanRefereeEvaluatorDefaultSteps",
    }  # fmt: skip
    for path, name in names.items():
        assert getattr(importlib.import_module(f"qfnb.evaluation.{path}"), name)
