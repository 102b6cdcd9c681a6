"""`Dataset` as the official SDK has it: any columns, operations that change it, and data sources.

It is a `qfnb.Dataset` too, so that trainings, evaluations and batches take it.
"""

from __future__ import annotations

import builtins
import copy
import itertools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from ...base.language import tr, tr_noop
from ...dataset import platform
from ...dataset.file_reader import read_values
from ...dataset.row_formats import deep_copy
from ...dataset.schema import Row, Schema
from ...dataset.typed_dataset import Dataset as PlainDataset
from ...errors import DatasetError, InvalidArgumentError, QianfanError
from ...resources.management.data import Data
from ...resources.management.storage import download
from .inference import LlmTests
from .sources import (
    BosDataSource,
    DataSource,
    FileDataSource,
    QianfanDataSource,
    parse_entries,
    to_source,
)
from .table import GROUP, PACK, Table

ANY_ROWS = Schema("table", tr_noop("rows with columns of their own"), {}, "{...}", 0, inputs=())
"""The schema of a table that is none of the platform's kinds."""

COLUMN_OPTIONS: Final = (
    "input_columns",
    "reference_column",
    "eval_input_column",
    "eval_llm_output_column",
)
"""Options of the constructor that `load` takes too."""

MAX_ROW_BYTES: Final = 16 * 1024 * 1024
PAGE_SIZE: Final = 30
"""Rows of a page that the platform lists."""


