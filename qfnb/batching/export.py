"""Results of a batch as a DataFrame or a file, a row for each row of the input."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from .._jobs import row_result
from .._jobs.row_result import RESULT_COLUMNS
from .._jsonl_csv_parquet import import_pyarrow
from .._language import tr
from .._text import replace_surrogates
from ..errors import InvalidArgumentError
from .journal_reader import BatchRow

if TYPE_CHECKING:
    import pandas as pd

_NUMBER = re.compile(r"[+-][\d.,]+%?")


def to_frame(answers: Iterable[BatchRow], original: Any = None, fields: Sequence[str] = ()) -> pd.DataFrame:
    """Return inputs and results as a DataFrame.

    Args:
        answers: the rows, in input order.
        original: the DataFrame that was asked, whose index and columns are kept as they are; or the Series,
            whose index is.
        fields: of the answers' format; columns before those of the results.
    """
    rows = list(answers)
    if original is None or len(original) != len(rows):
        return _join_results(_input_frame(rows), rows, fields)
    inputs = original if original.ndim == 2 else _input_frame(rows).set_axis(original.index)
    return _join_results(inputs, rows, fields)


def _input_frame(rows: Sequence[BatchRow]) -> pd.DataFrame:
    cells = [input_cells(row) for row in rows]
    names = dict.fromkeys(name for cell in cells for name in cell)
    columns = {replace_surrogates(name): [cell.get(name) for cell in cells] for name in names}
    return _to_frame(columns, range(len(rows)))


def _to_frame(columns: Mapping[Any, list[Any]], index: Any) -> pd.DataFrame:
    """Return columns as a DataFrame; pandas stores a text with a lone surrogate as an object only."""
    import pandas as pd  # noqa: PLC0415

    try:
        return pd.DataFrame(columns, index)
    except UnicodeEncodeError:
        return pd.DataFrame(columns, index, dtype=object)


def _join_results(inputs: pd.DataFrame, rows: Sequence[BatchRow], fields: Sequence[str]) -> pd.DataFrame:
    """Put results beside their rows by position: an index may call several rows the same."""
    import pandas as pd  # noqa: PLC0415

    empty_levels = [""] * (inputs.columns.nlevels - 1)  # frame["text"] then finds ("text", "")
    names = result_columns(map(str, inputs.columns.get_level_values(0)), fields)
    cells = zip(*(field_cells(row, fields) for row in rows), strict=True) if rows else ([] for _ in fields)
    parsed = _to_frame(dict(enumerate(map(list, cells))), inputs.index)
    results = pd.concat([parsed, row_result.results_to_frame(rows).set_axis(inputs.index)], axis=1)
    results.columns = pd.Index([(name, *empty_levels) for name in names] if empty_levels else names)
    return pd.concat([inputs, results], axis=1)


def result_columns(inputs: Iterable[str], fields: Sequence[str]) -> list[str]:
    """Return the names of the columns of fields and results: their own, or `answer_...` where one has that name.

    A result's name wins over a field's, and an input's over both.
    """
    used_names = set(inputs)

    def choose(name: str) -> str:
        candidates = chain((name, f"answer_{name}"), (f"answer_{name}_{number}" for number in count(2)))
        chosen = next(candidate for candidate in candidates if candidate not in used_names)
        used_names.add(chosen)
        return chosen

    results = [choose(name) for name in RESULT_COLUMNS]
    return [*map(choose, fields), *results]


def field_cells(row: BatchRow, fields: Sequence[str]) -> list[Any]:
    """Return the values of an answer's fields as JSON has them, None for a row without an answer."""
    value = None if row.parsed is None or not fields else to_jsonable_python(row.parsed)
    if isinstance(value, Mapping) and (len(fields) > 1 or fields[0] in value):
        return [value.get(name) for name in fields]
    return [value] * len(fields)


def input_cells(answer: BatchRow) -> Mapping[str, Any]:
    """Return a row of the input as named cells."""
    if isinstance(answer.input, Mapping):
        return answer.input
    return {"prompt" if isinstance(answer.input, str) else "messages": answer.input}


