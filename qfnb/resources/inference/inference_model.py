"""The base of all inference models: validated calls, sent blocking, awaited, as a stream or in a
batch.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, Literal, Unpack, cast

from ... import config, connect
from ..._jobs import worker_pool
from ..._notices import warn_once
from ...base.language import tr
from ...base.text import labelled
from ...config import Credentials, Secret
from ...credentials import secret_in_address
from ...errors import (
    APIError,
    InvalidArgumentError,
    RequestError,
    UnexpectedContent,
    UnreadableAnswer,
)
from ...transport import event_loop
from ...transport.client import DEFAULT_RETRY, CallOptions, Client
from ...transport.http import APP_HEADER, fetch_access_token
from ...transport.platform import Platform
from ...transport.response import Response
from ...wire import catalog, chat as wire
from ...wire.base import JsonObject, Sendable
from ...wire.endpoints import Endpoint
from ...wire.prices import token_cost
from . import batch_task
from .arguments import AccountKeys
from .model_choice import DEFAULT_SETTINGS, ModelChoice
from .reply import (
    ChatBody,
    ChatResponse,
    ReplyT,
    create_reply,
    join_pieces,
    logged_call,
    refuse_defect,
)

BATCH_RATE_LIMIT_WAIT_S = 600.0
"""Seconds that a row of a batch keeps trying while the platform answers "too many requests"."""

DEFAULT_CALL_OPTIONS = CallOptions()

DELAYS = {"backoff_factor": 1.0, "retry_jitter": 1.0, "retry_max_wait_interval": 120.0}
"""The options of the official SDK's rule of delays, and their defaults."""

_KEY_HEADERS = frozenset(["authorization", "content-length", "content-type", "host", "x-bce-date"])
_FLAGS = ("truncate_overlong_msgs", "auto_concat_truncate", "adapt_openai_message_format", "ssl")
_WITHOUT_EFFECT = frozenset(
    [
        "show_total_latency",
        "enable_reading_buffer",
        "_no_extra_parameters",
        "adapt_openai_message_format",
        "auto_concat_truncate",
        "truncated_continue_prompt",
    ]
)
"""Options of the official SDK that a call can do without; a reply's times are always measured."""

MESSAGE_OPTIONS = frozenset(["truncate_overlong_msgs"])
"""Options about the messages of a conversation."""

CLIENT_NAMES = (MESSAGE_OPTIONS | _WITHOUT_EFFECT | DELAYS.keys()) | {
    "app_id", "headers", "request_id", "request_timeout", "retry_count", "retry_err_codes", "ssl",
}  # fmt: skip
"""The client's own options of a call, by the names of the official SDK; none goes into the body."""


def split_client_options(
    options: Mapping[str, Any], usable: Collection[str] = ()
) -> tuple[CallOptions, JsonObject]:
    """Return the limits and headers of a call, and the options without the client's own.

    Args:
        options: of `do`, with request_timeout and retry_count.
        usable: those of `MESSAGE_OPTIONS` that this call can use, which are left in.

    Raises:
        InvalidArgumentError: names the option, its value and what is allowed.
    """
    if not CLIENT_NAMES & options.keys():
        return DEFAULT_CALL_OPTIONS, dict(options)
    values = {name: value for name, value in options.items() if value is not None}
    for name in _FLAGS:
        if not isinstance(values.get(name, False), bool):
            raise _wrong(name, values[name], tr("must be True or False"))
    sent = {
        name: value for name, value in values.items() if name in usable or name not in CLIENT_NAMES
    }
    for name in ("adapt_openai_message_format", "auto_concat_truncate", *MESSAGE_OPTIONS):
        if values.get(name) and name not in usable:
            warn_once(tr("{name}= has no meaning for this call: it is ignored", name=name))
    retry = DEFAULT_RETRY
    if "retry_err_codes" in values:
        retry = replace(retry, codes=_codes(values["retry_err_codes"]))
    if DELAYS.keys() & values.keys():
        delays = {name: _seconds(name, values.get(name, DELAYS[name])) for name in DELAYS}
        retry = replace(
            retry,
            backoff_s=delays["backoff_factor"],
            jitter_s=delays["retry_jitter"],
            max_wait_s=delays["retry_max_wait_interval"],
        )
    call_options = CallOptions(
        values.get("request_timeout"),
        values.get("retry_count"),
        retry=retry,
        headers=_headers(values),
        verifies=values.get("ssl", True),
    )
    return call_options, sent


