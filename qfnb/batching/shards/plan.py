"""The shards of an input: files cut into ranges of rows, each named by a digest of its content."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ..._jsonl_csv_parquet import import_pyarrow, read_csv
from ...base.language import tr
from ...errors import DatasetError, InvalidArgumentError
from ..input_source import (
    FilePosition,
    find_files,
    is_address,
    open_file,
    read_file,
    read_first_items,
    suffix_of,
)
from ..validation import validate_arguments

SHARD_ROWS: Final = 50_000
"""Rows of a shard, unless the caller says otherwise: a minute of work is little to lose, and a
file not too small.
"""

ID_COLUMN: Final = "input_row"
"""The column of an output part that says which row of which file it answers:
`reviews.parquet#17`.
"""

Rows = str | Path | Sequence[str | Path]
"""A folder, a file, a pattern or an address, or several of these."""


@dataclass(frozen=True)
class Shard:
    """A range of rows of one file, and an input of `qfnb.batch`: read from the file each time,
    never all in memory.

    Attributes:
        file: its name below the input folder, with slashes.
        path: the file, or its address.
        start, stop: numbers of the first row, and of the row after the last, from 0.
        digest: 16 hex digits of the file's name and content, and of the range.
        mark: where reading begins, at the first row or before it.
    """

    file: str
    path: str
    start: int
    stop: int
    digest: str
    mark: FilePosition

    @property
    def name(self) -> str:
        """The name in messages, and of the output part without its ending."""
        stem = "".join(letter if letter.isalnum() else "-" for letter in Path(self.file).stem)
        return f"part-{stem[:40]}-{self.start:09d}-{self.digest}"

    def ids_digest(self) -> str:
        """Return the digest of the ids of all rows, in order."""
        return digest_ids(f"{self.file}#{number}" for number in range(self.start, self.stop))

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows, each with its id; raise a `DatasetError` where the file cannot be read
        or is shorter.
        """
        skipped = self.start - self.mark.number
        number = self.start
        for item in islice(read_file(self.path, self.mark), skipped, skipped + len(self)):
            cells = item
            if not isinstance(cells, dict):
                cells = {"prompt" if isinstance(item, str) else "messages": item}
            yield {**cells, ID_COLUMN: f"{self.file}#{number}"}
            number += 1
        if number < self.stop:
            count = number - self.start
            raise DatasetError(
                tr("it has lost rows since the start: {n} of {rows}", n=count, rows=len(self)),
                path=self.path,
            )


def plan_shards(rows: Rows, shard_rows: int = SHARD_ROWS) -> list[Shard]:
    """Return the shards of all files, in the order of their names.

    Of a Parquet file the footer is read, and a JSONL or CSV file from end to end: what stands
    between two rows is in no metadata. The digest is of the content, so that it is the same
    wherever the file is.

    Args:
        rows: a folder, a file, a pattern such as `in/*.parquet`, addresses as fsspec has them, or
            several of these.
        shard_rows: rows of a shard, 1 or more; the last one of a file may be shorter.

    Raises:
        InvalidArgumentError: there are no files, or they are of several kinds.
        DatasetError: a file cannot be read.
    """
    validate_arguments({"shard_rows": shard_rows})
    files = _name_files(rows)
    for first, name in zip(read_first_items([*files.values()]), files, strict=True):
        if isinstance(first, dict) and ID_COLUMN in first:
            raise InvalidArgumentError(
                tr(
                    "{file} has a column {column!r}, which the output needs: rename it",
                    file=name,
                    column=ID_COLUMN,
                )
            )
    shards = list[Shard]()
    for name in sorted(files):
        shards += _split_rows(name, files[name], shard_rows)
    if not shards:
        raise InvalidArgumentError(
            tr("the input has no rows ({description})", description=str(rows))
        )
    return shards


