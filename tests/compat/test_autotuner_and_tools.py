"""Random search over options of a model, and tools of agents, over HTTP."""

import asyncio

import pandas as pd
import pytest
from qfnb.autotuner import run
from qfnb.autotuner.context import Context
from qfnb.autotuner.space import Categorical, Uniform
from qfnb.autotuner.suggestor import RandomSuggestor
from qfnb.common.tool.baidu_search_tool import BaiduSearchTool
from qfnb.common.tool.base_tool import BaseTool, ToolParameter

from qfnb.dataset import Dataset
from qfnb.errors import InvalidArgumentError
from qfnb.evaluation.evaluator import LocalEvaluator

SPACE = {"model": Categorical(["ERNIE-Speed-8K"]), "temperature": Uniform(0.1, 0.9)}


class Length(LocalEvaluator):
    """Counts characters."""

    def evaluate(self, input, reference, output):  # noqa: A002
        return {"length": float(len(output))}

    def summarize(self, metric_dataset):
        return {"longest": max(row["length"] for row in metric_dataset.list())}


@pytest.fixture
def questions():
    frame = pd.DataFrame(
        [{"prompt": "你好", "response": "你好"}, {"prompt": "你是谁", "response": "模型"}]
    )
    return Dataset.load(dataframe=frame, input_columns=["prompt"], reference_column="response")


@pytest.mark.usefixtures("sandbox")
def test_the_best_configuration_is_searched(questions, tmp_path):
    context = asyncio.run(
        run(SPACE, questions, Length(), metrics="length", max_turn=2, repeat=2, log_dir=tmp_path)
    )
    assert len(context.trials) == 2
    assert context.best in [trial.config for trial in context.trials]
    metrics = context.history[0][0].metrics
    assert (metrics["success_rate"], metrics["longest"] >= metrics["length"] > 0) == (1.0, True)
    assert len(context.history[0][0].custom_results) == 4
    assert "success_rate" in next(tmp_path.glob("tune_*.log")).read_text(encoding="utf-8")


def test_a_search_ends_at_its_budget():
    context = Context()
    context.report_result({"temperature": 0.1}, {"score": 1, "total_cost": 2})
    context.report_result({"temperature": 0.2}, {"score": 3, "total_cost": 2})
    search = RandomSuggestor(SPACE, "score", cost_budget=3)
    assert asyncio.run(search.next(context)) == (True, [])
    assert asyncio.run(search.best(context)) == {"temperature": 0.2}
    assert asyncio.run(RandomSuggestor(SPACE, "score", "min").best(context)) == {"temperature": 0.1}


def test_a_search_without_an_end_does_not_begin(questions):
    with pytest.raises(InvalidArgumentError, match="max_turn"):
        asyncio.run(run(SPACE, questions, Length()))


class Add(BaseTool):
    """Adds."""

    name = "add"
    description = "Add two numbers."
    parameters = [  # noqa: RUF012
        ToolParameter(name="first", type="number", required=True),
        ToolParameter(name="second", type="number", description="the second"),
    ]

    def run(self, first, second=0):
        return first + second


def test_a_tool_is_a_function_of_a_call():
    schema = Add().to_function_call_schema()
    assert schema["parameters"]["required"] == ["first"]
    assert schema["parameters"]["properties"]["second"] == {
        "type": "number",
        "description": "the second",
    }
    root = ToolParameter.from_json_schema(schema["parameters"])
    assert root.to_json_schema() == schema["parameters"]
    assert Add().run(first=1, second=2) == 3


@pytest.mark.usefixtures("sandbox")
def test_a_search_is_summarized():
    assert BaiduSearchTool().run(search_query="北京天气")
    assert set(BaiduSearchTool(with_reference=True).run(search_query="北京天气")) == {
        "summary",
        "reference",
    }
