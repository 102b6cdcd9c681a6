"""JSONL and CSV files cut between rows, and a range of their bytes read as rows."""

import hashlib
import io
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any, Final

from ..._jsonl_csv_parquet import RowError, read_csv, read_jsonl
from ...base.language import tr
from ...errors import DatasetError
from ..file_access import reading, suffix_of

MAX_RANGE_BYTES: Final = 64 * 1024 * 1024
"""Bytes of text of a shard: a range is in memory while it is read."""

Ranges = list[tuple[int, int, int, int]]
"""For each shard its first row, the row after its last, and its first byte and the byte after its
last.
"""


def cut_jsonl(path: str, shard_rows: int) -> tuple[tuple[str, ...], str, Ranges]:
    """Return no columns (each row has its own), a digest of the content, and ranges of rows and
    bytes.

    Raises:
        DatasetError: the file cannot be read.
    """
    digest, ranges = _cut(
        path, shard_rows, lambda line, _: (bool(line.strip(b" \t\r\n\xef\xbb\xbf")), True)
    )
    return (), digest, ranges


def cut_csv(path: str, shard_rows: int) -> tuple[tuple[str, ...], str, Ranges]:
    """Return the columns, a digest of the content, and ranges of rows and bytes; a quoted cell may
    have line breaks.

    Raises:
        DatasetError: the file cannot be read, or its heading is none.
    """
    heading_end = _heading_end(path)
    with reading(path) as file:
        columns = next(read_csv(io.BytesIO(file.read(heading_end)), path), (1, []))[1]

    def judge(line: bytes, is_quoted: bool) -> tuple[bool, bool]:
        is_closed = not is_quoted ^ bool(line.count(b'"') % 2)
        return is_quoted or bool(line.strip(b"\r\n")), is_closed

    digest, ranges = _cut(path, shard_rows, judge, heading_end)
    return tuple(columns), digest, ranges


def read_text_range(name: str, begin: int, end: int) -> Iterator[Any]:
    """Yield the rows in a range of the bytes of a JSONL or CSV file.

    Raises:
        DatasetError: it cannot be read, or a row is no JSON object, prompt or conversation.
    """
    heading_end = _heading_end(name) if suffix_of(name) == ".csv" else 0
    with reading(name) as file:
        heading = file.read(heading_end)
        file.seek(begin)
        content = file.read(end - begin)
    if heading_end:
        yield from _read_csv_rows(io.BytesIO(heading + content), name)
        return
    for line, value in read_jsonl(io.BytesIO(content), name):
        if isinstance(value, RowError):
            reason = tr(
                "{reason} (line {line} from byte {begin})",
                reason=value.reason,
                line=line,
                begin=begin,
            )
            raise DatasetError(reason, path=name)
        if not isinstance(value, (str, dict, list)):
            raise DatasetError(
                tr("must be an object, and is {value!r:.60}", value=value), path=name, line=line
            )
        yield value


def _read_csv_rows(file: io.BytesIO, name: str) -> Iterator[dict[str, Any]]:
    records = read_csv(file, name)
    _, heading = next(records, (1, []))
    for _, cells in records:
        if len(cells) > len(heading):
            raise DatasetError(tr("more cells than the heading has"), path=name)
        yield dict(zip_longest(heading, cells))


def _heading_end(path: str) -> int:
    """Return the number of bytes of a CSV file's heading, whose cells may have line breaks."""
    size = quotes = 0
    with reading(path) as file:
        for line in file:
            size += len(line)
            quotes += line.count(b'"')
            if quotes % 2 == 0:
                break
    return size


JudgeLine = Callable[[bytes, bool], tuple[bool, bool]]
"""Says of a line, and of whether it begins inside quotes, whether it has text, and whether a row
ends with it.
"""


def _cut(path: str, shard_rows: int, judge: JudgeLine, begin: int = 0) -> tuple[str, Ranges]:
    """Return a digest of the content, and ranges of rows and bytes from `begin` on."""
    digest = hashlib.blake2b(digest_size=16)
    ranges = Ranges()
    row = first_row = 0
    position = begin
    is_quoted = False
    is_row = False
    with reading(path) as file:
        digest.update(file.read(begin))
        for line in file:
            digest.update(line)
            position += len(line)
            has_text, is_closed = judge(line, is_quoted)
            is_quoted = not is_closed
            is_row = is_row or has_text
            if not is_closed:
                continue
            row = row + is_row
            is_row = False
            if row - first_row >= shard_rows or (
                position - begin >= MAX_RANGE_BYTES and row > first_row
            ):
                ranges.append((first_row, row, begin, position))
                first_row = row
                begin = position
    if row + is_row > first_row:
        ranges.append((first_row, row + is_row, begin, position))
    return digest.hexdigest(), ranges
