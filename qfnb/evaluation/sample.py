"""One question answered by one model: the value that everything else of an evaluation is computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from ..dataset import Dataset


@dataclass(frozen=True)
class Sample:
    """One question answered by one model; a failed one has an error and no scores.

    The fields' names are keys of saved reports.

    Attributes:
        model: the label of the model.
        index: of the question in the dataset; the same for all models.
        scores: {metric: score}, NaN where a metric is not applicable to this row.
        seconds: duration of the answer.
        error: why there is no answer, "" when there is one.
        finish_reason: why the model stopped, `length` when the answer was cut off.
        cost: CNY by list price.
        tokens: of the answer.
        notes: {name: text}, what evaluators gave besides numbers, such as a judge's reason.
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
        """Return a score, NaN when the sample has none."""
        return math.nan if self.error else self.scores.get(metric, math.nan)

    def cell(self, column: str) -> Any:
        """Return a column of the question's row, None when the row has no such column."""
        columns = {"prompt": self.prompt, "reference": self.reference, "response": self.reference}
        return {**columns, **self.row}.get(column)

    def to_dict(self) -> dict[str, Any]:
        """Return the sample as JSON can hold it; NaN and infinite scores become null."""
        scores = {name: value if math.isfinite(value) else None for name, value in self.scores.items()}
        return asdict(self) | {"scores": scores}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Return the sample that `to_dict` gave; unknown fields of later versions are left out."""
        fields_present = {f.name: value[f.name] for f in fields(cls) if f.name in value}
        scores = {name: math.nan if score is None else score for name, score in value["scores"].items()}
        return cls(**{**fields_present, "scores": scores})


def result_dataset(samples: Sequence[Sample]) -> Dataset:
    """Return the answered rows with their scores and notes, in the official SDK's columns."""
    rows = [
        {
            "prompt": sample.prompt,
            "llm_tag": sample.model,
            "input_prompt": sample.prompt,
            "expected_output": sample.reference,
            "llm_output": sample.output,
            **sample.scores,
            **sample.notes,
        }
        for sample in samples
        if not sample.error and sample.prompt.strip()
    ]
    return Dataset(rows, name="evaluation", schema="prompts")
