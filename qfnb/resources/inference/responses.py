"""Responses: questions, tools and conversations that the platform keeps, with typed events of a
stream.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypedDict, Unpack

from ... import config, connect
from ..._notices import warn_once
from ...base.language import tr
from ...errors import APIError, InvalidArgumentError, RequestError
from ...transport.client import CallOptions, Client
from ...transport.event_loop import iterate, iterate_async
from ...transport.response import Response
from ...wire import chat, responses as wire
from ...wire.base import JsonObject
from ...wire.chat import Usage
from ..management.operation import record_operation, transfer
from ..validation import validate_record
from .arguments import encode_result
from .chat import validate_encodable
from .model_choice import find_living_model
from .reply import (
    Reply,
    ToolCall,
    UsageEntry,
    create_reply,
    logged_call,
    parse_arguments,
    refuse_defect,
)
from .thinking import Think, validate_think, with_thinking

Item = Mapping[str, Any]


class ResponseOptions(TypedDict, total=False):
    """The options of `create` and `stream`; further ones are sent as they are.

    `think` is True, False, an effort or a number of tokens, sent as the model takes it;
    `request_timeout` (seconds) and `retry_count` (attempts in all) are of the call.
    """

    model: str | None
    instructions: str | None
    previous_response_id: str | None
    tools: list[JsonObject] | None
    tool_choice: str | JsonObject
    parallel_tool_calls: bool
    store: bool | None
    temperature: float
    top_p: float
    max_output_tokens: int
    think: Think | None
    thinking: JsonObject
    reasoning: JsonObject
    metadata: dict[str, str]
    request_timeout: float | None
    retry_count: int | None


class ResponseReply(Reply[wire.ResponseObject]):
    """A response: `.text`, `.reasoning`, `.tool_calls`, `.id`; the object is `.data`."""

    find_defect = staticmethod(chat.find_response_defect)

    @property
    def id(self) -> str:
        """The id to continue from: `previous_response_id` of the next call."""
        return str(self.body.get("id") or "")

    @property
    def text(self) -> str:
        """The answer's text."""
        return self._join_texts("message")

    @property
    def reasoning(self) -> str:
        """The model's reasoning, "" if it shows none."""
        return self._join_texts("reasoning")

    def _join_texts(self, type_: str) -> str:
        """Return the texts of the parts of all items of a type."""
        text = ""
        for item in self.data.output:
            content = item.content or item.summary or ()
            parts = [content] if isinstance(content, str) else [part.text for part in content]
            text += "".join(parts) if item.type == type_ else ""
        return text

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The function calls that the model asks for; `output_of` makes the item that answers
        one.
        """
        calls = []
        for item in self.data.output:
            if item.type == "function_call":
                arguments = parse_arguments(item.arguments)
                calls.append(ToolCall(item.name or "", arguments, item.call_id or ""))
        return calls

    @cached_property
    def usage(self) -> Usage:
        """Tokens counted by the platform, under the names of chat; None where it names no
        number.
        """
        counted = self.data.usage or wire.ResponseUsage()
        cached = counted.input_tokens_details
        reasoning = counted.output_tokens_details
        details = {"prompt_tokens_details": cached, "completion_tokens_details": reasoning}
        return Usage(
            prompt_tokens=counted.input_tokens,
            completion_tokens=counted.output_tokens,
            total_tokens=counted.total_tokens,
            **{name: value for name, value in details.items() if value},
        )

    def __repr__(self) -> str:
        return self.text


class EventStream:
    """`for event in Responses.stream(...)`, or `async for event in Responses.stream.aio(...)`."""

    def __call__(
        self,
        input: str | Sequence[Item],  # noqa: A002 - the platform's word
        **options: Unpack[ResponseOptions],
    ) -> Iterator[wire.ResponseEvent]:
        """Send a question and yield the events of the answer, each as the class of its type.

        Args:
            input: a text or a list of items, see `Responses.create`.
            **options: see `ResponseOptions`.

        Raises:
            InvalidArgumentError: the input is wrong; nothing was sent.
            StreamInterrupted: the stream ended early; `.partial` holds the text so far.
        """
        return iterate(_iter_events(*_build_request(input, options, stream=True)))

    def aio(
        self,
        input: str | Sequence[Item],  # noqa: A002
        **options: Unpack[ResponseOptions],
    ) -> AsyncIterator[wire.ResponseEvent]:
        """Return the same events without blocking: `async for event in
        Responses.stream.aio(...)`.
        """
        return iterate_async(_iter_events(*_build_request(input, options, stream=True)))


class Responses:
    """The Responses API. Source: API pages of /v2/responses; not for ERNIE models."""

    stream = EventStream()

    @transfer
    async def create(
        client: Client,
        input: str | Sequence[Item],  # noqa: A002
        **options: Unpack[ResponseOptions],
    ) -> ResponseReply:
        """Return the answer to a question; the platform keeps it, unless `store=False`.

        Args:
            input: a text, or items: {"role", "content"}, earlier function calls, each with its
                output behind it.
            **options: see `ResponseOptions`; `model` is glm-5.1 by default, `previous_response_id`
                continues a conversation, `tools` are {"type": "function", "name", ...} or {"type":
                "mcp", "server_url", ...}.

        Raises:
            InvalidArgumentError: the input is wrong; nothing was sent.
            APIError: the platform refused; with 404 a `previous_response_id` is not kept any more.
        """
        record, call_options = _build_request(input, options, stream=False)
        record = _for_platform(record, client)
        with _logged_call(record, client) as entry:
            response = await client.send(
                wire.CREATE, record, options=call_options, model=record.model
            )
            refuse_defect(response, ResponseReply.find_defect(response.body))
            return entry.record_reply(create_reply(ResponseReply, response))

    @transfer
    async def get(client: Client, response_id: str) -> ResponseReply:
        """Return a stored response."""
        response = await client.send(wire.INFO, wire.ResponseRef(response_id=response_id))
        return create_reply(ResponseReply, response, str(response.body.get("model") or ""))

    delete = record_operation(wire.DELETE, "Delete a stored response.")

    input_items = record_operation(
        wire.INPUT_ITEMS,
        """Return the items of a stored response's input.

        Args:
            response_id: the response.
            after: the last id of the page before.
            before: the first id of the page after.
            limit: items of a page, 1 to 100.
            order: "asc" or "desc" by time.
        """,
    )

    @staticmethod
    def output_of(call: ToolCall, result: Any) -> JsonObject:
        """Return the item that answers a function call; `result` is a text, or is written as
        JSON.
        """
        output = encode_result(result)
        return {"type": "function_call_output", "call_id": call.id, "output": output}


def _build_request(
    input_: str | Sequence[Item], options: Mapping[str, Any], *, stream: bool
) -> tuple[wire.CreateResponse, CallOptions]:
    """Return the validated record and the limits of the call."""
    fields = {name: value for name, value in options.items() if value is not None}
    call_options = CallOptions(fields.pop("request_timeout", None), fields.pop("retry_count", None))
    if fields.pop("stream", False):
        raise InvalidArgumentError(
            tr("stream=True: use Responses.stream(...), which returns the events")
        )
    validate_think(fields)
    fields = {"model": wire.DEFAULT_MODEL, **fields, "input": _validate_input(input_)}
    if stream:
        fields["stream"] = True
    return validate_record("Responses.create", wire.CreateResponse, fields), call_options


def _validate_input(input_: str | Sequence[Item]) -> str | list[JsonObject]:
    if isinstance(input_, str):
        if not input_.strip():
            raise InvalidArgumentError(tr("input is empty: it needs a string or a list of items"))
        validate_encodable("input", input_)
        return input_
    if isinstance(input_, Mapping) or not isinstance(input_, Sequence) or not input_:
        allowed = tr("must be a string or a list of items, e.g. {example}", example=_EXAMPLE)
        raise InvalidArgumentError(
            tr("{name}={value!r:.60}: {problem}", name="input", value=input_, problem=allowed)
        )
    items: Sequence[Any] = input_
    for index, item in enumerate(items):
        if not isinstance(item, Mapping) or not ("role" in item or "type" in item):
            allowed = tr("must be an item, e.g. {example}", example=_EXAMPLE)
            name = f"input[{index}]"
            raise InvalidArgumentError(
                tr("{name}={value!r:.60}: {problem}", name=name, value=item, problem=allowed)
            )
        if item.get("type") == "function_call_output" and not item.get("call_id"):
            raise InvalidArgumentError(
                tr("input[{index}].call_id is missing: it names the call", index=index)
            )
    return [dict(item) for item in items]


_EXAMPLE = '{"role": "user", "content": "..."}'


def _for_platform(record: wire.CreateResponse, client: Client) -> wire.CreateResponse:
    """Return the record with the platform's id of the model and its spelling of `think`.

    A model that the page does not list is asked all the same, with one warning.
    """
    is_qianfan = client.platform.is_qianfan
    options = record.model_extra or {}
    row = None
    if is_qianfan:
        row = find_living_model("chat", record.model, is_strict=config.settings().strict_models)
    model = row.id if row else record.model
    if is_qianfan and not wire.has_responses(model):
        warn_once(
            tr(
                "{model} is not among the models of the Responses API ({models}, qwen3...): the "
                "platform "
                "decides; ChatCompletion has every model",
                model=model,
                models=tr(", ").join(wire.MODELS),
            )
        )
    fields = with_thinking(options, model, row, is_qianfan=is_qianfan)
    if effort := fields.pop("reasoning_effort", options.get("reasoning_effort")):
        fields["reasoning"] = {"effort": effort}
    if "max_completion_tokens" in fields:  # which this API calls
        fields["max_output_tokens"] = fields.pop("max_completion_tokens")
    declared = record.model_dump(exclude={*options})
    return wire.CreateResponse(**{**declared, **fields, "model": model})


async def _iter_events(
    record: wire.CreateResponse, options: CallOptions
) -> AsyncGenerator[wire.ResponseEvent, None]:
    client = await connect.aclient()
    record = _for_platform(record, client)
    text = ""
    pieces = client.stream(
        wire.CREATE, record, final=_is_final, options=options, model=record.model
    )
    with _logged_call(record, client) as entry:
        try:
            async for piece in pieces:
                event = wire.parse_event(piece.body)
                text += event.delta if isinstance(event, wire.OutputTextDelta) else ""
                if isinstance(event, wire.ResponseChanged) and _is_final(piece.body):
                    final = Response(piece.body["response"], wire.ResponseObject)
                    entry.record_reply(create_reply(ResponseReply, final))
                yield event
        except (APIError, RequestError) as error:
            error.partial = text
            raise
        finally:
            await pieces.aclose()


@contextlib.contextmanager
def _logged_call(record: wire.CreateResponse, client: Client) -> Iterator[UsageEntry]:
    """Log a call when it ends; a conversation that the platform has lost is said to be one."""
    try:
        with logged_call("chat", record.model, client.platform.host) as entry:
            yield entry
    except APIError as error:
        if error.status == 404 and record.previous_response_id:
            error.hint = tr(
                "the platform does not keep {id} any more: send the whole conversation again as "
                "`input`, "
                "without previous_response_id",
                id=record.previous_response_id,
            )
        raise


def _is_final(body: Mapping[str, Any]) -> bool:
    return wire.event_type(body) in wire.FINAL_EVENTS
