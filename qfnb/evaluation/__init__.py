"""Which model is better, and is it real? Scores, intervals and paired tests over the same questions."""

from .evaluator import ExactMatchEvaluator as ExactMatchEvaluator
from .evaluator import F1Evaluator as F1Evaluator
from .evaluator import LocalEvaluator as LocalEvaluator
from .evaluator import RougeLEvaluator as RougeLEvaluator
from .manager import EvaluationManager as EvaluationManager
from .report import EvaluationResult as EvaluationResult
