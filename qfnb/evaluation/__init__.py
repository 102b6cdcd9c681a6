"""Which model is better, and is it real? Scores, intervals and paired tests over the same questions."""

from .evaluator import ExactMatchEvaluator, F1Evaluator, LocalEvaluator, MetricEvaluator, RougeLEvaluator
from .function_evaluator import FunctionEvaluator
from .judges.judge import JudgePanel, LocalJudgeEvaluator
from .judges.pairwise import PairwiseJudge
from .local_evaluators import (
    ChoiceEvaluator,
    EmbeddingEvaluator,
    GuardEvaluator,
    JsonFieldsEvaluator,
    NumberEvaluator,
    OpenCompassLocalEvaluator,
    RegexEvaluator,
)
from .manager import EvaluationManager, compare
from .report import EvaluationResult, Report
from .report.card import Card

__all__ = [
    "Card", "ChoiceEvaluator", "EmbeddingEvaluator", "EvaluationManager", "EvaluationResult", "ExactMatchEvaluator",
    "F1Evaluator", "FunctionEvaluator", "GuardEvaluator", "JsonFieldsEvaluator", "JudgePanel", "LocalEvaluator",
    "LocalJudgeEvaluator", "MetricEvaluator", "NumberEvaluator", "OpenCompassLocalEvaluator", "PairwiseJudge",
    "RegexEvaluator", "Report", "RougeLEvaluator", "compare",
]  # fmt: skip
