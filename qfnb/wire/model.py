"""The model repository, console v1 (`/wenxinworkshop/modelrepo/...`) and v2 (`/v2/model`), and
compression.

A model is a set (`am-...`) of versions (`amv-...`); both have an integer id too, and either is
taken.
"""

from pydantic import Field

from .base import ConsoleRecord, CountedPage, EmptyBody, Id, JsonObject, PageInfo, PageRequest
from .endpoints import EndpointGroup

CREATING = "Creating"  # values of a version's state
READY = "Ready"
FAILED = "Fail"

TRAINED = "Train"
IMPORTED = "Import"
COMPRESSED = "Acceleration"
PRESET = "PlatformPreset"
"""Values of a version's sourceType."""

USER = "UserCreate"  # the source of a user's model; a preset model has PlatformPreset


class VersionMeta(ConsoleRecord):
    """The run to publish, in v1's words: `task_id` is the job (folder), `iteration_id` the run."""

    task_id: Id
    iteration_id: Id
    step: int | None = None
    description: str | None = None


class PublishModel(ConsoleRecord):
    """Publishes a finished run as a new model, or as a new version of `model_id`."""

    is_new_model: bool = True
    model_name: str | None = None
    model_id: Id | None = None
    version_meta: VersionMeta
    tags: list[str] | None = None


class PublishedVersion(ConsoleRecord):
    """Both kinds of id: ints, and `am-...` / `amv-...`."""

    model_id: int
    model_id_str: str = Field(alias="modelIDStr")
    version: str = "1"
    version_id: int
    version_id_str: str


class ModelRef(ConsoleRecord):
    """The id of a model, an int or `am-...`."""

    model_id: Id


class VersionRef(ConsoleRecord):
    """The id of a version, an int or `amv-...`."""

    model_version_id: Id


class ModelVersion(ConsoleRecord):
    """One version of a model."""

    model_id: int | None = None
    model_id_str: str = ""
    model_name: str = ""
    model_version_id: int | None = None
    model_version_id_str: str = ""
    version: str = "1"
    state: str
    source_type: str = ""
    train_type: str | None = None
    source_extra: JsonObject | None = None


class ModelDetail(ConsoleRecord):
    """A model with its versions, the newest first."""

    model_id: int | None = None
    model_id_str: str = ""
    model_name: str = ""
    source: str = ""
    model_type: int | None = None
    model_version_list: list[ModelVersion] = []


class ListPresets(ConsoleRecord):
    """Lists preset models; `model_type` 0 text, 1 image, 4 vector, 5 image understanding, 6
    industry.
    """

    name_filter: str | None = None
    model_type: list[int] | None = None
    model_version_vendor: list[str] | None = None
    ctx_length: list[str] | None = None
    language_support: list[str] | None = None
    expansion: list[str] | None = None
    order_by: str | None = None
    page_no: int = 1
    page_size: int = 20


class ListModels(ConsoleRecord):
    """Lists the user's models; `order` is asc or desc."""

    page_no: int = 1
    page_size: int = 20
    name_filter: str | None = None
    model_type: list[int] | None = None
    order_by: str | None = None
    order: str | None = None


class ModelSummary(ConsoleRecord):
    """A model in a list, with its newest version."""

    model_id: int | None = None
    model_id_str: str = ""
    model_name: str = ""
    model_type: int | None = None
    version_count: int | None = None
    create_time: str | None = None


class DeleteModels(ConsoleRecord):
    """The ids of models to delete with all their versions."""

    model_ids: list[Id] = Field(alias="modelIDs", min_length=1)


class DeleteVersions(ConsoleRecord):
    """The ids of versions to delete."""

    model_version_ids: list[Id] = Field(min_length=1)


_MODELS = EndpointGroup("model", "/wenxinworkshop/modelrepo")

