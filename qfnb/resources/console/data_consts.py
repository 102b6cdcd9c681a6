"""Constants of datasets; `consts` has them too, under the seeds' import path."""

from enum import IntEnum, StrEnum


class DataProjectType(IntEnum):
    """The purpose of a dataset; its templates begin with the same digits."""

    Conversation = 20
    GenericText = 401
    QuerySet = 402
    Text2Image = 705


class DataTemplateType(IntEnum):
    """The form of a dataset's rows."""

    NonSortedConversation = 2000
    SortedConversation = 2001
    PromptChosenRejected = 2002
    GenericText = 40100
    QuerySet = 40200
    Text2Image = 70500


class DataSetType(IntEnum):
    """Text or images."""

    TextOnly = 4
    MultiModel = 7


class DataStorageType(StrEnum):
    """Where a dataset is stored."""

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
    """The state of an import."""

    NotStarted = -1
    Initialized = 0
    Running = 1
    Finished = 2
    Failed = 3
    Terminated = 4


class DataExportStatus(IntEnum):
    """The state of an export."""

    NotStarted = -1
    Initialized = 0
    Running = 1
    Finished = 2
    Failed = 3


class DataReleaseStatus(IntEnum):
    """The state of a release."""

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
    """The state of a cleaning."""

    NoTask = 0
    Running = 1
    Finished = 2
    Interrupted = 3
    Failed = 4
    Paused = 5
