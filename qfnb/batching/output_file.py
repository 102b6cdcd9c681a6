"""The results file of a batch: written in input order while rows are answered, and renamed when it
is complete.
"""

import csv
import json
import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, count, islice
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from pydantic_core import to_jsonable_python

from .._jobs.row_result import RESULT_COLUMNS, RowResult
from .._jsonl_csv_parquet import excel_cell, import_openpyxl, import_pyarrow
from ..base.language import tr
from ..base.text import strip_controls
from ..errors import InvalidArgumentError
from .journal_reader import BatchRow


class OutputRecord(NamedTuple):
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

    def add(self, records: Sequence[OutputRecord]) -> None:
        """Take the columns of further rows into account."""
        self.inputs |= dict.fromkeys(name for record in records for name in record.cells)
        if self._is_typed:
            self.types = self._merged_types(records)

    def holds(self, records: Sequence[OutputRecord]) -> bool:
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

    def to_row(self, record: OutputRecord, results: Sequence[str]) -> dict[str, Any]:
        """Return a row by the names of its columns."""
        return {**record.cells, **dict(zip(results, record.facts, strict=True))}

    def _merged_types(self, records: Sequence[OutputRecord]) -> dict[str, Any]:
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
    if row.parsed is None or not fields:
        value = None
    else:
        value = to_jsonable_python(row.parsed)
    if isinstance(value, Mapping) and (len(fields) > 1 or fields[0] in value):
        return [value.get(name) for name in fields]
    return [value] * len(fields)


def input_cells(answer: BatchRow) -> Mapping[str, Any]:
    """Return a row of the input as named cells."""
    if isinstance(answer.input, Mapping):
        return answer.input
    return {"prompt" if isinstance(answer.input, str) else "messages": answer.input}


def to_record(row: BatchRow, fields: Sequence[str]) -> OutputRecord:
    """Return a row as the values of its columns."""
    results = (getattr(row, name) for name in RESULT_COLUMNS)
    return OutputRecord(input_cells(row), [*field_cells(row, fields), *results])


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


ROWS_PER_GROUP: Final = 5000
"""Rows that are written at once, a row group of Parquet; no more of them are in memory."""

_NUMBER = re.compile(r"[+-][\d.,]+%?")

_ARROW_NAMES = {"str": "string", "int": "int64", "float": "float64"}
_PANDAS_NAMES = {"int": "Int64", "float": "float64"}


class OutputFile:
    """A results file that is being written under another name.

    Args:
        path: the file that appears at the end.
        temporary: its name until then.
        fields: of the answers' format; columns before those of the results.
        columns: names of the input's columns that are known before its rows.
    """

    def __init__(
        self, path: Path, temporary: Path, fields: Sequence[str] = (), columns: Iterable[str] = ()
    ) -> None:
        self.path = path
        self._temporary = temporary
        self._fields = fields
        self._layout = Layout(path.suffix.lower(), fields, columns)
        self._writer: _Writer | None = None
        self._records: list[OutputRecord] = []

    def append(self, row: BatchRow) -> bool:
        """Add a row; return False where the columns or types of the rows so far cannot hold it."""
        self._records.append(to_record(row, self._fields))
        return len(self._records) < ROWS_PER_GROUP or self._flush()

    def finish(self) -> bool:
        """Let the file appear; return False where its columns cannot hold the last rows."""
        if self._records or self._writer is None:
            is_whole = self._flush()
        else:
            is_whole = True
        assert self._writer is not None, "the flush made it"
        self._writer.close()
        if is_whole:
            self._temporary.replace(self.path)
        return is_whole

    def discard(self) -> None:
        """Delete what was written."""
        if self._writer is not None:
            # a disk that is full, or rows that Parquet cannot hold
            with suppress(OSError, ValueError):
                self._writer.close()
        self._temporary.unlink(missing_ok=True)

    def _flush(self) -> bool:
        records = self._records
        self._records = []
        if self._writer is None:
            self._layout.add(records)
            self._writer = WRITERS[self.path.suffix.lower()](self._temporary, self._layout)
        elif not self._layout.holds(records):
            return False
        self._writer.write(records)
        return True


def write_all(rows: Iterable[BatchRow], path: Path, temporary: Path, fields: Sequence[str]) -> None:
    """Write rows whose columns may differ: until the last has told its names, they are in a file
    beside.
    """
    layout = Layout(path.suffix.lower(), fields)
    records = (to_record(row, fields) for row in rows)
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=temporary.parent) as buffer:
        while page := list(islice(records, ROWS_PER_GROUP)):
            buffer.writelines(f"{json.dumps(record, default=str)}\n" for record in page)
            layout.add(page)
        buffer.seek(0)
        writer = WRITERS[path.suffix.lower()](temporary, layout)
        stored = (OutputRecord(*json.loads(line)) for line in buffer)
        try:
            while page := list(islice(stored, ROWS_PER_GROUP)):
                writer.write(page)
        finally:
            writer.close()


