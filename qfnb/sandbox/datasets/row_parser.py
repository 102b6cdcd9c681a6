"""Files of rows as the platform takes them: .jsonl, .csv, .txt and zips of these; bad lines are named."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ...wire import data as wire
from . import row_formats
from .row_formats import InvalidRow

MAX_BYTES, MAX_FILES, MAX_PROBLEMS = 256 * 1024 * 1024, 10_000, 100
"""Of one import: bytes when unpacked, files in a zip, problems that are told."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")

_PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*\n\s*")
_LINK, _ENCRYPTED = 0o120000, 1


@dataclass(frozen=True)
class LineProblem:
    """What is wrong in which line of which file; line 0 is the whole file."""

    file: str
    line: int
    code: int
    reason: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


@dataclass
class RowParser:
    """The rows of some files, each with the name of its file, and what was wrong."""

    data_format: str
    annotated: bool
    named_rows: list[tuple[str, Any]] = field(default_factory=list)
    problems: list[LineProblem] = field(default_factory=list)
    size: int = 0
    zipped: bool = False

    def parse_file(self, name: str, content: bytes) -> None:
        """Read one file."""
        try:
            if name.lower().endswith(".zip"):
                self.zipped = True
                self._parse_zip(name, content)
            else:
                self._parse_rows(name, content)
        except InvalidRow as error:
            self.add_problem(name, 0, error)

    def add_problem(self, name: str, line: int, error: InvalidRow, text: str = "") -> None:
        """Note a problem; there is a limit to how many."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(LineProblem(name, line, error.code, error.reason, text[:200]))

    def problems_to_json(self) -> list[dict[str, Any]]:
        """Return the problems as JSON can hold them."""
        return [asdict(problem) for problem in self.problems]

    def _parse_rows(self, name: str, content: bytes) -> None:
        self._add_size(len(content))
        for line, value, text in _iter_values(name, content, self.data_format):
            try:
                if isinstance(value, InvalidRow):
                    raise value
                self.named_rows.append(
                    (name, row_formats.normalize(value, self.data_format, annotated=self.annotated))
                )
            except InvalidRow as error:
                self.add_problem(name, line, error, text)

    def _parse_zip(self, name: str, content: bytes) -> None:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = [member for member in archive.infolist() if _is_content_file(member)]
                if len(members) > MAX_FILES:
                    raise InvalidRow(wire.SIZE_EXCEEDED, f"a zip has at most {MAX_FILES:,} files")
                for member in members:
                    _validate_member(member)
                if self.data_format in row_formats.IMAGE_FORMATS:
                    self._parse_images(archive, members)
                else:
                    for member in members:
                        self.parse_file(member.filename, self._unpack(archive, member))
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            EOFError,
            OSError,
            zlib.error,
        ) as error:
            raise InvalidRow(wire.BAD_ZIP, f"{name} cannot be unpacked: {error}") from None

    def _parse_images(self, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
        annotations = {
            _stem(member): member for member in members if member.filename.lower().endswith(".json")
        }
        for member in members:
            if member.filename.lower().endswith(IMAGE_SUFFIXES):
                annotation = annotations.get(_stem(member))
                annotation_json = self._unpack(archive, annotation) if annotation else b"null"
                row = {
                    "image": member.filename,
                    "annotation": _parse_json(annotation_json.decode("utf-8", "replace")),
                }
                if isinstance(row["annotation"], InvalidRow):
                    self.add_problem(f"{_stem(member)}.json", 0, row["annotation"])
                else:
                    self.named_rows.append((member.filename, row))

    def _unpack(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
        with archive.open(member) as file:
            content = file.read(MAX_BYTES - self.size + 1)
        if len(content) > MAX_BYTES - self.size:
            self._add_size(len(content))
        return content

    def _add_size(self, size: int) -> None:
        self.size += size
        if self.size > MAX_BYTES:
            raise InvalidRow(wire.SIZE_EXCEEDED, f"an import has at most {MAX_BYTES >> 20} MiB when unpacked")


def _iter_values(name: str, content: bytes, data_format: str) -> Iterator[tuple[int, Any, str]]:
    """Yield a file's values with number and text of their lines; a bad one is replaced by its reason."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidRow(wire.BAD_CHARACTERS, f"line {line} is not UTF-8") from None
    suffix = name.lower().rpartition(".")[2]
    if suffix == "jsonl":
        yield from _iter_json_lines(text)
    elif suffix == "csv":
        yield from _iter_csv_rows(text)
    elif suffix == "txt" and data_format in {row_formats.TEXT, row_formats.PROMPT}:
        yield from _iter_texts(text, data_format)
    else:
        allowed = (
            ".jsonl, .csv, .txt or .zip"
            if data_format in {row_formats.TEXT, row_formats.PROMPT}
            else ".jsonl, .csv or .zip"
        )
        raise InvalidRow(wire.BAD_FORMAT, f"{data_format} is imported from {allowed}")


def _iter_json_lines(text: str) -> Iterator[tuple[int, Any, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, _parse_json(line), line


def _iter_csv_rows(text: str) -> Iterator[tuple[int, Any, str]]:
    reader = csv.DictReader(io.StringIO(text))
    try:
        for row in reader:
            row_values = {
                key: value for key, value in row.items() if isinstance(key, str) and value is not None
            }
            yield reader.line_num, row_values, json.dumps(row_values, ensure_ascii=False)
    except csv.Error as error:
        raise InvalidRow(wire.BAD_FORMAT, f"line {reader.line_num + 1}: {error}") from None


def _iter_texts(text: str, data_format: str) -> Iterator[tuple[int, Any, str]]:
    """Yield the paragraphs of a text that has any, else its lines."""
    paragraphs = data_format == row_formats.TEXT and _PARAGRAPH_BREAK.search(text.strip())
    line = 1
    for piece, separator in _split_with_separators(
        text, _PARAGRAPH_BREAK if paragraphs else re.compile(r"\n")
    ):
        if piece.strip():
            yield line, {"prompt": piece} if data_format == row_formats.PROMPT else piece.strip("\n"), piece
        line += piece.count("\n") + separator.count("\n")


def _split_with_separators(text: str, separator: re.Pattern[str]) -> Iterable[tuple[str, str]]:
    start = 0
    for match in separator.finditer(text):
        yield text[start : match.start()], match.group()
        start = match.end()
    yield text[start:], ""


def _parse_json(text: str) -> Any:
    """Return the value of a JSON text, or why there is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return InvalidRow(wire.BAD_FORMAT, f"no JSON: {getattr(error, 'msg', 'nested too deeply')}")


def _is_content_file(member: zipfile.ZipInfo) -> bool:
    name = member.filename.rpartition("/")[2]
    return not (member.is_dir() or member.filename.startswith("__MACOSX/") or name.startswith("."))


def _validate_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
        raise InvalidRow(wire.BAD_ZIP, f"{name!r} leads out of the zip")
    if member.external_attr >> 16 & 0o170000 == _LINK:
        raise InvalidRow(wire.BAD_ZIP, f"{name!r} is a link")
    if member.flag_bits & _ENCRYPTED:
        raise InvalidRow(wire.BAD_ZIP, f"{name!r} is encrypted")
    if name.lower().endswith(".zip"):
        raise InvalidRow(wire.BAD_ZIP, f"{name!r} is a zip in a zip")


def _stem(member: zipfile.ZipInfo) -> str:
    return member.filename.rpartition(".")[0]