PUBLISH = _MODELS.route(
    "publish", "publishTrainModel", PublishModel, PublishedVersion, repeatable=False
)
LIST = _MODELS.route("list", "modelDetail", ModelRef, ModelDetail)
DETAIL = _MODELS.route("detail", "modelVersionDetail", VersionRef, ModelVersion)
PRESET_LIST = _MODELS.route(
    "preset_list", "model/preset/list", ListPresets, CountedPage[ModelSummary]
)
USER_LIST = _MODELS.route("user_list", "model/user/list", ListModels, CountedPage[ModelSummary])
DELETE = _MODELS.route("batch_delete", "model/batchDelete", DeleteModels, bool)
DELETE_VERSIONS = _MODELS.route(
    "batch_delete_version", "model/version/batchDelete", DeleteVersions, bool
)
EVALUABLE = _MODELS.route("evaluable_list", "eval/model/list", EmptyBody, list[ModelDetail])


# values of modelType
TYPES = ("Text2Text", "Text2Image", "TextRepresentation", "ImageUnderstanding", "Industry")
DOING = "Doing"  # values of an export's status
DONE = "Done"
FAILED = "Fail"
MAX_DESCRIPTION_CHARS = 300


class CreateModelSet(ConsoleRecord):
    """A new set of versions."""

    model_set_name: str = Field(min_length=1)
    model_type: str
    labels: list[str] | None = None


class ModelSetRef(ConsoleRecord):
    """The id or name of a set."""

    model_set_id: Id | None = None
    model_set_name: str | None = None


class ModelSetId(ConsoleRecord):
    """`model_set_id` is `am-...`."""

    model_set_id: Id


class ModelSet(ConsoleRecord):
    """A set; `model_ids[0]` is the newest version."""

    model_set_id: str = ""
    model_set_name: str = ""
    source: str = ""
    model_type: str = ""
    create_time: str | None = None
    modify_time: str | None = None
    model_ids: list[str] = []


class SystemModelSets(ConsoleRecord):
    """A page of the platform's sets."""

    system_model_set_list: list[ModelSet] = []
    page_info: PageInfo = PageInfo()


class CustomModelSets(ConsoleRecord):
    """A page of the user's sets, the newest first."""

    custom_model_set_list: list[ModelSet] = []
    page_info: PageInfo = PageInfo()


class TrainMeta(ConsoleRecord):
    """The run that a version comes from; the platform documents both names of the step."""

    task_id: Id
    checkpoint_step: int | None = None
    step: int | None = None


class ImportMeta(ConsoleRecord):
    """The object in the user's bucket that a version comes from."""

    bucket: str
    object_path: str
    model_format: str = "HuggingFace.Transformers"
    model_application_type: str | None = None


class CreateModel(ConsoleRecord):
    """A new version: `source_type` Train with `train_meta`, or Import with `import_meta`."""

    model_set_id: Id
    source_type: str
    train_meta: TrainMeta | None = None
    import_meta: ImportMeta | None = None
    description: str | None = Field(default=None, max_length=MAX_DESCRIPTION_CHARS)


class ModelVersionV2(ConsoleRecord):
    """One version; `source_info` is its origin."""

    model_set_id: str = ""
    model_id: str = ""
    model_name: str = ""
    model: str | None = None
    status: str
    source_info: JsonObject = {}
    create_time: str | None = None
    modify_time: str | None = None


class CreateConf(ConsoleRecord):
    """The text of a chat template in Python, for an imported model."""

    custom_spec_file: str | None = None


class ConfCreated(ConsoleRecord):
    """The id of the stored template."""

    custom_spec_id: str = ""


class SystemConf(ConsoleRecord):
    """Requests the settings of chat or completion models of a format."""

    model_application_type: str
    model_format: str = "HuggingFace.Transformers"


class AdvancedConf(ConsoleRecord):
    """The settings with which a model is run."""

    model_application_type: str = ""
    model_format: str = ""


class ExportCreated(ConsoleRecord):
    """The id of a new export."""

    export_id: str


class Export(ConsoleRecord):
    """A version exported to a file, without an id before there is one; name, size and URL are set
    once it is Done.
    """

    export_id: str | None = None
    has_record: bool
    status: str | None = None
    file_name: str | None = None
    file_size: int | None = None
    md5: str | None = None
    download_url: str | None = None


_MODELS_V2 = EndpointGroup("model.v2", "/v2/model")

