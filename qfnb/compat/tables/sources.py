"""Where tables are read from and written to: files, storage and the platform. Source: the official
SDK's data sources.
"""

from __future__ import annotations

import copy
import io
import secrets
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any, Self

from ..._jsonl_csv_parquet import RowError
from ...base.language import tr
from ...base.private_files import write_atomically
from ...dataset import file_reader, file_writer, platform
from ...dataset.row_formats import parse_rows, raise_problems, with_locations
from ...dataset.schema import TEXT, Row, Schema, schema_of_template
from ...errors import DatasetError, InvalidArgumentError
from ...resources.console.consts import (
    DataProjectType,
    DataSetType,
    DataStorageType,
    DataTemplateType,
)
from ...resources.management.data import Data
from ...resources.management.storage import Storage
from ...wire import data as wire, storage as storage_wire
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
    errors = []
    values = []
    for place, value in located:
        values.append(value)
        if isinstance(value, RowError):
            errors.append((place, value))
    raise_problems(errors)
    return Table(values)


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


def parse_entries(table: Table, template_type: int | None = None) -> tuple[list[Row], Schema]:
    """Return the rows of a table as the platform's kinds of rows, and the kind.

    Args:
        table: its groups become conversations.
        template_type: the platform's number of the kind; by default it is detected.

    Raises:
        DatasetError: rows are of no such kind.
    """
    if table.is_dataset_grouped():
        table = copy.copy(table)
        table.pack()
    entries: list[Any] = [without_empty_cells(entry) for entry in table.list()]
    if template_type is not None and schema_of_template(template_type) is TEXT:
        entries = [
            next(iter(entry.values())) if isinstance(entry, Mapping) else entry for entry in entries
        ]
    return parse_rows(with_locations(entries))


