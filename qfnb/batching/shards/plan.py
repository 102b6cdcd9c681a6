"""The shards of an input: files cut into ranges of rows, each named by a digest of its content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..._jsonl_csv_parquet import import_pyarrow
from ...base.language import tr
from ...errors import DatasetError, InvalidArgumentError
from ..file_access import reading, suffix_of
from .input_listing import list_inputs
from .text_ranges import cut_csv, cut_jsonl, read_text_range

SHARD_ROWS: Final = 50_000
"""Rows of a shard, unless the caller says otherwise: a minute of work is little to lose, and a file
not too small.
"""

ID_COLUMN: Final = "input_row"
"""The column of an output part that says which row of which file it answers:
`reviews.parquet#17`.
"""


@dataclass(frozen=True)
class Shard:
    """A range of rows of one file.

    Attributes:
        file: its name below the input folder, with slashes.
        path: the file, or its address.
        start, stop: numbers of the first row, and of the row after the last, from 0.
        begin, end: the bytes of a text that hold these rows; 0 for Parquet.
        digest: 16 hex digits of the file's name and content, and of the range.
    """

    file: str
    path: str
    start: int
    stop: int
    begin: int
    end: int
    digest: str

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.stop - self.start

    @property
    def name(self) -> str:
        """The name in messages, and of the output part without its ending."""
        stem = "".join(letter if letter.isalnum() else "-" for letter in Path(self.file).stem)[:40]
        return f"part-{stem}-{self.start:09d}-{self.digest}"

    def row_ids(self) -> Iterator[str]:
        """Yield what `ID_COLUMN` says for each row."""
        return (f"{self.file}#{number}" for number in range(self.start, self.stop))

    def ids_digest(self) -> str:
        """Return the digest of the ids of all rows, in order."""
        return digest_ids(self.row_ids())

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield the rows, each with its id.

        Raises:
            DatasetError: the file cannot be read, or has changed its length.
        """
        count = 0
        for number, item in zip(range(self.start, self.stop), self._read(), strict=False):
            count += 1
            cells = (
                item
                if isinstance(item, dict)
                else {"prompt" if isinstance(item, str) else "messages": item}
            )
            yield {**cells, ID_COLUMN: f"{self.file}#{number}"}
        if count < self.rows:
            raise DatasetError(
                tr("it has lost rows since the start: {n} of {rows}", n=count, rows=self.rows),
                path=self.path,
            )

    def _read(self) -> Iterator[Any]:
        if suffix_of(self.path) == ".parquet":
            return _read_parquet_range(self.path, self.start, self.stop)
        return read_text_range(self.path, self.begin, self.end)


class ShardRows:
    """The rows of a shard as an input of `qfnb.batch`: read from the file each time, never all in
    memory.
    """

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def __len__(self) -> int:
        return self._shard.rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._shard.items()


def plan_shards(
    rows: str | Path | Sequence[str | Path], shard_rows: int = SHARD_ROWS
) -> list[Shard]:
    """Return the shards of all files, in the order of their names.

    Behind an address, of a Parquet file the footer is read, and a JSONL or CSV file once from end
    to end: what stands between two rows is in no metadata. The digest is of the content, so that it
    is the same wherever the file is.

    Args:
        rows: a folder, a file, a pattern such as `in/*.parquet`, addresses as fsspec has them, or
            several of these.
        shard_rows: rows of a shard, 1 or more; the last one of a file may be shorter.

    Raises:
        InvalidArgumentError: there are no files, they are of several kinds, or their columns
            differ.
        DatasetError: a file cannot be read.
    """
    if isinstance(shard_rows, bool) or not isinstance(shard_rows, int) or shard_rows < 1:
        raise InvalidArgumentError(
            tr(
                "{name}={value!r}: must be a number of rows, 1 or more",
                name="shard_rows",
                value=shard_rows,
            )
        )
    files = list_inputs(rows)
    suffixes = {suffix_of(path) for _, path in files}
    if len(suffixes) > 1:
        raise InvalidArgumentError(
            tr(
                "the input has files of several kinds ({kinds}): name one",
                kinds=tr(", ").join(sorted(suffixes)),
            )
        )
    shards = list[Shard]()
    first = None
    for name, path in files:
        schema, content, ranges = _CUTTERS[suffix_of(path)](path, shard_rows)
        first = first or (name, schema)
        _validate_schema(name, schema, *first)
        for start, stop, begin, end in ranges:
            text = f"{name}\n{content}\n{start}\n{stop}"
            digest = hashlib.blake2b(
                text.encode("utf-8", "surrogateescape"), digest_size=8
            ).hexdigest()
            shards.append(Shard(name, path, start, stop, begin, end, digest))
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


