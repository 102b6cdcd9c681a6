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

from ..wire import data as wire
from . import rows
from .rows import BadRow

MOST_BYTES, MOST_FILES, MOST_PROBLEMS = 256 * 1024 * 1024, 10_000, 100
"""Of one import: bytes when unpacked, files in a zip, problems that are told."""

PICTURE_ENDS = (".jpg", ".jpeg", ".png", ".bmp")

_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n\s*")
_LINK, _ENCRYPTED = 0o120000, 1


@dataclass(frozen=True)
class Problem:
    """What is wrong in which line of which file; line 0 is the whole file."""

    file: str
    line: int
    code: int
    reason: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file} line {self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


@dataclass
class Reading:
    """The rows of some files, each with the name of its file, and what was wrong."""

    form: str
    annotated: bool
    found: list[tuple[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    size: int = 0
    zipped: bool = False

    def take(self, name: str, content: bytes) -> None:
        """Read one file."""
        try:
            if name.lower().endswith(".zip"):
                self.zipped = True
                self._take_zip(name, content)
            else:
                self._take_rows(name, content)
        except BadRow as error:
            self.note(name, 0, error)

    def note(self, name: str, line: int, error: BadRow, text: str = "") -> None:
        """Note a problem; there is a limit to how many."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(name, line, error.code, error.reason, text[:200]))

    def told(self) -> list[dict[str, Any]]:
        """Return the problems as JSON can hold them."""
        return [asdict(problem) for problem in self.problems]

    def _take_rows(self, name: str, content: bytes) -> None:
        self._weigh(len(content))
        for line, value, text in _values(name, content, self.form):
            try:
                if isinstance(value, BadRow):
                    raise value
                self.found.append((name, rows.normal(value, self.form, annotated=self.annotated)))
            except BadRow as error:
                self.note(name, line, error, text)

    def _take_zip(self, name: str, content: bytes) -> None:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = [member for member in archive.infolist() if _counts(member)]
                if len(members) > MOST_FILES:
                    raise BadRow(wire.SIZE_EXCEEDED, f"a zip has at most {MOST_FILES:,} files")
                for member in members:
                    _check(member)
                if self.form in rows.PICTURES:
                    self._take_pictures(archive, members)
                else:
                    for member in members:
                        self.take(member.filename, self._unpacked(archive, member))
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            EOFError,
            OSError,
            zlib.error,
        ) as error:
            raise BadRow(wire.BAD_ZIP, f"{name} cannot be unpacked: {error}") from None

    def _take_pictures(self, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
        notes = {_stem(member): member for member in members if member.filename.lower().endswith(".json")}
        for member in members:
            if member.filename.lower().endswith(PICTURE_ENDS):
                note = notes.get(_stem(member))
                said = self._unpacked(archive, note) if note else b"null"
                row = {"image": member.filename, "annotation": _json(said.decode("utf-8", "replace"))}
                if isinstance(row["annotation"], BadRow):
                    self.note(f"{_stem(member)}.json", 0, row["annotation"])
                else:
                    self.found.append((member.filename, row))

    def _unpacked(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
        with archive.open(member) as file:
            content = file.read(MOST_BYTES - self.size + 1)
        if len(content) > MOST_BYTES - self.size:
            self._weigh(len(content))
        return content

    def _weigh(self, size: int) -> None:
        self.size += size
        if self.size > MOST_BYTES:
            raise BadRow(wire.SIZE_EXCEEDED, f"an import has at most {MOST_BYTES >> 20} MiB when unpacked")


def _values(name: str, content: bytes, form: str) -> Iterator[tuple[int, Any, str]]:
    """Yield a file's values with number and text of their lines; a bad one is replaced by its reason."""
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadRow(wire.BAD_CHARACTERS, f"line {line} is not UTF-8") from None
    end = name.lower().rpartition(".")[2]
    if end == "jsonl":
        yield from _json_lines(text)
    elif end == "csv":
        yield from _csv_rows(text)
    elif end == "txt" and form in {rows.TEXT, rows.PROMPT}:
        yield from _texts(text, form)
    else:
        allowed = ".jsonl, .csv, .txt or .zip" if form in {rows.TEXT, rows.PROMPT} else ".jsonl, .csv or .zip"
        raise BadRow(wire.BAD_FORMAT, f"{form} is imported from {allowed}")


def _json_lines(text: str) -> Iterator[tuple[int, Any, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, _json(line), line


def _csv_rows(text: str) -> Iterator[tuple[int, Any, str]]:
    reader = csv.DictReader(io.StringIO(text))
    try:
        for row in reader:
            given = {key: value for key, value in row.items() if isinstance(key, str) and value is not None}
            yield reader.line_num, given, json.dumps(given, ensure_ascii=False)
    except csv.Error as error:
        raise BadRow(wire.BAD_FORMAT, f"line {reader.line_num + 1}: {error}") from None


def _texts(text: str, form: str) -> Iterator[tuple[int, Any, str]]:
    """Yield the paragraphs of a text that has any, else its lines."""
    paragraphs = form == rows.TEXT and _PARAGRAPHS.search(text.strip())
    line = 1
    for piece, gap in _pieces(text, _PARAGRAPHS if paragraphs else re.compile(r"\n")):
        if piece.strip():
            yield line, {"prompt": piece} if form == rows.PROMPT else piece.strip("\n"), piece
        line += piece.count("\n") + gap.count("\n")


def _pieces(text: str, gap: re.Pattern[str]) -> Iterable[tuple[str, str]]:
    start = 0
    for found in gap.finditer(text):
        yield text[start : found.start()], found.group()
        start = found.end()
    yield text[start:], ""


def _json(text: str) -> Any:
    """Return the value of a JSON text, or why there is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return BadRow(wire.BAD_FORMAT, f"no JSON: {getattr(error, 'msg', 'nested too deeply')}")


def _counts(member: zipfile.ZipInfo) -> bool:
    last = member.filename.rpartition("/")[2]
    return not (member.is_dir() or member.filename.startswith("__MACOSX/") or last.startswith("."))


def _check(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
        raise BadRow(wire.BAD_ZIP, f"{name!r} leads out of the zip")
    if member.external_attr >> 16 & 0o170000 == _LINK:
        raise BadRow(wire.BAD_ZIP, f"{name!r} is a link")
    if member.flag_bits & _ENCRYPTED:
        raise BadRow(wire.BAD_ZIP, f"{name!r} is encrypted")
    if name.lower().endswith(".zip"):
        raise BadRow(wire.BAD_ZIP, f"{name!r} is a zip in a zip")


def _stem(member: zipfile.ZipInfo) -> str:
    return member.filename.rpartition(".")[0]
