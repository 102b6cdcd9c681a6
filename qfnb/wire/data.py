"""Datasets on the platform: create, import what was uploaded to BOS, release for training (console v1)."""

from __future__ import annotations

from typing import Any

from .base import ConsoleRecord, Endpoint

CONVERSATION_PROJECT, CONVERSATION_TEMPLATE, TEXT_DATA = 20, 2000, 4

NOT_STARTED, INITIALISED, RUNNING, FINISHED, FAILED, TERMINATED = -1, 0, 1, 2, 3, 4
"""Values of importStatus and releaseStatus."""


class CreateDataset(ConsoleRecord):
    """A bare dataset of prompt/response pairs."""

    name: str
    version_id: int = 1
    project_type: int = CONVERSATION_PROJECT
    template_type: int = CONVERSATION_TEMPLATE
    data_type: int = TEXT_DATA
    storage_type: str = "usrBos"
    storage_id: str | None = None
    raw_storage_path: str | None = None


class DatasetCreated(ConsoleRecord):
    """`dataset_id` is the `ds-...` id that every later call takes."""

    dataset_id: str
    id: int | None = None


class ImportDataset(ConsoleRecord):
    """Import files; `import_from` 1 is the user's own BOS, and a file is `bos:/bucket/path`."""

    dataset_id: str
    annotated: bool = True
    import_from: int = 1
    files: list[str]


class DatasetRef(ConsoleRecord):
    """Which dataset."""

    dataset_id: str


class DatasetVersion(ConsoleRecord):
    """How far import and release are; `entity_count` counts rows."""

    dataset_id: Any = None
    import_status: int = NOT_STARTED
    release_status: int = INITIALISED
    release_err_code: int | None = None
    entity_count: int | None = None


class DatasetInfo(ConsoleRecord):
    """A dataset and its current version."""

    name: str = ""
    version_info: DatasetVersion


CREATE = Endpoint(
    "data.create",
    "/wenxinworkshop/dataset/create",
    CreateDataset,
    DatasetCreated,
    plane="console",
    repeatable=False,
)
IMPORT = Endpoint(
    "data.import", "/wenxinworkshop/dataset/import", ImportDataset, bool, plane="console", repeatable=False
)
INFO = Endpoint("data.info", "/wenxinworkshop/dataset/info", DatasetRef, DatasetInfo, plane="console")
RELEASE = Endpoint("data.release", "/wenxinworkshop/dataset/release", DatasetRef, bool, plane="console")
