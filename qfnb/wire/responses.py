"""Responses (`/v2/responses`): one call for text, tools and a conversation that the platform keeps.

The object and the paths are on the API pages; the events are those of OpenAI, for no page lists
them (platform-2026, section 3).
"""

from typing import Final

from pydantic import Field, ValidationError

from .base import JsonMapping, JsonObject, Record
from .endpoints import Endpoint

DEFAULT_MODEL = "glm-5.1"
"""The cheapest of the living models that the page lists; ERNIE models are not among them."""

MODELS: Final = ("deepseek-v4-pro", "deepseek-v4-flash", "deepseek-v3.2", "glm-5", "glm-5.1")
MODEL_PREFIXES: Final = ("qwen3",)
"""The models on the page; of Qwen3 it lists the series."""

MAX_ITEMS_LIMIT = 100
"""The longest page of input items."""


class CreateResponse(Record):
    """A question: `input` is a text or a list of items (messages, function calls, their outputs).

    Further options (temperature, thinking, ...) are sent as they are.
    """

    model: str
    input: str | list[JsonObject]
    instructions: str | None = None
    stream: bool | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    tools: list[JsonObject] | None = None


class ResponseRef(Record):
    """The id of a stored response; part of the path."""

    response_id: str = Field("", exclude=True)


class ListInputItems(ResponseRef):
    """Items after or before an item's id; `limit` 1-100, `order` asc or desc."""

    after: str | None = None
    before: str | None = None
    limit: int | None = None
    order: str | None = None


class ContentPart(Record):
    """A part of a message: of the model `output_text`, of the user `input_text` or
    `input_image`.
    """

    type: str = ""
    text: str = ""
    annotations: list[JsonObject] = []


class ResponseItem(Record):
    """One item of input or output: a message, a function_call, its output, or reasoning, by
    `type`.
    """

    type: str = ""
    id: str | None = None
    status: str | None = None
    role: str | None = None
    content: list[ContentPart] | str | None = None
    summary: list[ContentPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None


class ResponseUsage(Record):
    """Token counts under the names of this API."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: JsonObject | None = None
    output_tokens_details: JsonObject | None = None


class ResponseObject(Record):
    """A response; `status` is completed, failed, in_progress, cancelled, queued or incomplete."""

    id: str = ""
    object: str = "response"
    created_at: float = 0
    model: str = ""
    status: str = ""
    error: JsonObject | None = None
    incomplete_details: JsonObject | None = None
    output: list[ResponseItem] = []
    previous_response_id: str | None = None
    usage: ResponseUsage | None = None


class ResponseDeleted(Record):
    """The outcome of deleting a stored response."""

    id: str = ""
    object: str = ""
    deleted: bool = False


class InputItemList(Record):
    """The input of a response, without those of earlier responses."""

    object: str = "list"
    data: list[ResponseItem] = []
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


STATUSES: Final = ("created", "queued", "in_progress", "completed", "incomplete", "failed")
"""What an event with the whole response says of it."""


class ResponseEvent(Record):
    """One event of a stream; an event of an unknown type is of this class, with its fields as
    received.
    """

    type: str = ""
    sequence_number: int | None = None


class ResponseChanged(ResponseEvent):
    """An event with the whole response as it is now."""

    response: ResponseObject


class OutputItemEvent(ResponseEvent):
    """An event with an item of the output."""

    output_index: int = 0
    item: ResponseItem


class ContentPartEvent(ResponseEvent):
    """An event with a part of a message."""

    item_id: str = ""
    output_index: int = 0
    content_index: int = 0
    part: ContentPart


class DeltaEvent(ResponseEvent):
    """New text of an item."""

    item_id: str = ""
    output_index: int = 0
    delta: str


class OutputTextDelta(DeltaEvent):
    """New text of the answer."""


class OutputTextDone(ResponseEvent):
    """The text of a part is complete."""

    item_id: str = ""
    output_index: int = 0
    text: str


class FunctionCallArgumentsDone(ResponseEvent):
    """The arguments of a function call are complete."""

    item_id: str = ""
    output_index: int = 0
    arguments: str


EVENTS: Final[dict[str, type[ResponseEvent]]] = {
    **dict.fromkeys((f"response.{status}" for status in STATUSES), ResponseChanged),
    "response.output_item.added": OutputItemEvent,
    "response.output_item.done": OutputItemEvent,
    "response.content_part.added": ContentPartEvent,
    "response.content_part.done": ContentPartEvent,
    "response.output_text.delta": OutputTextDelta,
    "response.output_text.done": OutputTextDone,
    "response.reasoning_text.delta": DeltaEvent,
    "response.reasoning_text.done": OutputTextDone,
    "response.reasoning_summary_text.delta": DeltaEvent,
    "response.function_call_arguments.delta": DeltaEvent,
    "response.function_call_arguments.done": FunctionCallArgumentsDone,
}
"""The class of each type of event."""

FINAL_EVENTS: Final = frozenset(
    ["response.completed", "response.incomplete", "response.failed", "response.cancelled"]
)


def parse_event(body: JsonMapping) -> ResponseEvent:
    """Return an event as its class; as a plain `ResponseEvent` if its type is unknown or its fields
    are others.
    """
    fields = {name: value for name, value in body.items() if name != "_event"}
    fields["type"] = event_type(body)
    try:
        return EVENTS.get(fields["type"], ResponseEvent).model_validate(fields)
    except ValidationError:
        return ResponseEvent.model_construct(**fields)


def event_type(body: JsonMapping) -> str:
    """Return the type of an event: its field, or the name that the stream gives it."""
    return str(body.get("type") or body.get("_event") or "")


def has_responses(model: str) -> bool:
    """Return whether the page lists a model for this API."""
    name = model.lower()
    return name in MODELS or name.startswith(MODEL_PREFIXES)


CREATE = Endpoint("responses.create", "/v2/responses", CreateResponse, ResponseObject, plane="v2")
INFO = Endpoint(
    "responses.info",
    "/v2/responses/{response_id}",
    ResponseRef,
    ResponseObject,
    plane="v2",
    method="GET",
)
DELETE = Endpoint(
    "responses.delete",
    "/v2/responses/{response_id}",
    ResponseRef,
    ResponseDeleted,
    plane="v2",
    method="DELETE",
)
INPUT_ITEMS = Endpoint(
    "responses.input_items",
    "/v2/responses/{response_id}/input_items",
    ListInputItems,
    InputItemList,
    plane="v2",
    method="GET",
)