def _validate_schema(
    name: str, schema: tuple[str, ...], first_name: str, first_schema: tuple[str, ...]
) -> None:
    if ID_COLUMN in {column.split(": ")[0] for column in schema}:
        raise InvalidArgumentError(
            tr(
                "{file} has a column {column!r}, which the output needs: rename it",
                file=name,
                column=ID_COLUMN,
            )
        )
    if schema == first_schema:
        return
    differences = sorted(set(schema) ^ set(first_schema)) or [tr("their order")]
    raise InvalidArgumentError(
        tr(
            "the columns of {file} are not those of {first}: {differences}",
            file=name,
            first=first_name,
            differences=tr(", ").join(differences),
        )
    )


Cut = tuple[tuple[str, ...], str, list[tuple[int, int, int, int]]]
"""The columns, a digest of the content, and for each shard its first row, the row after its last,
and its bytes.
"""


def _cut_parquet(path: str, shard_rows: int) -> Cut:
    """Cut between row groups where they are small, and inside those that are large; the footer
    stands for the content.

    Raises:
        DatasetError: the footer cannot be read.
    """
    arrow = import_pyarrow()
    from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

    try:
        with reading(path) as raw:
            file = parquet.ParquetFile(raw)
            metadata = file.metadata
            schema = file.schema_arrow
            sizes = [
                metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)
            ]
            raw.seek(-8, os.SEEK_END)
            raw.seek(-8 - int.from_bytes(raw.read(4), "little"), os.SEEK_END)
            digest = hashlib.blake2b(raw.read(), digest_size=16).hexdigest()
    except (arrow.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"not Parquet: {reason}", path=path) from None
    columns = tuple(f"{field.name}: {field.type}" for field in schema)
    return columns, digest, [(start, stop, 0, 0) for start, stop in _join_groups(sizes, shard_rows)]


def _join_groups(sizes: Sequence[int], shard_rows: int) -> Iterator[tuple[int, int]]:
    start = stop = 0
    for size in sizes:
        if stop > start and stop + size - start > shard_rows:
            yield start, stop
            start = stop
        stop += size
        while stop - start > shard_rows:
            yield start, start + shard_rows
            start += shard_rows
    if stop > start:
        yield start, stop


def _read_parquet_range(path: str, start: int, stop: int) -> Iterator[dict[str, Any]]:
    arrow = import_pyarrow()
    from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

    try:
        with reading(path) as raw:
            file = parquet.ParquetFile(raw)
            groups = list[int]()
            first = 0
            skipped = 0
            for number in range(file.metadata.num_row_groups):
                size = file.metadata.row_group(number).num_rows
                if first + size <= start:
                    skipped += size
                elif first < stop:
                    groups.append(number)
                first += size
            number = skipped
            for chunk in file.iter_batches(1024, row_groups=groups):
                lower = max(start - number, 0)
                upper = max(min(stop - number, chunk.num_rows), 0)
                number += chunk.num_rows
                if lower < upper:
                    yield from chunk.slice(lower, upper - lower).to_pylist()
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"not Parquet: {reason}", path=path) from None


_CUTTERS = {".parquet": _cut_parquet, ".jsonl": cut_jsonl, ".csv": cut_csv}
