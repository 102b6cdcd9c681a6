"""One question to one or several models: streams their answers into the cell, keeps whatever arrived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import QianfanError, StreamInterrupted
from ..resources.inference.arguments import Messages
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.reply import ChatResponse, join_pieces
from ..views import chat, chat_comparison
from ..views.chat import StreamedAnswer
from ..views.display import LiveOutput
from .answer_format import AnswerFormat

RETRY_PROMPT = "上面的回答无法解析：{error}\n请改正，{instruction}"


class UnreadableAnswer(QianfanError):
    """The answer is not in the format that was asked for; it is shown and kept all the same."""


@dataclass
class AnswerStream:
    """One model at work on the question."""

    answer: StreamedAnswer
    client: ChatCompletion
    error: QianfanError | None = None
    pieces: list[ChatResponse] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def add_piece(self, piece: ChatResponse) -> None:
        """Add one more piece to the answer."""
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
        """Note how it ended."""
        self.error = error
        message = "" if error is None else str(error).splitlines()[0]
        seconds = time.perf_counter() - self.started
        self.answer = replace(self.answer, state=state, seconds=seconds, error=message)

    def to_reply(self) -> ChatResponse | None:
        """Return the pieces as one reply, None when none arrived."""
        return join_pieces(self.pieces, self.answer.text, self.answer.seconds) if self.pieces else None


@dataclass
class ChatRequest:
    """What is asked of whom, and how the answers are read."""

    messages: Messages
    models: Sequence[tuple[str, ChatCompletion]]
    options: Mapping[str, Any]
    format: AnswerFormat
    stream: bool = True


class ChatRun:
    """A question under way in a cell. `run` runs on the I/O loop, `finish` in the cell's own thread."""

    def __init__(self, request: ChatRequest, stop: Callable[[], None]) -> None:
        self.request = request
        form = request.format.form
        self.answers = [
            AnswerStream(StreamedAnswer(label, form=form), client) for label, client in request.models
        ]
        self.live: LiveOutput = (
            chat.open_live(self._state(), stop)
            if self._is_single
            else chat_comparison.open_live(self._state(), stop)
        )
        self.value: Any = None
        self._parse_error: ValueError | None = None
        self._failure: QianfanError | None = None

    async def run(self) -> None:
        """Ask all models at once; a model that fails does not disturb the others."""
        await asyncio.gather(*(self._stream_answer(answer, self.request.messages) for answer in self.answers))
        if self._is_single and self.answers[0].error is None:
            await self._parse_value(self.answers[0])

    def finish(self, *, interrupted: bool = False) -> list[ChatResponse | None]:
        """Show the last state and return the replies; `raise_if_failed` says what went wrong."""
        for answer in self.answers:
            if answer.answer.state in {"waiting", "streaming"}:
                answer.finish("interrupted")
        errors = [answer.error for answer in self.answers if answer.error is not None]
        is_empty = self._is_single and errors and not self.answers[0].answer.text
        if is_empty and not isinstance(errors[0], StreamInterrupted):
            self.live.remove()
        else:
            if self._is_single and errors:  # said by the error below the answer already
                self.answers[0].answer = replace(self.answers[0].answer, error="")
            self.live.finish(self._state())
        self._failure = errors[0] if len(errors) == len(self.answers) and not interrupted else None
        return [self._to_reply(answer) for answer in self.answers]

    def raise_if_failed(self) -> None:
        """Raise what ended all answers, or made the answer unreadable."""
        if self._failure is not None:
            raise self._failure
        if self._parse_error is not None:
            reason = str(self._parse_error).splitlines()[0] if str(self._parse_error) else "it is empty"
            raise UnreadableAnswer(
                f"the answer is not {self.request.format.name}: {reason}\n"
                "回答保留在上面和 -o 变量中 / the answer is kept above and in the -o variable"
            )

    async def _stream_answer(self, answer: AnswerStream, messages: Messages) -> None:
        options, answer.started = self.request.options, time.perf_counter()
        try:
            if self.request.stream:
                async for piece in await answer.client.ado(messages, stream=True, **options):
                    answer.add_piece(piece)
                    self.live.update(self._state())
            else:
                answer.add_piece(await answer.client.ado(messages, **options))
        except asyncio.CancelledError:
            answer.finish("interrupted")
            raise
        except QianfanError as error:
            answer.finish("failed", error)
        else:
            answer.finish("done")
        self.live.update(self._state())

    async def _parse_value(self, answer: AnswerStream) -> None:
        """Make the value of the answer; ask once more when it cannot be read."""
        answer_format = self.request.format
        try:
            self.value = answer_format.parse(answer.answer.text)
        except ValueError as error:
            if not answer_format.retry:
                self._parse_error = error
                return
            await self._ask_again(answer, error)

    async def _ask_again(self, answer: AnswerStream, error: ValueError) -> None:
        answer_format, conversation = self.request.format, Messages(self.request.messages)
        conversation.append(answer.answer.text or "…", role="assistant")
        conversation.append(RETRY_PROMPT.format(error=error, instruction=answer_format.instruction))
        answer.pieces, answer.answer = [], replace(answer.answer, text="", reasoning="", state="waiting")
        await self._stream_answer(answer, conversation)
        try:
            self.value = answer_format.parse(answer.answer.text)
        except ValueError as second_error:
            self._parse_error = second_error

    def _to_reply(self, answer: AnswerStream) -> ChatResponse | None:
        reply = answer.to_reply()
        if reply is not None:
            reply.value = self.value if self._is_single else None
        return reply

    def _state(self) -> Any:
        answers = tuple(answer.answer for answer in self.answers)
        return answers[0] if self._is_single else answers

    @property
    def _is_single(self) -> bool:
        return len(self.answers) == 1
