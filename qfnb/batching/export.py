"""Results of a batch as a DataFrame or a file, a row for each row of the input."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._jobs import row_result
from .._jsonl_csv_parquet import import_openpyxl, import_pyarrow
from ..base.language import tr, tr_noop
from ..base.text import replace_surrogates
from ..errors import InvalidArgumentError, QianfanError
from .journal_reader import NOT_ASKED, BatchRow, ParseAnswer, StoredInputs, read_rows
from .output_file import WRITERS, OutputFile, field_cells, input_cells, result_columns, write_all

if TYPE_CHECKING:
    import pandas as pd


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
    rows = list(answers)
    if original is None or len(original) != len(rows):
        return _join_results(_input_frame(rows), rows, fields)
    if original.ndim == 2:
        inputs = original
    else:
        inputs = _input_frame(rows).set_axis(original.index)
    return _join_results(inputs, rows, fields)


def _input_frame(rows: Sequence[BatchRow]) -> pd.DataFrame:
    cells = [input_cells(row) for row in rows]
    names = dict.fromkeys(name for cell in cells for name in cell)
    columns = {replace_surrogates(name): [cell.get(name) for cell in cells] for name in names}
    return _to_frame(columns, range(len(rows)))


def _to_frame(columns: Mapping[Any, list[Any]], index: Any) -> pd.DataFrame:
    """Return columns as a DataFrame; pandas stores a text with a lone surrogate as an object
    only.
    """
    import pandas as pd  # noqa: PLC0415

    try:
        return pd.DataFrame(columns, index)
    except UnicodeEncodeError:
        return pd.DataFrame(columns, index, dtype=object)


def _join_results(
    inputs: pd.DataFrame, rows: Sequence[BatchRow], fields: Sequence[str]
) -> pd.DataFrame:
    """Put results beside their rows by position: an index may call several rows the same."""
    import pandas as pd  # noqa: PLC0415

    empty_levels = [""] * (inputs.columns.nlevels - 1)  # frame["text"] then finds ("text", "")
    names = result_columns(map(str, inputs.columns.get_level_values(0)), fields)
    cells = (
        zip(*(field_cells(row, fields) for row in rows), strict=True)
        if rows
        else ([] for _ in fields)
    )
    parsed = _to_frame(dict(enumerate(map(list, cells))), inputs.index)
    results = pd.concat([parsed, row_result.results_to_frame(rows).set_axis(inputs.index)], axis=1)
    results.columns = pd.Index([(name, *empty_levels) for name in names] if empty_levels else names)
    return pd.concat([inputs, results], axis=1)


def validate_output_path(path: str | Path, parameter: str = "out=") -> Path:
    """Return the path of a results file.

    Args:
        path: the path.
        parameter: how errors begin: what the path is called where it is not the only argument.

    Raises:
        InvalidArgumentError: its kind is not known, or its folder cannot be written.
    """
    if not isinstance(path, (str, Path)):
        raise InvalidArgumentError(
            tr(
                "{parameter}{path!r}: must be a path that ends in one of {suffixes}",
                parameter=parameter,
                path=path,
                suffixes=tr(", ").join(WRITERS),
            )
        )
    output_path = Path(path).expanduser()
    if output_path.suffix.lower() not in WRITERS:
        raise InvalidArgumentError(
            tr(
                "{parameter}{path!r}: the name must end in one of {suffixes}",
                parameter=parameter,
                path=str(path),
                suffixes=tr(", ").join(WRITERS),
            )
        )
    folder = output_path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or output_path.is_dir():
        text = tr_noop("{parameter}{path!r}: no file can be written there")
        raise InvalidArgumentError(tr(text, parameter=parameter, path=str(path)))
    if output_path.suffix.lower() == ".parquet":
        import_pyarrow()  # a missing package is told before the first request, not after the last
    if output_path.suffix.lower() == ".xlsx":
        import_openpyxl()
    return output_path


def save(answers: Iterable[BatchRow], path: Path, fields: Sequence[str] = ()) -> Path:
    """Write the rows to a .jsonl, .csv, .xlsx or .parquet file; it appears when it is complete.

    Args:
        answers: the rows.
        path: the file.
        fields: of the answers' format; columns before those of the results.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_all(answers, path, temporary, fields)
        temporary.replace(path)
    except OSError as error:
        raise InvalidArgumentError(
            tr("{path} cannot be written: {reason}", path=path, reason=error.strerror)
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


class OutputFollower:
    """Writes the results file of a running batch as far as its rows are answered, in input order.

    Rows that are answered out of order wait in the journal. Where a row has columns or types that
    the rows before it did not have, the whole file is written at the end.

    Args:
        journal: its path.
        path: the results file.
        parse: returns the value of an answer; raises ValueError.
        fields: of the answers' format; columns before those of the results.
        columns: names of the input's columns that are known before its rows.
    """

    def __init__(
        self,
        journal: Path,
        path: Path,
        parse: ParseAnswer | None,
        fields: Sequence[str],
        columns: Sequence[str],
    ) -> None:
        self._journal = journal
        self._path = path
        self._parse = parse
        self._fields = fields
        # the next run of this batch replaces it
        self._temporary = path.with_name(f".{path.name}.{journal.stem}.part")
        self._file: OutputFile | None = OutputFile(path, self._temporary, fields, columns)
        self._inputs = StoredInputs(journal)
        self._last_number = -1
        self._lock = threading.Lock()

    def advance(self, row_limit: int) -> None:
        """Write the next rows that have their last result.

        Args:
            row_limit: rows of the input that the journal has from this run.
        """
        with self._lock:
            if self._file is None:
                return
            try:
                self._append(row_limit, is_final=False)
            except (OSError, QianfanError):  # the end tries once more, and tells
                self._give_up()

    def finish(self) -> None:
        """Write all other rows, those without an answer included, and let the file appear.

        Raises:
            InvalidArgumentError: it cannot be written.
            JournalError: the journal cannot be read.
        """
        with self._lock:
            try:
                if self._file is not None:
                    self._append(sys.maxsize, is_final=True)
                if self._file is None or not self._file.finish():
                    save(read_rows(self._journal, parse=self._parse), self._path, self._fields)
            except OSError as error:
                reason = error.strerror
                raise InvalidArgumentError(
                    tr("{path} cannot be written: {reason}", path=self._path, reason=reason)
                ) from None
            finally:
                self._give_up()

    def _append(self, row_limit: int, *, is_final: bool) -> None:
        for row in read_rows(self._journal, self._last_number, self._parse, self._inputs):
            is_open = row.error == NOT_ASKED or row.error in row_result.TRANSIENT_ERRORS
            if self._file is None or row.number >= row_limit or (is_open and not is_final):
                return
            self._last_number = row.number
            if not self._file.append(row):
                self._give_up()

    def _give_up(self) -> None:
        if self._file is not None:
            self._file.discard()
        self._file = None
