"""One question to one or several models: streams the answers into the cell, keeps whatever arrived."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import QianfanError, StreamInterrupted, UnreadableAnswer
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.inference_model import PreparedCall
from ..resources.inference.reply import ChatResponse, join_pieces
from ..views import chat
from ..views.chat import StreamedAnswer
from ..views.display import open_with_stop_button
from .answer_format import AnswerFormat

RETRY_PROMPT = "上面的回答无法解析：{error}\n请改正，{instruction}"


@dataclass
class AnswerStream:
    """One model that answers the question."""

    answer: StreamedAnswer
    client: ChatCompletion
    call: PreparedCall[ChatResponse]
    error: QianfanError | None = None
    pieces: list[ChatResponse] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def add_piece(self, piece: ChatResponse) -> None:
        """Add a piece to the answer."""
        self.pieces.append(piece)
        current, seconds = self.answer, time.perf_counter() - self.started
        tokens = piece.usage.total_tokens
        self.answer = replace(
            current,
            text=current.text + piece.text,
            reasoning=current.reasoning + piece.reasoning,
            state="streaming",
            seconds=seconds,
            first_token=seconds if current.first_token is None and piece.text else current.first_token,
            tokens=current.tokens if tokens is None else tokens,
            cost=current.cost if tokens is None else piece.cost,
            from_sandbox=piece.from_sandbox,
            request_id=piece.request_id,
            model=current.model or str(piece.body.get("model") or ""),
        )

    def finish(self, state: Any, error: QianfanError | None = None) -> None:
        """Record how the answer ended."""
        self.error = error
        message = "" if error is None else str(error).splitlines()[0]
        seconds = time.perf_counter() - self.started
        self.answer = replace(self.answer, state=state, seconds=seconds, error=message)

    def to_reply(self) -> ChatResponse | None:
        """Return the pieces as one reply, None when none arrived."""
        return join_pieces(self.pieces, self.answer.text, self.answer.seconds) if self.pieces else None


@dataclass
class ChatRequest:
    """A question, who is asked, and how the answers are read.

    Attributes:
        turns: the conversation, which ends with the question.
        models: labels and clients, in the order of display.
        options: of `ChatCompletion.do`.
    """

    turns: list[dict[str, Any]]
    models: Sequence[tuple[str, ChatCompletion]]
    options: Mapping[str, Any]
    format: AnswerFormat
    stream: bool = True


class ChatRun:
    """A question being answered in a cell: `run` on the I/O loop, `finish` on the cell's thread."""

    def __init__(self, request: ChatRequest, stop: Callable[[], None]) -> None:
        self.request, form = request, request.format.form
        answers = tuple(StreamedAnswer(label, form=form) for label, _ in request.models)
        self.streams = [
            AnswerStream(answer, client, client.prepare(request.turns, stream=request.stream, **request.options))
            for answer, (_, client) in zip(answers, request.models, strict=True)
        ]
        self.live = open_with_stop_button(
            answers,
            html=chat.answers_html,
            final=chat.answers_bundle,
            stop=stop,
            tooltip="Stop this answer" if len(answers) == 1 else "Stop these answers",
        )
        self.value: Any = None
        self._parse_error: ValueError | None = None
        self._failure: QianfanError | None = None

    async def run(self) -> None:
        """Ask all models at once; a model that fails does not disturb the others."""
        await asyncio.gather(*map(self._stream_answer, self.streams))
        if self._is_single and self.streams[0].error is None:
            await self._parse_value(self.streams[0])

    def finish(self, *, interrupted: bool = False) -> list[ChatResponse | None]:
        """Show the last state and return the replies, None for a model that did not answer."""
        for stream in self.streams:
            if stream.answer.state in {"waiting", "streaming"}:
                stream.finish("interrupted")
        errors = [stream.error for stream in self.streams if stream.error is not None]
        is_empty = self._is_single and errors and not self.streams[0].answer.text
        if is_empty and not isinstance(errors[0], StreamInterrupted):
            self.live.remove()
        else:
            if self._is_single and errors:  # the error below the answer says it
                self.streams[0].answer = replace(self.streams[0].answer, error="")
            self.live.finish(self._state())
        self._failure = errors[0] if len(errors) == len(self.streams) and not interrupted else None
        return [self._to_reply(stream) for stream in self.streams]

    def raise_if_failed(self) -> None:
        """Raise the error that ended all answers, or that made the answer unreadable."""
        if self._failure is not None:
            raise self._failure
        if self._parse_error is not None:
            reason = str(self._parse_error).splitlines()[0] if str(self._parse_error) else "it is empty"
            raise UnreadableAnswer(
                f"the answer is not {self.request.format.name}: {reason}\n"
                "回答保留在上面和 -o 变量中 / the answer is kept above and in the -o variable",
                answer=self.streams[0].answer.text,
            )

    async def _stream_answer(self, stream: AnswerStream) -> None:
        stream.started = time.perf_counter()
        try:
            if self.request.stream:
                async with aclosing(stream.client.stream(stream.call)) as pieces:
                    async for piece in pieces:
                        stream.add_piece(piece)
                        self.live.update(self._state())
            else:
                stream.add_piece(await stream.client.send(stream.call))
        except asyncio.CancelledError:
            stream.finish("interrupted")
            raise
        except QianfanError as error:
            stream.finish("failed", error)
        else:
            stream.finish("done")
        self.live.update(self._state())

    async def _parse_value(self, stream: AnswerStream) -> None:
        """Set the value of the answer; ask again when it cannot be parsed and the format says so."""
        answer_format = self.request.format
        try:
            self.value = answer_format.parse(stream.answer.text)
        except ValueError as error:
            if not answer_format.retry:
                self._parse_error = error
                return
            await self._ask_again(stream, error)

    async def _ask_again(self, stream: AnswerStream, error: ValueError) -> None:
        request, answer_format = self.request, self.request.format
        prompt = RETRY_PROMPT.format(error=error, instruction=answer_format.instruction)
        answer = {"role": "assistant", "content": stream.answer.text or "…"}
        turns = [*request.turns, answer, {"role": "user", "content": prompt}]
        stream.call = stream.client.prepare(turns, stream=request.stream, **request.options)
        stream.pieces, stream.answer = [], replace(stream.answer, text="", reasoning="", state="waiting")
        await self._stream_answer(stream)
        try:
            self.value = answer_format.parse(stream.answer.text)
        except ValueError as second_error:
            self._parse_error = second_error

    def _to_reply(self, stream: AnswerStream) -> ChatResponse | None:
        reply = stream.to_reply()
        if reply is not None:
            reply.parsed = self.value if self._is_single else None
        return reply

    def _state(self) -> tuple[StreamedAnswer, ...]:
        return tuple(stream.answer for stream in self.streams)

    @property
    def _is_single(self) -> bool:
        return len(self.streams) == 1
