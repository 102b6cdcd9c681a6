"""The model repository, console v1 (`/wenxinworkshop/modelrepo/...`): models and their versions.

A model is a set (`am-...`) of versions (`amv-...`); both have an integer id too, and either is
taken.
"""

from pydantic import Field

from .base import ConsoleRecord, CountedPage, EmptyBody, Id, JsonObject
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

    page_no: int = 1
    page_size: int = 20
    name_filter: str | None = None
    model_type: list[int] | None = None
    model_version_vendor: list[str] | None = None
    ctx_length: list[str] | None = None
    language_support: list[str] | None = None
    expansion: list[str] | None = None
    order_by: str | None = None


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
    latest_version_info: JsonObject | None = None


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
