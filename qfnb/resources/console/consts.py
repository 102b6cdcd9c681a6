"""Constants of the management plane, under the seeds' import path."""

from enum import IntEnum, StrEnum

from ...wire.finetune import TrainMode as TrainMode, TrainParameterScale as TrainParameterScale


class DeployPoolType(IntEnum):
    """Which pool a service runs in."""

    PublicResource = 1
    PrivateResource = 2


class TrainStatus(StrEnum):
    """A run's state on the platform (v2)."""

    Waiting = "Waiting"
    Running = "Running"
    Done = "Done"
    Failed = "Failed"
    Stopped = "Stopped"
    Finish = "Done"  # the official SDK's names
    Fail = "Failed"
    Stop = "Stopped"


class ServiceStatus(StrEnum):
    """A service's state on the platform: it ends as Serving in v2, as Done in v1."""

    New = "New"
    Deploying = "Deploying"
    Serving = "Serving"
    Done = "Done"
    Failed = "Failed"
    Stopped = "Stopped"


class ServiceType(StrEnum):
    """The kind of a service's calls, as in its path."""

    Chat = "chat"
    Completions = "completions"
    Embeddings = "embeddings"
    Text2image = "text2image"
    Image2text = "image2text"


class PromptSceneType(IntEnum):
    """The purpose of a prompt."""

    Text2Text = 1
    Text2Image = 2


class PromptFrameworkType(IntEnum):
    """The framework of a prompt."""

    NotUse = 0
    Basic = 1
    CRISPE = 2
    Fewshot = 3


class PromptType(IntEnum):
    """The origin of a template."""

    Preset = 1
    User = 2


class PromptScoreStandard(IntEnum):
    """The standard that a prompt's answers are scored by."""

    Semantic = 1
    Regex = 2
    Exact = 3


class EvaluationTaskStatus(StrEnum):
    """A v1 evaluation task's state; in DoingWithManualBegin the answers wait for people."""

    Pending = "Pending"
    Doing = "Doing"
    DoingWithManualBegin = "DoingWithManualBegin"
    Stopping = "Stopping"
    Done = "Done"
    PartlyDone = "PartlyDone"
    Failed = "Failed"
    Stopped = "Stopped"


class EvaluationResultExportDestinationType(StrEnum):
    """Where an evaluation's rows are exported to: an address, or your own bucket."""

    PublicBos = "local"
    PrivateBos = "storage"


class EvaluationResultExportRange(StrEnum):
    """Which of an evaluation's rows are exported."""

    Total = "total"
    Part = "part"


class EvaluationResultExportField(StrEnum):
    """The fields of an evaluation's export: question, answer, expected answer, scores."""

    Prompt = "prompt"
    Prediction = "prediction"
    Completion = "completion"
    Metrics = "metrics"


class EvaluationResultExportTaskStatus(StrEnum):
    """The state of an evaluation's export."""

    Pending = "Pending"
    Uploading = "Uploading"
    Fail = "Fail"
    Done = "Done"


class TrainDatasetType(IntEnum):
    """Where training sets of v1 are stored."""

    Platform = 1
    PrivateBos = 2


class ModelState(StrEnum):
    """A version's state."""

    Ready = "Ready"
    Creating = "Creating"
    Fail = "Fail"


class ModelTypePreset(IntEnum):
    """Kinds of the platform's models."""

    TextGC = 0
    ImageGC = 1
    VectorModel = 4
    Image2Text = 5
    IndustryModel = 6


class ModelTypeUser(IntEnum):
    """Kinds of a user's models."""

    LargeLanguageModel = 0
    Text2Image = 1
    IndustrySearchModel = 2
    TextRepresentationModel = 3
    VectorModel = 4
    Image2Text = 5


class CustomModelSetModelType(StrEnum):
    """Kinds of your own sets."""

    Text2Text = "Text2Text"
    Text2Image = "Text2Image"
    TextRepresentation = "TextRepresentation"
    ImageUnderstanding = "ImageUnderstanding"
    Industry = "Industry"


class CreateCustomModelSourceType(StrEnum):
    """Where a version comes from."""

    Train = "Train"
    Import = "Import"


class ModelCompStrategy(StrEnum):
    """How a version is compressed."""

    Quantization = "Quantization"
    Sparsity = "Sparsity"


class ModelQuantizationWeight(StrEnum):
    """The format of quantized weights."""

    INT8PTQ = "INT8-PTQ"
    W8A16C16 = "W8A16C16"
    W4A16C16 = "W4A16C16"


class ModelCompTaskStatus(StrEnum):
    """A compression's state."""

    Creating = "creating"
    Running = "running"
    Succeeded = "succeeded"
    Failed = "failed"
    Stopping = "stopping"
    Stopped = "stopped"


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
