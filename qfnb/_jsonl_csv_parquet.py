"""The one reader of JSONL, CSV and Parquet, for datasets and batches: rows as a stream, with their
lines; and the cells of Excel files, which are only written.
"""

import codecs
import contextlib
import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

from ._notices import warn_once
from .base.language import tr, tr_noop
from .base.text import clip
from .errors import DatasetError, InvalidArgumentError

MAX_CELL_CHARACTERS = 2**31 - 1
"""Characters of a CSV cell; Python's own limit of 131,072 is short for a prompt with a document in
it.
"""

MAX_EXCEL_CHARS: Final = 32_767
"""Characters that a cell of an Excel sheet can hold; a longer text is cut."""

NOT_UTF8 = tr_noop("not UTF-8 text (GBK, perhaps): save the file as UTF-8")

GBK: Final = "gb18030"
"""The encoding of what Excel writes in China; GBK and GB2312 are parts of it."""

SAMPLE_BYTES: Final = 1024 * 1024
"""Bytes by which the encoding of a file is told."""

MIN_COMMON_SHARE: Final = 0.8
"""The share of a GBK text's characters that GB2312 has, too; accented letters, read as GBK, are
rare characters.
"""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class RowError(ValueError):
    """What is wrong with one row, where the rows after it can still be read.

    Attributes:
        reason: what was found and what is expected.
        column: the column at fault, "" where it is the row as a whole.
        columns: those that the row has, where `column` is missing.
    """

    def __init__(self, reason: str, column: str = "", columns: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column
        self.columns = columns


def describe_no_rows(suffix: str, size: int) -> str:
    """Return the reason why a file has no rows, in the user's language.

    Args:
        suffix: of its name, `.csv`.
        size: of the file, in bytes.
    """
    if suffix in {".csv", ".tsv"}:
        if size:
            return tr("there are no rows below the header")
        return tr("the file is empty: it has no header either")
    return tr("the file has no rows")


def read_jsonl(file: IO[bytes], name: str, expected: str = "") -> Iterator[tuple[int, object]]:
    """Yield the line number (from 1) and the value of every line that is not blank, or its
    RowError.

    Args:
        file: open for reading bytes.
        name: its name in messages.
        expected: an example of a line, for the message about one that is not JSON.

    Raises:
        DatasetError: the file is UTF-16.
    """
    for line, text in read_lines(file, name):
        if isinstance(text, RowError):
            yield line, text
        elif text.strip().strip("\ufeff"):
            yield line, _parse_json(text, expected)


def read_lines(file: IO[bytes], name: str) -> Iterator[tuple[int, str | RowError]]:
    """Yield the line number (from 1) and the text of every line, or its RowError where it cannot be
    decoded.

    Raises:
        DatasetError: the file is UTF-16.
    """
    encoding = find_encoding(file, name)
    for number, line in enumerate(file, 1):
        if number == 1:
            _raise_if_utf16(line, name)
        try:
            yield (
                number,
                line.decode(encoding).removeprefix("\ufeff" if number == 1 else "").rstrip("\r\n"),
            )
        except UnicodeDecodeError:
            yield number, RowError(tr(NOT_UTF8))


def read_csv(file: IO[bytes], name: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which a row begins (from 1) and its cells; the heading comes first.

    Args:
        file: open for reading bytes.
        name: its name in messages.
        delimiter: one character between two cells.

    Raises:
        DatasetError: it is not CSV, neither UTF-8 nor GBK, or two columns have the same name.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARACTERS))
    reader = csv.reader(_decoded_lines(file, name), delimiter=delimiter)
    previous_line = 0
    is_heading = True
    try:
        for cells in reader:
            line = previous_line + 1
            previous_line = reader.line_num
            if is_heading:
                _validate_heading(cells, name)
            if cells or is_heading:
                yield line, cells
            is_heading = False
    except csv.Error as error:
        raise DatasetError(f"not CSV: {error}", path=name, line=reader.line_num) from None


