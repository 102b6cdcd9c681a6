"""`Table`: rows with any columns, packed or grouped into conversations. Source: the official SDK's
Table.
"""

from __future__ import annotations

import builtins
import copy
import logging
import random
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, Final, Self

from ..._jsonl_csv_parquet import import_pyarrow
from ...base.language import tr
from ...dataset.row_formats import deep_copy
from ...errors import InvalidArgumentError

log = logging.getLogger("qfnb.dataset")

PACK: Final = "_pack"
"""The only column of a packed table; each cell is a whole conversation (a list of turns), or a
text.
"""

GROUP: Final = "_group"
"""The column with the number of the conversation that a row belongs to."""

Columns = dict[str, list[Any]]


def to_entries(values: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """Return rows of which each has all columns, and the columns; lists of turns and texts make a
    packed table.

    Raises:
        InvalidArgumentError: the rows are of two kinds.
    """
    rows = [*values]
    if not rows:
        return [], []
    if not all(isinstance(row, Mapping) for row in rows):
        kinds = {type(row).__name__ for row in rows}
        if not kinds <= {"list"} and not kinds <= {"str"}:
            raise InvalidArgumentError(
                tr(
                    "the rows are of several kinds ({kinds}): dictionaries, lists of turns, or "
                    "texts",
                    kinds=kinds,
                )
            )
        return deep_copy(rows), [PACK]
    columns = [*dict.fromkeys(chain.from_iterable(rows))]
    entries = []
    for row in rows:
        entries.append({name: deep_copy(row.get(name)) for name in columns})
    return entries, columns


class Table:
    """Rows with any columns.

    Every operation changes the table and returns it; with `should_create_new_obj=True` it changes a
    copy. The tables of `qfnb.Dataset` are the safer ones: their operations never change them.

    Args:
        inner_table: a `pyarrow.Table`, or rows: dictionaries, lists of turns, or texts.
    """

    _entries: builtins.list[Any]
    _columns: builtins.list[str]

    def __init__(self, inner_table: Any = None) -> None:
        values = inner_table
        if hasattr(inner_table, "to_pydict"):
            values = inner_table.to_pydict()
        if isinstance(values, Mapping):
            self._entries = _to_rows(values)
            self._columns = [*values]
        else:
            self._entries, self._columns = to_entries(values or ())

    def map(self, op: Callable[[Any], Any], should_create_new_obj: bool = False, **_: Any) -> Self:
        """Replace each row by what a function returns for it; an empty value removes the row.

        Args:
            op: takes a row; of a packed table a list of turns or a text, and it may yield several
                rows.
            should_create_new_obj: change a copy.

        Raises:
            InvalidArgumentError: it returned something else than a dictionary.
        """
        if not callable(op):
            raise TypeError(tr("op={value!r:.60}: must be a function", value=op))
        is_packed = self.is_dataset_packed()
        results = builtins.list[Any]()
        for entry in self._entries:
            value = op(deep_copy(entry))
            if is_packed and isinstance(value, Generator):
                results += value
            elif not value:
                log.warning(tr("a row was removed: the function returned nothing for it"))
            elif not is_packed and not isinstance(value, Mapping):
                raise InvalidArgumentError(
                    tr(
                        "the function returned {value!r:.60}: it must return a dictionary",
                        value=value,
                    )
                )
            elif self.is_dataset_grouped():
                results.append({GROUP: entry[GROUP], **value})
            else:
                results.append(value)
        return self._replace(*to_entries(results), should_create_new_obj)

    def filter(
        self, op: Callable[[Any], object], should_create_new_obj: bool = False, **_: Any
    ) -> Self:
        """Keep the rows for which a function returns a true value."""
        rows = [entry for entry in self._entries if op(deep_copy(entry))]
        return self._replace(rows, self._columns, should_create_new_obj)

    def iterate(self, op: Callable[[Any], object], **_: Any) -> None:
        """Call a function for each row."""
        for entry in self:
            op(entry)

    def delete(self, index: int, should_create_new_obj: bool = False, **_: Any) -> Self:
        """Remove a row by its number, from 0."""
        self._validate_index(index, len(self._entries) - 1)
        rows = [*self._entries[:index], *self._entries[index + 1 :]]
        return self._replace(rows, self._columns, should_create_new_obj)

    def append(
        self,
        elem: Any,
        add_new_group: bool = False,
        is_grouped: bool = True,
        should_create_new_obj: bool = False,
        **_: Any,
    ) -> Self:
        """Add one or more rows at the end.

        Args:
            elem: a dictionary, a list of them; for a packed table a list of turns, a text, or a
                list of these.
            add_new_group: in a grouped table, give the rows a new group instead of the last.
            is_grouped: with `add_new_group`, one group for all of them; otherwise one for each.
            should_create_new_obj: change a copy.
        """
        return self.insert(
            elem, len(self._entries), -1, add_new_group, is_grouped, should_create_new_obj
        )

    def insert(
        self,
        elem: Any,
        index: int,
        group_id: int = -1,
        add_new_group: bool = False,
        is_grouped: bool = True,
        should_create_new_obj: bool = False,
        **_: Any,
    ) -> Self:
        """Add one or more rows before another; arguments as for `append`.

        Args:
            elem: the rows.
            index: the number of the row before which they come.
            group_id: their group in a grouped table; -1: the last one, or a new one.
            add_new_group: give them a new group.
            is_grouped: one new group for all of them.
            should_create_new_obj: change a copy.
        """
        self._validate_index(index, len(self._entries))
        new_rows = self._to_rows(elem)
        if self.is_dataset_grouped():
            last_group = max((row[GROUP] or 0 for row in self._entries), default=-1)
            for number, row in enumerate(new_rows):
                if add_new_group:
                    step = 1 if is_grouped else number + 1
                else:
                    step = 0
                row[GROUP] = group_id if group_id != -1 else last_group + step
        rows = [*self._entries[:index], *new_rows, *self._entries[index:]]
        return self._replace(*to_entries(rows), should_create_new_obj)

    def _validate_index(self, index: int, last: int) -> None:
        if not isinstance(index, int) or not 0 <= index <= last:
            raise InvalidArgumentError(
                tr(
                    "index={index!r}: there are {n} rows, numbered from 0",
                    index=index,
                    n=len(self._entries),
                )
            )

    def _to_rows(self, elem: Any) -> builtins.list[Any]:
        """Return the additions as rows.

        Raises:
            InvalidArgumentError: the table cannot have such rows.
        """
        rows = [*elem] if elem and isinstance(elem, (builtins.list, tuple)) else [elem]
        if isinstance(rows[0], Mapping):
            turns = [*map(dict, rows)]
            return [turns] if self.is_dataset_packed() else turns
        if elem and self.is_dataset_packed() and isinstance(rows[0], (builtins.list, str)):
            return rows
        raise InvalidArgumentError(tr("{value!r:.60} cannot be a row of this table", value=elem))

    def list(self, by: int | slice | Sequence[int] | None = None, **_: Any) -> Any:
        """Return all rows, one by its number, some by numbers, or a slice whose end is included.

        Raises:
            IndexError: there is no such row.
        """
        if by is None:
            return deep_copy(self._entries)
        if isinstance(by, int):
            return deep_copy(self._entries[by])
        if isinstance(by, slice):
            end = None if by.stop is None else by.stop + 1
            return deep_copy(self._entries[by.start or 0 : end])
        if isinstance(by, str) or not all(isinstance(index, int) for index in by):
            raise InvalidArgumentError(tr("rows are chosen by number, not by {value!r}", value=by))
        return [deep_copy(self._entries[index]) for index in by]

    def take_slice(
        self, start: int = 0, end: int = -1, should_create_new_obj: bool = False, **_: Any
    ) -> Self:
        """Keep the rows from one number to another, both included; -1 is the last."""
        first, last = self._range(start, end)
        return self._replace(self._entries[first : last + 1], self._columns, should_create_new_obj)

    def sample(
        self,
        sample_number: int,
        start: int = 0,
        end: int = -1,
        should_create_new_obj: bool = False,
        **_: Any,
    ) -> Self:
        """Keep random rows.

        Args:
            sample_number: how many; all of them if there are fewer.
            start: draw from this row on.
            end: and up to this one, included; -1 is the last.
            should_create_new_obj: change a copy.
        """
        first, last = self._range(start, end)
        if sample_number < 0:
            raise InvalidArgumentError(tr("sample_number={n}: must be 0 or more", n=sample_number))
        pool = self._entries[first : last + 1]
        if sample_number < len(pool):
            pool = random.sample(pool, sample_number)
        return self._replace(pool, self._columns, should_create_new_obj)

    def shuffle(self, should_create_new_obj: bool = False, **_: Any) -> Self:
        """Put the rows in random order."""
        rows = random.sample(self._entries, len(self._entries))
        return self._replace(rows, self._columns, should_create_new_obj)

    def _range(self, start: int, end: int) -> tuple[int, int]:
        last = len(self._entries) - 1
        if start < 0 or end > last:
            raise InvalidArgumentError(
                tr(
                    "start={start}, end={end}: the rows are numbered 0 to {last}",
                    start=start,
                    end=end,
                    last=last,
                )
            )
        return start, end if end >= 0 else last

    def concat_table(
        self, concat_table: Any, should_create_new_obj: bool = False, **_: Any
    ) -> Self:
        """Add the rows of another table, or of several, at the end."""
        rows = [*self._entries]
        for table in concat_table if isinstance(concat_table, builtins.list) else [concat_table]:
            rows += table._entries  # noqa: SLF001 - of this class
        return self._replace(*to_entries(rows), should_create_new_obj)

    def pack(self, **_: Any) -> bool:
        """Make one row of each group, a list of turns; return whether that was possible."""
        if (
            self._columns == [GROUP]
            or not self.is_dataset_grouped()
            or any(row[GROUP] is None for row in self._entries)
        ):
            log.warning(
                tr("the table cannot be packed: each row needs a number in {column}", column=GROUP)
            )
            return False
        rows = sorted(self._entries, key=lambda row: row[GROUP])
        if rows and rows[0][GROUP] < 0:
            raise InvalidArgumentError(
                tr("{column}={value}: must be 0 or more", column=GROUP, value=rows[0][GROUP])
            )
        groups = []
        for _, group in groupby(rows, key=lambda row: row[GROUP]):
            groups.append([*map(_to_turn, group)])
        self._replace(groups, [PACK], in_copy=False)
        return True

    def unpack(self, **_: Any) -> bool:
        """Make a row of each turn, with the number of its conversation; return whether that was
        possible.
        """
        if not self.is_dataset_packed() or not all(
            isinstance(entry, builtins.list) for entry in self._entries
        ):
            log.warning(tr("the table cannot be unpacked: its rows are not lists of turns"))
            return False
        rows = []
        for number, turns in enumerate(self._entries):
            for turn in turns:
                rows.append({**turn, GROUP: number})
        self._replace(*to_entries(rows), in_copy=False)
        return True

    def row_number(self) -> int:
        """Return the number of rows."""
        return len(self._entries)

    def to_pylist(self) -> builtins.list[dict[str, Any]]:
        """Return the rows as dictionaries, those of a packed table with the one column `_pack`."""
        rows: builtins.list[Any] = deep_copy(self._entries)
        if self.is_dataset_packed():
            return [{PACK: entry} for entry in rows]
        return rows

    def __getitem__(self, key: Any) -> Any:
        """Return rows by number, or columns by name: `table[0]`, `table["prompt"]`."""
        if isinstance(key, Sequence) and key and isinstance(key[0], str):
            return self.col_list(key)
        return self.list(key)

    def __delitem__(self, key: int | str) -> None:
        self.col_delete(key) if isinstance(key, str) else self.delete(key)

    def __len__(self) -> int:
        return self.row_number()

    def __iter__(self) -> Iterator[Any]:
        return (deep_copy(entry) for entry in self._entries)

    def is_dataset_packed(self) -> bool:
        """Return whether each row is a whole conversation, or a text."""
        return self._columns == [PACK]

    def is_dataset_grouped(self) -> bool:
        """Return whether the rows have numbers of conversations."""
        return GROUP in self._columns

    def col_names(self) -> builtins.list[str]:
        """Return the names of the columns."""
        return [*self._columns]

    @property
    def columns(self) -> builtins.list[str]:
        """The names of the columns."""
        return self.col_names()

    def column_number(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def to_pydict(self) -> dict[str, builtins.list[Any]]:
        """Return the columns: `{"prompt": [...], ...}`."""
        if self.is_dataset_packed():
            return {PACK: deep_copy(self._entries)}
        columns = {}
        for name in self._columns:
            columns[name] = [deep_copy(row[name]) for row in self._entries]
        return columns

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
        return self._select(names)

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
        names = [index] if isinstance(index, str) else [*index]
        self._validate_columns(names)
        kept = [name for name in self._columns if name not in names]
        return self.select_columns(kept, should_create_new_obj)

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
        return self._replace(_to_rows(columns), [*columns], in_copy)

    def _replace(self, entries: builtins.list[Any], columns: Sequence[str], in_copy: bool) -> Self:
        """Return the table, or a copy of it, with these rows."""
        if in_copy:
            table = copy.copy(self)
        else:
            table = self
        table._entries = entries
        table._columns = [*columns]
        return table


def _to_rows(columns: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Return columns as rows; those of a packed table are its only column."""
    if [*columns] == [PACK]:
        return [*columns[PACK]]
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _to_turn(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a grouped row as a turn: without its group, its answer as the platform has it."""
    turn = {name: cell for name, cell in row.items() if name != GROUP}
    if isinstance(turn.get("response"), str):
        return {**turn, "response": [[turn["response"]]]}
    return turn
