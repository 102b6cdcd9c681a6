"""Local evaluators with options of their own, and evaluators by name."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ..base.language import tr
from ..base.text import format_value
from ..errors import InvalidArgumentError
from ..metrics import recipes
from ..metrics.choice import CHOICE_LETTERS, multiple_choice
from ..metrics.exact_json import json_fields
from ..metrics.number import is_equal_number
from . import answers
from .evaluator import LocalEvaluator, MetricEvaluator


@dataclass(frozen=True)
class JsonFieldsEvaluator(LocalEvaluator):
    """The share of the reference's JSON fields that the answer has right.

    Args:
        fields: the names that count, default all of the reference.
        name: of the metric.
    """

    fields: Sequence[str] | None = None
    name: str = "json_fields"
    needs_reference = True

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {self.name: json_fields(output, reference, self.fields)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        fields = tr("JSON fields (all)")
        if self.fields:
            fields = tr("JSON fields ({names})", names=tr(", ").join(self.fields))
        return {self.name: recipes.with_version("json_fields", fields)}


@dataclass(frozen=True)
class ChoiceEvaluator(LocalEvaluator):
    """1 when the answer chose the same letters as the reference, in whatever words, else 0."""

    letters: str = CHOICE_LETTERS
    needs_reference = True

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {"choice": multiple_choice(output, reference, self.letters)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        choice = tr("choice of {letters}", letters=self.letters)
        return {"choice": recipes.with_version("choice", choice)}


@dataclass(frozen=True)
class NumberEvaluator(LocalEvaluator):
    """1 when the number of the answer is the reference's, in whatever notation and unit of its
    kind, else 0.

    Args:
        tolerance: the largest relative difference, from 0; 0.01 is one percent.

    Raises:
        InvalidArgumentError: the tolerance is negative or no number.
    """

    tolerance: float = 0.0
    needs_reference = True

    def __post_init__(self) -> None:
        if not isinstance(self.tolerance, (int, float)) or not 0 <= self.tolerance < math.inf:
            raise InvalidArgumentError(
                tr(
                    "tolerance={value}: must be a number from 0; 0.01 is one percent",
                    value=format_value(self.tolerance),
                )
            )

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {"number": is_equal_number(output, reference, self.tolerance)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        if not self.tolerance:
            return {"number": recipes.describe("number")}
        return {"number": tr("number, equal within {percent:g}%", percent=100 * self.tolerance)}


@dataclass(frozen=True)
class GuardEvaluator(LocalEvaluator):
    """1 for a degenerate answer (see `degenerate_flags`), else 0, and the share of it that is
    repetition.

    Args:
        language: `zh`, `en`, `ja` or `ko`, default that of the reference.
    """

    language: str | None = None
    lower_is_better = frozenset({"degenerate", "repetition"})

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        flags = answers.degenerate_flags(
            output, prompt=input, reference=reference, language=self.language
        )
        return {"degenerate": float(bool(flags)), "repetition": answers.repetition(output)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        return {
            "degenerate": tr(
                "empty, repetitive, a refusal or in the wrong language; less is better"
            ),
            "repetition": tr("share of repeated n-grams; less is better"),
        }


class OpenCompassScorer(Protocol):
    """An OpenCompass evaluator, or anything with its `score`."""

    def score(self, predictions: list[str], references: list[str]) -> Mapping[str, Any]:
        """Return metrics by name."""
        ...


@dataclass(frozen=True)
class OpenCompassLocalEvaluator(LocalEvaluator):
    """An OpenCompass evaluator, called for one answer at a time.

    Of what it returns only numbers count; others (its `details`, say) are left out.
    """

    open_compass_evaluator: OpenCompassScorer

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        scores = self.open_compass_evaluator.score(predictions=[output], references=[reference])
        return {
            name: float(value) for name, value in scores.items() if isinstance(value, (int, float))
        }


METRIC_NAMES: Final = (*recipes.METRICS, "degenerate")
"""All names that `evaluators_by_name`, `%qfeval --metrics` and Tab know."""


def evaluators_by_name(
    metrics: Sequence[str], recipe: str = recipes.DEFAULT
) -> list[LocalEvaluator]:
    """Return an evaluator for each metric: `evaluators_by_name(["rouge_l", "bleu4"],
    recipe="qianfan")`.

    Args:
        metrics: of `METRIC_NAMES`.
        recipe: a name of `recipes.RECIPES`.

    Raises:
        InvalidArgumentError: a metric or the recipe is unknown.
    """
    if isinstance(metrics, str):
        raise InvalidArgumentError(
            tr("metrics={name}: it is a list of names, [{name}]", name=repr(metrics))
        )
    return [
        GuardEvaluator() if name == "degenerate" else MetricEvaluator(name, recipe)
        for name in metrics
    ]