class Dataset(LlmTests, Table, PlainDataset):  # type: ignore[misc] # the SDK's methods take other arguments
    """Rows with any columns, from a file, a frame, storage or the platform.

    Args:
        inner_table: a `pyarrow.Table`, or rows: dictionaries, lists of turns, or texts.
        inner_data_source_cache: where they come from.
        inner_schema_cache: checked by `save`.
        input_columns: the columns that are sent to a model.
        reference_column: the column with the right answer.
        eval_input_column: the column with what a model was asked.
        eval_llm_output_column: the column with its answer.
        **options: `id` of a dataset on the platform, `name`.

    Source: the official SDK's Dataset.
    """

    def __init__(
        self,
        inner_table: Any = None,
        inner_data_source_cache: DataSource | None = None,
        inner_schema_cache: Any = None,
        input_columns: Sequence[str] | None = None,
        reference_column: str | None = None,
        eval_input_column: str | None = None,
        eval_llm_output_column: str | None = None,
        **options: Any,
    ) -> None:
        source = inner_data_source_cache
        if source is None and options.get("id") is not None:
            source = QianfanDataSource(id=str(options["id"]))
        dataset_id = options.get("id")
        if isinstance(source, QianfanDataSource) and inner_table is None:
            dataset_id = dataset_id or source.id
        name = options.get("name") or getattr(source, "name", "") or "dataset"
        PlainDataset.__init__(self, name=name, id=dataset_id)
        self.inner_data_source_cache = source
        self.inner_schema_cache = inner_schema_cache
        self._stored_entries: builtins.list[Any] | None = None
        self._stored_columns: builtins.list[str] = []
        if inner_table is not None or source is None:
            Table.__init__(self, inner_table)
        self.is_fetched = self._stored_entries is not None
        self.source = self.bos_address or "memory"
        self.input_columns = input_columns
        self.reference_column = reference_column
        self.eval_input_column = eval_input_column
        self.eval_llm_output_column = eval_llm_output_column

    @property
    def _entries(self) -> builtins.list[Any]:
        """The rows; those of a dataset on the platform or in storage are read when they are first
        used.
        """
        if self._stored_entries is None:
            assert self.inner_data_source_cache is not None
            table = self.inner_data_source_cache.read()
            self._stored_entries = table._entries  # noqa: SLF001 - of this class
            self._stored_columns = table._columns  # noqa: SLF001 - of this class
            self.is_fetched = True
        return self._stored_entries

    @_entries.setter
    def _entries(self, entries: builtins.list[Any]) -> None:
        self._stored_entries = entries
        self.is_fetched = True
        self.id = None

    @property
    def _columns(self) -> builtins.list[str]:
        _ = self._entries  # reads the rows of a source
        return self._stored_columns

    @_columns.setter
    def _columns(self, columns: builtins.list[str]) -> None:
        self._stored_columns = columns

    @classmethod
    def load(  # type: ignore[override] # the SDK's takes other sources
        cls,
        source: Any = None,
        data_file: str | None = None,
        qianfan_dataset_id: str | int | None = None,
        bos_load_args: Mapping[str, Any] | None = None,
        bos_source_args: Mapping[str, Any] | None = None,
        huggingface_dataset: Any = None,
        dataframe: Any = None,
        schema: Any = None,
        organize_data_as_group: bool = False,
        *,
        data_source: DataSource | None = None,
        is_download_to_local: bool = False,
        **options: Any,
    ) -> Self:
        """Load a table; the rows of a dataset on the platform or in storage are read when they are
        first used.

        Args:
            source: a data source, a path, a table or a list of rows.
            data_file: a file, a folder or a zip.
            qianfan_dataset_id: `ds-...`.
            bos_load_args: arguments of `QianfanDataSource.create_from_bos_file`.
            bos_source_args: arguments of `BosDataSource`.
            huggingface_dataset: a Dataset or DatasetDict of the package datasets.
            dataframe: a DataFrame, or another table.
            schema: an object whose `validate(table)` returns whether the rows are right.
            organize_data_as_group: give each turn a row of its own, with the number of its
                conversation.
            data_source: another name of `source`.
            is_download_to_local: read the rows of a dataset on the platform now.
            **options: `input_columns` and the other columns of the constructor; and those of the
                data source, `file_format` for instance.

        Raises:
            InvalidArgumentError: there is no source, or the schema refuses the rows.
            DatasetError: the source cannot be read.
        """
        columns = {name: options.pop(name) for name in COLUMN_OPTIONS if name in options}
        if huggingface_dataset is not None:
            splits = [huggingface_dataset]
            if isinstance(huggingface_dataset, Mapping):
                splits = [*huggingface_dataset.values()]
            source = list(itertools.chain(*splits))
        elif dataframe is not None:
            source = dataframe
        if isinstance(source, (str, Path)):
            data_file = str(source)
            source = None
        if source is not None and not isinstance(source, DataSource):
            rows = [value for _, value in read_values(source)]
            return cls(rows, inner_schema_cache=schema, **columns)
        origin = source or data_source
        origin = origin or to_source(
            data_file, qianfan_dataset_id, bos_load_args, bos_source_args, options
        )
        if origin is None:
            raise InvalidArgumentError(
                tr(
                    "Name one source: data_file='x.jsonl', qianfan_dataset_id='ds-...', or a "
                    "DataFrame."
                )
            )
        is_read_now = is_download_to_local or isinstance(origin, FileDataSource)
        dataset = cls(
            origin.read() if is_read_now else None,
            origin,
            schema,
            name=options.get("name"),
            **columns,
        )
        if organize_data_as_group and dataset.is_dataset_packed():
            dataset_id = dataset.id
            dataset.unpack()
            dataset.id = dataset_id  # the rows are the platform's, in another form
        if schema is not None and is_read_now:
            dataset.validate(schema)
        return dataset

    def save(  # type: ignore[override] # the SDK's returns a dataset
        self,
        destination: DataSource | str | None = None,
        data_file: str | None = None,
        qianfan_dataset_id: str | int | None = None,
        qianfan_dataset_create_args: Mapping[str, Any] | None = None,
        bos_source_args: Mapping[str, Any] | None = None,
        schema: Any = None,
        replace_source: bool | None = None,
        **options: Any,
    ) -> Dataset:
        """Write the table, and return the dataset as it is there; by default it goes where it came
        from.

        Args:
            destination: a data source, or a path.
            data_file: a file.
            qianfan_dataset_id: a dataset on the platform that gets the rows.
            qianfan_dataset_create_args: arguments of `QianfanDataSource.create_bare_dataset`.
            bos_source_args: arguments of `BosDataSource`.
            schema: an object whose `validate(table)` returns whether the rows are right.
            replace_source: the dataset itself becomes the one that is there.
            **options: of the data source, `file_format` or `does_release` for instance.

        Raises:
            InvalidArgumentError: there is no destination, or the schema refuses the rows.
            DatasetError: the destination cannot hold such rows.
        """
        if isinstance(destination, str):
            data_file = destination
            destination = None
        target = destination or to_source(
            data_file,
            qianfan_dataset_id,
            None,
            bos_source_args,
            options,
            qianfan_dataset_create_args,
        )
        target = target or self.inner_data_source_cache
        if target is None:
            raise InvalidArgumentError(
                tr("Name one destination: data_file='x.jsonl' (or 'bos:/...'), or qianfan=True.")
            )
        if (checks := schema or self.inner_schema_cache) is not None:
            self.validate(checks)
        target.save(self.fetch_rows(), **options)
        saved = copy.copy(self)
        saved.inner_data_source_cache = target
        saved.inner_schema_cache = checks
        if isinstance(target, QianfanDataSource):
            vars(saved).update(
                _stored_entries=None, is_fetched=False, id=target.id, name=target.name
            )
        elif saved.is_dataset_grouped():
            saved.pack()
        if replace_source:
            self.__dict__.update(saved.__dict__)
        return saved

    def validate(self, schema: Any) -> None:
        """Raise unless a schema accepts the rows.

        Raises:
            InvalidArgumentError: it does not.
        """
        if not schema.validate(copy.copy(self)):
            raise InvalidArgumentError(
                tr("the rows are not as {schema} wants them", schema=type(schema).__name__)
            )

    @classmethod
    def create_from_pyobj(cls, data: Any, schema: Any = None, **options: Any) -> Self:
        """Build a dataset of dictionaries, lists of turns, texts, or columns: `{"prompt":
        [...]}`.
        """
        return cls(data, inner_schema_cache=schema, **options)

    @classmethod
    def create_from_pyarrow_table(cls, table: Any, schema: Any = None, **options: Any) -> Self:
        """Build a dataset of a `pyarrow.Table`."""
        return cls(table, inner_schema_cache=schema, **options)

    @classmethod
    def create_from_datasets(cls, datasets: Sequence[Self], **_: Any) -> Self:
        """Return the rows of several datasets as one."""
        first, *others = datasets
        return first.concat_table(others, should_create_new_obj=True)

    def is_dataset_located_in_qianfan(self) -> bool:
        """Return whether the dataset is on the platform."""
        return self.id is not None and isinstance(self.inner_data_source_cache, QianfanDataSource)

    def fetch_rows(self) -> Self:
        """Return a copy that lists its rows also where they are on the platform, whose list has
        ids.
        """
        rows = copy.copy(self)
        if rows.is_dataset_located_in_qianfan() and rows._entries is not None:  # noqa: SLF001 - fetches them
            rows.inner_data_source_cache = None
        return rows

    def row_number(self) -> int:
        """Return the number of rows; of a dataset on the platform without fetching them."""
        if self.is_dataset_located_in_qianfan():
            return platform.remote_info(str(self.id)).count
        return super().row_number()

    def list(self, by: Any = None, **options: Any) -> Any:
        """Return all rows, one by its number, some by numbers, or a slice whose end is included.

        Of a dataset on the platform: `[{"entity_id": ..., "entity_content": "the row as JSON"}]`.
        """
        if self.is_dataset_located_in_qianfan():
            return _list_rows(str(self.id), by, len(self), **options)
        return super().list(by)

    def add_default_group_column(self) -> Self:
        """Give each row a group of its own, unless there are groups."""
        if self.is_dataset_grouped():
            return self
        return self.col_append({GROUP: [*range(len(self._entries))]})

    def delete_group_column(self) -> Self:
        """Remove the groups."""
        if self.is_dataset_grouped():
            return self.col_delete(GROUP)
        return self

    def pack(self, **_: Any) -> bool:
        """Make one row of each group, or of each row where there are no groups."""
        self.add_default_group_column()
        return Table.pack(self)

    @property
    def rows(self) -> Sequence[Row]:
        """The rows as one of the platform's kinds; as they are where they are none."""
        return self._typed_rows()[0]

    @property
    def schema(self) -> Schema:
        """The platform's kind of the rows."""
        if self.is_dataset_located_in_qianfan():
            return platform.remote_info(str(self.id)).schema
        return self._typed_rows()[1]

    def _typed_rows(self) -> tuple[builtins.list[Row], Schema]:
        try:
            return parse_entries(self)
        except DatasetError:
            rows = deep_copy(self._entries)
            return [{PACK: row} for row in rows] if self.is_dataset_packed() else rows, ANY_ROWS

    @property
    def bos_address(self) -> str | None:
        """`bos:/bucket/key` of a dataset that is in storage as it is; None for others."""
        source = self.inner_data_source_cache
        if isinstance(source, BosDataSource) and self._stored_entries is None:
            return source.address
        return None

    def __bool__(self) -> bool:
        return self._stored_entries is None or bool(self._stored_entries)

    def __repr__(self) -> str:
        if self._stored_entries is None:
            return PlainDataset.__repr__(self)
        return (
            f"<Dataset {self.name!r}: {len(self._entries):,} rows, columns "
            f"{', '.join(self._columns)}>"
        )

    def _release_rows(self, *arguments: Any) -> str:
        parse_entries(self)  # raises where the rows are none of the platform's kinds
        return super()._release_rows(*arguments)

    def _with_rows(self, rows: Sequence[Row], schema: Schema | None = None) -> Self:
        return type(self)([*rows], name=self.name)


