"""Constants of datasets; `consts` has them too, under the seeds' import path."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class DataProjectType(IntEnum):
    """What a dataset is for; its templates begin with the same digits."""

    Conversation = 20
    GenericText = 401
    QuerySet = 402
    Text2Image = 705


class DataTemplateType(IntEnum):
    """What a row of a dataset is."""

    NonSortedConversation = 2000
    SortedConversation = 2001
    PromptChosenRejected = 2002
    GenericText = 40100
    QuerySet = 40200
    Text2Image = 70500


class DataSetType(IntEnum):
    """Text or pictures."""

    TextOnly = 4
    MultiModel = 7


class DataStorageType(StrEnum):
    """Where a dataset lies."""

    PublicBos = "sysBos"
    PrivateBos = "usrBos"


class DataSourceType(IntEnum):
    """Where an import reads from."""

    PrivateBos = 1
    SharedZipUrl = 2


class DataExportDestinationType(IntEnum):
    """Where an export goes."""

    PlatformBos = 0
    PrivateBos = 1


class DataImportStatus(IntEnum):
    """How far an import is."""

    NotStarted = -1
    Initialized = 0
    Running = 1
    Finished = 2
    Failed = 3
    Terminated = 4


class DataExportStatus(IntEnum):
    """How far an export is."""

    NotStarted = -1
    Initialized = 0
    Running = 1
    Finished = 2
    Failed = 3


class DataReleaseStatus(IntEnum):
    """How far a release is."""

    NotStarted = 0
    Running = 1
    Finished = 2
    Failed = 3


class EntityListingType(IntEnum):
    """Which rows are listed."""

    All = 0
    AnnotatedOnly = 1
    NotAnnotatedOnly = 2


class ETLTaskStatus(IntEnum):
    """How far a cleaning is."""

    NoTask = 0
    Running = 1
    Finished = 2
    Interrupted = 3
    Failed = 4
    Paused = 5
