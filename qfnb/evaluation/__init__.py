"""Which model is better, and is it real? Scores, intervals and paired tests over the same questions."""

from .card import Card as Card
from .compare import compare as compare
from .evaluator import ExactMatchEvaluator as ExactMatchEvaluator
from .evaluator import F1Evaluator as F1Evaluator
from .evaluator import LocalEvaluator as LocalEvaluator
from .evaluator import MetricEvaluator as MetricEvaluator
from .evaluator import RougeLEvaluator as RougeLEvaluator
from .judges import JudgePanel as JudgePanel
from .judges import LocalJudgeEvaluator as LocalJudgeEvaluator
from .local import ChoiceEvaluator as ChoiceEvaluator
from .local import EmbeddingEvaluator as EmbeddingEvaluator
from .local import GuardEvaluator as GuardEvaluator
from .local import JsonFieldsEvaluator as JsonFieldsEvaluator
from .local import OpenCompassLocalEvaluator as OpenCompassLocalEvaluator
from .local import RegexEvaluator as RegexEvaluator
from .manager import EvaluationManager as EvaluationManager
from .pairwise import PairwiseJudge as PairwiseJudge
from .report import EvaluationResult as EvaluationResult
from .report import Report as Report
