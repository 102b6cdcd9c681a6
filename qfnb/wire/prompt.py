"""Prompt templates and labels, console v2 (`/v2/promptTemplates`, `/v2/promptLabels`) and v1
(`/wenxinworkshop/prompt`), optimization and scoring of prompts, system memories (`/v2/memory`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from ..base.language import tr
from ..errors import InvalidArgumentError
from .base import ConsoleRecord, CountedPage, Id, JsonObject, MarkedPage, OffsetRequest, PageRequest
from .endpoints import EndpointGroup

# the pairs of brackets that can mark a variable
IDENTIFIERS = ("{}", "{{}}", "[]", "[[]]", "()", "(())")
_VARIABLE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{1,29}")


@dataclass(frozen=True)
class PromptTemplate:
    """A prompt with variables: `PromptTemplate("Write a poem about
    {theme}").render(theme="autumn")`.

    Args:
        template: the text.
        identifier: the pair that marks a variable, one of `IDENTIFIERS`.
        variables: their names; default: those found in the text. If they are named, all other text
            is left alone, such as JSON in braces.

    Raises:
        InvalidArgumentError: the pair is unknown, or a name is not 2 to 30 letters, digits and _.
    """

    template: str
    identifier: str = "{}"
    variables: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        validate_identifier(self.identifier)
        validate_names(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables, each once, in order."""
        names = self.variables
        if names is None:
            opening, closing = map(re.escape, _split_identifier(self.identifier))
            names = tuple(re.findall(f"{opening}(.*?){closing}", self.template))
        return tuple(dict.fromkeys(names))

    def render(self, **values: object) -> str:
        """Return the text with every variable replaced by its value.

        Raises:
            InvalidArgumentError: names the variables that have no value.
        """
        if missing := [name for name in self.names if name not in values]:
            raise InvalidArgumentError(
                tr("the template needs a value for {missing}", missing=tr(", ").join(missing))
            )
        return self.fill(values)

    def fill(self, values: Mapping[str, object]) -> str:
        """Return the text with each variable that has a value replaced by it."""
        names = [name for name in self.names if name in values]
        if not names:
            return self.template
        opening, closing = map(re.escape, _split_identifier(self.identifier))
        pattern = re.compile(f"{opening}({'|'.join(map(re.escape, names))}){closing}")
        return pattern.sub(lambda match: str(values[match[1]]), self.template)


def validate_identifier(identifier: str) -> None:
    """Raise unless a pair of brackets can mark a variable.

    Raises:
        InvalidArgumentError: names the pairs that can.
    """
    if identifier not in IDENTIFIERS:
        raise InvalidArgumentError(
            tr(
                "identifier={identifier!r}: must be one of {identifiers}",
                identifier=identifier,
                identifiers=" ".join(IDENTIFIERS),
            )
        )


def validate_names(names: Iterable[str]) -> None:
    """Raise unless all names are valid for variables.

    Raises:
        InvalidArgumentError: names the first that is not, and the rule.
    """
    for name in names:
        if not _VARIABLE_NAME.fullmatch(name):
            raise InvalidArgumentError(
                tr(
                    "variable {name!r}: must be 2 to 30 letters, digits and _, not a digit first",
                    name=name,
                )
            )


def _split_identifier(identifier: str) -> tuple[str, str]:
    middle = len(identifier) // 2
    return identifier[:middle], identifier[middle:]


# Prompt templates and their labels, console v2 (`/v2/promptTemplates` and `/v2/promptLabels`).

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


TEXT_V1 = 1  # values of sceneType
IMAGE_V1 = 2
PRESET_V1 = 1  # values of type
CUSTOM_V1 = 2
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
    scene_type: int = TEXT_V1
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
    type: int = CUSTOM_V1
    scene_type: int = TEXT_V1
    framework_type: int = 0


class UpdateTemplate(ConsoleRecord):
    """Changes of a template; absent fields stay as they are."""

    template_id: Id
    template_name: str | None = None
    label_ids: list[Id] | None = None
    template_content: str | None = None
    variable_identifier: str | None = None
    negative_template_content: str | None = None


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
    type: int = CUSTOM_V1


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

CREATE_V1 = _PROMPTS.route(
    "create", "template/create", CreateTemplateV1, TemplateKeyV1, repeatable=False
)
INFO_V1 = _PROMPTS.route("info", "template/info", RenderTemplate, TemplateV1)
UPDATE_V1 = _PROMPTS.route("update", "template/update", UpdateTemplate, TemplateKeyV1)
DELETE_V1 = _PROMPTS.route("delete", "template/delete", TemplateRef, bool)
LIST_V1 = _PROMPTS.route("list", "template/list", ListTemplates, CountedPage[TemplateV1])
LABELS_V1 = _PROMPTS.route("labels", "label/list", OffsetRequest, CountedPage[LabelV1])
OPTIMIZE = _PROMPTS.route(
    "optimize", "singleOptimize/create", Optimize, OptimizeRef, repeatable=False
)
OPTIMIZED = _PROMPTS.route("optimized", "singleOptimize/info", OptimizeRef, Optimized)
PREDICT = _PROMPTS.route("predict", "evaluate/predict", Predict, Scores)
SUMMARY = _PROMPTS.route("summary", "evaluate/summary", Summarize, LabelSummaries)


# System memories: what a model remembers about an application (`/v2/memory?Action=`).


class CreateMemory(ConsoleRecord):
    """A memory of an application, empty at first."""

    app_id: Id
    description: str


class MemoryRef(ConsoleRecord):
    """The id of a memory, an int or `sm-...`."""

    system_memory_id: Id


class MemoryCreated(ConsoleRecord):
    """The id of a new memory."""

    system_memory_id: str


class MemorySummary(ConsoleRecord):
    """A memory without its entries."""

    system_memory_id: str = ""
    app_id: str = ""
    description: str = ""


class MemoryRecord(MemorySummary):
    """A memory; `memories` are its entries as written."""

    memories: list[Any] = []


class FindMemories(PageRequest):
    """Lists an application's memories, or all; a page has 100 by default."""

    app_id: Id | None = None


class ModifyMemory(ConsoleRecord):
    """New entries of a memory, which replace the present ones."""

    system_memory_id: Id
    memories: list[Any]


_MEMORIES = EndpointGroup("memory", "/v2/memory")

CREATE_MEMORY = _MEMORIES.action(
    "create", "CreateSystemMemory", CreateMemory, MemoryCreated, repeatable=False
)
LIST_MEMORIES = _MEMORIES.action(
    "list", "DescribeSystemMemories", FindMemories, MarkedPage[MemorySummary]
)
DESCRIBE_MEMORY = _MEMORIES.action("describe", "DescribeSystemMemory", MemoryRef, MemoryRecord)
MODIFY_MEMORY = _MEMORIES.action("modify", "ModifySystemMemory", ModifyMemory, bool)
DELETE_MEMORY = _MEMORIES.action("delete", "DeleteSystemMemory", MemoryRef, bool)
