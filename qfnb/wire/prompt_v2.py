"""Prompt templates and their labels, console v2 (`/v2/promptTemplates` and `/v2/promptLabels`)."""

from .base import ConsoleRecord, Id, JsonObject, MarkedPage, PageRequest
from .endpoints import EndpointGroup

TEXT = "TextToText"  # values of sceneType
IMAGE = "TextToImage"
PRESET = "System"  # values of type
CUSTOM = "Custom"


class CreateTemplate(ConsoleRecord):
    """A new template; `template_variables` are names, comma-separated, `labels` are ids
    `pl-...`.
    """

    template_name: str
    template_content: str
    variable_identifier: str = "{}"
    template_variables: str = ""
    scene_type: str = TEXT
    labels: list[Id] | None = None
    negative_template_content: str | None = None
    negative_template_variables: str | None = None
    hyper_parameters: JsonObject | None = None


class TemplateKey(ConsoleRecord):
    """The id of a template, `pt-...`."""

    template_id: str


class TemplateRef(ConsoleRecord):
    """The id of a template, an int or `pt-...`; values to render it with are further fields."""

    template_id: Id


class Template(ConsoleRecord):
    """A template; `content` is rendered with the values of the request."""

    template_id: str = ""
    template_name: str = ""
    template_content: str = ""
    template_variables: str = ""
    variable_identifier: str = "{}"
    content: str | None = None
    labels: list[JsonObject] = []
    type: str = CUSTOM
    scene_type: str = TEXT
    hyper_parameters: JsonObject | None = None


class ModifyTemplate(ConsoleRecord):
    """Changes of a template; absent fields stay as they are."""

    template_id: Id
    template_name: str | None = None
    labels: list[Id] | None = None
    template_content: str | None = None
    variable_identifier: str | None = None
    negative_template_content: str | None = None
    hyper_parameters: JsonObject | None = None


class FindTemplates(PageRequest):
    """Lists the templates whose name or text contains `name` and that have one of the labels."""

    name: str | None = None
    label_ids: list[Id] | None = None
    type: str | None = None


class CreateLabels(ConsoleRecord):
    """The names of new labels."""

    name: list[str]


class LabelRef(ConsoleRecord):
    """The id of a label, an int or `pl-...`."""

    label_id: Id


class Label(ConsoleRecord):
    """A label."""

    label_id: str = ""
    label_name: str = ""


_TEMPLATES = EndpointGroup("prompt.v2", "/v2/promptTemplates")
_LABELS = EndpointGroup("prompt.v2", "/v2/promptLabels")

CREATE = _TEMPLATES.action(
    "create", "CreatePromptTemplate", CreateTemplate, TemplateKey, repeatable=False
)
INFO = _TEMPLATES.action("info", "DescribePromptTemplate", TemplateRef, Template)
UPDATE = _TEMPLATES.action("update", "ModifyPromptTemplate", ModifyTemplate, TemplateKey)
DELETE = _TEMPLATES.action("delete", "DeletePromptTemplate", TemplateRef, bool)
LIST = _TEMPLATES.action("list", "DescribePromptTemplates", FindTemplates, MarkedPage[Template])
CREATE_LABELS = _LABELS.action(
    "create_labels", "CreatePromptLabel", CreateLabels, MarkedPage[Label], repeatable=False
)
LABELS = _LABELS.action("labels", "DescribePromptLabels", PageRequest, MarkedPage[Label])
DELETE_LABEL = _LABELS.action("delete_label", "DeletePromptLabel", LabelRef, bool)
