"""Which model is better, and is it real? Scores, intervals and paired tests over the same
questions.
"""

from . import benchmarks
from .evaluator import (
    ExactMatchEvaluator,
    F1Evaluator,
    FunctionEvaluator,
    LocalEvaluator,
    MetricEvaluator,
    RougeLEvaluator,
)
from .history import history, open_report
from .judges import LocalJudgeEvaluator, PairwiseJudge
from .local_evaluators import (
    ChoiceEvaluator,
    GuardEvaluator,
    JsonFieldsEvaluator,
    NumberEvaluator,
    OpenCompassLocalEvaluator,
)
from .manager import EvaluationManager, compare
from .report import EvaluationResult, Report
from .report.card import Card
from .report.matrix import Matrix

__all__ = [
    "Card", "ChoiceEvaluator", "EvaluationManager",
    "EvaluationResult",
    "ExactMatchEvaluator", "F1Evaluator", "FunctionEvaluator", "GuardEvaluator",
    "JsonFieldsEvaluator",
    "LocalEvaluator", "LocalJudgeEvaluator", "Matrix", "MetricEvaluator",
    "NumberEvaluator",
    "OpenCompassLocalEvaluator", "PairwiseJudge", "Report", "RougeLEvaluator",
    "benchmarks",
    "compare", "history", "open_report",
]  # fmt: skip