CREATE_SET = _MODELS_V2.action(
    "create_set", "CreateCustomModelSet", CreateModelSet, ModelSetId, repeatable=False
)
SYSTEM_SETS = _MODELS_V2.action(
    "system_sets", "DescribeSystemModelSets", PageRequest, SystemModelSets
)
CUSTOM_SETS = _MODELS_V2.action(
    "custom_sets", "DescribeCustomModelSets", PageRequest, CustomModelSets
)
DESCRIBE_SET = _MODELS_V2.action("describe_set", "DescribeModelSet", ModelSetRef, ModelSet)
DELETE_SET = _MODELS_V2.action("delete_set", "DeleteModelSet", ModelSetId, bool)
CREATE = _MODELS_V2.action("create", "CreateCustomModel", CreateModel, ModelRef, repeatable=False)
DESCRIBE = _MODELS_V2.action("describe", "DescribeModel", ModelRef, ModelVersionV2)
DELETE_V2 = _MODELS_V2.action("delete", "DeleteModel", ModelRef, bool)
CREATE_CONF = _MODELS_V2.action(
    "create_conf", "CreateModelCustomConf", CreateConf, ConfCreated, repeatable=False
)
SYSTEM_CONF = _MODELS_V2.action(
    "system_conf", "DescribeModelSystemAdvancedConf", SystemConf, AdvancedConf
)
CUSTOM_CONF = _MODELS_V2.action(
    "custom_conf", "DescribeModelCustomAdvancedConf", ModelRef, AdvancedConf
)
CREATE_EXPORT = _MODELS_V2.action(
    "create_export", "CreateModelExportTask", ModelRef, ExportCreated, repeatable=False
)
DESCRIBE_EXPORT = _MODELS_V2.action("describe_export", "DescribeModelExportTask", ModelRef, Export)


COMPRESSION_CREATING = "creating"
COMPRESSION_RUNNING = "running"
COMPRESSION_SUCCEEDED = "succeeded"
COMPRESSION_FAILED = "failed"
COMPRESSION_STOPPING = "stopping"
COMPRESSION_STOPPED = "stopped"
"""Values of a compression's status."""

COMPRESSION_STRATEGIES = ("Quantization", "Sparsity")
COMPRESSION_WEIGHTS = ("INT8-PTQ", "W8A16C16", "W4A16C16")
"""Values of weight, for quantization."""


class CompressionConfig(ConsoleRecord):
    """The settings of a compression."""

    strategy: str
    weight: str | None = None


class CreateCompression(ConsoleRecord):
    """Compresses the version `source_model_id` into a new one of the set `model_set_id`."""

    name: str = Field(min_length=1)
    source_model_id: Id
    model_set_id: Id
    config: CompressionConfig
    description: str | None = None


class CompressionRef(ConsoleRecord):
    """The id of a compression, `amva-...`."""

    model_comp_task_id: Id


class ListCompressions(PageRequest):
    """Lists the compressions of one version, or all."""

    source_model_id: Id | None = None


class Compression(ConsoleRecord):
    """A compression; `model_id` is the new version once it has succeeded."""

    id: str = ""
    name: str = ""
    status: str
    source_model_id: str = ""
    model_id: str | None = None
    create_time: str | None = None
    finish_time: str | None = None


class CompressionList(ConsoleRecord):
    """A page of compressions, the newest first."""

    model_comp_task_list: list[Compression] = []
    page_info: PageInfo = PageInfo()


CREATE_COMPRESSION = _MODELS_V2.action(
    "create_compression", "CreateModelCompTask", CreateCompression, str, repeatable=False
)
LIST_COMPRESSIONS = _MODELS_V2.action(
    "list_compressions", "DescribeModelCompTasks", ListCompressions, CompressionList
)
DESCRIBE_COMPRESSION = _MODELS_V2.action(
    "describe_compression", "DescribeModelCompTask", CompressionRef, Compression
)
CANCEL_COMPRESSION = _MODELS_V2.action(
    "cancel_compression", "CancelModelCompTask", CompressionRef, bool
)
DELETE_COMPRESSION = _MODELS_V2.action(
    "delete_compression", "DeleteModelCompTask", CompressionRef, bool
)
