"""Which model is better, and is it real? Scores, intervals and paired tests over the same
questions.
"""

from . import benchmarks
from .comparison import compare
from .evaluator import (
    ExactMatchEvaluator,
    F1Evaluator,
    FunctionEvaluator,
    LocalEvaluator,
    MetricEvaluator,
    RougeLEvaluator,
)
from .history import Diff, diff, history, open_report
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
from .manager import EvaluationManager
from .report import EvaluationResult, Report
from .report.card import Card
from .report.matrix import Matrix

__all__ = [
    "Card", "ChoiceEvaluator", "Diff", "EmbeddingEvaluator", "EvaluationManager",
    "EvaluationResult",
    "ExactMatchEvaluator", "F1Evaluator", "FunctionEvaluator", "GuardEvaluator",
    "JsonFieldsEvaluator",
    "JudgePanel", "LocalEvaluator", "LocalJudgeEvaluator", "Matrix", "MetricEvaluator",
    "NumberEvaluator",
    "OpenCompassLocalEvaluator", "PairwiseJudge", "RegexEvaluator", "Report", "RougeLEvaluator",
    "benchmarks",
    "compare", "diff", "history", "open_report",
]  # fmt: skip
