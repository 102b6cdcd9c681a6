"""The columns of a table."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

from ..._jsonl_csv_parquet import import_pyarrow
from ...base.language import tr
from ...dataset.row_formats import deep_copy
from ...errors import InvalidArgumentError

PACK: Final = "_pack"
"""The only column of a packed table; each cell is a whole conversation (a list of turns), or a
text.
"""

GROUP: Final = "_group"
"""The column with the number of the conversation that a row belongs to."""

Columns = dict[str, list[Any]]


class ColumnOperations:
    """A table as columns.

    Every operation changes the table and returns it; with `should_create_new_obj=True` it changes a
    copy.
    """

    _entries: list[Any]
    _columns: list[str]

    def is_dataset_packed(self) -> bool:
        """Return whether each row is a whole conversation, or a text."""
        return self._columns == [PACK]

    def is_dataset_grouped(self) -> bool:
        """Return whether the rows have numbers of conversations."""
        return GROUP in self._columns

    def col_names(self) -> list[str]:
        """Return the names of the columns."""
        return [*self._columns]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.col_names()

    def column_number(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def to_pydict(self) -> dict[str, list[Any]]:
        """Return the columns: `{"prompt": [...], ...}`."""
        if self.is_dataset_packed():
            return {PACK: deep_copy(self._entries)}
        return {name: [deep_copy(row[name]) for row in self._entries] for name in self._columns}

    @property
    def inner_table(self) -> Any:
        """The table as a `pyarrow.Table`."""
        return import_pyarrow().Table.from_pydict(self.to_pydict())

    def col_list(self, by: int | str | Sequence[int] | Sequence[str] | None = None) -> Columns:
        """Return all columns, or those of some names or numbers: `{"prompt": [...]}`.

        Raises:
            InvalidArgumentError: there is no such column.
        """
        if by is None:
            return self.to_pydict()
        if isinstance(by, slice):
            raise InvalidArgumentError(
                tr("columns are chosen by names or numbers, and not by a slice")
            )
        if isinstance(by, (int, str)):
            chosen = [by]
        else:
            chosen = [*by]
        names = [self._columns[name] if isinstance(name, int) else name for name in chosen]
        columns = self._select(names)
        return {name: columns[name] for name in names}

    def col_map(
        self,
        op: Callable[[Columns], Mapping[str, Sequence[Any]]],
        should_create_new_obj: bool = False,
        **_: Any,
    ) -> Self:
        """Replace each column by what a function returns for it: `{"prompt": [...]}` to `{"prompt":
        [...]}`.
        """
        new_columns: dict[str, Sequence[Any]] = {}
        for name, values in self.to_pydict().items():
            new_columns |= op({name: values})
        return self._with_columns(new_columns, should_create_new_obj)

    def col_filter(
        self, op: Callable[[Columns], object], should_create_new_obj: bool = False, **_: Any
    ) -> Self:
        """Keep the columns for which a function returns a true value."""
        columns = {name: values for name, values in self.to_pydict().items() if op({name: values})}
        return self._with_columns(columns, should_create_new_obj)

    def col_delete(
        self, index: str | Sequence[str], should_create_new_obj: bool = False, **_: Any
    ) -> Self:
        """Remove a column, or several, by name."""
        if isinstance(index, int):
            raise InvalidArgumentError(
                tr("columns are deleted by name, and {value} is a number", value=index)
            )
        if isinstance(index, str):
            names = [index]
        else:
            names = [*index]
        self._validate_columns(names)
        columns = {name: values for name, values in self.to_pydict().items() if name not in names}
        return self._with_columns(columns, should_create_new_obj)

    def col_append(
        self, elem: Mapping[str, Sequence[Any]], should_create_new_obj: bool = False, **_: Any
    ) -> Self:
        """Add columns: `{"length": [1, 2, 3]}`.

        Raises:
            InvalidArgumentError: a column is there already, or has another number of values than
                the table rows.
        """
        if not isinstance(elem, Mapping):
            raise InvalidArgumentError(
                tr("new columns are a dictionary of lists, not {value!r:.60}", value=elem)
            )
        for name in elem:
            if name in self._columns:
                raise InvalidArgumentError(tr("there is a column {name} already", name=repr(name)))
        return self._with_columns({**self.to_pydict(), **elem}, should_create_new_obj)

    def col_insert(
        self, elem: Mapping[str, Any], index: int, should_create_new_obj: bool = False, **_: Any
    ) -> Self:
        """Add a column before another: `{"name": "length", "data": [1, 2, 3]}`.

        Args:
            elem: name and values.
            index: the number of the column, from 0.
            should_create_new_obj: change a copy.
        """
        if not 0 <= index <= len(self._columns):
            raise InvalidArgumentError(
                tr(
                    "index={index}: it is 0 to {n}, the number of columns",
                    index=index,
                    n=len(self._columns),
                )
            )
        pairs = [*self.to_pydict().items()]
        pairs.insert(index, (elem["name"], elem["data"]))
        return self._with_columns(dict(pairs), should_create_new_obj)

    def col_renames(self, new_names: Sequence[str] | Mapping[str, str]) -> Self:
        """Rename all columns in order, or some: `{"question": "prompt"}`; `_group` need not be
        among them.
        """
        if isinstance(new_names, Mapping):
            self._validate_columns(new_names)
            names = [new_names.get(name, name) for name in self._columns]
        else:
            names = [*new_names]
            if self.is_dataset_grouped() and GROUP not in names:
                names.insert(self._columns.index(GROUP), GROUP)
        if len(names) != len(self._columns):
            raise InvalidArgumentError(
                tr("{n} names for {columns} columns", n=len(names), columns=len(self._columns))
            )
        return self._with_columns(
            dict(zip(names, self.to_pydict().values(), strict=True)), in_copy=False
        )

    def select_columns(
        self, columns: Sequence[str], should_create_new_obj: bool = False, **_: Any
    ) -> Self:
        """Keep only these columns."""
        return self._with_columns(self._select(columns), should_create_new_obj)

    def mean(self, column: str, skip_nulls: bool = True, **_: Any) -> float:
        """Return the mean of a column of numbers."""
        return statistics.fmean(self._numbers(column, skip_nulls))

    def min(self, column: str, skip_nulls: bool = True, **_: Any) -> float:
        """Return the smallest number of a column."""
        smallest: float = min(self._numbers(column, skip_nulls))
        return smallest

    def max(self, column: str, skip_nulls: bool = True, **_: Any) -> float:
        """Return the largest number of a column."""
        largest: float = max(self._numbers(column, skip_nulls))
        return largest

    def quantile(
        self,
        column: str,
        q: Sequence[float] | float = 0.5,
        interpolation: Any = "linear",
        skip_nulls: bool = True,
        **_: Any,
    ) -> list[float]:
        """Return quantiles of a column of numbers.

        Args:
            column: its name.
            q: one or several shares, 0 to 1.
            interpolation: linear, lower, higher, nearest or midpoint.
            skip_nulls: leave empty cells out.
        """
        import numpy as np  # noqa: PLC0415 - slow to import

        if isinstance(q, (int, float)):
            shares = [q]
        else:
            shares = [*q]
        return [
            float(value)
            for value in np.quantile(
                self._numbers(column, skip_nulls), shares, method=interpolation
            )
        ]

    def _numbers(self, column: str, skip_nulls: bool) -> list[Any]:
        values = self._select([column])[column]
        if skip_nulls:
            return [value for value in values if value is not None]
        return values

    def _select(self, names: Sequence[str]) -> Columns:
        self._validate_columns(names)
        columns = self.to_pydict()
        return {name: columns[name] for name in names}

    def _validate_columns(self, names: Sequence[str] | Mapping[str, str]) -> None:
        for name in names:
            if name not in self._columns:
                raise InvalidArgumentError(
                    tr(
                        "There is no column {name}; there are {columns}.",
                        name=repr(name),
                        columns=tr(", ").join(self._columns),
                    )
                )

    def _with_columns(self, columns: Mapping[str, Sequence[Any]], in_copy: bool) -> Self:
        """Return the table, or a copy of it, with these columns."""
        for name, values in columns.items():
            if isinstance(values, str) or len(values) != len(self._entries):
                raise InvalidArgumentError(
                    tr(
                        "Column {name} has {values} values, and the dataset {rows} rows.",
                        name=repr(name),
                        values=len(values),
                        rows=len(self._entries),
                    )
                )
        if [*columns] == [PACK]:
            return self._replace([*columns[PACK]], [PACK], in_copy)
        cells = zip(*columns.values(), strict=True)
        return self._replace(
            [dict(zip(columns, row, strict=True)) for row in cells], [*columns], in_copy
        )

    def _replace(self, entries: list[Any], columns: Sequence[str], in_copy: bool) -> Self:
        """Return the table, or a copy of it, with these rows."""
        if in_copy:
            table = copy.copy(self)
        else:
            table = self
        table._entries = entries
        table._columns = [*columns]
        return table
