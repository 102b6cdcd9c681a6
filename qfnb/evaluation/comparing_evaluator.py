"""Evaluators that look at the answers of all models to a question together, and not at one after
the other.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..base.language import tr
from ..errors import InvalidArgumentError
from .evaluator import LocalEvaluator
from .judges.verdicts import PairVerdict


@dataclass(frozen=True)
class ComparedAnswer:
    """An answer beside which those of other models are looked at; `key` is question and repeat."""

    model: str
    key: tuple[int, int]
    prompt: str
    reference: str
    output: str


@dataclass(frozen=True)
class ComparedAnswers:
    """What a comparison of answers gave.

    Attributes:
        scores: {metric: score} of each answer, in order.
        verdicts: of the judge, on each pair.
        summary: numbers on the judging as a whole.
    """

    scores: Sequence[Mapping[str, float]]
    verdicts: tuple[PairVerdict, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)


class ComparingEvaluator(LocalEvaluator, ABC):
    """The base of evaluators that look at the answers of all models to a question together."""

    @abstractmethod
    def compare_answers(self, answers: Sequence[ComparedAnswer]) -> ComparedAnswers:
        """Return the scores of answers, and what is stored of how they came about.

        Args:
            answers: those of all models; the same question has the same `key`.
        """

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002
        """Refuse to score a single answer.

        Raises:
            InvalidArgumentError: always.
        """
        raise InvalidArgumentError(
            tr("{kind} compares the answers of two models or more", kind=type(self).__name__)
        )