def read_parquet(file: IO[bytes], name: str, first_group: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the rows; a cell without a value is None.

    Args:
        file: open for reading bytes.
        name: its name in messages.
        first_group: the row group to begin with.

    Raises:
        DatasetError: it is not Parquet.
        InvalidArgumentError: pyarrow is not installed.
    """
    arrow = import_pyarrow()
    from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

    try:
        content = parquet.ParquetFile(file)
        for group in range(first_group, content.num_row_groups):
            for chunk in content.iter_batches(1024, row_groups=[group]):
                yield from chunk.to_pylist()
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"not Parquet: {reason}", path=name) from None


def count_parquet_rows(file: IO[bytes]) -> int:
    """Return the number of rows of a Parquet file."""
    from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

    return int(parquet.ParquetFile(file).metadata.num_rows)


def import_openpyxl() -> Any:
    """Return the library for Excel files.

    Raises:
        InvalidArgumentError: it is not installed.
    """
    try:
        import openpyxl  # noqa: PLC0415 - only Excel files need it
    except ImportError:
        raise InvalidArgumentError(
            tr("Excel files need openpyxl: pip install 'qfnb[excel]', or save as .csv")
        ) from None
    return openpyxl


def excel_cell(sheet: Any, text: str) -> Any:
    """Return a cell of a sheet that is written row by row; a text that begins with "=" stays a
    text, and a notice says where one is longer than Excel's cells.
    """
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415

    if len(text) > MAX_EXCEL_CHARS:
        warn_once(
            tr(
                "texts of more than {limit} characters, which is what a cell of Excel holds, are "
                "cut off; CSV and JSONL have them whole",
                limit=f"{MAX_EXCEL_CHARS:,}",
            )
        )
    cell = WriteOnlyCell(sheet, text[:MAX_EXCEL_CHARS])
    cell.data_type = "s"  # otherwise a text that begins with "=" would be a formula
    return cell


def import_pyarrow(user: str = "") -> Any:
    """Return the library for Parquet files and Arrow's tables.

    Args:
        user: what needs it, in the error; by default Parquet files.

    Raises:
        InvalidArgumentError: it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - 40 MB that only Parquet needs
    except ImportError:
        user = user or tr("Parquet files")
        raise InvalidArgumentError(
            tr("{user} need pyarrow: pip install 'qfnb[parquet]'", user=user)
        ) from None
    return pa


def read_text(file: IO[bytes], name: str) -> str:
    """Return a file as one text.

    Raises:
        DatasetError: it is neither UTF-8 nor GBK; says on which line.
    """
    encoding = find_encoding(file, name)
    content = file.read()
    _raise_if_utf16(content, name)
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DatasetError(tr(NOT_UTF8), path=name, line=line) from None


def find_encoding(file: IO[bytes], name: str) -> str:
    """Return the encoding of a text from here on, "utf-8" or `GBK`; a notice says where it is the
    latter.

    Args:
        file: open for reading bytes; it stays where it is. One that cannot be read twice is UTF-8.
        name: its name in the notice.
    """
    if not file.seekable():
        return "utf-8"
    start = file.tell()
    sample = file.read(SAMPLE_BYTES)
    file.seek(start)
    if not _is_gbk(sample):
        return "utf-8"
    warn_once(tr("{name} is not UTF-8 but GBK, and was read as GBK", name=name))
    return GBK


def _is_gbk(sample: bytes) -> bool:
    """Return whether the beginning of a text is GBK; not where UTF-8 explains most of its lines."""
    if _decode_beginning(sample, "utf-8") is not None or b"\0" in sample:
        return False
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    readable = sum(_decode_beginning(line, "utf-8") is not None for line in lines)
    text = _decode_beginning(sample, GBK, is_whole=len(sample) < SAMPLE_BYTES)
    characters = "".join(character for character in text or "" if not character.isascii())
    if not characters or 2 * readable >= len(lines):
        return False
    return len(characters.encode("gb2312", "ignore")) >= MIN_COMMON_SHARE * 2 * len(characters)


def _decode_beginning(sample: bytes, encoding: str, *, is_whole: bool = False) -> str | None:
    """Return a sample as text, without a character that its end cuts; None where it is not in this
    encoding.
    """
    try:
        return codecs.getincrementaldecoder(encoding)().decode(sample, is_whole)
    except UnicodeDecodeError:
        return None


def json_problem(error: ValueError | RecursionError) -> str:
    """Return why a text is not JSON."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, RecursionError):
        return tr("too deeply nested")
    return tr(
        "a number has more than {limit} digits", limit=sys.get_int_max_str_digits()
    )  # all else that Python refuses


def _parse_json(text: str, expected: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError):
            column = tr(" at column {column}", column=error.colno)
        else:
            column = ""
        if expected:
            hint = tr("; expected {expected}", expected=expected)
        else:
            hint = ""
        return RowError(
            tr(
                "not JSON ({problem}{column}): {text!r}{hint}",
                problem=json_problem(error),
                column=column,
                text=clip(text.strip(), 61),
                hint=hint,
            )
        )


def _decoded_lines(file: IO[bytes], name: str) -> Iterator[str]:
    encoding = find_encoding(file, name)
    text = io.TextIOWrapper(
        file, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline=""
    )
    try:
        yield from text
    except UnicodeDecodeError:
        raise DatasetError(tr(NOT_UTF8), path=name, line=_undecodable_line(file, name)) from None
    finally:
        with contextlib.suppress(ValueError):  # closed by now: the reader was given up
            text.detach()


def _undecodable_line(file: IO[bytes], name: str) -> int | None:
    """Return the first line that cannot be decoded: text is decoded in blocks, so it has to be
    looked for.
    """
    if not file.seekable():
        return None
    file.seek(0)
    return next((line for line, text in read_lines(file, name) if isinstance(text, RowError)), None)


def _raise_if_utf16(beginning: bytes, name: str) -> None:
    if beginning.startswith(_UTF16):
        raise DatasetError(tr("the file is UTF-16: save it as UTF-8"), path=name, line=1)


def _validate_heading(columns: list[str], name: str) -> None:
    for index, column in enumerate(columns):
        if column in columns[:index]:
            raise DatasetError(
                tr("two columns are called {column!r}", column=column), path=name, line=1
            )
