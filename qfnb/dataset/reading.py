"""Where rows are read from: a file, a folder of files, a zip of them, a DataFrame."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any

from ..errors import DatasetError, InvalidArgumentError
from . import archive, formats
from .archive import Members
from .problems import Flaw, Place, shown
from .rows import Read

if TYPE_CHECKING:
    import pandas as pd

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MOST_PICTURE_BYTES = 32 * 1024 * 1024

ReadOne = Callable[[IO[bytes], str], Iterator[Read]]

CAPTION = ("prompt", "content", "text", "annotation")
"""Where the file beside a picture has what is to be seen on it; the platform's page does not show one."""


def read(
    path: Path,
    kind: str | None = None,
    *,
    most: int = archive.MOST_BYTES,
    name: str = "",
    exported: bool = False,
) -> list[Read]:
    """Return the values of a file, a zip or a folder with their places.

    Args:
        path: what is read; in a folder or a zip each `.txt` is one text, alone it has one text per line.
        kind: the format, where the name does not tell it.
        most: bytes that a zip may have when unpacked.
        name: how it is called in messages, by default the path.
        exported: it is a zip of the platform's, where a `.txt` has many texts.

    Raises:
        DatasetError: it cannot be read, or holds no rows.
    """
    called = name or str(path)
    try:
        whole = formats.exported if exported else formats.whole
        found = list(_values(path, called, kind, most, whole))
    except FileNotFoundError:
        raise DatasetError(f"there is no such file (working directory: {Path.cwd()})", path=called) from None
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DatasetError(f"cannot be read: {reason}", path=called) from None
    if not found:
        raise DatasetError(_nothing(path), path=called)
    return found


def from_frame(frame: pd.DataFrame) -> list[Read]:
    """Return the rows of a DataFrame; lists that came as arrays are lists again.

    Raises:
        InvalidArgumentError: two columns have the same name.
    """
    columns = [str(column) for column in frame.columns]
    if len(set(columns)) < len(columns):
        raise InvalidArgumentError(f"two columns have the same name: {', '.join(columns)}")
    cells = frame.itertuples(index=False, name=None)
    return [
        (Place(row=row), {column: _plain(value) for column, value in zip(columns, values, strict=True)})
        for row, values in enumerate(cells, 1)
    ]


def renamed(values: list[Read], columns: Mapping[str, str]) -> list[Read]:
    """Return values whose columns have other names, as in `{"question": "prompt"}`."""
    return [
        (place, {columns.get(key, key): v for key, v in value.items()} if isinstance(value, dict) else value)
        for place, value in values
    ]


def _values(path: Path, name: str, kind: str | None, most: int, whole: ReadOne) -> Iterator[Read]:
    if path.is_dir():
        yield from _members(_folder(path), name + os.sep, whole, path)
    elif (what := formats.format_of(path.name, kind)) == "zip":
        with archive.opened(path, name, most) as members:
            yield from _members(members, f"{name}!", whole)
    else:
        with path.open("rb") as file:
            yield from formats.read(file, name, what)


def _folder(folder: Path) -> Members:
    paths = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    return {
        path.relative_to(folder).as_posix(): partial(_bytes, path)
        for path in sorted(paths)
        if not path.is_symlink()
    }


def _bytes(path: Path) -> IO[bytes]:
    return path.open("rb")


def _members(members: Members, before: str, whole: ReadOne, folder: Path | None = None) -> Iterator[Read]:
    """Read several files; a file that is called like a picture says what is to be seen on it."""
    pictures = {str(PurePath(name).with_suffix("")) for name in members if _suffix(name) in PICTURES}
    for name in members:
        stem, suffix = str(PurePath(name).with_suffix("")), _suffix(name)
        if _is_hidden(name) or (stem in pictures and suffix not in PICTURES):
            continue
        if suffix in PICTURES:
            yield _picture(members, name, before, folder)
        elif suffix in formats.SUFFIXES and suffix != ".zip":
            with members[name]() as file:
                one = whole if suffix == ".txt" else partial(formats.read, kind=formats.SUFFIXES[suffix])
                yield from one(file, before + name)


def _picture(members: Members, name: str, before: str, folder: Path | None) -> Read:
    """Return a picture as its path, or as its bytes where it has none, with what stands beside it."""
    place = Place(before + name, row=1)
    if folder is not None:
        row: dict[str, Any] = {"image": str(folder / name)}
    else:
        with members[name]() as file:
            row = {"image": file.read(MOST_PICTURE_BYTES)}
    for suffix in (".json", ".txt"):
        beside = str(PurePath(name).with_suffix(suffix))
        if beside in members:
            with members[beside]() as file:
                return place, _captioned(row, file.read(MOST_PICTURE_BYTES), suffix)
    return place, row


def _captioned(row: dict[str, Any], content: bytes, suffix: str) -> object:
    try:
        text = content.decode("utf-8-sig")
        found: object = json.loads(text) if suffix == ".json" else text
    except (ValueError, RecursionError):
        return Flaw(f"what stands beside the picture cannot be read: {shown(str(content[:40]))}")
    while isinstance(found, (list, dict)) and found:
        if isinstance(found, list):
            found = found[0]
        else:
            found = next((found[key] for key in CAPTION if key in found), None)
    return row | {"prompt": found} if found else row


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower()


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePath(name).parts)


def _plain(value: Any) -> Any:
    """Return an array as a list, and a number of another library as Python's own."""
    return value.tolist() if hasattr(value, "tolist") else value


def _nothing(path: Path) -> str:
    if path.is_dir() or _suffix(path.name) == ".zip":
        return f"the folder or zip holds no {', '.join(formats.SUFFIXES)} file with rows"
    return 'the file is empty; expected one {"prompt": "...", "response": "..."} per line'
