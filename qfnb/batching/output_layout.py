"""The columns of a results file: those of the input, of the answers' fields and of the results, and
their types.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any, NamedTuple

from pydantic_core import to_jsonable_python

from .._jobs.row_result import RESULT_COLUMNS
from .._jsonl_csv_parquet import import_pyarrow
from .journal_reader import BatchRow


class Record(NamedTuple):
    """One row: the cells of the input, and the values of the answer's fields and of the result."""

    cells: Mapping[str, Any]
    facts: Sequence[Any]


class Layout:
    """The columns of a results file, and of Parquet their types; it grows with the rows that it has
    seen.

    Args:
        suffix: of the file's name, `.csv`.
        fields: of the answers' format; columns before those of the results.
        columns: names of the input's columns that are known before its rows.
    """

    def __init__(self, suffix: str, fields: Sequence[str], columns: Iterable[str] = ()) -> None:
        self._fields = fields
        self._is_typed = suffix == ".parquet"
        self._may_grow = suffix == ".jsonl"
        self.inputs = dict.fromkeys(columns)
        self.types: dict[str, Any] = {}

    def add(self, records: Sequence[Record]) -> None:
        """Take the columns of further rows into account."""
        self.inputs |= dict.fromkeys(name for record in records for name in record.cells)
        if self._is_typed:
            self.types = self._merged_types(records)

    def holds(self, records: Sequence[Record]) -> bool:
        """Return whether rows can be written below those that the layout was made of."""
        names = {name for record in records for name in record.cells} - self.inputs.keys()
        if self._may_grow:
            return names.isdisjoint(self.results)
        if names or not self._is_typed:
            return not names
        return written_types(self._merged_types(records)) == written_types(self.types)

    @property
    def results(self) -> list[str]:
        """The names of the columns of fields and results."""
        return result_columns(self.inputs, self._fields)

    def to_row(self, record: Record, results: Sequence[str]) -> dict[str, Any]:
        """Return a row by the names of its columns."""
        return {**record.cells, **dict(zip(results, record.facts, strict=True))}

    def _merged_types(self, records: Sequence[Record]) -> dict[str, Any]:
        columns = {name: [record.cells.get(name) for record in records] for name in self.inputs}
        for index, name in enumerate(self._fields):
            columns[f"\0{name}"] = [record.facts[index] for record in records]
        return {
            name: _merge_types(self.types.get(name), values) for name, values in columns.items()
        }


def result_columns(inputs: Iterable[str], fields: Sequence[str]) -> list[str]:
    """Return the names of the columns of fields and results: their own, or `answer_...` where one
    has that name.

    A result's name wins over a field's, and an input's over both.
    """
    used_names = set(inputs)

    def choose(name: str) -> str:
        candidates = chain(
            (name, f"answer_{name}"), (f"answer_{name}_{number}" for number in count(2))
        )
        chosen = next(candidate for candidate in candidates if candidate not in used_names)
        used_names.add(chosen)
        return chosen

    results = [choose(name) for name in RESULT_COLUMNS]
    return [*map(choose, fields), *results]


def field_cells(row: BatchRow, fields: Sequence[str]) -> list[Any]:
    """Return the values of an answer's fields as JSON has them, None for a row without an
    answer.
    """
    value = None if row.parsed is None or not fields else to_jsonable_python(row.parsed)
    if isinstance(value, Mapping) and (len(fields) > 1 or fields[0] in value):
        return [value.get(name) for name in fields]
    return [value] * len(fields)


def input_cells(answer: BatchRow) -> Mapping[str, Any]:
    """Return a row of the input as named cells."""
    if isinstance(answer.input, Mapping):
        return answer.input
    return {"prompt" if isinstance(answer.input, str) else "messages": answer.input}


def to_record(row: BatchRow, fields: Sequence[str]) -> Record:
    """Return a row as the values of its columns."""
    results = (getattr(row, name) for name in RESULT_COLUMNS)
    return Record(input_cells(row), [*field_cells(row, fields), *results])


def written_types(types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types of a file's columns: one without a value yet is of texts."""
    arrow = import_pyarrow()
    return {
        name: arrow.string() if type_ == arrow.null() else type_ for name, type_ in types.items()
    }


def _merge_types(former: Any, values: Sequence[Any]) -> Any:
    """Return the Arrow type of values below others of a type, None for none; text where there is no
    common one.
    """
    arrow = import_pyarrow()
    try:
        inferred = arrow.infer_type(values)
        if former is None or former in {inferred, arrow.null()}:
            return inferred
        schemas = [arrow.schema({"column": type_}) for type_ in (former, inferred)]
        return arrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return arrow.string()
