"""Writing rows to files; a file is replaced only when everything is written."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

from .._jsonl_csv_parquet import import_pyarrow
from ..base.language import tr
from ..base.private_files import write_atomically
from ..errors import DatasetError
from .file_reader import Format
from .row_formats import to_json, to_platform_line
from .schema import TEXT, Row, Schema

# the time of files in a zip: the same rows make the same bytes
_ZIP_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def write_file(path: Path, rows: Sequence[Row], schema: Schema, kind: Format) -> None:
    """Write rows to a file, which is replaced atomically.

    Raises:
        InvalidArgumentError: the file cannot be written.
        DatasetError: the format cannot hold such rows.
    """
    with write_atomically(path) as file:
        write_to(file, rows, schema, kind)


def write_to(file: IO[bytes], rows: Sequence[Row], schema: Schema, kind: Format) -> None:
    """Write rows to an open file.

    Raises:
        DatasetError: the format cannot hold such rows.
    """
    _WRITERS[kind](file, rows, schema)


def to_platform_bytes(rows: Iterable[Row], schema: Schema) -> bytes:
    """Return the JSON lines that the platform imports."""
    return b"".join(f"{to_json(to_platform_line(row, schema))}\n".encode() for row in rows)


def _write_qianfan(file: IO[bytes], rows: Sequence[Row], schema: Schema) -> None:
    file.write(to_platform_bytes(rows, schema))


def _write_json(file: IO[bytes], rows: Sequence[Row], schema: Schema) -> None:
    lines = ",\n".join(map(to_json, rows))
    file.write(f"[\n{lines}\n]\n".encode())


def _write_csv(file: IO[bytes], rows: Sequence[Row], schema: Schema) -> None:
    file.write(b"\xef\xbb\xbf")  # without it Excel does not read the file as UTF-8
    _write_cells(file, rows, schema, ",")


def _write_cells(
    file: IO[bytes], rows: Sequence[Row], schema: Schema, delimiter: str = "\t"
) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, delimiter=delimiter)
    columns = column_names(rows)
    writer.writerow(columns)
    for row in rows:
        cells = []
        for cell in map(row.get, columns):
            is_plain = cell is None or isinstance(cell, str)
            cells.append(cell if is_plain else to_json(cell))
        writer.writerow(cells)
    text.detach()


def _write_parquet(file: IO[bytes], rows: Sequence[Row], schema: Schema) -> None:
    arrow = import_pyarrow()
    from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

    try:
        columns = {}
        for name in column_names(rows):
            columns[name] = [row.get(name) for row in rows]
        parquet.write_table(arrow.table(columns), file)
    except (arrow.ArrowException, TypeError, OverflowError) as error:
        raise DatasetError(
            tr("A column has values of several kinds: {error}", error=error)
        ) from None


def _write_txt(file: IO[bytes], rows: Sequence[Row], schema: Schema) -> None:
    if schema.name not in {"text", "prompts"}:
        raise DatasetError(
            tr(
                "A .txt file has one text per line, not {kind}: save it as .jsonl.",
                kind=schema.title,
            )
        )
    column = schema.inputs[0]
    for number, row in enumerate(rows, 1):
        text = row[column]
        if "\n" in text or "\r" in text or text.startswith("\ufeff"):
            raise DatasetError(
                tr(
                    "Row {number} has several lines: save it as .zip (one file each) or .jsonl.",
                    number=number,
                )
            )
        file.write(f"{text}\n".encode())


def _write_zip(file: IO[bytes], rows: Sequence[Row], schema: Schema) -> None:
    contents = {"data.jsonl": to_platform_bytes(rows, schema)}
    if schema is TEXT:
        contents = {f"{number:06}.txt": row["text"].encode() for number, row in enumerate(rows, 1)}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIMESTAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            packed.writestr(entry, content)


def column_names(rows: Iterable[Row]) -> list[str]:
    """Return the names of all columns, in the order in which they first occur."""
    return list(dict.fromkeys(chain.from_iterable(rows)))


_WRITERS: dict[str, Callable[[IO[bytes], Sequence[Row], Schema], None]] = {
    "jsonl": lambda file, rows, _: file.writelines(f"{to_json(row)}\n".encode() for row in rows),
    "json": _write_json,
    "csv": _write_csv,
    "tsv": _write_cells,
    "parquet": _write_parquet,
    "txt": _write_txt,
    "zip": _write_zip,
    "qianfan": _write_qianfan,
}