def _list_rows(dataset_id: str, by: Any, count: int, **options: Any) -> builtins.list[Any]:
    """Return rows of a dataset on the platform, as JSON.

    Raises:
        InvalidArgumentError: rows are chosen by something else than a number or a slice.
    """
    if by is not None and not isinstance(by, (int, slice)):
        raise InvalidArgumentError(
            tr("rows on the platform are chosen by a number or a slice, not by {value!r}", value=by)
        )
    start = by if isinstance(by, int) else 0
    end = by if isinstance(by, int) else count - 1
    if isinstance(by, slice):
        start = by.start or 0
        end = end if by.stop is None else min(by.stop, end)
    items: builtins.list[Any] = []
    while start + len(items) <= end:
        size = min(PAGE_SIZE, end - start - len(items) + 1)
        page = Data.list_all_entity_in_dataset(dataset_id, start + len(items), size, **options)[
            "result"
        ]["items"]
        if not page:
            break
        items += page
    with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
        return [
            {
                "entity_id": row["id"],
                "entity_content": _download_row(row["url"], Path(folder) / row["id"]),
            }
            for row in items
        ]


def _download_row(url: str, path: Path) -> str:
    try:
        return download(url, path, max_bytes=MAX_ROW_BYTES).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise QianfanError(tr("the row at {url} is not UTF-8", url=url)) from error
