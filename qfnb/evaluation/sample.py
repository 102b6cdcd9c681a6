"""One question asked of one model: what was measured, before anything is counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True)
class Sample:
    """One question asked of one model; a failed one has an error and no scores.

    Attributes:
        model: the label of who answered.
        index: the question's place in the dataset; the same for all models.
        scores: by metric, NaN where a metric has no meaning for this row.
        seconds: how long the answer took.
        error: why there is no answer, "" when there is one.
        finish_reason: why the model stopped, `length` when it was cut off.
        cost: CNY by list price.
        tokens: of the answer.
        notes: what evaluators said besides numbers, such as a judge's reason.
        row: the other columns of the dataset's row.
    """

    model: str
    index: int
    prompt: str
    reference: str
    output: str
    scores: Mapping[str, float]
    seconds: float | None = None
    error: str = ""
    finish_reason: str | None = None
    cost: float | None = None
    tokens: int | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)

    def score(self, metric: str) -> float:
        """Return a score, NaN when there is none."""
        return math.nan if self.error else self.scores.get(metric, math.nan)

    def cell(self, column: str) -> Any:
        """Return a column of the question's row, None when it has none of that name."""
        columns = {"prompt": self.prompt, "reference": self.reference, "response": self.reference}
        return {**columns, **self.row}.get(column)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; a score that is no number becomes null."""
        scores = {name: value if math.isfinite(value) else None for name, value in self.scores.items()}
        return asdict(self) | {"scores": scores}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return what `to_dict` wrote; unknown fields of later versions are left out."""
        fields_present = {f.name: value[f.name] for f in fields(cls) if f.name in value}
        scores = {name: math.nan if score is None else score for name, score in value["scores"].items()}
        return cls(**{**fields_present, "scores": scores})