class _JsonlWriter:
    def __init__(self, path: Path, layout: Layout) -> None:
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace")
        self._layout = layout

    def write(self, records: Sequence[OutputRecord]) -> None:
        results = self._layout.results
        self._file.writelines(
            f"{_to_json(self._layout.to_row(record, results))}\n" for record in records
        )

    def close(self) -> None:
        self._file.close()


class _CsvWriter:
    def __init__(self, path: Path, layout: Layout) -> None:
        self._layout = layout
        self._results = layout.results
        # the mark tells Excel that it is UTF-8
        self._file: IO[str] = path.open(
            "w", encoding="utf-8-sig", errors="backslashreplace", newline=""
        )
        names = [*layout.inputs, *self._results]
        self._writer = csv.DictWriter(self._file, names, restval="")
        self._writer.writerow({name: csv_cell(name) for name in names})

    def write(self, records: Sequence[OutputRecord]) -> None:
        rows = (self._layout.to_row(record, self._results) for record in records)
        self._writer.writerows(
            {name: csv_cell(value) for name, value in row.items()} for row in rows
        )

    def close(self) -> None:
        self._file.close()


class _ExcelWriter:
    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._is_saved = False
        self._layout = layout
        self._results = layout.results
        self._names = [*layout.inputs, *self._results]
        self._book = import_openpyxl().Workbook(write_only=True)
        self._sheet = self._book.create_sheet()
        self._sheet.freeze_panes = "A2"
        self._sheet.append([self._to_cell(name) for name in self._names])

    def write(self, records: Sequence[OutputRecord]) -> None:
        for record in records:
            row = self._layout.to_row(record, self._results)
            self._sheet.append([self._to_cell(row.get(name)) for name in self._names])

    def close(self) -> None:
        if not self._is_saved:  # a second time is an error
            self._is_saved = True
            self._book.save(self._path)

    def _to_cell(self, value: Any) -> Any:
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return None
        if isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, (list, dict)):
            text = _to_json(value)
        else:
            text = str(value)
        return excel_cell(self._sheet, strip_controls(text))


class _ParquetWriter:
    def __init__(self, path: Path, layout: Layout) -> None:
        self._arrow = import_pyarrow()
        self._layout = layout
        from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

        with _explain_unfit_rows():
            self._schema = self._build_schema()
            self._file = parquet.ParquetWriter(path, self._schema)

    def write(self, records: Sequence[OutputRecord]) -> None:
        inputs = [[record.cells.get(name) for record in records] for name in self._layout.inputs]
        facts = zip(*(record.facts for record in records), strict=True)
        with _explain_unfit_rows():
            arrays = [
                self._arrow.array(_fit(values, field.type, self._arrow), field.type)
                for values, field in zip([*inputs, *facts], self._schema, strict=True)
            ]
            self._file.write_table(
                self._arrow.Table.from_arrays(arrays, schema=self._schema), len(records)
            )

    def close(self) -> None:
        self._file.close()

    def _build_schema(self) -> Any:
        """Return the schema, with what pandas makes of its integers that may be missing."""
        import pandas as pd  # noqa: PLC0415

        arrow = self._arrow
        layout = self._layout
        kinds = [str(kind).split()[0] for kind in RowResult.__annotations__.values()]
        results = dict(zip(layout.results[-len(kinds) :], kinds, strict=True))
        types = dict(
            zip(
                [*layout.inputs, *layout.results],
                written_types(layout.types).values(),
                strict=False,
            )
        )
        types |= {name: getattr(arrow, _ARROW_NAMES[kind])() for name, kind in results.items()}
        frame = pd.DataFrame(
            {name: pd.Series(dtype=_PANDAS_NAMES.get(results.get(name, ""))) for name in types}
        )
        metadata = arrow.Schema.from_pandas(frame, preserve_index=False).metadata
        return arrow.schema(list(types.items()), metadata=metadata)


@contextmanager
def _explain_unfit_rows() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:  # pyarrow's own are these
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidArgumentError(
            tr("Parquet cannot hold this: {reason}; use .jsonl", reason=reason)
        ) from None


def _fit(values: Sequence[Any], type_: Any, arrow: Any) -> Sequence[Any]:
    """Return values of a column of texts as texts: Parquet has one type per column."""
    if type_ != arrow.string():
        return values
    return [value if value is None or isinstance(value, str) else str(value) for value in values]


def csv_cell(value: Any) -> Any:
    """Return a value as a cell; an apostrophe keeps spreadsheets from running a text as a formula,
    as OWASP advises.
    """
    if isinstance(value, (list, dict)):
        return _to_json(value)
    if isinstance(value, str) and value.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r")):
        if _NUMBER.fullmatch(value):
            return value
        return f"'{value}"
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _to_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # most rows have no NaN, and need no look at every value
        return json.dumps(_without_nan(value), ensure_ascii=False)


def _without_nan(value: Any) -> Any:
    """Return a value as JSON can say it: NaN and infinities are null."""
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


_Writer = _JsonlWriter | _CsvWriter | _ExcelWriter | _ParquetWriter

WRITERS: Final[Mapping[str, type[_Writer]]] = {
    ".jsonl": _JsonlWriter,
    ".csv": _CsvWriter,
    ".xlsx": _ExcelWriter,
    ".parquet": _ParquetWriter,
}
