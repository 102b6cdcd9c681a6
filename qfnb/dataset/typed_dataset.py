"""`Dataset`: rows in memory, or a dataset on the platform whose rows are fetched when they are
first used.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Self

from .. import connect
from .._notices import warn_once
from .._tables import open_table
from ..base.language import tr
from ..errors import InvalidArgumentError
from . import file_formats, file_reader, file_writer, platform, quality
from .file_reader import MAX_BYTES
from .platform import ProgressCallback
from .quality import Findings, check_rows
from .row_formats import parse_rows
from .schema import PAIRS, Row, Schema, find_schema
from .typed_table import TypedTable

if TYPE_CHECKING:
    import pandas as pd


FRAME_SOURCE = "DataFrame"
"""The `source` of a dataset that was loaded from a DataFrame."""


class Dataset(TypedTable):
    """Rows for training and evaluation.

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
        self._rows, self._schema = (
            parse_rows(values, find_schema(schema))
            if values
            else ([], find_schema(schema) or PAIRS)
        )
        self.name = name
        self.id = id
        self.source = "memory"
        self.is_fetched = id is None or bool(values)
        self._uploaded: dict[str, str] = {}

    @classmethod
    def load(
        cls,
        data_file: Any = None,
        *,
        qianfan_dataset_id: int | str | None = None,
        frame: Any = None,
        dataframe: Any = None,
        schema: Schema | str | None = None,
        format: str | None = None,  # noqa: A002 - the word for it
        columns: Mapping[str, str] | None = None,
        input_columns: Sequence[str] | None = None,
        reference_column: str | None = None,
        name: str | None = None,
        max_bytes: int = MAX_BYTES,
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
            frame: a table.
            dataframe: the SDK's name of `frame`.
            schema: a name of `schema.SCHEMAS`; by default it is detected from the rows.
            format: one of `file_formats.FORMATS`; by default the suffix of the file decides.
            columns: new names of columns: `{"question": "prompt"}`.
            input_columns: the one column that becomes `prompt`.
            reference_column: the column that becomes `response`.
            name: the name of the dataset, by default that of the file.
            max_bytes: limit of a download, and of a zip when unpacked; default 4 GiB.

        Raises:
            DatasetError: lines are wrong; the message says which and why.
            InvalidArgumentError: not exactly one source was given, it has no rows, or there are
                several input columns.
        """
        frame = dataframe if frame is None else frame
        if sum(source is not None for source in (data_file, qianfan_dataset_id, frame)) != 1:
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
            dataset._max_bytes = max_bytes
            dataset.source = "platform"
            return dataset
        data = frame if data_file is None else data_file
        if isinstance(data, (str, Path)):
            source = str(data)
            default_name = PurePath(source).stem
            if source.startswith("bos:"):
                values = platform.fetch_object(source, format, max_bytes=max_bytes)
            else:
                path = Path(data).expanduser()
                values = file_reader.read_path(path, format, max_bytes=max_bytes, name=source)
        else:
            table = open_table(data)
            values = file_reader.read_values(data if table is None else table)
            default_name = "dataset"
            source = "memory" if table is None else table.kind
        columns = {**(columns or {}), **_renamed_columns(input_columns, reference_column)}
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

    @classmethod
    def create_from_pyobj(
        cls, rows: Iterable[Any] | Mapping[str, Sequence[Any]], *, name: str = "dataset"
    ) -> Self:
        """Build a dataset from dictionaries, lists of turns, texts, or columns (the official SDK's
        name).
        """
        if isinstance(rows, Mapping):
            rows = [
                dict(zip(rows, cells, strict=True)) for cells in zip(*rows.values(), strict=True)
            ]
        return cls(rows, name=name)

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, *, name: str = "dataset") -> Self:
        """Build a dataset from a DataFrame with columns prompt and response, or those of another
        schema.
        """
        return cls.load(frame, name=name)

    def save(
        self,
        data_file: str | Path | None = None,
        *,
        qianfan: str | bool | None = None,
        format: str | None = None,  # noqa: A002 - the word for it
        bucket: str = "",
        progress: ProgressCallback | None = None,
    ) -> str:
        """Write the rows to a file or an object in storage, or upload them to the platform; return
        the address.

        Args:
            data_file: a path, replaced only when everything is written; or `bos:/bucket/key`.
            qianfan: True, or the name of the dataset on the platform.
            format: one of `file_formats.FORMATS`; by default the suffix decides. "qianfan" is the
                platform's lines.
            bucket: the bucket for uploads to the platform, by default QIANFAN_BOS_BUCKET.
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
            return self._release_rows(
                qianfan if isinstance(qianfan, str) else self.name, bucket, progress
            )
        kind = file_formats.format_of(Path(str(data_file)).name, format)
        if str(data_file).startswith("bos:"):
            return platform.store_object(
                str(data_file), self.rows, self.schema, kind, progress=progress
            )
        file_writer.write_file(Path(data_file).expanduser(), self.rows, self.schema, kind)
        return str(data_file)

    def release(
        self,
        *,
        bucket: str = "",
        stop_event: threading.Event | None = None,
        progress: ProgressCallback | None = None,
    ) -> str:
        """Make sure that the dataset is on the platform and released for training; return its
        `ds-...` id.

        A local dataset is uploaded once per platform.

        Args:
            bucket: the bucket for the upload, by default QIANFAN_BOS_BUCKET.
            stop_event: ends the wait when it is set.
            progress: called with each `TransferStep`, on another thread.

        Raises:
            InvalidArgumentError: no bucket is known for the upload.
            DatasetError: the platform could not import or release it.
        """
        if self.id is not None:
            return platform.ensure_released(self.id, stop_event=stop_event)
        return self._release_rows(self.name, bucket, progress, stop_event)

    @property
    def rows(self) -> Sequence[Row]:
        """The rows, which are not to be changed; those of a dataset on the platform are fetched
        first.
        """
        if not self.is_fetched and self.id is not None:
            values = platform.fetch(self.id, max_bytes=self._max_bytes)
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
    def input_columns(self) -> tuple[str, ...]:
        """The columns that are sent to a model."""
        return self.schema.inputs

    @property
    def reference_column(self) -> str:
        """The column with the right answer, "" for a schema without one."""
        return self.schema.reference

    def preview(self, n: int = 5) -> pd.DataFrame:
        """Return the first rows as a DataFrame."""
        return self.head(n).to_pandas()

    def describe(self) -> pd.DataFrame:
        """Return the lengths of the texts: n, min, median, p95, max and total tokens of each
        column.

        Tokens are estimated with `Tokenizer`.
        """
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        records = [asdict(row) for row in quality.token_lengths(self.rows, self.schema)]
        names = ["column", "n", "min", "median", "p95", "max", "total"]
        return pd.DataFrame(records, columns=names).set_index("column")

    def check(self, model: str | None = None, *, max_tokens: int | None = None) -> Findings:
        """Return warnings: duplicates, conflicting rows, and rows too long for a model.

        Args:
            model: a preset model, whose longest input in tokens is used, e.g.
                "ernie-4.5-turbo-128k"; the tokens of rows are an estimate.
            max_tokens: a limit instead of the model's.
        """
        return check_rows(self.rows, self.schema, model, max_tokens)

    def row_number(self) -> int:
        """Return the number of rows."""
        return len(self)

    def __len__(self) -> int:
        if not self.is_fetched and self.id is not None:
            return platform.remote_info(self.id).count
        return len(self._rows)

    def __bool__(self) -> bool:
        return not self.is_fetched or bool(self._rows)

    def __delitem__(self, index: int) -> None:
        self._rows = [*self.delete(index).rows]
        self.id = None
        self._uploaded = {}
        self.source = "memory"

    def __repr__(self) -> str:
        if self.id is not None:
            where = f", on the platform as {self.id}"
        else:
            where = ""
        if self.is_fetched:
            size = f"{len(self._rows):,} rows"
        else:
            size = "rows not fetched yet"
        return f"<Dataset {self.name!r}: {size}{where}>"

    def _release_rows(
        self,
        name: str,
        bucket: str,
        progress: ProgressCallback | None,
        stop_event: threading.Event | None = None,
    ) -> str:
        if not self.rows:
            raise InvalidArgumentError(
                tr("Dataset {name} has no rows: load some before training.", name=self.name)
            )
        host = connect.current_platform(None).host
        if host not in self._uploaded:
            self._uploaded[host] = platform.release(
                name,
                self.rows,
                self.schema,
                bucket=bucket,
                stop_event=stop_event,
                progress=progress,
            )
        return self._uploaded[host]

    def _with_rows(self, rows: Sequence[Row], schema: Schema | None = None) -> Self:
        return self._from_rows([*rows], schema or self._schema, self.name, self.source)

    @classmethod
    def _from_rows(cls, rows: builtins.list[Row], schema: Schema, name: str, source: str) -> Self:
        dataset = cls(name=name, schema=schema)
        dataset._rows = rows
        dataset.source = source
        return dataset

    _declared_schema: Schema | None = None
    _max_bytes: int = MAX_BYTES


def _renamed_columns(inputs: Sequence[str] | None, reference: str | None) -> dict[str, str]:
    """Return {name: new name} of the columns with questions and right answers."""
    if isinstance(inputs, str):
        names = [inputs]
    else:
        names = list(inputs or ())
    if len(names) > 1:
        raise InvalidArgumentError(
            tr(
                "input_columns={names}: rows have one question; qfnb.dataset.Dataset takes "
                "several columns",
                names=names,
            )
        )
    new_names = {**dict.fromkeys(names, "prompt"), **({reference: "response"} if reference else {})}
    return {name: new for name, new in new_names.items() if name != new}
