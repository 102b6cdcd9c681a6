"""A dataset: rows in memory, or an id on the platform, or both."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import connect
from ..errors import InvalidArgumentError
from . import files, platform

if TYPE_CHECKING:
    import pandas as pd


class Dataset:
    """Rows of prompt and response for training and evaluation.

    Args:
        rows: the pairs; each has at least "prompt" and "response".
        name: how the dataset is called on the platform.
        id: `ds-...` of a dataset that is on the platform.

    Source: seed 000 (Dataset in Model and Evaluation).
    """

    input_columns = ("prompt",)
    reference_column = "response"

    def __init__(
        self,
        rows: Iterable[Mapping[str, Any]] = (),
        *,
        name: str = "dataset",
        id: str | None = None,  # noqa: A002 - the seeds' word
    ) -> None:
        self._rows = [files.checked_row(row, number=number) for number, row in enumerate(rows, 1)]
        self.name, self.id = name, id
        self._uploaded: dict[str, str] = {}

    @classmethod
    def load(
        cls,
        data_file: str | Path | None = None,
        *,
        qianfan_dataset_id: str | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Load a JSONL file, or name a dataset that is on the platform.

        Raises:
            DatasetError: a line of the file is wrong; it says which and why.
            InvalidArgumentError: not exactly one source was given.
        """
        if (data_file is None) == (qianfan_dataset_id is None):
            raise InvalidArgumentError("give either data_file='x.jsonl' or qianfan_dataset_id='ds-...'")
        if data_file is None:
            return cls(name=name or str(qianfan_dataset_id), id=qianfan_dataset_id)
        return cls(files.read_jsonl(data_file), name=name or Path(data_file).stem)

    @classmethod
    def create_from_pyobj(cls, rows: Iterable[Mapping[str, Any]], *, name: str = "dataset") -> Dataset:
        """Build a dataset from dictionaries (the official SDK's name for it)."""
        return cls(rows, name=name)

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, *, name: str = "dataset") -> Dataset:
        """Build a dataset from a DataFrame with columns prompt and response."""
        return cls(frame.to_dict("records"), name=name)  # type: ignore[arg-type]

    def list(self) -> list[dict[str, Any]]:
        """Return the rows."""
        return [dict(row) for row in self._rows]

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a DataFrame."""
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        return pd.DataFrame(self._rows)

    def release(self, *, bucket: str = "", stopped: threading.Event | None = None) -> str:
        """Make sure the dataset is on the platform and released for training; return its `ds-...` id.

        A local dataset is uploaded once per platform; see `platform.release` for what can go wrong.
        """
        if self.id:
            platform.ensure_released(self.id, stopped=stopped)
            return self.id
        if not self._rows:
            raise InvalidArgumentError(f"dataset {self.name!r} has no rows: load some before training")
        host = connect.current_platform(None).host
        if host not in self._uploaded:
            content = files.to_platform_jsonl(self._rows)
            self._uploaded[host] = platform.release(self.name, content, bucket=bucket, stopped=stopped)
        return self._uploaded[host]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._rows[index]

    def __repr__(self) -> str:
        where = f", on the platform as {self.id}" if self.id else ""
        return f"<Dataset {self.name!r}: {len(self)} rows{where}>"
