"""Operations on rows; each returns a new dataset, so that a cell may be run twice."""

from __future__ import annotations

import builtins
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, overload

from ..base.language import tr
from ..errors import InvalidArgumentError
from .file_writer import column_names
from .row_formats import deep_copy, parse_rows, row_key, to_json, with_locations
from .schema import Row, Schema, find_schema

if TYPE_CHECKING:
    import pandas as pd


Groups = dict[str, list[list[int]]]
"""For each value of a column, the positions of the rows with the same input."""


def group_positions(rows: Sequence[Row], inputs: Sequence[str], by: str | None) -> Groups:
    """Return the positions of rows with the same input together, by the values of a column.

    Args:
        rows: the rows.
        inputs: the columns that a model reads.
        by: the column, None for one group of all rows.
    """
    by_input: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        by_input[" ".join(str(row.get(column)) for column in inputs).strip()].append(position)
    groups: Groups = defaultdict(list)
    for positions in by_input.values():
        groups[to_json(rows[positions[0]].get(by)) if by else ""].append(positions)
    return groups


def draw_positions(groups: Groups, share: float, max_size: int, seed: int) -> set[int]:
    """Return positions that are drawn group by group, from each value its share, until there are
    enough.

    Args:
        groups: what `group_positions` returned; the groups are shuffled in place.
        share: of the rows of each value, between 0 and 1.
        max_size: the largest number of rows.
        seed: the same seed draws the same.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    positions = set[int]()
    quota = 0.0
    for key in sorted(groups):
        rng.shuffle(groups[key])
        quota += share * sum(map(len, groups[key]))
        for group in groups[key]:
            if len(positions) + len(group) <= min(round(quota), max_size):
                positions.update(group)
    return positions


class Column(builtins.list[Any]):
    """The values of a column; `column[its name]` is the column itself, as code for the official SDK
    asks for it.
    """

    def __init__(self, name: str, values: Iterable[Any]) -> None:
        super().__init__(values)
        self._name = name

    def __getitem__(self, key: Any) -> Any:
        if key == self._name:
            return self
        return super().__getitem__(key)


class TypedTable:
    """Rows of one schema.

    Rows are never changed: every operation returns a new dataset (the official SDK's change the one
    they are called on), which shares its rows with the old one; users get copies of rows. Only `del
    ds[3]` changes a dataset.
    """

    name: str
    _rows: list[Row]
    _schema: Schema

    @property
    def rows(self) -> Sequence[Row]:
        """The rows; they must not be changed."""
        return self._rows

    @property
    def schema(self) -> Schema:
        """The schema of the rows."""
        return self._schema

    def list(self, by: int | slice | str | Sequence[int] | None = None) -> Any:
        """Return all rows; one by its number, some by a slice or numbers, or a column by its
        name.
        """
        if by is None or isinstance(by, slice):
            return [deep_copy(row) for row in (self.rows if by is None else self.rows[by])]
        if isinstance(by, str):
            return self.col_list(by)
        if isinstance(by, int):
            return deep_copy(self.rows[by])
        return [deep_copy(self.rows[position]) for position in by]

    def head(self, n: int = 5) -> Self:
        """Return the first rows as a dataset."""
        return self._with_rows(self.rows[:n])

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a DataFrame."""
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        return pd.DataFrame(self.list(), columns=self.columns)

    @property
    def columns(self) -> builtins.list[str]:
        """The names of the columns."""
        return column_names(self.rows)

    def col_names(self) -> builtins.list[str]:
        """Return the names of the columns."""
        return self.columns

    def col_list(self, column: str | None = None) -> Any:
        """Return the values of a column, None where a row has no value; by default all columns:
        `{"prompt": [...]}`.
        """
        if column is None:
            return {name: self.col_list(name) for name in self.columns}
        self._validate_column(column)
        return Column(column, (deep_copy(row.get(column)) for row in self.rows))

    def col_renames(self, names: Mapping[str, str]) -> Self:
        """Rename columns: `{"question": "prompt"}`."""
        for column in names:
            self._validate_column(column)
        return self._from_values(
            {names.get(key, key): value for key, value in row.items()} for row in self.rows
        )

    def col_delete(self, *columns: str) -> Self:
        """Remove columns."""
        return self.select_columns([name for name in self.columns if name not in columns])

    def col_append(self, columns: Mapping[str, Sequence[Any]]) -> Self:
        """Add columns, or replace those of the same names.

        Raises:
            InvalidArgumentError: the number of values of a column differs from that of the rows.
        """
        for name, values in columns.items():
            if len(values) != len(self.rows):
                raise InvalidArgumentError(
                    tr(
                        "Column {name} has {values} values, and the dataset {rows} rows.",
                        name=repr(name),
                        values=len(values),
                        rows=len(self.rows),
                    )
                )
        added = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]
        return self._from_values(
            {**row, **new_cells} for row, new_cells in zip(self.rows, added, strict=True)
        )

    def col_map(
        self, op: Callable[[dict[str, builtins.list[Any]]], Mapping[str, Sequence[Any]]]
    ) -> Self:
        """Add or replace the columns that a function returns for all columns."""
        return self.col_append(op({name: self.col_list(name) for name in self.columns}))

    def select_columns(self, columns: Sequence[str]) -> Self:
        """Keep only these columns."""
        for column in columns:
            self._validate_column(column)
        return self._from_values(
            {name: row[name] for name in columns if name in row} for row in self.rows
        )

    def map(
        self, op: Callable[[Row], Mapping[str, Any]], *, schema: Schema | str | None = None
    ) -> Self:
        """Return the rows that a function returns for a copy of each row; their schema is detected
        by default.

        Raises:
            DatasetError: it returned values that are not rows; the message has the first ten.
        """
        return self._from_values((op(deep_copy(row)) for row in self.rows), schema)

    def filter(self, op: Callable[[Row], object]) -> Self:
        """Return the rows for which a function returns a true value."""
        return self._with_rows([row for row in self.rows if op(deep_copy(row))])

    def append(self, rows: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Self:
        """Return the dataset with one or more rows at its end; `ds = ds.append(row)`."""
        return self.insert(rows, len(self.rows))

    def insert(self, rows: Mapping[str, Any] | Iterable[Mapping[str, Any]], index: int) -> Self:
        """Return the dataset with one or more rows before another."""
        inserted = self._from_values(
            [rows] if isinstance(rows, Mapping) else rows, self._required_schema()
        )
        existing = self.rows
        return self._with_rows(
            [*existing[:index], *inserted.rows, *existing[index:]],
            _common_schema(self.schema, inserted.schema),
        )

    def delete(self, index: int) -> Self:
        """Return the dataset without one row."""
        rows = [*self.rows]
        del rows[index]
        return self._with_rows(rows)

    def concat(self, *others: TypedTable) -> Self:
        """Return the rows of this dataset and of others after them, as `a + b` does.

        Raises:
            InvalidArgumentError: their schemas do not go together.
        """
        schema = self.schema
        for dataset in others:
            schema = _common_schema(schema, dataset.schema)
        appended = [row for dataset in others for row in dataset.rows]
        return self._with_rows([*self.rows, *appended], schema)

    def __add__(self, other: object) -> Self:
        if isinstance(other, TypedTable):
            return self.concat(other)
        return NotImplemented

    def sample(self, n: int, *, seed: int | None = 0) -> Self:
        """Return random rows, each at most once, in their order; with `seed=None` others each time.

        Raises:
            InvalidArgumentError: the dataset has fewer rows.
        """
        if not 0 <= n <= len(self.rows):
            raise InvalidArgumentError(
                tr(
                    "n={n}: it is a number from 0 to {rows}, the number of rows.",
                    n=n,
                    rows=len(self.rows),
                )
            )
        positions = sorted(random.Random(seed).sample(range(len(self.rows)), n))  # noqa: S311 - no secret
        return self._with_rows([self.rows[position] for position in positions])

    def shuffle(self, *, seed: int | None = 0) -> Self:
        """Return the rows in random order, the same for the same seed."""
        rows = [*self.rows]
        random.Random(seed).shuffle(rows)  # noqa: S311 - no secret
        return self._with_rows(rows)

    def deduplicate(self, by: Sequence[str] | None = None) -> Self:
        """Return the first of all equal rows; `by` names the columns to compare, by default all."""
        first_rows: dict[Hashable, Row] = {}
        for row in self.rows:
            first_rows.setdefault(row_key(row, by), row)
        return self._with_rows([*first_rows.values()])

    def duplicates(self, by: Sequence[str] | None = None) -> int:
        """Return how many rows `deduplicate` would remove."""
        return len(self.rows) - len({row_key(row, by) for row in self.rows})

    def split(
        self, part: float = 0.2, *, seed: int = 0, by: str | None = None
    ) -> tuple[Self, Self]:
        """Split into two datasets, the second of which has a share or a number of the rows.

        Rows with the same input always go to the same part, so a model is never tested on a
        question that it was trained on; the second part may be smaller than `part` for that. Both
        keep the order of the rows.

        Args:
            part: a share between 0 and 1, or a number of rows.
            seed: the same seed splits in the same way.
            by: a column whose values are to be equally frequent in both parts.

        Raises:
            InvalidArgumentError: the part is out of range, or the rows cannot be split so.
        """
        size = self._part_size(part)
        if by is not None:
            self._validate_column(by)
        positions = draw_positions(
            group_positions(self.rows, self.schema.inputs, by), size / len(self.rows), size, seed
        )
        first = [row for position, row in enumerate(self.rows) if position not in positions]
        second = [row for position, row in enumerate(self.rows) if position in positions]
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
        is_share = isinstance(part, float) and 0 < part < 1
        size = max(1, round(part * n)) if is_share else part
        if not is_share and (not isinstance(part, int) or isinstance(part, bool)):
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
        return int(size)

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: str) -> builtins.list[Any]: ...
    @overload
    def __getitem__(self, key: slice | builtins.list[str]) -> Self: ...
    def __getitem__(self, key: int | str | slice | builtins.list[str]) -> Any:
        """Return a row by its number, a column by its name, a dataset by a slice or several
        names.
        """
        if isinstance(key, slice):
            return self._with_rows(self.rows[key])
        if isinstance(key, builtins.list):
            return self.select_columns(key)
        return self.list(key)

    def __delitem__(self, index: int) -> None:
        self._rows = [*self.delete(index).rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return (deep_copy(row) for row in self.rows)

    def _required_schema(self) -> Schema | None:
        """Return the schema that added rows must have; None for any: pairs and conversations go
        together.
        """
        if not self.rows or self.schema.name in {"pairs", "conversation"}:
            return None
        return self.schema

    def _validate_column(self, column: str) -> None:
        if column not in self.columns:
            raise InvalidArgumentError(
                tr(
                    "There is no column {name}; there are {columns}.",
                    name=repr(column),
                    columns=tr(", ").join(self.columns),
                )
            )

    def _from_values(self, rows: Iterable[object], schema: Schema | str | None = None) -> Self:
        return self._with_rows(*parse_rows(with_locations(rows), find_schema(schema)))

    def _with_rows(self, rows: Sequence[Row], schema: Schema | None = None) -> Self:
        """Return a dataset like this one with other rows, which are valid already."""
        raise NotImplementedError


def _common_schema(first: Schema, second: Schema) -> Schema:
    names = {first.name, second.name}
    if names == {"pairs", "conversation"}:
        if first.name == "conversation":
            return first
        return second
    if len(names) > 1:
        raise InvalidArgumentError(
            tr(
                "These kinds of rows do not go together: {one}, and {two}.",
                one=first.title,
                two=second.title,
            )
        )
    return first
