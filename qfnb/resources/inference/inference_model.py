"""The base of all inference models: prepared calls, sent blocking, awaited, as a stream or in a batch."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Literal, TypeVar, Unpack

from ... import config, connect
from ..._jobs import worker_pool
from ..._language import tr
from ...config import Secret
from ...errors import APIError, InvalidArgumentError, RequestError, UnexpectedContent, UnreadableAnswer
from ...transport import event_loop
from ...transport.client import CallOptions, Client
from ...transport.platform import Platform
from ...transport.response import Response
from ...wire import catalog, chat as wire, reply_shape
from ...wire.base import Sendable
from ...wire.endpoints import Endpoint
from . import batch_task
from .arguments import AccountKeys
from .model_choice import DEFAULT_SETTINGS, ModelChoice, name_living_models
from .model_facts import ModelFacts
from .reply import Reply, create_reply, refuse_defect
from .thinking import warn_once
from .usage_log import UsageEntry, log_usage

ReplyT = TypeVar("ReplyT", bound=Reply[Any])

Version = Literal[1, 2, "1", "2"]

DEFAULT_CALL_OPTIONS = CallOptions()

BATCH_RATE_LIMIT_WAIT_S = 600.0
"""Seconds that a row of a batch keeps trying while the platform answers "too many requests"."""


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


BuildRequest = Callable[[Platform], InferenceRequest]
"""Builds the request as a platform takes it."""


@dataclass(frozen=True)
class PreparedCall(Generic[ReplyT]):
    """A validated call that does not know its platform yet.

    Attributes:
        for_platform: returns the request as a platform takes it.
        options: timeout and attempts.
        check: validates a reply by its text (of a stream: of all pieces); returns the call that asks once more,
            None where there is no need; raises UnreadableAnswer.
    """

    for_platform: BuildRequest
    options: CallOptions
    check: Callable[[ReplyT, str], PreparedCall[ReplyT] | None] = lambda _reply, _text: None

    def for_batch(self) -> PreparedCall[ReplyT]:
        """Return the call as a batch makes it: it waits as long as the platform limits the rate."""
        return replace(self, options=replace(self.options, rate_limit_wait_s=BATCH_RATE_LIMIT_WAIT_S))


class InferenceModel(ModelFacts, Generic[ReplyT]):
    """The base of all models that answer; each kind adds `do`, `ado` and its own arguments.

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; by default an API key or an IAM pair means 2, AK/SK means 1.
        **keys: `api_key`, `access_key` + `secret_key`, `ak` + `sk` or `access_token`, and `base_url` for any
            server that speaks OpenAI's API; default: the settings'.
    """

    reply_type: type[ReplyT]
    """The class of the replies."""

    kind: catalog.ModelKind
    """The kind of the models."""

    def __init__(
        self,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        version: Version | None = None,
        **keys: Unpack[AccountKeys],
    ) -> None:
        self._keys: dict[str, Any] = {  # no repr or pickle shows a `Secret`
            name: Secret(value) if isinstance(value, str) and name != "base_url" else value
            for name, value in keys.items()
        }
        keys = {}  # IPython prints the variables of a frame that raises
        if version not in {None, 1, 2, "1", "2"}:
            raise InvalidArgumentError(tr("version={version!r}: must be 1 or 2", version=version))
        if unknown := sorted(set(self._keys) - set(AccountKeys.__annotations__)):
            allowed = ", ".join(AccountKeys.__annotations__)
            raise InvalidArgumentError(tr("{name!r} is none of {allowed}", name=unknown[0], allowed=allowed))
        self.model, self.endpoint, self.version = model, endpoint, version

    def prepare(
        self,
        item: Any,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        stream: bool = False,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options: Any,
    ) -> PreparedCall[ReplyT]:
        """Return the validated call for one input of `do`.

        Args:
            item: the input.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: whether its reply comes in pieces.
            request_timeout: seconds for the whole call.
            retry_count: attempts in all.
            **options: of `do`.

        Raises:
            InvalidArgumentError: the input or an option is wrong.
        """
        is_default = request_timeout is None and retry_count is None
        call_options = DEFAULT_CALL_OPTIONS if is_default else CallOptions(request_timeout, retry_count)
        choice = self.choose(model, endpoint)
        return self.prepare_call(item, choice, options, call_options, stream=stream)

    def prepare_call(
        self, item: Any, choice: ModelChoice, options: Mapping[str, Any], call_options: CallOptions, /, *, stream: bool
    ) -> PreparedCall[ReplyT]:
        """Return the validated call for one input; each kind of model has its own.

        Args:
            item: the input.
            choice: which model is asked.
            options: of `do`.
            call_options: timeout and attempts.
            stream: whether the reply comes in pieces.
        """
        raise NotImplementedError

    def batch_do(
        self, items: Iterable[Any], /, worker_num: int | None = None, **options: Any
    ) -> batch_task.BatchTask[ReplyT]:
        """Send many inputs, at most `worker_num` at a time; returns at once.

        Args:
            items: one input of `do` each.
            worker_num: 1 to 1000, default 8.
            **options: of `do`, the same for all.

        Raises:
            InvalidArgumentError: an input or an option is wrong; names the input; nothing was sent.

        Source: seed 003 (batch inference).
        """
        worker_count = worker_pool.validate_worker_count("worker_num", worker_num)
        rows = batch_task.validate_rows("items", items, tr("inputs"))
        batch_task.validate_no_stream(options)
        prepare_row = partial(batch_task.prepare_row, "items", prepare=self.prepare, options=options)
        return self._start_batch([prepare_row(index, row) for index, row in enumerate(rows)], worker_count)

    def _start_batch(self, calls: Iterable[PreparedCall[ReplyT]], worker_count: int) -> batch_task.BatchTask[ReplyT]:
        return batch_task.BatchTask([partial(self.send, call.for_batch()) for call in calls], worker_count)

    async def abatch_do(
        self, items: Iterable[Any], /, worker_num: int | None = None, **options: Any
    ) -> list[ReplyT | Exception]:
        """The awaited form of `batch_do`: one reply or exception for each input, in order."""
        task = await self.batch_do(items, worker_num, **options)
        return task.results()

    def resolve_target(self, model: str | None, endpoint: str | None) -> tuple[str | None, str | None]:
        """Return model and endpoint of one call, see `choose`."""
        choice = self.choose(model, endpoint)
        return choice.model, choice.endpoint

    def choose(self, model: str | None, endpoint: str | None) -> ModelChoice:
        """Return which model a call asks: the call's arguments win over the constructor's, and these over settings.

        Raises:
            InvalidArgumentError: a name is not a text.
        """
        endpoint, model = endpoint or (None if model else self.endpoint), model or self.model
        for field, name in (("model", model), ("endpoint", endpoint)):
            if name is not None and not isinstance(name, str):
                raise InvalidArgumentError(tr("{field}={name!r:.60}: must be a name", field=field, name=name))
        current = config.settings()
        if model is None and endpoint is None:
            model = getattr(current, DEFAULT_SETTINGS.get(self.kind, ""), None) or None
        version = int(self.version) if self.version else None
        return ModelChoice(self.kind, model, endpoint, version, current.strict_models)

    @property
    def has_own_keys(self) -> bool:
        """Whether it was created with keys or a base_url of its own."""
        return bool(self._keys)

    def platform_info(self) -> connect.PlatformInfo:
        """Return which platform a call would use, without starting anything."""
        return connect.platform_info(self._keys)

    def _to_reply(self, response: Response[Any]) -> ReplyT:
        return create_reply(self.reply_type, response)

    def _run(self, call: PreparedCall[ReplyT]) -> ReplyT:
        return event_loop.run(self.send(call))

    async def _run_async(self, call: PreparedCall[ReplyT]) -> ReplyT:
        return await event_loop.run_async(self.send(call))

    async def resolve_client(self) -> Client:
        """Return the client that a call would use now; on the I/O loop only."""
        return await connect.aclient(self._keys)

    async def send(self, call: PreparedCall[ReplyT]) -> ReplyT:
        """Send a call, once more where its answer is not in the requested format, and return the reply.

        On the I/O loop only.
        """
        client = await connect.aclient(self._keys)
        reply = await self.send_request(call.for_platform(client.platform), client, call.options)
        correction = call.check(reply, wire.text_of(reply.body))
        if correction is None:
            return reply
        second = await self.send_request(correction.for_platform(client.platform), client, correction.options)
        second.earlier = (reply,)
        correction.check(second, wire.text_of(second.body))
        return second

    async def send_request(self, request: InferenceRequest, client: Client, options: CallOptions) -> ReplyT:
        """Send the request of one platform to it and return the whole reply; on the I/O loop only."""
        entry = UsageEntry(time.time(), request.model, client.platform.host)
        try:
            response = await client.send(request.endpoint, request.record, options=options, model=request.model)
            reply = entry.record_reply(self._to_reply(response))
            refuse_defect(response, reply.find_defect(response.body))
        except BaseException as error:
            entry.error = type(error).__name__
            name_living_models(error, self.kind, request.model)
            raise
        finally:
            log_usage(entry)
        if reply.problem:
            warn_once(reply.problem)
        return reply

    async def stream(self, call: PreparedCall[ReplyT]) -> AsyncGenerator[ReplyT, None]:
        """Send a call and yield the pieces of its reply; on the I/O loop only."""
        client = await connect.aclient(self._keys)
        request = call.for_platform(client.platform)
        entry = UsageEntry(time.time(), request.model, client.platform.host)
        pieces = client.stream(
            request.endpoint, request.record, final=wire.is_final, options=call.options, model=request.model
        )
        text, last, has_answer = "", None, False
        try:
            async for piece in pieces:
                refuse_defect(piece, reply_shape.find_event_defect(piece.body))
                has_answer = has_answer or reply_shape.has_answer(piece.body)
                text += wire.text_of(piece.body)
                reply = entry.record_reply(self._to_reply(piece))
                if last is None or not wire.is_final(last.body):
                    last = reply
                if wire.is_final(piece.body):
                    with contextlib.suppress(UnreadableAnswer):  # raised below: the last piece comes first
                        call.check(reply, text)
                yield reply
            if last is None or not has_answer:
                raise UnexpectedContent(tr("the stream ended without an answer"), request_id=entry.request_id)
            call.check(last, text)
        except BaseException as error:
            entry.error = type(error).__name__
            name_living_models(error, self.kind, request.model)
            if isinstance(error, APIError | RequestError):
                error.partial = text
            raise
        finally:
            await pieces.aclose()
            log_usage(entry)