def _wrong(name: str, value: object, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        tr("{name}={value!r:.60}: {problem}", name=name, value=value, problem=problem)
    )


def _seconds(name: str, value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < math.inf:
        raise _wrong(name, value, tr("must be a number of seconds from 0"))
    return float(value)


def _codes(value: Any) -> frozenset[int | str]:
    is_list = isinstance(value, Collection) and not isinstance(value, (str, bytes, Mapping))
    if not is_list or not all(isinstance(code, (int, str)) for code in value):
        raise _wrong("retry_err_codes", value, tr("must be a set of error codes, numbers or words"))
    return frozenset(value)


def _headers(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that options stand for, validated: they must not end the line or change
    the keys.
    """
    headers = values.get("headers", {})
    if not isinstance(headers, Mapping):
        raise _wrong("headers", headers, tr("must be a mapping of names to texts"))
    # the text of a header may be a key: its name is shown
    rows = [("headers", name, name, text) for name, text in headers.items()]
    if "request_id" in values:
        rows.append(("request_id", values["request_id"], "request_id", values["request_id"]))
    if "app_id" in values:
        rows.append(("app_id", values["app_id"], APP_HEADER, str(values["app_id"])))
    result: dict[str, str] = {}
    for option, shown, name, text in rows:
        for each in (name, text):
            if not (isinstance(each, str) and each.isascii() and each.isprintable()):
                raise _wrong(option, shown, tr("must be a text of printable ASCII characters"))
        if not text or name.lower() in _KEY_HEADERS:
            raise _wrong(option, shown, tr("this header cannot be set"))
        result[name] = text
    return result


@dataclass(frozen=True)
class InferenceRequest:
    """The request of a call on one platform.

    Attributes:
        endpoint: the row of the endpoint table.
        record: the body.
        model: the model's id, or its segment of the path; rate limits are kept by it.
    """

    endpoint: Endpoint[Any, Any]
    record: Sendable
    model: str


@dataclass(frozen=True)
class InferenceCall(Generic[ReplyT]):
    """A validated call that does not know its platform yet.

    Attributes:
        build: returns the request of this call as a platform takes it.
        choice: which model is asked.
        item: the validated input of `do`.
        options: validated ones of `do`.
        call_options: timeout and attempts.
        is_streamed: whether its reply comes in pieces.
        asks_again: whether an answer that is not in the requested format is asked for once more.
    """

    build: Callable[[InferenceCall[ReplyT], Platform], InferenceRequest]
    choice: ModelChoice
    item: Any
    options: Mapping[str, Any]
    call_options: CallOptions
    is_streamed: bool = False
    asks_again: bool = True

    def request_for(self, platform: Platform) -> InferenceRequest:
        """Return the request as a platform takes it.

        Raises:
            InvalidArgumentError: the platform has no such call or model.
        """
        return self.build(self, platform)

    def for_batch(self) -> InferenceCall[ReplyT]:
        """Return the call as a batch makes it: it waits as long as the platform limits the rate."""
        options = replace(self.call_options, rate_limit_wait_s=BATCH_RATE_LIMIT_WAIT_S)
        return replace(self, call_options=options)


@dataclass(frozen=True)
class ModelInfo:
    """Facts of a model; lengths in tokens or characters, prices in CNY for 1,000 tokens, None and 0
    where not known.

    Attributes:
        endpoint: the end of its path on v1, such as "/chat/completions"; "" where it was not there.
        required_keys: the options that it needs.
        optional_keys: the options that it is known to take; empty: not known.
        deprecated: whether it is retired.
        api_type: the kind of its calls.
    """

    endpoint: str
    required_keys: set[str] = field(default_factory=set)
    optional_keys: set[str] = field(default_factory=set)
    max_input_chars: int | None = None
    max_input_tokens: int | None = None
    input_price_per_1k_tokens: float = 0
    output_price_per_1k_tokens: float = 0
    deprecated: bool = False
    api_type: str = ""


_REQUIRED_KEYS = {"chat": "messages", "embedding": "input", "reranker": "query", "plugin": "query"}

_PATHS = {"embedding": "embeddings", "completion": "completions"}
"""Kinds that v1's paths spell in another way."""


Version = Literal[1, 2, "1", "2"]

_LIMITS = frozenset(
    [
        "buffer_ratio",
        "forcing_disable",
        "query_per_second",
        "redis_rate_limiter",
        "request_per_minute",
    ]
)
_UNUSED_KEYS = _LIMITS | {"sync_reading_thread_count", "use_custom_endpoint", "use_function"}
"""Keywords of the official SDK's constructors that a call can do without."""


class InferenceModel(Generic[ReplyT]):
    """The base of all models that answer; each kind adds `do`, `ado` and its own arguments.

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; by default an API key or an IAM pair means 2, AK/SK means
            1.
        **keys: `api_key`, `access_key` + `secret_key`, `ak` + `sk` or `access_token`, and
            `base_url` for any server that speaks OpenAI's API; default: the settings'. Also
            `app_id` and `ssl`, of all its calls.
    """

    reply_type: type[ReplyT]
    """The class of the replies."""

    kind: catalog.ModelKind
    """The kind of the models."""

    items_name = "items"
    """The official SDK's name of the inputs of a batch."""

    def __init__(
        self,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        version: Version | None = None,
        **keys: Unpack[AccountKeys],
    ) -> None:
        self._keys: JsonObject = {  # no repr or pickle shows a `Secret`
            name: Secret(value) if isinstance(value, str) and name != "app_id" else value
            for name, value in keys.items()
        }
        keys = {}  # IPython prints the variables of a frame that raises
        if address := self._keys.pop("base_url", None):
            self._keys["base_url"] = _validate_address(address)
        if version not in {None, 1, 2, "1", "2"}:
            raise InvalidArgumentError(tr("version={version!r}: must be 1 or 2", version=version))
        for name in sorted(_UNUSED_KEYS & self._keys.keys()):
            del self._keys[name]
            if name in _LIMITS:
                warn_once(
                    tr(
                        "{name}= has no effect: limits are settings, get_config().qps_limit and "
                        "rpm_limit",
                        name=name,
                    )
                )
        if unknown := sorted(set(self._keys) - set(AccountKeys.__annotations__)):
            allowed = tr(", ").join(AccountKeys.__annotations__)
            raise InvalidArgumentError(
                tr("{name!r} is none of {allowed}", name=unknown[0], allowed=allowed)
            )
        defaults = {name: self._keys.pop(name, None) for name in ("app_id", "ssl")}
        self.call_defaults, _ = split_client_options(defaults)
        if bearer := self._keys.pop("bearer_token", None):
            self._keys.setdefault("api_key", bearer)
        self.model = model
        self.endpoint = endpoint
        self.version = version

    @classmethod
    def models(cls, version: int | str | None = None) -> set[str]:
        """Return the names of the models of this kind; `version` changes nothing, since v1 has
        ended.
        """
        return set(catalog.model_names(cls.kind))

    @classmethod
    def get_model_info(cls, model: str) -> ModelInfo:
        """Return the facts of a model, also of a retired one.

        Raises:
            InvalidArgumentError: the catalogue does not have it.
        """
        row = catalog.find_model(cls.kind, model)
        if row is None:
            names = tr(", ").join(catalog.nearest_models(cls.kind, model))
            raise InvalidArgumentError(
                tr(
                    "model {model!r} is not in the catalogue; the nearest are {names}",
                    model=model,
                    names=names,
                )
            )
        prices = catalog.prices_of(row)
        input_price = token_cost(prices, 1000)
        output_price = token_cost(prices, 0, 1000)
        return ModelInfo(
            endpoint=f"/{_PATHS.get(cls.kind, cls.kind)}/{row.v1}" if row.v1 else "",
            required_keys={_REQUIRED_KEYS.get(cls.kind, "prompt")},
            max_input_chars=row.max_chars,
            max_input_tokens=row.max_input or row.context,
            input_price_per_1k_tokens=input_price.low if input_price else 0,
            output_price_per_1k_tokens=output_price.low if output_price else 0,
            deprecated=row.status == "retired",
            api_type=cls.kind,
        )

    def access_token(self) -> str:
        """Return an access token of v1, which the platform gives for an application's AK and SK.

        Raises:
            CredentialsError: there is no AK and SK.
        """
        if (token := config.credentials().access_token) and not self._keys:
            return token.get_secret_value()
        return event_loop.run(self._fetch_token()).get_secret_value()

    async def _fetch_token(self) -> Secret:
        return await fetch_access_token((await connect.aclient(self._keys)).send)

    def prepare(
        self,
        item: Any,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        stream: bool = False,
        **options: Any,
    ) -> InferenceCall[ReplyT]:
        """Return the validated call for one input of `do`.

        Args:
            item: the input.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: whether its reply comes in pieces.
            **options: of `do`, and the client's own: request_timeout, retry_count and
                `ClientOptions`.

        Raises:
            InvalidArgumentError: the input or an option is wrong.
        """
        call_options, sent = split_client_options(
            options, MESSAGE_OPTIONS if self.kind == "chat" else ()
        )
        if stream and not issubclass(self.reply_type, ChatResponse):
            raise InvalidArgumentError(
                tr("stream=True: vectors, scores and images cannot be streamed")
            )
        choice = self.choose(model, endpoint)
        valid_item, valid_options = self.validate(item, sent, choice)
        return InferenceCall(
            self.build_request,
            choice,
            valid_item,
            valid_options,
            call_options,
            is_streamed=stream,
            asks_again=not stream,
        )

    def validate(
        self, item: Any, options: JsonObject, choice: ModelChoice, /
    ) -> tuple[Any, JsonObject]:
        """Return a valid input and valid options; each kind of model has its own.

        Args:
            item: the input of `do`.
            options: of `do`, without the client's own.
            choice: which model is asked.

        Raises:
            InvalidArgumentError: the input or an option is wrong.
        """
        raise NotImplementedError

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request of a call as a platform takes it; each kind of model has its own."""
        raise NotImplementedError

    def correct(
        self, call: InferenceCall[ReplyT], reply: ReplyT, text: str
    ) -> InferenceCall[ReplyT] | None:
        """Validate a reply by its text (of a stream: of all pieces); return the call that asks once
        more, None where there is no need.

        Raises:
            UnreadableAnswer: the text is not in the requested format.
        """
        return None

    def to_reply(self, response: Response[Any]) -> ReplyT:
        """Return a response, or one piece of a stream, as a reply of this kind."""
        return create_reply(self.reply_type, response)

    async def resolve_client(self) -> Client:
        """Return the client that a call would use now; on the I/O loop only."""
        return await connect.aclient(self._keys)

    async def send(self, call: InferenceCall[ReplyT]) -> ReplyT:
        """Send a call, once more where its answer is not in the requested format, and return the
        reply.

        On the I/O loop only.
        """
        client = await connect.aclient(self._keys)
        reply = await self._send_prepared(call, client)
        correction = self.correct(call, reply, wire.text_of(reply.body))
        if correction is None:
            return reply
        second = await self._send_prepared(correction, client)
        second.earlier = (reply,)
        self.correct(correction, second, wire.text_of(second.body))
        return second

    async def _send_prepared(self, call: InferenceCall[ReplyT], client: Client) -> ReplyT:
        return await self.send_request(call.request_for(client.platform), client, call.call_options)

    async def send_request(
        self, request: InferenceRequest, client: Client, options: CallOptions
    ) -> ReplyT:
        """Send the request of one platform to it and return the whole reply; on the I/O loop
        only.
        """
        with logged_call(self.kind, request.model, client.platform.host) as entry:
            response = await client.send(
                request.endpoint,
                request.record,
                options=options.with_defaults(self.call_defaults),
                model=request.model,
            )
            reply = entry.record_reply(self.to_reply(response))
            refuse_defect(response, reply.find_defect(response.body))
        if reply.problem:
            warn_once(reply.problem)
        return reply

    async def stream(self, call: InferenceCall[ReplyT]) -> AsyncGenerator[ReplyT, None]:
        """Send a call and yield the pieces of its reply; on the I/O loop only.

        The piece that ends the answer has the whole function calls, and the parsed value.
        """
        client = await connect.aclient(self._keys)
        request = call.request_for(client.platform)
        pieces = client.stream(
            request.endpoint,
            request.record,
            final=wire.is_final,
            options=call.call_options.with_defaults(self.call_defaults),
            model=request.model,
        )
        text = ""
        last: ReplyT | None = None
        has_answer = False
        has_ended = False
        call_events = []
        with logged_call(self.kind, request.model, client.platform.host) as entry:
            try:
                async for piece in pieces:
                    refuse_defect(piece, wire.find_event_defect(piece.body))
                    has_answer = has_answer or wire.has_answer(piece.body)
                    text += wire.text_of(piece.body)
                    if wire.has_call_parts(piece.body):
                        call_events.append(piece.body)
                    reply = entry.record_reply(self.to_reply(piece))
                    if isinstance(reply.body, ChatBody):
                        reply.body.is_after_end = has_ended
                    if not has_ended:
                        last = reply
                        has_ended = wire.is_final(piece.body)
                        if has_ended:
                            self._complete(call, reply, text, call_events)
                    yield reply
                if last is None or not has_answer:
                    raise UnexpectedContent(
                        tr("the stream ended without an answer"), request_id=entry.request_id
                    )
                self.correct(call, last, text)
            except (APIError, RequestError) as error:
                error.partial = text
                raise
            finally:
                await pieces.aclose()

    def _complete(
        self, call: InferenceCall[ReplyT], reply: ReplyT, text: str, events: list[JsonObject]
    ) -> None:
        """Give the piece that ends an answer what the whole answer has."""
        if isinstance(reply.body, ChatBody) and events:
            reply.body.calls = wire.join_tool_calls(events)
        # raised at the end of the stream: the last piece comes first
        with contextlib.suppress(UnreadableAnswer):
            self.correct(call, reply, text)

    async def collect(self, call: InferenceCall[ReplyT]) -> ReplyT:
        """Send a call as a stream and return the reply that its pieces make up, and they are its
        `pieces`.
        """
        pieces: list[Any] = [piece async for piece in self.stream(call)]
        text = "".join(wire.text_of(piece.body) for piece in pieces)
        reply: Any = join_pieces(pieces, text, pieces[-1].statistic["total_latency"])
        reply.pieces = tuple(pieces)
        return cast("ReplyT", reply)

    def answer(self, call: InferenceCall[ReplyT]) -> Any:
        """Send a call, and return the reply, or of a stream an iterator over its pieces."""
        if call.is_streamed:
            return event_loop.iterate(self.stream(call))
        return event_loop.run(self.send(call))

    async def answer_async(self, call: InferenceCall[ReplyT]) -> Any:
        """The awaited form of `answer`."""
        if call.is_streamed:
            return event_loop.iterate_async(self.stream(call))
        return await event_loop.run_async(self.send(call))

    def batch_do(
        self, items: Iterable[Any] | None = None, worker_num: int | None = None, **options: Any
    ) -> batch_task.BatchTask[ReplyT]:
        """Send many inputs, at most `worker_num` at a time; returns at once.

        Args:
            items: one input of `do` each; by keyword also under the official SDK's name:
                prompt_list (Completion, Text2Image), texts_list (Embedding), query_list (Plugin),
                input_list (Image2Text).
            worker_num: 1 to 1000, default 8.
            **options: of `do`, the same for all; with stream=True each result is an iterator over
                the pieces.

        Raises:
            InvalidArgumentError: an option is wrong, or no input can be sent; nothing was sent. One
                wrong input among others is an error in its place in `results()`.

        Source: seed 003 (batch inference).
        """
        worker_count = worker_pool.validate_worker_count("worker_num", worker_num)
        items = options.pop(self.items_name, items)
        rows = batch_task.validate_rows(self.items_name, items, tr("inputs"))
        return self._start_batch(
            self.items_name, rows, partial(self.prepare, **options), worker_count
        )

    def _start_batch(
        self,
        name: str,
        rows: Iterable[Any],
        prepare: Callable[[Any], InferenceCall[ReplyT]],
        worker_count: int,
    ) -> batch_task.BatchTask[ReplyT]:
        """Start a batch of rows, each prepared as a call; one that is wrong is an error in its
        place.

        Raises:
            InvalidArgumentError: no row can be sent, as with a wrong option; it is the first one's
                error.
        """
        calls: list[Callable[[], Coroutine[Any, Any, ReplyT]]] = []
        errors: list[InvalidArgumentError] = []
        for index, row in enumerate(rows):
            try:
                call = prepare(row)
            except InvalidArgumentError as error:
                errors.append(InvalidArgumentError(f"{name}[{index}]: {error}"))
                calls.append(partial(batch_task.refuse_row, errors[-1]))
            else:
                send = self.collect if call.is_streamed else self.send
                calls.append(partial(send, call.for_batch()))
        if calls and len(errors) == len(calls):
            raise errors[0]
        return batch_task.BatchTask(calls, worker_count)

    async def abatch_do(
        self, items: Iterable[Any] | None = None, worker_num: int | None = None, **options: Any
    ) -> list[ReplyT | Exception]:
        """The awaited form of `batch_do`: one reply or exception for each input, in order."""
        task = await self.batch_do(items, worker_num, **options)
        return task.awaited_results()

    def resolve_target(
        self, model: str | None, endpoint: str | None
    ) -> tuple[str | None, str | None]:
        """Return model and endpoint of one call, see `choose`."""
        choice = self.choose(model, endpoint)
        return choice.model, choice.endpoint

    def choose(self, model: str | None, endpoint: str | None) -> ModelChoice:
        """Return which model a call asks: the call's arguments win over the constructor's, and
        these over settings.

        Raises:
            InvalidArgumentError: a name is not a text.
        """
        endpoint = endpoint or (None if model else self.endpoint)
        model = model or self.model
        for option, name in (("model", model), ("endpoint", endpoint)):
            if name is not None and not isinstance(name, str):
                raise InvalidArgumentError(
                    tr("{field}={name!r:.60}: must be a name", field=option, name=name)
                )
        current = config.settings()
        if model is None and endpoint is None:
            model = getattr(current, DEFAULT_SETTINGS.get(self.kind, ""), None) or None
        version = int(self.version) if self.version else None
        return ModelChoice(self.kind, model, endpoint, version, current.strict_models)

    @property
    def has_own_keys(self) -> bool:
        """Whether it was created with keys or a base_url of its own."""
        return bool(self._keys)

    def keys_in_use(self) -> Credentials:
        """Return the keys that a call would send now."""
        return connect.keys_in_use(self._keys)

    def platform_info(self) -> connect.PlatformInfo:
        """Return which platform a call would use, without starting anything."""
        return connect.platform_info(self._keys)


def _validate_address(address: object) -> str:
    """Return a base URL in clear text: it holds no secret."""
    if not isinstance(address, Secret):
        kind = type(address).__name__
        raise InvalidArgumentError(
            tr("{name} is a {kind}: it must be a string", name="base_url", kind=kind)
        )
    if problem := secret_in_address(address.get_secret_value()):
        raise InvalidArgumentError(labelled("base_url", problem))
    return address.get_secret_value()
