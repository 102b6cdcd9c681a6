"""Validated calls and what sends them: whole replies and streams, asked once more or continued."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar, cast

from ... import connect
from ..._notices import warn_once
from ...base.language import tr
from ...errors import APIError, RequestError, UnexpectedContent, UnreadableAnswer
from ...transport import event_loop
from ...transport.client import CallOptions, Client
from ...transport.platform import Platform
from ...transport.response import Response
from ...wire import catalog, chat as wire
from ...wire.base import Sendable
from ...wire.endpoints import Endpoint
from .model_choice import ModelChoice, name_living_models
from .reply import ChatBody, Reply, create_reply, join_pieces, refuse_defect
from .usage_log import UsageEntry, log_usage

ReplyT = TypeVar("ReplyT", bound=Reply[Any])

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


@dataclass(frozen=True)
class InferenceCall(Generic[ReplyT]):
    """A validated call that does not know its platform yet; each kind of model has its own.

    Attributes:
        choice: which model is asked.
        options: validated ones of `do`.
        call_options: timeout and attempts.
        is_streamed: whether its reply comes in pieces.
    """

    choice: ModelChoice
    options: Mapping[str, Any]
    call_options: CallOptions
    is_streamed: bool = False

    def request_for(self, platform: Platform) -> InferenceRequest:
        """Return the request as a platform takes it.

        Raises:
            InvalidArgumentError: the platform has no such call or model.
        """
        raise NotImplementedError

    def correction(self, reply: ReplyT, text: str) -> Self | None:
        """Validate a reply by its text (of a stream: of all pieces); return the call that asks once
        more, None where there is no need.

        Raises:
            UnreadableAnswer: the text is not in the requested format.
        """
        return None

    def continuation(self, reply: ReplyT, part: str) -> Self | None:
        """Return the call that asks for the rest of a reply with this text, None where it is
        whole.
        """
        return None

    def for_batch(self) -> Self:
        """Return the call as a batch makes it: it waits as long as the platform limits the rate."""
        options = replace(self.call_options, rate_limit_wait_s=BATCH_RATE_LIMIT_WAIT_S)
        return replace(self, call_options=options)


class CallSender(Generic[ReplyT]):
    """Sends the validated calls of one kind of model with the keys of one constructor."""

    reply_type: type[ReplyT]
    """The class of the replies."""

    kind: catalog.ModelKind
    """The kind of the models."""

    call_defaults: CallOptions
    """Headers and the check of certificates that the constructor sets for all calls."""

    _keys: dict[str, Any]

    def _to_reply(self, response: Response[Any]) -> ReplyT:
        return create_reply(self.reply_type, response)

    def _run(self, call: InferenceCall[ReplyT]) -> ReplyT:
        reply = event_loop.run(self.send(call))
        _tell_damage(reply)
        return reply

    async def _run_async(self, call: InferenceCall[ReplyT]) -> ReplyT:
        reply = await event_loop.run_async(self.send(call))
        _tell_damage(reply)
        return reply

    async def _stream_pieces(self, call: InferenceCall[ReplyT]) -> AsyncGenerator[ReplyT, None]:
        """Yield the pieces of a reply for a caller without a panel."""
        async with contextlib.aclosing(self.stream(call)) as pieces:
            async for piece in pieces:
                yield piece
        _tell_damage(piece)

    async def resolve_client(self) -> Client:
        """Return the client that a call would use now; on the I/O loop only."""
        return await connect.aclient(self._keys)

    async def send(self, call: InferenceCall[ReplyT]) -> ReplyT:
        """Send a call, once more where its answer is not in the requested format, and return the
        reply.

        On the I/O loop only.
        """
        client = await connect.aclient(self._keys)
        reply = await self._send_whole(call, client)
        correction = call.correction(reply, wire.text_of(reply.body))
        if correction is None:
            return reply
        second = await self._send_whole(correction, client)
        second.earlier = (reply, *second.earlier)
        correction.correction(second, wire.text_of(second.body))
        return second

    async def _send_whole(self, call: InferenceCall[ReplyT], client: Client) -> ReplyT:
        """Send a call and what continues it, and return the last reply, with the text of all."""
        reply = await self.send_request(
            call.request_for(client.platform), client, call.call_options
        )
        text = wire.text_of(reply.body)
        part = wire.text_of(reply.body)
        while (following := call.continuation(reply, part)) is not None:
            call = following
            earlier = reply
            reply = await self.send_request(
                call.request_for(client.platform), client, call.call_options
            )
            part = wire.text_of(reply.body)
            text += part
            wire.set_text(reply.body, text)
            reply.earlier = (earlier,)
        return reply

    async def send_request(
        self, request: InferenceRequest, client: Client, options: CallOptions
    ) -> ReplyT:
        """Send the request of one platform to it and return the whole reply; on the I/O loop
        only.
        """
        options = options.with_defaults(self.call_defaults)
        entry = UsageEntry(time.time(), request.model, client.platform.host)
        try:
            response = await client.send(
                request.endpoint, request.record, options=options, model=request.model
            )
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

    async def stream(self, call: InferenceCall[ReplyT]) -> AsyncGenerator[ReplyT, None]:
        """Send a call and yield the pieces of its reply; on the I/O loop only."""
        client = await connect.aclient(self._keys)
        text = ""
        part = ""
        following: InferenceCall[ReplyT] | None = call
        try:
            while following is not None:
                last = None
                text = text + part
                part = ""
                request = following.request_for(client.platform)
                async with contextlib.aclosing(
                    self._stream_request(request, client, following.call_options)
                ) as replies:
                    async for reply in replies:
                        part += wire.text_of(reply.body)
                        if last is None or not wire.is_final(last.body):
                            last = reply
                        if last is reply and wire.is_final(reply.body):
                            # raised below: the last piece comes first
                            with contextlib.suppress(UnreadableAnswer):
                                call.correction(reply, text + part)
                        yield reply
                assert last is not None, "a stream without an answer is an error"
                following = following.continuation(last, part)
                if following is None:
                    call.correction(last, text + part)
        except (APIError, RequestError) as error:
            error.partial = text + part
            raise

    async def collect(self, call: InferenceCall[ReplyT]) -> ReplyT:
        """Send a call as a stream and return the reply that its pieces make up, and they are its
        `pieces`.
        """
        pieces: list[Any] = [piece async for piece in self.stream(call)]
        text = "".join(wire.text_of(piece.body) for piece in pieces)
        reply: Any = join_pieces(pieces, text, pieces[-1].statistic["total_latency"])
        reply.pieces = tuple(pieces)
        return cast("ReplyT", reply)

    async def _stream_request(
        self, request: InferenceRequest, client: Client, options: CallOptions
    ) -> AsyncGenerator[ReplyT, None]:
        """Yield the pieces of the reply to one request; the one that ends it has the whole function
        calls.
        """
        entry = UsageEntry(time.time(), request.model, client.platform.host)
        options = options.with_defaults(self.call_defaults)
        pieces = client.stream(
            request.endpoint,
            request.record,
            final=wire.is_final,
            options=options,
            model=request.model,
        )
        has_answer = False
        has_ended = False
        call_events = []
        try:
            async for piece in pieces:
                refuse_defect(piece, wire.find_event_defect(piece.body))
                has_answer = has_answer or wire.has_answer(piece.body)
                if wire.has_call_parts(piece.body):
                    call_events.append(piece.body)
                reply = entry.record_reply(self._to_reply(piece))
                if isinstance(reply.body, ChatBody):
                    is_final = wire.is_final(piece.body)
                    reply.body.is_after_end = has_ended
                    has_ended = has_ended or is_final
                    if is_final and call_events:
                        reply.body.calls = wire.join_tool_calls(call_events)
                yield reply
            if not has_answer:
                raise UnexpectedContent(
                    tr("the stream ended without an answer"), request_id=entry.request_id
                )
        except BaseException as error:
            entry.error = type(error).__name__
            name_living_models(error, self.kind, request.model)
            raise
        finally:
            await pieces.aclose()
            log_usage(entry)


def _tell_damage(reply: Reply[Any]) -> None:
    """Log, once, that the sandbox that answered began anew; a panel says it in its footer."""
    if not reply.from_sandbox:
        return
    from ...sandbox import process  # noqa: PLC0415 - the sandbox is needed only without keys

    if notice := process.claim_damage_notice():
        warn_once(notice)
