"""The questions of an evaluation: rows of a dataset, a DataFrame or a list, as they are asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ..dataset import Dataset
from ..errors import InvalidArgumentError
from .sample import Sample

PROMPT: Final = "prompt"
REFERENCES: Final = ("response", "chosen", "reference", "expected_output")
"""Columns that have the expected answer, the first that there is."""


class Rows(Protocol):
    """What is asked, e.g. a `qfnb.dataset.Dataset`."""

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Return rows with prompt and response."""
        ...


Questions = Rows | Iterable[Mapping[str, Any]]
"""A dataset, or rows as dictionaries; a DataFrame is taken too."""


@dataclass(frozen=True)
class Question:
    """A row to be asked; `row` has its other columns, `history` and `system` among them."""

    index: int
    prompt: str
    reference: str
    row: Mapping[str, Any] = field(default_factory=dict)

    def messages(self) -> list[dict[str, str]]:
        """Return the conversation that ends with the question."""
        turns = [{"role": "system", "content": str(self.row["system"])}] if self.row.get("system") else []
        for turn in self.row.get("history") or ():
            turns += [
                {"role": "user", "content": turn["prompt"]},
                {"role": "assistant", "content": turn["response"]},
            ]
        return [*turns, {"role": "user", "content": self.prompt}]

    def batch_input(self) -> str | list[dict[str, str]]:
        """Return what a batch asks: the text, or the conversation where there is more than that."""
        messages = self.messages()
        return messages if len(messages) > 1 else self.prompt

    def to_sample(
        self,
        model: str,
        output: str,
        *,
        error: str = "",
        seconds: float | None = None,
        finish_reason: str | None = None,
        cost: float | None = None,
        tokens: int | None = None,
    ) -> Sample:
        """Return the question with what a model made of it."""
        return Sample(
            model,
            self.index,
            self.prompt,
            self.reference,
            "" if error else output,
            {},
            seconds,
            error,
            finish_reason,
            cost,
            tokens,
            row=self.row,
        )


def rows_of(data: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a dataset, a DataFrame or a list.

    Raises:
        InvalidArgumentError: it has no rows.
    """
    if hasattr(data, "to_dict") and hasattr(data, "columns"):
        rows = data.to_dict("records")
    else:
        rows = data.list() if hasattr(data, "list") else data
    if isinstance(rows, (str, Mapping)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            f"a {type(data).__name__} has no rows: give a Dataset, a DataFrame or a list of dictionaries"
        )
    return list(rows)


def questions_of(
    rows: Sequence[Mapping[str, Any]],
    prompt_column: str = PROMPT,
    reference_name: str | None = None,
    outputs: Sequence[str] = (),
    cluster: str = "",
) -> list[Question]:
    """Return rows as questions.

    Args:
        rows: what was given.
        prompt_column: the column with the question.
        reference_name: the column with the expected answer, by default the first of REFERENCES that there is.
        outputs: columns with answers, which are no part of the question.
        cluster: a column that is needed later.

    Raises:
        InvalidArgumentError: there is no such column.
    """
    columns = dict.fromkeys(name for row in rows for name in row)
    for name in (prompt_column, reference_name, *outputs, cluster):
        if name and name not in columns:
            raise InvalidArgumentError(
                f"there is no column {name!r}: there are {', '.join(map(str, columns))}"
            )
    reference_column = reference_name or next((name for name in REFERENCES if name in columns), "")
    used = {prompt_column, reference_column, *outputs}
    return [
        Question(
            index,
            to_text(row.get(prompt_column)),
            to_text(row.get(reference_column)),
            _other_cells(row, used),
        )
        for index, row in enumerate(rows)
    ]


def to_dataset(data: Questions, questions: Sequence[Question] = ()) -> Dataset:
    """Return what is asked as the platform takes it; `questions` are its rows, where those are known."""
    if isinstance(data, Dataset):
        return data
    known_questions = questions or questions_of(rows_of(data))
    rows = [
        {"prompt": q.prompt} | ({"response": q.reference} if q.reference else {}) for q in known_questions
    ]
    return Dataset(rows, name="evaluation")


def is_missing(value: object) -> bool:
    """Tell whether a cell has nothing in it: None or NaN; an empty text is something."""
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 - NaN is not itself


def to_text(value: object) -> str:
    """Return a cell as text."""
    return "" if is_missing(value) else str(value)


def _other_cells(row: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items() if name not in used and not is_missing(value)}
