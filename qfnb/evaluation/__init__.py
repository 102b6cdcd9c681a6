"""Which model is better, and is it real? Scores, intervals and paired tests over the same questions."""

from .evaluator import ExactMatchEvaluator as ExactMatchEvaluator
from .evaluator import F1Evaluator as F1Evaluator
from .evaluator import LocalEvaluator as LocalEvaluator
from .evaluator import MetricEvaluator as MetricEvaluator
from .evaluator import RougeLEvaluator as RougeLEvaluator
from .evaluators import ChoiceEvaluator as ChoiceEvaluator
from .evaluators import EmbeddingEvaluator as EmbeddingEvaluator
from .evaluators import GuardEvaluator as GuardEvaluator
from .evaluators import JsonFieldsEvaluator as JsonFieldsEvaluator
from .evaluators import OpenCompassLocalEvaluator as OpenCompassLocalEvaluator
from .evaluators import RegexEvaluator as RegexEvaluator
from .judges.judge import JudgePanel as JudgePanel
from .judges.judge import LocalJudgeEvaluator as LocalJudgeEvaluator
from .judges.pairwise import PairwiseJudge as PairwiseJudge
from .manager import EvaluationManager as EvaluationManager
from .manager import compare as compare
from .report import EvaluationResult as EvaluationResult
from .report import Report as Report
from .report.card import Card as Card
