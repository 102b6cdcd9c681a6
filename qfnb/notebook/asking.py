"""One question to one or several models: streams their answers into the cell, keeps whatever arrived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import QianfanError, StreamInterrupted
from ..resources.chat import ChatCompletion
from ..resources.messages import Messages
from ..resources.reply import ChatResponse, join_pieces
from ..views import chat, compare
from ..views.chat import Answer
from ..views.display import Live
from .formats import Format

AGAIN = "上面的回答无法解析：{error}\n请改正，{instruction}"


class UnreadableAnswer(QianfanError):
    """The answer is not in the format that was asked for; it is shown and kept all the same."""


@dataclass
class Run:
    """One model at work on the question."""

    answer: Answer
    ask: ChatCompletion
    error: QianfanError | None = None
    pieces: list[ChatResponse] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def take(self, piece: ChatResponse) -> None:
        """Add one more piece to the answer."""
        self.pieces.append(piece)
        now, seconds = self.answer, time.perf_counter() - self.started
        tokens = piece.usage.total_tokens
        self.answer = replace(
            now,
            text=now.text + piece.text,
            reasoning=now.reasoning + piece.reasoning,
            state="streaming",
            seconds=seconds,
            first_token=seconds if now.first_token is None and piece.text else now.first_token,
            tokens=now.tokens if tokens is None else tokens,
            cost=now.cost if tokens is None else piece.cost,
            from_sandbox=piece.from_sandbox,
            request_id=piece.request_id,
            model=now.model or str(piece.body.get("model") or ""),
        )

    def end(self, state: Any, error: QianfanError | None = None) -> None:
        """Note how it ended."""
        self.error = error
        shown = "" if error is None else str(error).splitlines()[0]
        seconds = time.perf_counter() - self.started
        self.answer = replace(self.answer, state=state, seconds=seconds, error=shown)

    def reply(self) -> ChatResponse | None:
        """Return the pieces as one reply, None when none arrived."""
        return join_pieces(self.pieces, self.answer.text, self.answer.seconds) if self.pieces else None


@dataclass
class Question:
    """What is asked of whom, and how the answers are read."""

    messages: Messages
    models: Sequence[tuple[str, ChatCompletion]]
    given: Mapping[str, Any]
    format: Format
    stream: bool = True


class Asked:
    """A question under way in a cell. `work` runs on the I/O loop, `end` in the cell's own thread."""

    def __init__(self, question: Question, stop: Callable[[], None]) -> None:
        self.question = question
        form = question.format.form
        self.runs = [Run(Answer(label, form=form), ask) for label, ask in question.models]
        self.live: Live = chat.live(self._state(), stop) if self._alone else compare.live(self._state(), stop)
        self.value: Any = None
        self._unread: ValueError | None = None
        self._failure: QianfanError | None = None

    async def work(self) -> None:
        """Ask all models at once; a model that fails does not disturb the others."""
        await asyncio.gather(*(self._answer(run, self.question.messages) for run in self.runs))
        if self._alone and self.runs[0].error is None:
            await self._read(self.runs[0])

    def end(self, *, interrupted: bool = False) -> list[ChatResponse | None]:
        """Show the last state and return the replies; `raise_if_failed` says what went wrong."""
        for run in self.runs:
            if run.answer.state in {"waiting", "streaming"}:
                run.end("interrupted")
        failed = [run.error for run in self.runs if run.error is not None]
        nothing = self._alone and failed and not self.runs[0].answer.text
        if nothing and not isinstance(failed[0], StreamInterrupted):
            self.live.discard()
        else:
            if self._alone and failed:  # said by the error below the answer already
                self.runs[0].answer = replace(self.runs[0].answer, error="")
            self.live.finish(self._state())
        self._failure = failed[0] if len(failed) == len(self.runs) and not interrupted else None
        return [self._reply(run) for run in self.runs]

    def raise_if_failed(self) -> None:
        """Raise what ended all answers, or made the answer unreadable."""
        if self._failure is not None:
            raise self._failure
        if self._unread is not None:
            reason = str(self._unread).splitlines()[0] if str(self._unread) else "it is empty"
            raise UnreadableAnswer(
                f"the answer is not {self.question.format.name}: {reason}\n"
                "回答保留在上面和 -o 变量中 / the answer is kept above and in the -o variable"
            )

    async def _answer(self, run: Run, messages: Messages) -> None:
        given, run.started = self.question.given, time.perf_counter()
        try:
            if self.question.stream:
                async for piece in await run.ask.ado(messages, stream=True, **given):
                    run.take(piece)
                    self.live.update(self._state())
            else:
                run.take(await run.ask.ado(messages, **given))
        except asyncio.CancelledError:
            run.end("interrupted")
            raise
        except QianfanError as error:
            run.end("failed", error)
        else:
            run.end("done")
        self.live.update(self._state())

    async def _read(self, run: Run) -> None:
        """Make the value of the answer; ask once more when it cannot be read."""
        wanted = self.question.format
        try:
            self.value = wanted.read(run.answer.text)
        except ValueError as error:
            if not wanted.again:
                self._unread = error
                return
            await self._again(run, error)

    async def _again(self, run: Run, error: ValueError) -> None:
        wanted, talk = self.question.format, Messages(self.question.messages)
        talk.append(run.answer.text or "…", role="assistant")
        talk.append(AGAIN.format(error=error, instruction=wanted.instruction))
        run.pieces, run.answer = [], replace(run.answer, text="", reasoning="", state="waiting")
        await self._answer(run, talk)
        try:
            self.value = wanted.read(run.answer.text)
        except ValueError as second:
            self._unread = second

    def _reply(self, run: Run) -> ChatResponse | None:
        reply = run.reply()
        if reply is not None:
            reply.value = self.value if self._alone else None
        return reply

    def _state(self) -> Any:
        answers = tuple(run.answer for run in self.runs)
        return answers[0] if self._alone else answers

    @property
    def _alone(self) -> bool:
        return len(self.runs) == 1
