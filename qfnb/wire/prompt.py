"""Prompt templates, their labels, improving and scoring prompts (console v1, `/wenxinworkshop/prompt`)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import ConsoleRecord
from .endpoints import EndpointGroup

TEXT, IMAGE = 1, 2
"""Values of sceneType."""

PRESET, CUSTOM = 1, 2
"""Values of type."""

RUNNING, DONE = 1, 2
"""Values of processStatus."""

SEMANTIC, REGEX, EXACT = 1, 2, 3
"""What a score measures."""


class CreateTemplate(ConsoleRecord):
    """A template; `template_variables` are names with commas between them."""

    template_name: str
    template_content: str
    variable_identifier: str = "{}"
    template_variables: str = ""
    scene_type: int = TEXT
    framework_type: int = 0
    label_ids: list[int | str] | None = None
    negative_template_content: str | None = None
    negative_template_variables: str | None = None


class TemplateKey(ConsoleRecord):
    """Both kinds of id: an integer, and `pt-...`."""

    template_id: int
    template_pk: str = Field(alias="templatePK")


class RenderTemplate(ConsoleRecord):
    """Which template, as an int or `pt-...`; the values of its variables are further fields."""

    id: int | str


class Template(ConsoleRecord):
    """A template; `content` is what it is with the values that were given."""

    template_id: int
    template_pk: str = Field(default="", alias="templatePK")
    template_name: str = ""
    template_content: str = ""
    template_variables: str = ""
    variable_identifier: str = "{}"
    content: str | None = None
    labels: list[dict[str, Any]] = []
    type: int = CUSTOM
    scene_type: int = TEXT
    framework_type: int = 0


class UpdateTemplate(ConsoleRecord):
    """What is to change of a template; what is absent stays."""

    template_id: int | str
    template_name: str | None = None
    label_ids: list[int | str] | None = None
    template_content: str | None = None
    variable_identifier: str | None = None
    negative_template_content: str | None = None


class TemplateRef(ConsoleRecord):
    """Which template, as an int or `pt-...`."""

    template_id: int | str


class ListTemplates(ConsoleRecord):
    """Which templates to list: those whose name or text has `name` in it and that have one of the labels."""

    offset: int = 0
    page_size: int = 10
    label_ids: list[int | str] = []
    name: str | None = None
    type: int | None = None


class TemplateList(ConsoleRecord):
    """Templates; `total` counts those on other pages too."""

    total: int = 0
    items: list[Template] = []


class ListLabels(ConsoleRecord):
    """Which page of the labels."""

    offset: int = 0
    page_size: int = 10


class Label(ConsoleRecord):
    """A label."""

    label_id: int
    label_name: str = ""
    type: int = CUSTOM


class LabelList(ConsoleRecord):
    """Labels; `total` counts those on other pages too."""

    total: int = 0
    items: list[Label] = []


class Operation(ConsoleRecord):
    """One kind of improvement; payload 1 asks for it, 0 does not."""

    op_type: int
    payload: Any = None


class Optimize(ConsoleRecord):
    """Improve a prompt."""

    content: str
    operations: list[Operation]
    app_id: int | str | None = Field(default=None, alias="appID")
    service_name: str | None = None


class OptimizeRef(ConsoleRecord):
    """Which improvement, `task-...`."""

    id: str


class Optimized(ConsoleRecord):
    """An improvement; `optimize_content` is there when `process_status` is 2."""

    id: str = ""
    content: str = ""
    optimize_content: str = ""
    process_status: int = RUNNING


class Predict(ConsoleRecord):
    """Score answers: each row has what was expected (`scene`) and a `response_list`."""

    type: int
    data: list[dict[str, Any]]


class Scores(ConsoleRecord):
    """A list of scores for each row."""

    scores: list[list[float]] = []
    error_code: int = 0
    error_msg: str = ""


class Summarize(ConsoleRecord):
    """Sum up what prompts did: each row has `prompt`, `scenes` and a `response_list`."""

    data: list[dict[str, Any]]


class Summaries(ConsoleRecord):
    """A text for each row, under `response`."""

    responses: list[dict[str, Any]] = []


_PROMPTS = EndpointGroup("prompt", "/wenxinworkshop/prompt", envelope="status")

CREATE = _PROMPTS.route("create", "template/create", CreateTemplate, TemplateKey, repeatable=False)
INFO = _PROMPTS.route("info", "template/info", RenderTemplate, Template)
UPDATE = _PROMPTS.route("update", "template/update", UpdateTemplate, TemplateKey)
DELETE = _PROMPTS.route("delete", "template/delete", TemplateRef, bool)
LIST = _PROMPTS.route("list", "template/list", ListTemplates, TemplateList)
LABELS = _PROMPTS.route("labels", "label/list", ListLabels, LabelList)
OPTIMIZE = _PROMPTS.route("optimize", "singleOptimize/create", Optimize, OptimizeRef, repeatable=False)
OPTIMIZED = _PROMPTS.route("optimized", "singleOptimize/info", OptimizeRef, Optimized)
PREDICT = _PROMPTS.route("predict", "evaluate/predict", Predict, Scores)
SUMMARY = _PROMPTS.route("summary", "evaluate/summary", Summarize, Summaries)