def digest_ids(ids: Iterable[str]) -> str:
    """Return the digest of ids, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for id_ in ids:
        digest.update(id_.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def refuse_output_inside(rows: Rows, out: Path, suffix: str) -> None:
    """Check that the next run would not read the output as rows.

    Raises:
        InvalidArgumentError: it would: `out`, an absolute path, is inside the input.
    """
    for source in _sources(rows):
        is_inside = Path(source) in {out, *out.parents}
        if glob.has_magic(source):
            is_inside = (out / f"part-x{suffix}").match(source)
        if is_inside and not is_address(source):
            raise InvalidArgumentError(
                tr(
                    "out={out!r} is inside rows={rows!r}: the next run would read answers as rows",
                    out=str(out),
                    rows=source,
                )
            )


def _sources(rows: Rows) -> list[str]:
    """Return the names of files: addresses, and absolute paths.

    Raises:
        InvalidArgumentError: it is neither.
    """
    sources = []
    for source in [rows] if isinstance(rows, (str, Path)) else list(rows):
        if not isinstance(source, (str, Path)):
            raise InvalidArgumentError(
                tr("rows={rows!r}: must be a folder, a file, or a pattern", rows=source)
            )
        text = str(source)
        if text.startswith("bos:/"):
            raise InvalidArgumentError(
                tr(
                    "{address}: shards read buckets by the S3 interface: "
                    "rows='s3://bucket/folder' with "
                    "AWS_ENDPOINT_URL=https://s3.bj.bcebos.com (of your region) and "
                    "AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY of your account in the environment",
                    address=text,
                )
            )
        if not is_address(text):
            text = str(Path(text).expanduser().absolute())
        sources.append(text)
    return sources


def _name_files(rows: Rows) -> dict[str, str]:
    """Return all files: their names below what names them, with slashes, and their paths or
    addresses.
    """
    files: dict[str, str] = {}
    for source in _sources(rows):
        root, paths = find_files(source, is_deep=True)
        for path in paths:
            name = path.removeprefix(root).replace(os.sep, "/").lstrip("/")
            if files.setdefault(name, path) != path:
                raise InvalidArgumentError(
                    tr("two files are called {name!r}: name their common folder", name=name)
                )
    kinds = sorted(set(map(suffix_of, files.values())))
    if len(kinds) > 1:
        raise InvalidArgumentError(
            tr(
                "the input has files of several kinds ({kinds}): name one",
                kinds=tr(", ").join(kinds),
            )
        )
    return files


def _split_rows(name: str, path: str, shard_rows: int) -> Iterator[Shard]:
    """Yield the shards of one file."""
    content, total, marks = _CUTTERS[suffix_of(path)](path, shard_rows)
    starts = [number for number, _ in marks]
    for (start, mark), stop in zip(marks, [*starts[1:], total], strict=True):
        text = f"{name}\n{content}\n{start}\n{stop}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
        yield Shard(name, path, start, stop, digest, mark)


Cut = tuple[str, int, list[tuple[int, FilePosition]]]
"""A digest of the content, the number of rows, and for each shard its first row and where reading
begins.
"""


def _cut_jsonl(path: str, shard_rows: int) -> Cut:
    digest = hashlib.blake2b(digest_size=16)
    marks = list[tuple[int, FilePosition]]()
    rows = line = position = 0
    with open_file(path) as file:
        for content in file:
            digest.update(content)
            if content.strip(b" \t\r\n\xef\xbb\xbf"):
                if rows % shard_rows == 0:
                    marks.append((rows, FilePosition(rows, position, line)))
                rows += 1
            position += len(content)
            line += 1
    return digest.hexdigest(), rows, marks


def _cut_csv(path: str, shard_rows: int) -> Cut:
    with open_file(path) as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))  # type: ignore[arg-type]
    with open_file(path) as file:
        rows = sum(1 for _ in read_csv(file, path)) - 1
    marks = [(start, FilePosition()) for start in range(0, rows, shard_rows)]
    return digest.hexdigest(), rows, marks


def _cut_parquet(path: str, shard_rows: int) -> Cut:
    """Cut between row groups where they are small, and inside those that are large; the footer
    stands for the content.

    Raises:
        DatasetError: the footer cannot be read.
    """
    arrow = import_pyarrow()
    from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

    try:
        with open_file(path) as file:
            metadata = parquet.ParquetFile(file).metadata
            file.seek(-8, os.SEEK_END)
            file.seek(-8 - int.from_bytes(file.read(4), "little"), os.SEEK_END)
            digest = hashlib.blake2b(file.read(), digest_size=16).hexdigest()
    except (arrow.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"not Parquet: {reason}", path=path) from None
    marks = list[tuple[int, FilePosition]]()
    start = total = 0
    for group in range(metadata.num_row_groups):
        mark = FilePosition(total, group)
        size = metadata.row_group(group).num_rows
        if size and (not marks or total + size - start > shard_rows):
            start = total
            marks.append((start, mark))
        total += size
        for inner in range(start + shard_rows, total, shard_rows):
            start = inner
            marks.append((start, mark))
    return digest, total, marks


_CUTTERS = {".parquet": _cut_parquet, ".jsonl": _cut_jsonl, ".csv": _cut_csv}
