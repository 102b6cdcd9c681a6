"""`Dataset`: rows in memory, or a dataset on the platform whose rows are fetched when they are
first used.
"""

from __future__ import annotations

import builtins
import random
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Self, overload

from .._notices import warn_once
from .._tables import open_table
from ..base.language import tr
from ..base.text import listed
from ..errors import InvalidArgumentError
from . import file_reader, file_writer, platform, quality
from .platform import ProgressCallback
from .quality import Findings, check_rows
from .row_formats import deep_copy, parse_rows, row_key, with_locations
from .schema import CONVERSATION, PAIRS, Row, Schema, find_schema

if TYPE_CHECKING:
    import pandas as pd


FRAME_SOURCE = "DataFrame"
"""The `source` of a dataset that was loaded from a DataFrame."""


class Dataset:
    """Rows for training and evaluation.

    Rows are never changed: every operation returns a new dataset (the official SDK's change the one
    they are called on), which shares its rows with the old one; users get copies of rows.

    Args:
        rows: dictionaries with the columns of one schema (most often "prompt" and "response"), the
            platform's lists of turns, texts, or a DataFrame.
        name: the name of the dataset on the platform.
        id: `ds-...` (or the number) of a dataset that is on the platform.
        schema: a name of `schema.SCHEMAS`; by default it is detected from the rows.

    Attributes:
        is_fetched: whether the rows are in memory.

    Raises:
        DatasetError: rows are wrong; all are counted, the first ten are in the message.

    Source: seed 000 (Dataset in Model and Evaluation); the official SDK's Dataset for the names.
    """

    def __init__(
        self,
        rows: Iterable[Mapping[str, Any] | Sequence[Any] | str] | pd.DataFrame = (),
        *,
        name: str = "dataset",
        id: int | str | None = None,  # noqa: A002 - the seeds' word
        schema: Schema | str | None = None,
    ) -> None:
        values = file_reader.read_values(rows)
        self._rows, self._schema = parse_rows(values, find_schema(schema))
        self.name = name
        self.id = id
        self.source = "memory"
        self.is_fetched = id is None or bool(values)

    @classmethod
    def load(
        cls,
        data_file: Any = None,
        *,
        qianfan_dataset_id: int | str | None = None,
        schema: Schema | str | None = None,
        format: str | None = None,  # noqa: A002 - the word for it
        columns: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> Self:
        """Load a file, a folder, a zip, an object in storage, a table, rows or a dataset on the
        platform.

        For a dataset on the platform nothing is sent yet: its rows are fetched when they are first
        used.

        Args:
            data_file: .jsonl, .json, .csv, .tsv, .parquet, .txt, .zip, a folder of these,
                `bos:/bucket/key`; a DataFrame of pandas or polars, a LazyFrame, a DuckDB relation,
                another table with Arrow's stream; or an iterable of rows or conversations.
            qianfan_dataset_id: `ds-...`, or the number.
            schema: a name of `schema.SCHEMAS`; by default it is detected from the rows.
            format: one of `file_reader.FORMATS`; by default the suffix of the file decides.
            columns: new names of columns: `{"question": "prompt"}`.
            name: the name of the dataset, by default that of the file.

        Raises:
            DatasetError: lines are wrong; the message says which and why.
            InvalidArgumentError: not exactly one source was given, or it has no rows.
        """
        if (data_file is None) == (qianfan_dataset_id is None):
            raise InvalidArgumentError(
                tr(
                    "Name one source: data_file='x.jsonl', a table or a list of rows, or "
                    "qianfan_dataset_id='ds-...'."
                )
            )
        if qianfan_dataset_id is not None:
            dataset = cls(
                name=name or str(qianfan_dataset_id), id=qianfan_dataset_id, schema=schema
            )
            dataset._declared_schema = find_schema(schema)
            dataset.source = "platform"
            return dataset
        if isinstance(data_file, (str, Path)):
            source = str(data_file)
            default_name = PurePath(source).stem
            if source.startswith("bos:"):
                values = platform.fetch_object(source, format)
            else:
                path = Path(data_file).expanduser()
                values = file_reader.read_path(path, format, name=source)
        else:
            table = open_table(data_file)
            values = file_reader.read_values(data_file if table is None else table)
            default_name = "dataset"
            source = "memory" if table is None else table.kind
        if not columns and schema is None:
            columns = file_reader.implied_columns(values)
            if columns:
                question, answer = columns
                text = tr(
                    "{name}: columns {question} and {answer} are read as prompt and response",
                    name=source,
                    question=question,
                    answer=answer,
                )
                warn_once(text)
        if columns:
            values = file_reader.rename_columns(values, columns)
        rows, detected_schema = parse_rows(values, find_schema(schema), columns)
        return cls._from_rows(rows, detected_schema, name or default_name, source)

    def save(
        self,
        data_file: str | Path | None = None,
        *,
        qianfan: str | bool | None = None,
        format: str | None = None,  # noqa: A002 - the word for it
        progress: ProgressCallback | None = None,
    ) -> str:
        """Write the rows to a file or an object in storage, or upload them to the platform; return
        the address.

        Args:
            data_file: a path, replaced only when everything is written; or `bos:/bucket/key`.
            qianfan: True, or the name of the dataset on the platform.
            format: one of `file_reader.FORMATS`; by default the suffix decides. "qianfan" is the
                platform's lines.
            progress: called with each `TransferStep`, on another thread.

        Returns:
            The path, the address, or the `ds-...` id.

        Raises:
            InvalidArgumentError: not exactly one destination was given, or it cannot be written.
            DatasetError: the format cannot hold such rows, or the platform refused them.
        """
        if (data_file is None) == (not qianfan):
            raise InvalidArgumentError(
                tr("Name one destination: data_file='x.jsonl' (or 'bos:/...'), or qianfan=True.")
            )
        if data_file is None:
            name = qianfan if isinstance(qianfan, str) else self.name
            return self._release_rows(name, progress)
        kind = file_reader.format_of(Path(str(data_file)).name, format)
        if str(data_file).startswith("bos:"):
            return platform.store_object(
                str(data_file), self.rows, self.schema, kind, progress=progress
            )
        file_writer.write_file(Path(data_file).expanduser(), self.rows, self.schema, kind)
        return str(data_file)

    def release(
        self, *, stop_event: threading.Event | None = None, progress: ProgressCallback | None = None
    ) -> str:
        """Make sure that the dataset is on the platform and released for training; return its
        `ds-...` id.

        The same rows under the same name are uploaded once.

        Args:
            stop_event: ends the wait when it is set.
            progress: called with each `TransferStep`, on another thread.

        Raises:
            InvalidArgumentError: no bucket is known for the upload.
            DatasetError: the platform could not import or release it.
        """
        if self.id is not None:
            return platform.ensure_released(self.id, stop_event=stop_event)
        return self._release_rows(self.name, progress, stop_event)

    @property
    def rows(self) -> Sequence[Row]:
        """The rows, which are not to be changed; those of a dataset on the platform are fetched
        first.
        """
        if not self.is_fetched and self.id is not None:
            values = platform.fetch(self.id)
            self._rows, self._schema = parse_rows(values, self._declared_schema)
            self.is_fetched = True
        return self._rows

    @property
    def schema(self) -> Schema:
        """The schema of the rows; of a dataset on the platform it is known without fetching the
        rows.
        """
        if not self.is_fetched and self.id is not None:
            return self._declared_schema or platform.remote_info(self.id).schema
        return self._schema

    @property
    def columns(self) -> builtins.list[str]:
        """The names of the columns."""
        return file_writer.column_names(self.rows)

    def list(self) -> builtins.list[Row]:
        """Return all rows."""
        return [*self]

    def head(self, n: int = 5) -> Self:
        """Return the first rows as a dataset."""
        return self._with_rows(self.rows[:n])

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a DataFrame."""
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        return pd.DataFrame(self.list(), columns=self.columns)

    def map(self, op: Callable[[Row], Mapping[str, Any]]) -> Self:
        """Return the rows that a function returns for a copy of each row; their schema is detected.

        Raises:
            DatasetError: it returned values that are not rows; the message has the first ten.
        """
        return self._from_values(map(op, self), None)

    def filter(self, op: Callable[[Row], object]) -> Self:
        """Return the rows for which a function returns a true value."""
        return self._with_rows([row for row in self.rows if op(deep_copy(row))])

    def append(self, rows: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Self:
        """Return the dataset with one or more rows at its end; `ds = ds.append(row)`."""
        is_any = not self.rows or self.schema in {PAIRS, CONVERSATION}
        schema = None if is_any else self.schema
        return self + self._from_values([rows] if isinstance(rows, Mapping) else rows, schema)

    def __add__(self, other: object) -> Self:
        """Return the rows of this dataset and those of another after them.

        Raises:
            InvalidArgumentError: their schemas do not go together.
        """
        if not isinstance(other, Dataset):
            return NotImplemented
        return self._with_rows([*self.rows, *other.rows], _common_schema(self.schema, other.schema))

    def deduplicate(self, by: Sequence[str] | None = None) -> Self:
        """Return the first of all equal rows; `by` names the columns to compare, by default all."""
        first_rows: dict[Hashable, Row] = {}
        for row in self.rows:
            first_rows.setdefault(row_key(row, by), row)
        return self._with_rows([*first_rows.values()])

    def split(self, part: float = 0.2, *, seed: int = 0) -> tuple[Self, Self]:
        """Split into two datasets, the second of which has a share or a number of the rows.

        Rows with the same input always go to the same part, so a model is never tested on a
        question that it was trained on; the second part may be smaller than `part` for that. Both
        keep the order of the rows.

        Args:
            part: a share between 0 and 1, or a number of rows.
            seed: the same seed splits in the same way.

        Raises:
            InvalidArgumentError: the part is out of range, or the rows cannot be split so.
        """
        size = self._part_size(part)
        by_input: dict[str, builtins.list[int]] = {}
        for position, row in enumerate(self.rows):
            key = " ".join(str(row.get(column)) for column in self.schema.inputs).strip()
            by_input.setdefault(key, []).append(position)
        groups = [*by_input.values()]
        random.Random(seed).shuffle(groups)  # noqa: S311 - no secret
        drawn = set[int]()
        for group in groups:
            if len(drawn) + len(group) <= size:
                drawn.update(group)
        first = []
        second = []
        for position, row in enumerate(self.rows):
            if position in drawn:
                second.append(row)
            else:
                first.append(row)
        if not first or not second:
            raise InvalidArgumentError(
                tr(
                    "part={part}: {rows} rows whose inputs repeat cannot be split so.",
                    part=part,
                    rows=len(self.rows),
                )
            )
        return self._with_rows(first), self._with_rows(second)

    def _part_size(self, part: float) -> int:
        n = len(self.rows)
        if isinstance(part, float) and 0 < part < 1:
            size = max(1, round(part * n))
        elif isinstance(part, int) and not isinstance(part, bool):
            size = part
        else:
            raise InvalidArgumentError(
                tr(
                    "part={part}: it is a share between 0 and 1, or a number of rows.",
                    part=repr(part),
                )
            )
        if not 0 < size < n:
            raise InvalidArgumentError(
                tr("part={part}: of {rows} rows it leaves one side empty.", part=repr(part), rows=n)
            )
        return size

    def describe(self) -> pd.DataFrame:
        """Return the lengths of the texts: n, min, median, p95, max and total tokens of each
        column.

        Tokens are estimated with `Tokenizer`.
        """
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        counts = pd.DataFrame(index=range(len(self.rows)))
        for name in self.schema.columns:
            counts[name] = [
                quality.count_tokens(row[name]) if name in row else None for row in self.rows
            ]
        counts["row"] = counts.sum(axis=1)
        table = counts.agg(["count", "min", "median", "max", "sum"]).T
        table.insert(3, "p95", counts.quantile(0.95, interpolation="nearest"))
        table = table.rename(columns={"count": "n", "sum": "total"}).rename_axis("column")
        table = table[table["total"] > 0]
        return table.astype({name: int for name in table.columns if name != "median"})

    def check(self, model: str | None = None, *, max_tokens: int | None = None) -> Findings:
        """Return warnings: duplicates, conflicting rows, and rows too long for a model.

        Args:
            model: a preset model, whose longest input in tokens is used, e.g.
                "ernie-4.5-turbo-128k"; the tokens of rows are an estimate.
            max_tokens: a limit instead of the model's.
        """
        return check_rows(self.rows, self.schema, model, max_tokens)

    def __len__(self) -> int:
        if not self.is_fetched and self.id is not None:
            return platform.remote_info(self.id).count
        return len(self._rows)

    def __bool__(self) -> bool:
        return not self.is_fetched or bool(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return map(deep_copy, self.rows)

    def col_list(self, column: str) -> dict[str, builtins.list[Any]]:
        """Return a column by its name, as the official SDK does: `{"prompt": [...]}`."""
        return {column: self[column]}

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: str) -> builtins.list[Any]: ...
    @overload
    def __getitem__(self, key: slice) -> Self: ...
    def __getitem__(self, key: int | str | slice) -> Any:
        """Return a row by its number, a column by its name (None where a row lacks it), a dataset
        by a slice.
        """
        if isinstance(key, slice):
            return self._with_rows(self.rows[key])
        if isinstance(key, int):
            return deep_copy(self.rows[key])
        if key not in self.columns:
            raise InvalidArgumentError(
                tr(
                    "There is no column {name}; there are {columns}.",
                    name=repr(key),
                    columns=listed(self.columns),
                )
            )
        return [deep_copy(row.get(key)) for row in self.rows]

    def __repr__(self) -> str:
        where = "" if self.id is None else f", on the platform as {self.id}"
        size = f"{len(self._rows):,} rows" if self.is_fetched else "rows not fetched yet"
        return f"<Dataset {self.name!r}: {size}{where}>"

    def _release_rows(
        self,
        name: str,
        progress: ProgressCallback | None,
        stop_event: threading.Event | None = None,
    ) -> str:
        if not self.rows:
            raise InvalidArgumentError(
                tr("Dataset {name} has no rows: load some before training.", name=self.name)
            )
        return platform.release(
            name, self.rows, self.schema, stop_event=stop_event, progress=progress
        )

    def _from_values(self, rows: Iterable[object], schema: Schema | None) -> Self:
        return self._with_rows(*parse_rows(with_locations(rows), schema))

    def _with_rows(self, rows: Sequence[Row], schema: Schema | None = None) -> Self:
        return self._from_rows([*rows], schema or self._schema, self.name, self.source)

    @classmethod
    def _from_rows(cls, rows: builtins.list[Row], schema: Schema, name: str, source: str) -> Self:
        dataset = cls(name=name, schema=schema)
        dataset._rows = rows
        dataset.source = source
        return dataset

    _declared_schema: Schema | None = None


def _common_schema(first: Schema, second: Schema) -> Schema:
    if {first, second} == {PAIRS, CONVERSATION}:
        return CONVERSATION
    if first is not second:
        raise InvalidArgumentError(
            tr(
                "These kinds of rows do not go together: {one}, and {two}.",
                one=first.title,
                two=second.title,
            )
        )
    return first
