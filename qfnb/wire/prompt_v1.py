"""Prompt templates and labels, optimization and scoring of prompts (console v1,
`/wenxinworkshop/prompt`).
"""

from typing import Any

from pydantic import Field

from .base import ConsoleRecord, CountedPage, Id, JsonObject, OffsetRequest
from .endpoints import EndpointGroup

TEXT = 1  # values of sceneType
IMAGE = 2
PRESET = 1  # values of type
CUSTOM = 2
RUNNING = 1  # values of processStatus
DONE = 2
FAILED = 3
SEMANTIC = 1  # values of a score's type
REGEX = 2
EXACT = 3


class CreateTemplateV1(ConsoleRecord):
    """A new template; `template_variables` are names, comma-separated."""

    template_name: str
    template_content: str
    variable_identifier: str = "{}"
    template_variables: str = ""
    scene_type: int = TEXT
    framework_type: int = 0
    label_ids: list[Id] | None = None
    negative_template_content: str | None = None
    negative_template_variables: str | None = None


class TemplateKeyV1(ConsoleRecord):
    """Both ids: an int, and `pt-...`."""

    template_id: int
    template_pk: str = Field(alias="templatePK")


class RenderTemplate(ConsoleRecord):
    """The id of a template, an int or `pt-...`; the values of its variables are further fields."""

    id: Id


class TemplateV1(ConsoleRecord):
    """A template; `content` is rendered with the values of the request."""

    template_id: int
    template_pk: str = Field(default="", alias="templatePK")
    template_name: str = ""
    template_content: str = ""
    template_variables: str = ""
    variable_identifier: str = "{}"
    content: str | None = None
    labels: list[JsonObject] = []
    type: int = CUSTOM
    scene_type: int = TEXT
    framework_type: int = 0


class UpdateTemplate(ConsoleRecord):
    """Changes of a template; absent fields stay as they are."""

    template_id: Id
    template_name: str | None = None
    label_ids: list[Id] | None = None
    template_content: str | None = None
    variable_identifier: str | None = None
    negative_template_content: str | None = None


class TemplateRefV1(ConsoleRecord):
    """The id of a template, an int or `pt-...`."""

    template_id: Id


class ListTemplates(ConsoleRecord):
    """Lists the templates whose name or text contains `name` and that have one of the labels."""

    offset: int = 0
    page_size: int = 10
    label_ids: list[Id] = []
    name: str | None = None
    type: int | None = None


class LabelV1(ConsoleRecord):
    """A label."""

    label_id: int
    label_name: str = ""
    type: int = CUSTOM


class OperationV1(ConsoleRecord):
    """One kind of optimization; payload 1 turns it on, 0 off."""

    op_type: int
    payload: Any = None


class Optimize(ConsoleRecord):
    """Optimizes a prompt."""

    content: str
    operations: list[OperationV1]
    app_id: Id | None = Field(default=None, alias="appID")
    service_name: str | None = None


class OptimizeRef(ConsoleRecord):
    """The id of an optimization, `task-...`."""

    id: str


class Optimized(ConsoleRecord):
    """An optimization; `optimize_content` is set once `process_status` is 2."""

    id: str = ""
    content: str = ""
    optimize_content: str = ""
    process_status: int


class Predict(ConsoleRecord):
    """Scores answers; each row has the expected answer (`scene`) and a `response_list`."""

    type: int
    data: list[JsonObject]


class Scores(ConsoleRecord):
    """A list of scores for each row."""

    scores: list[list[float]] = []
    error_code: int = 0
    error_msg: str = ""


class Summarize(ConsoleRecord):
    """Summarizes results of prompts; each row has `prompt`, `scenes` and a `response_list`."""

    data: list[JsonObject]


class LabelSummaries(ConsoleRecord):
    """A text for each row, in `response`."""

    responses: list[JsonObject] = []


_PROMPTS = EndpointGroup("prompt", "/wenxinworkshop/prompt", envelope="status")

CREATE = _PROMPTS.route(
    "create", "template/create", CreateTemplateV1, TemplateKeyV1, repeatable=False
)
INFO = _PROMPTS.route("info", "template/info", RenderTemplate, TemplateV1)
UPDATE = _PROMPTS.route("update", "template/update", UpdateTemplate, TemplateKeyV1)
DELETE = _PROMPTS.route("delete", "template/delete", TemplateRefV1, bool)
LIST = _PROMPTS.route("list", "template/list", ListTemplates, CountedPage[TemplateV1])
LABELS = _PROMPTS.route("labels", "label/list", OffsetRequest, CountedPage[LabelV1])
OPTIMIZE = _PROMPTS.route(
    "optimize", "singleOptimize/create", Optimize, OptimizeRef, repeatable=False
)
OPTIMIZED = _PROMPTS.route("optimized", "singleOptimize/info", OptimizeRef, Optimized)
PREDICT = _PROMPTS.route("predict", "evaluate/predict", Predict, Scores)
SUMMARY = _PROMPTS.route("summary", "evaluate/summary", Summarize, LabelSummaries)
