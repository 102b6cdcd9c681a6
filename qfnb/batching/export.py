"""Results of a batch as a DataFrame or a file, a row for each row of the input."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_jsonable_python

from .._jobs import row_result
from .._jobs.row_result import RESULT_COLUMNS, RowResult
from .._jsonl_csv_parquet import excel_cell, import_openpyxl, import_pyarrow
from ..base.language import tr, tr_noop
from ..base.text import replace_surrogates, strip_controls
from ..errors import InvalidArgumentError
from .journal_reader import BatchRow

if TYPE_CHECKING:
    import pandas as pd

ROWS_PER_GROUP: Final = 5000
"""Rows of a row group of Parquet; no more of them are in memory."""

_NUMBER = re.compile(r"[+-][\d.,]+%?")

Cells = dict[str, Any]
"""A row of a file by the names of its columns."""

ReadCells = Callable[[], Iterator[Cells]]


def input_cells(row: BatchRow) -> Mapping[str, Any]:
    """Return a row of the input as named cells."""
    if isinstance(row.input, Mapping):
        return row.input
    return {"prompt" if isinstance(row.input, str) else "messages": row.input}


def _field_cells(row: BatchRow, fields: Sequence[str]) -> list[Any]:
    """Return the values of an answer's fields as JSON has them, None for a row without an
    answer.
    """
    if row.parsed is None or not fields:
        return [None] * len(fields)
    value = to_jsonable_python(row.parsed)
    if isinstance(value, Mapping) and (len(fields) > 1 or fields[0] in value):
        return [value.get(name) for name in fields]
    return [value] * len(fields)


def _result_columns(inputs: Iterable[str], fields: Sequence[str]) -> list[str]:
    """Return the names of the columns of fields and results: their own, or `answer_...` where one
    has that name.

    A result's name wins over a field's, and an input's over both.
    """
    used_names = set(inputs)

    def choose(name: str) -> str:
        chosen = name
        number = 1
        while chosen in used_names:
            chosen = f"answer_{name}" if number == 1 else f"answer_{name}_{number}"
            number += 1
        used_names.add(chosen)
        return chosen

    results = list(map(choose, RESULT_COLUMNS))
    return [*map(choose, fields), *results]


def to_frame(
    answers: Iterable[BatchRow], original: Any = None, fields: Sequence[str] = ()
) -> pd.DataFrame:
    """Return inputs and results as a DataFrame.

    Args:
        answers: the rows, in input order.
        original: the DataFrame that was asked, whose index and columns are kept as they are; or the
            Series, whose index is.
        fields: of the answers' format; columns before those of the results.
    """
    import pandas as pd  # noqa: PLC0415

    rows = list(answers)
    if original is None or len(original) != len(rows):
        inputs = _input_frame(rows)
    elif original.ndim == 2:
        inputs = original
    else:
        inputs = _input_frame(rows).set_axis(original.index)
    parsed = _to_frame([dict(enumerate(_field_cells(row, fields))) for row in rows], len(fields))
    results = pd.concat([parsed, row_result.results_to_frame(rows)], axis=1)
    # by position: an index may call several rows the same
    results.index = inputs.index
    names = _result_columns(map(str, inputs.columns.get_level_values(0)), fields)
    if inputs.columns.nlevels > 1:  # frame["text"] then finds ("text", "")
        empty_levels = [""] * (inputs.columns.nlevels - 1)
        results.columns = pd.MultiIndex.from_tuples([(name, *empty_levels) for name in names])
    else:
        results.columns = pd.Index(names)
    return pd.concat([inputs, results], axis=1)


def _input_frame(rows: Sequence[BatchRow]) -> pd.DataFrame:
    records = []
    for row in rows:
        cells = input_cells(row)
        records.append({replace_surrogates(name): cells[name] for name in cells})
    return _to_frame(records)


def _to_frame(records: Sequence[Mapping[Any, Any]], columns: int | None = None) -> pd.DataFrame:
    """Return rows as a DataFrame; pandas stores a text with a lone surrogate as an object only."""
    import pandas as pd  # noqa: PLC0415

    names = dict.fromkeys(range(columns or 0))
    for record in records:
        names |= dict.fromkeys(record)
    cells = {name: [record.get(name) for record in records] for name in names}
    try:
        return pd.DataFrame(cells, range(len(records)))
    except UnicodeEncodeError:
        return pd.DataFrame(cells, range(len(records)), dtype=object)


def validate_output_path(path: str | Path, parameter: str = "out=") -> Path:
    """Return the path of a results file.

    Args:
        path: the path.
        parameter: how errors begin: what the path is called where it is not the only argument.

    Raises:
        InvalidArgumentError: its kind is not known, or its folder cannot be written.
    """
    suffix = Path(path).suffix.lower() if isinstance(path, (str, Path)) else ""
    if suffix not in WRITERS:
        raise InvalidArgumentError(
            tr(
                "{parameter}{path!r}: the name must end in one of {suffixes}",
                parameter=parameter,
                path=str(path) if suffix else path,
                suffixes=tr(", ").join(WRITERS),
            )
        )
    output_path = Path(path).expanduser()
    folder = output_path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or output_path.is_dir():
        text = tr_noop("{parameter}{path!r}: no file can be written there")
        raise InvalidArgumentError(tr(text, parameter=parameter, path=str(path)))
    # a missing package is told before the first request, not after the last
    if suffix == ".parquet":
        import_pyarrow()
    if suffix == ".xlsx":
        import_openpyxl()
    return output_path


def save(
    read_rows: Callable[[], Iterable[BatchRow]], path: Path, fields: Sequence[str] = ()
) -> Path:
    """Write the rows to a .jsonl, .csv, .xlsx or .parquet file; it appears when it is complete.

    Args:
        read_rows: reads the rows; they are read more than once, as the last may have a column of
            its own.
        path: the file.
        fields: of the answers' format; columns before those of the results.
    """
    inputs: dict[str, None] = {}
    for row in read_rows():
        inputs |= dict.fromkeys(input_cells(row))
    results = _result_columns(inputs, fields)

    def read_cells() -> Iterator[Cells]:
        for row in read_rows():
            facts = [getattr(row, name) for name in RESULT_COLUMNS]
            values = [*_field_cells(row, fields), *facts]
            yield {**input_cells(row), **dict(zip(results, values, strict=True))}

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        WRITERS[path.suffix.lower()](temporary, [*inputs, *results], read_cells)
        temporary.replace(path)
    except OSError as error:
        raise InvalidArgumentError(
            tr("{path} cannot be written: {reason}", path=path, reason=error.strerror)
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _write_jsonl(path: Path, _: Sequence[str], read_cells: ReadCells) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for cells in read_cells():
            file.write(f"{_to_json(cells)}\n")


def _write_csv(path: Path, names: Sequence[str], read_cells: ReadCells) -> None:
    # the mark tells Excel that it is UTF-8
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writerow({name: _csv_cell(name) for name in names})
        for cells in read_cells():
            writer.writerow({name: _csv_cell(value) for name, value in cells.items()})


def _write_excel(path: Path, names: Sequence[str], read_cells: ReadCells) -> None:
    book = import_openpyxl().Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.freeze_panes = "A2"
    sheet.append([_excel_value(sheet, name) for name in names])
    for cells in read_cells():
        sheet.append([_excel_value(sheet, cells.get(name)) for name in names])
    book.save(path)


def _excel_value(sheet: Any, value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, (bool, int, float)):
        return value
    text = _to_json(value) if isinstance(value, (list, dict)) else str(value)
    return excel_cell(sheet, strip_controls(text))


def _write_parquet(path: Path, names: Sequence[str], read_cells: ReadCells) -> None:
    arrow = import_pyarrow()
    from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

    try:
        types = dict.fromkeys(names, arrow.null())
        for page in _pages(read_cells):
            for name in names:
                types[name] = _merge_types(types[name], [cells.get(name) for cells in page])
        schema = _parquet_schema(types)
        with parquet.ParquetWriter(path, schema) as writer:
            for page in _pages(read_cells):
                arrays = []
                for field in schema:
                    values = [cells.get(field.name) for cells in page]
                    if field.type == arrow.string():  # Parquet has one type per column
                        values = [None if value is None else str(value) for value in values]
                    arrays.append(arrow.array(values, field.type))
                writer.write_table(arrow.Table.from_arrays(arrays, schema=schema), len(page))
    except (ValueError, TypeError, OverflowError) as error:  # pyarrow's own are these
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidArgumentError(
            tr("Parquet cannot hold this: {reason}; use .jsonl", reason=reason)
        ) from None


def _pages(read_cells: ReadCells) -> Iterator[list[Cells]]:
    rows = read_cells()
    while page := list(islice(rows, ROWS_PER_GROUP)):
        yield page


def _merge_types(former: Any, values: Sequence[Any]) -> Any:
    """Return the Arrow type of values below others of a type; text where there is no common one."""
    arrow = import_pyarrow()
    try:
        inferred = arrow.infer_type(values)
        schemas = [arrow.schema({"column": type_}) for type_ in (former, inferred)]
        return arrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return arrow.string()


def _parquet_schema(types: Mapping[str, Any]) -> Any:
    """Return the schema of columns; one without a value yet is of texts."""
    arrow = import_pyarrow()
    kinds = [str(kind).split()[0] for kind in RowResult.__annotations__.values()]
    result_types = {"str": arrow.string(), "int": arrow.int64(), "float": arrow.float64()}
    fields = {}
    for name, type_ in types.items():
        fields[name] = arrow.string() if type_ == arrow.null() else type_
    for name, kind in zip([*types][-len(kinds) :], kinds, strict=True):
        fields[name] = result_types[kind]
    return arrow.schema(fields)


def _csv_cell(value: Any) -> Any:
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


WRITERS: Final[Mapping[str, Callable[[Path, Sequence[str], ReadCells], None]]] = {
    ".jsonl": _write_jsonl,
    ".csv": _write_csv,
    ".xlsx": _write_excel,
    ".parquet": _write_parquet,
}
