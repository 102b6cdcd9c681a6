"""`QianfanDataSource`: a dataset on the platform, that tables are read from and written to."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ...dataset import file_writer, platform
from ...dataset.row_formats import parse_rows, with_locations
from ...dataset.schema import TEXT, Row, Schema, schema_of_template
from ...resources.console.consts import (
    DataProjectType,
    DataSetType,
    DataStorageType,
    DataTemplateType,
)
from ...resources.management.data import Data
from ...resources.management.storage import Storage
from ...wire import data_v1 as wire, storage as storage_wire
from .data_source import BosDataSource, DataSource, FileDataSource, FormatType, without_empty_cells
from .table import Table


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
        if self.template_type is DataTemplateType.Text2Image:
            return FormatType.Text2Image
        if self.template_type is DataTemplateType.GenericText:
            return FormatType.Text
        return FormatType.Jsonl

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
        is_private = self.storage_type == DataStorageType.PrivateBos
        bucket = (
            sup_storage_id or (self.storage_id if is_private else "") or platform.default_bucket()
        )
        folder = (
            sup_storage_path or (self.storage_raw_path if is_private else "") or "/qfnb"
        ).strip("/")
        address = storage_wire.build_uri(bucket, f"{folder}/data_{secrets.token_hex(8)}.jsonl")
        Storage.upload(address, content)
        if is_annotated is None:
            has_answers = bool(schema.reference)
        else:
            has_answers = is_annotated
        platform.import_object(self.id, address, is_annotated=has_answers)
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
        names = ("file_format", "save_as_folder")
        return FileDataSource(
            path=data_file, **{name: options[name] for name in names if name in options}
        )
    if dataset_id is not None:
        return QianfanDataSource.get_existed_dataset(str(dataset_id))
    if create_args:
        return QianfanDataSource.create_bare_dataset(**create_args)
    if bos_load_args:
        return QianfanDataSource.create_from_bos_file(**bos_load_args)
    if bos_source_args:
        return BosDataSource(**bos_source_args)
    return None
