"""Constants of the management plane that only the official SDK names."""

from enum import IntEnum, StrEnum


class TrainDatasetSourceType(StrEnum):
    """Where training sets of v2 are stored."""

    Platform = "Platform"
    PrivateBos = "Bos"
    PrivateAfs = "Afs"


class FinetuneSupportModelType(StrEnum):
    """Kinds of models that can be tuned."""

    Text2Text = "text2text"
    Text2Image = "text2image"
    ImageUnderstanding = "imageUnderstanding"


class FinetuneSupportHyperParameterType(StrEnum):
    """Types of a hyper-parameter's value."""

    Int = "int"
    Float = "float"
    String = "string"
    Boolean = "boolean"


class FinetuneSupportHyperParameterCheckType(StrEnum):
    """How a hyper-parameter's value is limited."""

    Range = "range"
    Choice = "choice"
    MultipleChoice = "mult_choice"


class FinetuneCorpusType(IntEnum):
    """The platform's corpora that can be mixed into a training set."""

    QianfanCommon = 1
    YiyanCommon = 2
    YiyanVertical = 3


class V2:
    """Constants of datasets of v2."""

    class DatasetFormat(StrEnum):
        """The form of a dataset's rows."""

        PromptResponse = "PromptResponse"
        PromptSortedResponses = "PromptSortedresponses"
        DPOPromptChosenRejected = "DPO_PromptChosenRejected"
        KTOPromptChosenRejected = "KTO_PromptChosenRejected"
        Prompt = "Prompt"
        Text = "Text"
        PromptImage = "PromptImage"
        PromptImageResponse = "PromptImageResponse"

    class StorageType(StrEnum):
        """Where a dataset is stored."""

        SysStorage = "sysStorage"
        Bos = "BOS"
