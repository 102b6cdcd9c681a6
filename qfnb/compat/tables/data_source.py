"""Where tables are read from and written to: files and storage. Source: the official SDK's data
sources.
"""

from __future__ import annotations

import io
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from ..._jsonl_csv_parquet import RowError
from ...base.language import tr
from ...base.private_files import write_atomically
from ...dataset import file_reader, file_writer
from ...dataset.row_formats import raise_problems
from ...dataset.schema import TEXT
from ...errors import DatasetError, InvalidArgumentError
from ...resources.management.storage import Storage
from ...wire import storage as storage_wire
from .table import Table


class FormatType(Enum):
    """How the rows of a source are written."""

    Json = "json"
    Jsonl = "jsonl"
    Csv = "csv"
    Text = "txt"
    Text2Image = "text2image"


class DataSource(ABC):
    """Where a table is read from and written to."""

    @abstractmethod
    def save(self, table: Table, **options: Any) -> bool:
        """Write a table; return True when it is written."""

    @abstractmethod
    def read(self) -> Table:
        """Read the rows as a table."""

    def fetch(self, **_: Any) -> Any:
        """Read the rows as a `pyarrow.Table`."""
        return self.read().inner_table

    def load(self, **options: Any) -> Any:
        """Read the rows as a `pyarrow.Table`, None where they are read when they are first used."""
        return self.fetch(**options)

    @abstractmethod
    def format_type(self) -> FormatType:
        """Return how the rows are written."""

    def set_format_type(self, format_type: FormatType) -> None:
        """Read and write the rows in another format.

        Raises:
            InvalidArgumentError: the source has only one.
        """
        if not hasattr(self, "file_format"):
            raise InvalidArgumentError(tr("the platform decides the format of its datasets"))
        vars(self)["file_format"] = format_type


def format_of_path(path: str) -> FormatType:
    """Return the format of a file's suffix; folders, zips and names without a suffix hold texts.

    Raises:
        InvalidArgumentError: the suffix belongs to no format.
    """
    suffix = PurePosixPath(path).suffix.lower().removeprefix(".")
    if not suffix or suffix == "zip" or Path(path).is_dir():
        return FormatType.Text
    try:
        return FormatType(suffix)
    except ValueError:
        allowed = tr(", ").join(f".{kind.value}" for kind in FormatType)
        raise InvalidArgumentError(
            tr("{path}: the name must end in one of {allowed}", path=path, allowed=allowed)
        ) from None


def read_table(path: Path, kind: FormatType, name: str = "", *, exported: bool = False) -> Table:
    """Read a file, a folder or a zip; lines with lists of turns and texts make a packed table.

    Raises:
        DatasetError: it cannot be read.
    """
    if path.is_dir() or path.suffix == ".zip" or kind is FormatType.Text2Image:
        suffix = None
    else:
        suffix = kind.value
    located = file_reader.read_path(path, suffix, name=name, exported=exported)
    raise_problems([(place, value) for place, value in located if isinstance(value, RowError)])
    return Table([value for _, value in located])


def write_table(file: Any, table: Table, kind: FormatType, *, in_lists: bool = False) -> None:
    """Write a table to an open file, without its empty cells.

    Args:
        file: open for bytes.
        table: the rows.
        kind: JSON, JSON lines, CSV or texts.
        in_lists: write a row as a list of one turn, as the platform does.

    Raises:
        DatasetError: the format cannot hold such rows.
    """
    entries: list[Any] = [without_empty_cells(entry) for entry in table.list()]
    if kind is FormatType.Text:
        if not all(isinstance(entry, str) for entry in entries):
            raise DatasetError(tr("a file of texts holds texts only: save the table as .jsonl"))
        entries = [{"text": entry} for entry in entries]
    if kind is FormatType.Csv and table.is_dataset_packed():
        raise DatasetError(
            tr("a .csv file holds no conversations: unpack() the table, or save it as .jsonl")
        )
    if in_lists:
        entries = [[entry] if isinstance(entry, Mapping) else entry for entry in entries]
    file_writer.write_to(file, entries, TEXT, file_reader.format_of("", kind.value))


def without_empty_cells(entry: Any) -> Any:
    """Return a row, or the turns of a conversation, without the cells that are None."""
    if isinstance(entry, Mapping):
        return {name: cell for name, cell in entry.items() if cell is not None}
    if isinstance(entry, list):
        return [without_empty_cells(turn) for turn in entry]
    return entry


@dataclass(kw_only=True)
class FileDataSource(DataSource):
    """A file, or a folder with one text per file.

    Args:
        path: where it is.
        file_format: by default that of the suffix.
        save_as_folder: write each text to a file of its own.
    """

    path: str
    file_format: FormatType | None = None
    save_as_folder: bool = False

    def __post_init__(self) -> None:
        self.path = str(self.path)
        self.file_format = self.file_format or format_of_path(self.path)

    def format_type(self) -> FormatType:
        """Return the format of the file."""
        return self.file_format or format_of_path(self.path)

    def read(self) -> Table:
        """Read the file, or all files of the folder."""
        return read_table(Path(self.path).expanduser(), self.format_type(), self.path)

    def save(self, table: Table, use_qianfan_special_jsonl_format: bool = False, **_: Any) -> bool:
        """Write a table; a file is replaced when everything is written.

        Args:
            table: the rows.
            use_qianfan_special_jsonl_format: write each row as a list of one turn.
        """
        path = Path(self.path).expanduser()
        if self.save_as_folder and self.format_type() is FormatType.Text:
            path.mkdir(parents=True, exist_ok=True)
            for number, text in enumerate(table.list()):
                (path / f"{number}.txt").write_text(text, encoding="utf-8")
            return True
        buffer = io.BytesIO()
        write_table(buffer, table, self.format_type(), in_lists=use_qianfan_special_jsonl_format)
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as file:
            file.write(buffer.getvalue())
        return True


@dataclass(kw_only=True)
class BosDataSource(DataSource):
    """An object in your bucket; `region`, `ak` and `sk` come from the settings.

    Args:
        region: of the bucket.
        bucket: its name.
        bos_file_path: the key, `/folder/rows.jsonl`.
        file_format: by default that of the suffix.
        ak: not used.
        sk: not used.
    """

    region: str = ""
    bucket: str
    bos_file_path: str
    file_format: FormatType | None = None
    ak: str | None = field(default=None, repr=False)
    sk: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """`bos:/bucket/key`."""
        return storage_wire.build_uri(self.bucket, self.bos_file_path.lstrip("/"))

    def format_type(self) -> FormatType:
        """Return the format of the object."""
        return self.file_format or format_of_path(self.bos_file_path)

    def load(self, **_: Any) -> None:
        """Return None: the rows are read when they are first used."""

    def read(self) -> Table:
        """Download the object and read its rows."""
        with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            path = Path(folder) / f"object{PurePosixPath(self.bos_file_path).suffix}"
            Storage.download(self.address, path, max_bytes=file_reader.MAX_BYTES)
            return read_table(path, self.format_type(), self.address)

    def save(self, table: Table, **_: Any) -> bool:
        """Upload a table, replacing the object."""
        buffer = io.BytesIO()
        write_table(buffer, table, self.format_type())
        Storage.upload(self.address, buffer.getvalue())
        return True