@dataclass(kw_only=True)
class QianfanDataSource(DataSource):
    """A dataset on the platform; make one with `get_existed_dataset` or `create_bare_dataset`.

    Attributes:
        id: `ds-...`.
        group_id: `dg-...` of all its versions.
        storage_id, storage_raw_path: bucket and folder of a dataset in your own bucket.
        info: the platform's description.
        data_format_type: how its rows are exported; by default that of its kind.
        download_when_init, ak, sk: have no effect; keys come from the settings.
    """

    id: str
    group_id: str = ""
    name: str = ""
    set_type: DataSetType = DataSetType.TextOnly
    project_type: DataProjectType = DataProjectType.Conversation
    template_type: DataTemplateType = DataTemplateType.NonSortedConversation
    version: int = 1
    storage_type: DataStorageType = DataStorageType.PublicBos
    storage_id: str = ""
    storage_path: str = ""
    storage_raw_path: str | None = None
    storage_name: str = ""
    storage_region: str | None = None
    info: dict[str, Any] = field(default_factory=dict, repr=False)
    download_when_init: bool | None = None
    data_format_type: FormatType | None = None
    old_dataset_id: int | None = None
    ak: str | None = field(default=None, repr=False)
    sk: str | None = field(default=None, repr=False)

    @classmethod
    def get_existed_dataset(
        cls, dataset_id: str, is_download_to_local: bool | None = None, **_: Any
    ) -> Self:
        """Return the dataset with an id, `ds-...`; its rows are read when they are first used,
        whatever the flag.
        """
        info = Data.get_dataset_info(dataset_id)["result"]
        version = info["versionInfo"]
        storage = version.get("storage") or {}
        return cls(
            id=version.get("datasetPK") or str(dataset_id),
            group_id=info.get("groupPK") or "",
            name=info.get("name") or "",
            set_type=DataSetType(version.get("dataType", DataSetType.TextOnly)),
            project_type=DataProjectType(version["projectType"]),
            template_type=DataTemplateType(version["templateType"]),
            version=version.get("versionId") or 1,
            storage_type=DataStorageType(version.get("storageType") or DataStorageType.PublicBos),
            storage_id=storage.get("storageId") or "",
            storage_path=storage.get("storagePath") or "",
            storage_raw_path=storage.get("rawStoragePath"),
            storage_name=storage.get("storageName") or "",
            storage_region=storage.get("region"),
            info=dict(info),
            old_dataset_id=version.get("datasetId"),
        )

    @classmethod
    def create_bare_dataset(
        cls,
        name: str,
        template_type: DataTemplateType,
        storage_type: DataStorageType = DataStorageType.PublicBos,
        storage_id: str | None = None,
        storage_path: str | None = None,
        addition_info: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> Self:
        """Create a dataset without rows.

        Args:
            name: shown in the console.
            template_type: the kind of its rows.
            storage_type: the platform's storage, or your own bucket.
            storage_id: the name of your bucket.
            storage_path: the folder there.
            addition_info: added to `info`.

        Raises:
            InvalidArgumentError: your own bucket or the folder is missing.
        """
        is_picture = template_type == DataTemplateType.Text2Image
        location = (storage_id, storage_path) if storage_type == DataStorageType.PrivateBos else ()
        created = Data.create_bare_dataset(
            name,
            wire.PICTURE_DATA if is_picture else wire.TEXT_DATA,
            int(template_type) // 100,
            int(template_type),
            str(storage_type.value),
            *location,
        )
        source = cls.get_existed_dataset(created.data.dataset_id)
        source.info |= addition_info or {}
        return source

    @classmethod
    def create_from_bos_file(
        cls,
        name: str,
        template_type: DataTemplateType,
        storage_id: str,
        storage_path: str,
        file_name: str,
        is_data_annotated: bool = True,
        storage_type: DataStorageType = DataStorageType.PrivateBos,
        **options: Any,
    ) -> Self:
        """Create a dataset and import an object of your bucket into it; arguments as for
        `create_bare_dataset`.

        Args:
            name: shown in the console.
            template_type: the kind of its rows.
            storage_id: the name of your bucket.
            storage_path: the folder there.
            file_name: the object in the folder.
            is_data_annotated: whether the rows have answers.
            storage_type: where the dataset is stored.
            **options: `addition_info`.
        """
        source = cls.create_bare_dataset(
            name, template_type, storage_type, storage_id, storage_path, **options
        )
        address = storage_wire.build_uri(
            storage_id, f"{storage_path.strip('/')}/{file_name.lstrip('/')}"
        )
        platform.import_object(source.id, address, is_annotated=is_data_annotated)
        return source

    def format_type(self) -> FormatType:
        """Return the format in which the platform exports the dataset."""
        if self.data_format_type is not None:
            return self.data_format_type
        formats = {
            DataTemplateType.Text2Image: FormatType.Text2Image,
            DataTemplateType.GenericText: FormatType.Text,
        }
        return formats.get(self.template_type, FormatType.Jsonl)

    def load(self, **_: Any) -> None:
        """Return None: the rows are read when they are first used."""

    def read(self) -> Table:
        """Export the dataset and download it."""
        values = [value for _, value in platform.fetch(self.id)]
        return Table(values)

    def save(
        self,
        table: Table,
        is_annotated: bool | None = None,
        does_release: bool = False,
        sup_storage_id: str = "",
        sup_storage_path: str = "",
        sup_storage_region: str = "",
        **_: Any,
    ) -> bool:
        """Upload a table to a bucket, and import it into the dataset.

        Args:
            table: rows of the dataset's kind.
            is_annotated: whether they have answers; by default they are looked at.
            does_release: release the dataset afterwards, so that it can be trained on.
            sup_storage_id: the bucket; by default that of the dataset, or QIANFAN_BOS_BUCKET.
            sup_storage_path: the folder there.
            sup_storage_region: not used; it comes from the settings.

        Raises:
            DatasetError: the rows are of another kind, or the platform could not import them.
            InvalidArgumentError: no bucket is known.
        """
        rows, schema = parse_entries(table, self.template_type)
        content = file_writer.to_platform_bytes(rows, schema)
        bucket = sup_storage_id
        folder = sup_storage_path
        if self.storage_type == DataStorageType.PrivateBos:
            bucket = bucket or self.storage_id
            folder = folder or self.storage_raw_path or ""
        bucket = bucket or platform.default_bucket()
        folder = folder.strip("/") or "qfnb"
        address = storage_wire.build_uri(bucket, f"{folder}/data_{secrets.token_hex(8)}.jsonl")
        Storage.upload(address, content)
        if is_annotated is None:
            is_annotated = bool(schema.reference)
        platform.import_object(self.id, address, is_annotated=is_annotated)
        if does_release:
            return self.release_dataset()
        return True

    def release_dataset(self, **_: Any) -> bool:
        """Release the dataset, so that it can be trained on; return True when it is released."""
        platform.ensure_released(self.id)
        return True


def to_source(
    data_file: str | None,
    dataset_id: str | int | None,
    bos_load_args: Mapping[str, Any] | None,
    bos_source_args: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    create_args: Mapping[str, Any] | None = None,
) -> DataSource | None:
    """Return the source that arguments of `load` or `save` name, None where they name none.

    Args:
        data_file: a file or a folder.
        dataset_id: a dataset on the platform.
        bos_load_args: of `QianfanDataSource.create_from_bos_file`.
        bos_source_args: of `BosDataSource`.
        options: `file_format` and `save_as_folder` of a file.
        create_args: of `QianfanDataSource.create_bare_dataset`.
    """
    if data_file is not None:
        source = FileDataSource(path=data_file, file_format=options.get("file_format"))
        source.save_as_folder = options.get("save_as_folder", False)
        return source
    if dataset_id is not None:
        return QianfanDataSource.get_existed_dataset(str(dataset_id))
    if create_args:
        return QianfanDataSource.create_bare_dataset(**create_args)
    if bos_load_args:
        return QianfanDataSource.create_from_bos_file(**bos_load_args)
    if bos_source_args:
        return BosDataSource(**bos_source_args)
    return None
