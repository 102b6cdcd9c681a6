"""Prompt templates and their labels, console v2 (`/v2/promptTemplates` and `/v2/promptLabels`)."""

from __future__ import annotations

from typing import Any

from .base import ConsoleRecord, PageInfo, PageRequest
from .endpoints import EndpointGroup

TEXT, IMAGE = "TextToText", "TextToImage"
"""Values of sceneType."""

PRESET, CUSTOM = "System", "Custom"
"""Values of type."""


class CreateTemplate(ConsoleRecord):
    """A template; `template_variables` are names with commas between them, `labels` ids `pl-...`."""

    template_name: str
    template_content: str
    variable_identifier: str = "{}"
    template_variables: str = ""
    scene_type: str = TEXT
    labels: list[int | str] | None = None
    negative_template_content: str | None = None
    negative_template_variables: str | None = None
    hyper_parameters: dict[str, Any] | None = None


class TemplateKey(ConsoleRecord):
    """`pt-...`."""

    template_id: str


class TemplateRef(ConsoleRecord):
    """Which template, as an int or `pt-...`; to render it, the values are further fields."""

    template_id: int | str


class Template(ConsoleRecord):
    """A template; `content` is what it is with the values that were given."""

    template_id: str = ""
    template_name: str = ""
    template_content: str = ""
    template_variables: str = ""
    variable_identifier: str = "{}"
    content: str | None = None
    labels: list[dict[str, Any]] = []
    type: str = CUSTOM
    scene_type: str = TEXT
    hyper_parameters: dict[str, Any] | None = None


class ModifyTemplate(ConsoleRecord):
    """What is to change of a template; what is absent stays."""

    template_id: int | str
    template_name: str | None = None
    labels: list[int | str] | None = None
    template_content: str | None = None
    variable_identifier: str | None = None
    negative_template_content: str | None = None
    hyper_parameters: dict[str, Any] | None = None


class FindTemplates(PageRequest):
    """Which templates to list: those whose name or text has `name` in it and that have one of the labels."""

    name: str | None = None
    label_ids: list[int | str] | None = None
    type: str | None = None


class TemplatePage(ConsoleRecord):
    """One page of templates, the newest first."""

    items: list[Template] = []
    page_info: PageInfo | None = None


class CreateLabels(ConsoleRecord):
    """The names of new labels."""

    name: list[str]


class LabelRef(ConsoleRecord):
    """Which label, as an int or `pl-...`."""

    label_id: int | str


class Label(ConsoleRecord):
    """A label."""

    label_id: str = ""
    label_name: str = ""


class LabelPage(ConsoleRecord):
    """One page of labels, the newest first."""

    items: list[Label] = []
    page_info: PageInfo | None = None


_TEMPLATES = EndpointGroup("prompt.v2", "/v2/promptTemplates")
_LABELS = EndpointGroup("prompt.v2", "/v2/promptLabels")

CREATE = _TEMPLATES.action("create", "CreatePromptTemplate", CreateTemplate, TemplateKey, repeatable=False)
INFO = _TEMPLATES.action("info", "DescribePromptTemplate", TemplateRef, Template)
UPDATE = _TEMPLATES.action("update", "ModifyPromptTemplate", ModifyTemplate, TemplateKey)
DELETE = _TEMPLATES.action("delete", "DeletePromptTemplate", TemplateRef, bool)
LIST = _TEMPLATES.action("list", "DescribePromptTemplates", FindTemplates, TemplatePage)
CREATE_LABELS = _LABELS.action(
    "create_labels", "CreatePromptLabel", CreateLabels, LabelPage, repeatable=False
)
LABELS = _LABELS.action("labels", "DescribePromptLabels", PageRequest, LabelPage)
DELETE_LABEL = _LABELS.action("delete_label", "DeletePromptLabel", LabelRef, bool)
