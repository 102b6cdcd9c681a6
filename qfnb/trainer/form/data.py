"""The datasets of a form: found under a name, counted, and validated for a train mode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ...dataset import Dataset, quality
from ...errors import InvalidArgumentError, QianfanError
from ..finetune import TRAINER_CLASSES

MAX_COUNTED_ROWS: Final = 5_000
"""Largest number of rows whose tokens are counted one by one; of more rows they are estimated."""

MAX_LISTED_FILES: Final = 40
"""Largest number of files that are offered."""

SUFFIXES: Final = (".jsonl", ".csv", ".tsv", ".parquet")
"""Suffixes of the files that are offered; other files can be typed."""


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
    """

    source: str
    dataset: Dataset | None = None
    rows: int = 0
    tokens: int | None = None
    exact: bool = True
    lengths: tuple[int, ...] = field(default=(), repr=False)
    problem: str = ""

    def longer_than(self, max_tokens: int) -> int:
        """Return the number of counted rows with more tokens."""
        return sum(length > max_tokens for length in self.lengths)


def inspect_dataset(source: str, datasets: Mapping[str, Dataset]) -> DatasetInfo:
    """Look up and count a dataset; an error becomes its `problem`, nothing is raised.

    Args:
        source: the name of a variable, `ds-...` on the platform, or the path of a file.
        datasets: the notebook's variables by name.
    """
    key = source.strip()
    options: dict[str, Any] = {"qianfan_dataset_id": key} if key.startswith("ds-") else {"data_file": key}
    try:
        return _measure_dataset(source, datasets.get(source) or Dataset.load(**options))
    except (QianfanError, OSError) as error:
        return DatasetInfo(source, problem="\n".join(str(error).splitlines()[:2]))


def validate_dataset(data: DatasetInfo, mode: str) -> None:
    """Raise unless a dataset can be used for a train mode.

    Raises:
        InvalidArgumentError: says what the dataset is and what the train mode needs.
    """
    if data.problem or data.dataset is None:
        raise InvalidArgumentError(data.problem or "没有数据集 no dataset")
    if not data.rows:
        raise InvalidArgumentError("没有数据 the dataset has no rows")
    if (trainer_class := TRAINER_CLASSES.get(mode)) is not None:
        trainer_class.validate_schema(data.dataset)


def list_data_files(folder: Path) -> list[str]:
    """Return the data files in a folder and in its subfolders of the first level, as relative paths."""
    paths = sorted(
        path
        for path in (*folder.glob("*"), *folder.glob("*/*"))
        if path.suffix in SUFFIXES and path.is_file() and "/." not in f"/{path.relative_to(folder).as_posix()}"
    )
    return [path.relative_to(folder).as_posix() for path in paths[:MAX_LISTED_FILES]]


def _measure_dataset(source: str, dataset: Dataset) -> DatasetInfo:
    row_count = len(dataset)
    if not dataset.is_fetched:
        _ = dataset.schema  # asks the platform now, where an error becomes the problem
        return DatasetInfo(source, dataset, row_count)
    if row_count > MAX_COUNTED_ROWS:
        return DatasetInfo(source, dataset, row_count, *quality.estimate_tokens(dataset.rows, dataset.schema))
    lengths = sorted((quality.row_tokens(row, dataset.schema) for row in dataset.rows), reverse=True)
    return DatasetInfo(source, dataset, row_count, sum(lengths), lengths=tuple(lengths))
