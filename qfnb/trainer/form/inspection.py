"""What a form has to know about its data, looked up among the notebook's variables, files and the
platform: counted, compared, and validated for a train mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..._tables import is_pandas_frame
from ...base.language import tr, trn
from ...base.text import closest, listed
from ...dataset import quality
from ...dataset.typed_dataset import Dataset
from ...errors import InvalidArgumentError, QianfanError
from ..finetune import TRAINER_CLASSES

MAX_COUNTED_ROWS: Final = 5_000
"""Largest number of rows whose tokens are counted one by one; of more rows they are estimated."""

MAX_NAMED_VARIABLES: Final = 5
"""Largest number of variables that an error names."""


@dataclass(frozen=True)
class DatasetInfo:
    """A dataset that was looked up, with its size.

    Attributes:
        source: the name of a variable, a path, or `ds-...`.
        dataset: the dataset, None where it was not found.
        rows: number of rows.
        tokens: of all rows; None where counting them would need a download.
        exact: whether the tokens were counted, not estimated.
        lengths: tokens of each row, the longest first; empty where they were not counted.
        problem: why the dataset cannot be used, "" where it can.
        suggestion: a name that may be meant instead, "" for none.
    """

    source: str
    dataset: Dataset | None = None
    rows: int = 0
    tokens: int | None = None
    exact: bool = True
    lengths: tuple[int, ...] = field(default=(), repr=False)
    problem: str = ""
    suggestion: str = ""

    def longer_than(self, max_tokens: int) -> int:
        """Return the number of counted rows with more tokens."""
        return sum(length > max_tokens for length in self.lengths)


def inspect_dataset(source: str, variables: Mapping[str, Any]) -> DatasetInfo:
    """Look up and count a dataset; an error becomes its `problem`, nothing is raised.

    Args:
        source: the name of a variable, `ds-...` on the platform, or the path of a file.
        variables: the notebook's datasets and DataFrames by name.
    """
    key = source.strip()
    value = variables.get(key)
    try:
        if isinstance(value, Dataset):
            return _measure_dataset(source, value)
        if key.startswith("ds-"):
            return _measure_dataset(source, Dataset.load(qianfan_dataset_id=key))
        if value is None and key.isidentifier() and not Path(key).exists():
            return _unknown_variable(source, key, [*variables])
        return _measure_dataset(source, Dataset.load(key if value is None else value))
    except (QianfanError, OSError) as error:
        problem = "\n".join(str(error).splitlines()[:2])
        _, suggestion = getattr(error, "correction", ("", ""))
        return DatasetInfo(source, problem=problem, suggestion=suggestion)


def _unknown_variable(source: str, name: str, names: list[str]) -> DatasetInfo:
    if not names:
        problem = tr(
            "There is no variable {name}, and no other variable holds a dataset.", name=name
        )
        return DatasetInfo(source, problem=problem)
    problem = trn(
        "There is no variable {name}; there is {names}.",
        "There is no variable {name}; there are {names}.",
        len(names),
        name=name,
        names=listed(names[:MAX_NAMED_VARIABLES]),
    )
    suggestion = closest(name, names) or (names[0] if len(names) == 1 else "")
    return DatasetInfo(source, problem=problem, suggestion=suggestion)


def validate_dataset(data: DatasetInfo, mode: str) -> None:
    """Raise unless a dataset can be used for a train mode.

    Raises:
        InvalidArgumentError: says what the dataset is and what the train mode needs.
    """
    if data.problem or data.dataset is None:
        raise InvalidArgumentError(data.problem)
    if not data.rows:
        raise InvalidArgumentError(tr("The dataset has no rows."))
    if mode in TRAINER_CLASSES:
        TRAINER_CLASSES[mode].validate_schema(data.dataset)


def _measure_dataset(source: str, dataset: Dataset) -> DatasetInfo:
    row_count = len(dataset)
    if not dataset.is_fetched:
        _ = dataset.schema  # asks the platform now, where an error becomes the problem
        return DatasetInfo(source, dataset, row_count)
    if row_count > MAX_COUNTED_ROWS:
        tokens, is_exact = quality.estimate_tokens(dataset.rows, dataset.schema)
        return DatasetInfo(source, dataset, row_count, tokens, is_exact)
    lengths = sorted(
        (quality.row_tokens(row, dataset.schema) for row in dataset.rows), reverse=True
    )
    return DatasetInfo(source, dataset, row_count, sum(lengths), lengths=tuple(lengths))


def is_data(value: object) -> bool:
    """Return whether a variable can be trained on: a dataset, or a DataFrame."""
    return isinstance(value, Dataset) or is_pandas_frame(value)
