"""What a form knows of a dataset: found under a name, counted, and fit for a train mode or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ...dataset import Dataset, quality
from ...errors import InvalidArgumentError, QianfanError
from ..finetune import TRAINER_CLASSES

MAX_COUNTED_ROWS: Final = 5_000
"""Rows that are counted one by one; of more, the tokens are estimated from some."""

MAX_LISTED_FILES: Final = 40
"""Files that are offered."""

SUFFIXES: Final = (".jsonl", ".csv", ".tsv", ".parquet")
"""Files that may well be training data; others can be typed."""


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a dataset.

    Attributes:
        source: the name it was found under.
        dataset: itself; None when there is none.
        rows: how many.
        tokens: of all rows; None where that would need a download.
        exact: they were counted, not estimated.
        lengths: tokens of each row, the longest first; empty where they were not counted.
        problem: why it cannot be used, "" when it can.
    """

    source: str
    dataset: Dataset | None = None
    rows: int = 0
    tokens: int | None = None
    exact: bool = True
    lengths: tuple[int, ...] = field(default=(), repr=False)
    problem: str = ""

    def longer_than(self, max_tokens: int) -> int:
        """Return how many of the counted rows have more tokens."""
        return sum(length > max_tokens for length in self.lengths)


def inspect_dataset(source: str, datasets: Mapping[str, Dataset]) -> DatasetInfo:
    """Return what is found under a name: a variable of the notebook, `ds-...` on the platform, or a file.

    What is wrong with it is part of the value; nothing is raised.
    """
    try:
        return _count_tokens(source, datasets.get(source) or _load_dataset(source.strip()))
    except (QianfanError, OSError) as error:
        return DatasetInfo(source, problem="\n".join(str(error).splitlines()[:2]))


def validate_dataset(data: DatasetInfo, mode: str) -> None:
    """Raise unless a dataset can be used for a train mode.

    Raises:
        InvalidArgumentError: says what the dataset is and what the train mode needs.
    """
    if data.problem or data.dataset is None:
        raise InvalidArgumentError(data.problem or "没有数据集 there is no dataset")
    if not data.rows:
        raise InvalidArgumentError("没有数据 the dataset has no rows")
    if (trainer_class := TRAINER_CLASSES.get(mode)) is not None:
        trainer_class.validate_schema(data.dataset)


def list_data_files(folder: Path) -> list[str]:
    """Return the files in a folder, and one level below it, that may be training data."""
    paths = sorted(
        path for depth in ("*", "*/*") for path in folder.glob(depth) if _is_data_file(path, folder)
    )
    return [path.relative_to(folder).as_posix() for path in paths[:MAX_LISTED_FILES]]


def _is_data_file(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix in SUFFIXES and not hidden and path.is_file()


def _load_dataset(source: str) -> Dataset:
    if source.startswith("ds-"):
        return Dataset.load(qianfan_dataset_id=source)
    return Dataset.load(source)


def _count_tokens(source: str, dataset: Dataset) -> DatasetInfo:
    rows = len(dataset)
    if not dataset.is_fetched:
        _ = dataset.schema  # asked now, where a refusal is told
        return DatasetInfo(source, dataset, rows)
    if rows > MAX_COUNTED_ROWS:
        return DatasetInfo(source, dataset, rows, *quality.estimate_tokens(dataset.rows, dataset.schema))
    lengths = sorted((quality.row_tokens(row, dataset.schema) for row in dataset.rows), reverse=True)
    return DatasetInfo(source, dataset, rows, sum(lengths), lengths=tuple(lengths))