def validate_output_path(path: str | Path) -> Path:
    """Return the path of a results file.

    Raises:
        InvalidArgumentError: its kind is not known, or its folder cannot be written.
    """
    if not isinstance(path, (str, Path)):
        raise InvalidArgumentError(
            tr(
                "out={path!r}: must be a path that ends in one of {suffixes}",
                path=path,
                suffixes=tr(", ").join(_WRITERS),
            )
        )
    output_path = Path(path).expanduser()
    if output_path.suffix.lower() not in _WRITERS:
        raise InvalidArgumentError(
            tr("out={path!r}: the name must end in one of {suffixes}", path=str(path), suffixes=tr(", ").join(_WRITERS))
        )
    folder = output_path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or output_path.is_dir():
        raise InvalidArgumentError(tr("out={path!r}: no file can be written there", path=str(path)))
    if output_path.suffix.lower() == ".parquet":
        import_pyarrow()  # a missing package is told before the first request, not after the last
    return output_path


def save(answers: Iterable[BatchRow], path: Path, fields: Sequence[str] = ()) -> Path:
    """Write the rows to a .jsonl, .csv or .parquet file; the file appears when it is complete.

    Args:
        answers: the rows.
        path: the file.
        fields: of the answers' format; columns before those of the results.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _WRITERS[path.suffix.lower()](answers, temporary, fields)
        temporary.replace(path)
    except OSError as error:
        raise InvalidArgumentError(tr("{path} cannot be written: {reason}", path=path, reason=error.strerror)) from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def _flat_rows(
    answers: Iterable[BatchRow], folder: Path, fields: Sequence[str]
) -> Iterator[tuple[list[str], Iterator[dict[str, Any]]]]:
    """Return the names of all columns, and the rows.

    Rows may differ in their columns, so the names are known only after the last row. Until then the rows are
    in a temporary file: they may not fit into memory.
    """
    names: dict[str, None] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder) as buffer:
        for answer in answers:
            cells = input_cells(answer)
            names |= dict.fromkeys(cells)
            facts = [*field_cells(answer, fields), *(getattr(answer, name) for name in RESULT_COLUMNS)]
            buffer.write(json.dumps([cells, facts], default=str) + "\n")
        buffer.seek(0)
        results = result_columns(names, fields)
        records = (json.loads(line) for line in buffer)
        yield [*names, *results], (cells | dict(zip(results, facts, strict=True)) for cells, facts in records)


def _write_jsonl(answers: Iterable[BatchRow], path: Path, fields: Sequence[str]) -> None:
    with (
        _flat_rows(answers, path.parent, fields) as (_, rows),
        path.open("w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.writelines(f"{_to_json(row)}\n" for row in rows)


def _write_csv(answers: Iterable[BatchRow], path: Path, fields: Sequence[str]) -> None:
    with (
        _flat_rows(answers, path.parent, fields) as (names, rows),
        # the mark tells Excel that it is UTF-8
        path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.DictWriter(file, names, restval="")
        writer.writerow({name: _csv_cell(name) for name in names})
        writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in rows)


def _csv_cell(value: Any) -> Any:
    """Return a value as a cell; an apostrophe keeps spreadsheets from running a text as a formula, as OWASP advises."""
    if isinstance(value, (list, dict)):
        return _to_json(value)
    if isinstance(value, str) and value.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r")):
        return value if _NUMBER.fullmatch(value) else f"'{value}"
    return None if isinstance(value, float) and math.isnan(value) else value


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
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_parquet(answers: Iterable[BatchRow], path: Path, fields: Sequence[str]) -> None:
    table = to_frame(answers, fields=fields)
    for name in [column for column in table.columns if table[column].dtype == object]:
        values = list(table[name])
        if len({type(value) for value in values if value is not None}) > 1:  # Parquet has one type per column
            table[name] = [None if value is None else str(value) for value in values]
    import_pyarrow()
    try:
        table.to_parquet(path)
    except (ValueError, TypeError) as error:  # pyarrow's own are these
        reason = str(error).splitlines()[0]
        raise InvalidArgumentError(tr("Parquet cannot hold this: {reason}; use .jsonl", reason=reason)) from None


_WRITERS: dict[str, Callable[[Iterable[BatchRow], Path, Sequence[str]], None]] = {
    ".jsonl": _write_jsonl,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
