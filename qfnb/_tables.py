"""Tables of other packages as rows of Python values: pandas, polars, DuckDB, and what has Arrow's
stream.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from ._jsonl_csv_parquet import import_pyarrow
from .base.language import tr
from .errors import InvalidArgumentError


@cache
def frame_class(name: str) -> Any:
    """Return the class of this name: a `pandas.DataFrame`, pickled as one."""
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    members = {
        "__module__": __name__,
        "__reduce__": lambda self: (pd.DataFrame, (pd.DataFrame(self),)),
    }
    return type(name, (pd.DataFrame,), members)


def is_list(value: object) -> bool:
    """Return whether a value is one of these: a list of models, calls, trainings, ..., and no
    data.
    """
    return type(value).__module__ == __name__


def __getattr__(name: str) -> Any:
    """Return a class by its name, so that pandas is loaded for it only."""
    if not name.endswith("Table"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return frame_class(name)


def find_variables(matches: Callable[[Any], bool]) -> dict[str, Any]:
    """Return the notebook's variables whose values match, the oldest first; none without a
    notebook.
    """
    package = sys.modules.get("IPython")  # without it there is no notebook
    if package is None:
        shell = None
    else:
        shell = package.get_ipython()
    variables = list(getattr(shell, "user_ns", {}).items())
    return {name: value for name, value in variables if name[:1] != "_" and matches(value)}


Row = dict[str, Any]

TABLE_ROWS: Final = 1024
"""Rows of a table that become Python values at once."""


@dataclass(frozen=True)
class TableRows:
    """The rows of a table.

    Attributes:
        kind: the name of the table's class.
        columns: their names.
        rows: starts reading; a stream can be read once.
        total: number of rows, None where it is not known.
        is_rereadable: whether `rows` may be called again.
    """

    kind: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    total: int | None
    is_rereadable: bool = True


def open_table(value: object) -> TableRows | None:
    """Return a table; None for what is none, a single column (a Series) among it.

    A LazyFrame is collected, and the query of a DuckDB relation run, once. Other tables are read by
    pyarrow.

    Raises:
        InvalidArgumentError: two columns have the same name, or pyarrow is needed and missing.
    """
    if isinstance(value, TableRows):
        return value
    if is_pandas_frame(value):
        return pandas_table(value)
    if type(value).__module__.partition(".")[0] == "polars":
        return _polars_table(value)
    if type(value).__name__ == "DuckDBPyRelation":
        return _duckdb_table(value)
    if hasattr(value, "__arrow_c_stream__") and not isinstance(value, type):
        return _arrow_table(value)
    return None


def is_pandas_frame(value: object) -> bool:
    """Return whether a value is a pandas DataFrame; pandas need not be loaded."""
    kinds = type(value).__mro__
    return any(
        kind.__name__ == "DataFrame" and kind.__module__.startswith("pandas") for kind in kinds
    )


def pandas_table(frame: Any) -> TableRows:
    """Return a pandas DataFrame as rows."""
    if len(frame.columns) == 0:  # itertuples then has no rows either
        return TableRows("DataFrame", (), lambda: ({} for _ in range(len(frame))), len(frame))
    columns = _validate_columns(frame.columns)
    return TableRows(
        "DataFrame",
        columns,
        lambda: _to_rows(columns, frame.itertuples(index=False, name=None)),
        len(frame),
    )


def _polars_table(table: Any) -> TableRows | None:
    kind = type(table).__name__
    if kind not in {"DataFrame", "LazyFrame"}:
        return None
    if kind == "LazyFrame":
        frame = table.collect()
    else:
        frame = table
    return TableRows(kind, tuple(frame.columns), lambda: frame.iter_rows(named=True), frame.height)


def _duckdb_table(relation: Any) -> TableRows:
    columns = _validate_columns(relation.columns)
    cells = relation.fetchall()
    return TableRows("DuckDBPyRelation", columns, lambda: _to_rows(columns, cells), len(cells))


def _to_rows(columns: Sequence[str], cells: Iterable[Sequence[Any]]) -> Iterator[Row]:
    return (dict(zip(columns, row, strict=True)) for row in cells)


def _arrow_table(table: Any) -> TableRows | None:
    """Return a table that has Arrow's stream, which is not copied; None for a single column."""
    arrow = import_pyarrow(tr("Tables of the type {kind}", kind=type(table).__name__))
    open_reader = partial(arrow.RecordBatchReader.from_stream, table)

    def read(reader: Any) -> Iterator[Row]:
        with reader:
            for chunk in reader:
                for start in range(0, len(chunk), TABLE_ROWS):
                    yield from chunk.slice(start, TABLE_ROWS).to_pylist()

    try:
        first_reader = open_reader()
    except (arrow.ArrowInvalid, TypeError):
        return None
    columns = _validate_columns(first_reader.schema.names)
    if not isinstance(table, Sized):
        total = None
    else:
        total = len(table)
    if hasattr(table, "read_next_batch"):
        return TableRows(
            type(table).__name__, columns, lambda: read(first_reader), total, is_rereadable=False
        )
    first_reader.close()
    return TableRows(type(table).__name__, columns, lambda: read(open_reader()), total)


def _validate_columns(names: Iterable[object]) -> tuple[str, ...]:
    """Return the names of columns as texts.

    Raises:
        InvalidArgumentError: two of them are the same.
    """
    columns = tuple(map(str, names))
    if len(set(columns)) < len(columns):
        raise InvalidArgumentError(
            tr("two columns have the same name: {columns}", columns=tr(", ").join(columns))
        )
    return columns
