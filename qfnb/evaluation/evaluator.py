"""What measures an answer: evaluators that run here, and the names of those that run on the platform."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from . import scoring


class LocalEvaluator(ABC):
    """Subclass it: `evaluate` returns the metrics of one answer, each a number, by name."""

    @abstractmethod
    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002
        """Return the metrics of one answer.

        Args:
            input: the prompt.
            reference: the expected answer.
            output: the model's answer.
        """


class ExactMatchEvaluator(LocalEvaluator):
    """1 when the answer is the reference after normalisation, else 0."""

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {"exact_match": scoring.exact_match(output, reference)}


class F1Evaluator(LocalEvaluator):
    """F1 of the characters that answer and reference share."""

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {"f1": scoring.char_f1(output, reference)}


class RougeLEvaluator(LocalEvaluator):
    """ROUGE-L by character."""

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {"rouge_l": scoring.rouge_l(output, reference)}


@dataclass(frozen=True)
class QianfanEvaluator:
    """An evaluator that runs on the platform."""

    local_twin: ClassVar[str] = ""


@dataclass(frozen=True)
class QianfanRuleEvaluator(QianfanEvaluator):
    """Rules: accuracy and similarity. Source: seed 000."""

    using_similarity: bool = False
    using_accuracy: bool = False
    stop_words: str | None = None
    local_twin: ClassVar[str] = "ExactMatchEvaluator() and RougeLEvaluator()"


@dataclass(frozen=True)
class QianfanRefereeEvaluator(QianfanEvaluator):
    """A large model as referee."""

    app_id: int = 0
    prompt_metrics: str = "综合得分"
    prompt_steps: str = ""
    prompt_max_score: int = 5
    local_twin: ClassVar[str] = "a LocalEvaluator of your own that asks a model"


@dataclass(frozen=True)
class QianfanManualEvaluator(QianfanEvaluator):
    """People."""

    evaluation_dimensions: Sequence[str] = field(default_factory=tuple)
    local_twin: ClassVar[str] = "result.samples_df, read by eye"
