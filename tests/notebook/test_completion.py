"""Tab behind `%qfeval`: every evaluator that a variable holds is offered."""

from types import SimpleNamespace

import pytest

from qfnb import evaluation
from qfnb.evaluation.local_evaluators import METRIC_NAMES
from qfnb.notebook import evaluate

JUDGES = [evaluation.LocalJudgeEvaluator(), evaluation.LocalJudgeEvaluator(metric_name="second")]


class Length(evaluation.LocalEvaluator):
    def evaluate(self, input, reference, output):  # noqa: A002
        return {"length": len(output)}


EVALUATORS = [evaluation.MetricEvaluator("bleu4"), JUDGES[0], Length()]


@pytest.mark.parametrize("evaluator", EVALUATORS, ids=lambda evaluator: type(evaluator).__name__)
def test_tab_offers_every_evaluator_and_every_metric(evaluator):
    shell = SimpleNamespace(user_ns={"mine": evaluator, "other": 7, "_hidden": evaluator})
    offered = evaluate.metric_names(SimpleNamespace(shell=shell))
    assert set(offered) == {*METRIC_NAMES, "mine"}
