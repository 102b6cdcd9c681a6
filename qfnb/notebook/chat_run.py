"""One question to one or several models: streams the answers into the cell, keeps whatever
arrived.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from .. import connect
from .._notices import collecting
from ..base.language import tr
from ..base.text import did_you_mean, listed
from ..errors import InvalidArgumentError, QianfanError, StreamInterrupted, UnreadableAnswer
from ..redact import hide_keys
from ..resources.inference.arguments import Messages
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.inference_model import InferenceCall
from ..resources.inference.model_choice import find_replacement
from ..resources.inference.reply import ChatResponse, Reply, join_pieces
from ..resources.inference.response_format import (
    JSON_ONLY,
    ROWS_ONLY,
    Prompt,
    ResponseFormat,
    Turns,
    correction_turns,
    extract_code,
    in_language_of,
    parse_json,
    parse_response_format,
)
from ..resources.inference.tools import Tool, ToolLoop, ask_user, describe_call
from ..views import chat
from ..views.chat import AnswerForm, AnswerState, StreamedAnswer
from ..views.panel import open_with_stop_button


@dataclass(frozen=True)
class AnswerFormat:
    """How an answer is requested, shown and parsed."""

    name: str  # the value of the option `-f`
    instruction: Prompt = ("", "")  # added to the system prompt
    # of `ChatCompletion.do`, None where nothing is sent
    response_format: ResponseFormat | str | None = None
    parse: Callable[[str], Any] = str  # returns the value of a text; raises ValueError
    form: AnswerForm = "code"  # how the text is shown
    retry: bool = False  # ask again, once, when the answer cannot be parsed

    def correction(self, text: str, error: ValueError, turns: Turns) -> list[dict[str, Any]]:
        """Return the turns that ask once more: the answer, and what was wrong with it."""
        if isinstance(self.response_format, ResponseFormat):
            return self.response_format.correction(text, error, turns)
        return correction_turns(text, error, in_language_of(turns, self.instruction), turns)


def find_format(name: str, variables: Mapping[str, Any]) -> AnswerFormat:
    """Return the format that an option names; `pydantic:NAME` is a class of the notebook, or a
    variable that holds a JSON Schema.

    Raises:
        InvalidArgumentError: the format, or the class, is unknown.
    """
    kind, colon, variable = name.partition(":")
    if kind != "pydantic" or not colon:
        if name not in FORMATS:
            formats = listed(FORMATS)
            raise InvalidArgumentError(
                tr(
                    "-f {name}: must be one of {formats} or pydantic:NAME",
                    name=name,
                    formats=formats,
                )
            )
        return FORMATS[name]
    if not variable:
        raise InvalidArgumentError(
            tr(
                "-f {name} needs the name of a class in the notebook, e.g. -f pydantic:Book",
                name=name,
            )
        )
    if variable not in variables:
        raise InvalidArgumentError(
            tr(
                "-f {name}: the notebook has no variable {variable!r}{hint}",
                name=name,
                variable=variable,
                hint=did_you_mean(variable, variables),
            )
        )
    schema = parse_response_format(variables[variable])
    return AnswerFormat(name, response_format=schema, parse=schema.parse, form="folded", retry=True)


def records_of(value: Any) -> list[dict[str, Any]]:
    """Return a list of objects as rows of a table, [] for every other value."""
    if not isinstance(value, (list, tuple)):
        return []
    rows = [item.model_dump() if hasattr(item, "model_dump") else item for item in value]
    if all(isinstance(row, dict) for row in rows):
        return rows
    return []


def parse_frame(text: str) -> Any:
    """Return the table of an answer as a DataFrame: JSON rows or a Markdown table.

    Raises:
        ValueError: the answer has no table.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    lines = [line.strip() for line in text.splitlines()]
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append(line.strip("|").split("|"))
    if len(rows) > 2:  # below the heads is a rule
        frame = pd.DataFrame(rows[2:], columns=rows[0])
        return frame.map(str.strip).rename(columns=str.strip)
    value = parse_json(text)
    if isinstance(value, dict):
        tables = [item for item in value.values() if isinstance(item, list)]
        value = tables[0] if len(tables) == 1 else [value]
    return pd.DataFrame(value)


FORMATS = {
    "markdown": AnswerFormat("markdown", form="markdown"),
    "text": AnswerFormat("text", form="text"),
    "code": AnswerFormat("code", parse=extract_code),
    "json": AnswerFormat("json", JSON_ONLY, "json_object", parse_json, retry=True),
    "df": AnswerFormat("df", ROWS_ONLY, parse=parse_frame, form="folded", retry=True),
    "image": AnswerFormat("image"),
}
"""The formats by name, in the order of the help."""


@dataclass
class AnswerStream:
    """One model that answers the question, in one round or several.

    Attributes:
        pieces: of the present round.
        earlier: the replies of the rounds before it.
        tool_loop: runs the functions that it may call.
        notices: remarks about the call, which the answer shows.
        say_options: puts the magic's options in the place of the parameters that a message names.
    """

    answer: StreamedAnswer
    client: ChatCompletion
    call: InferenceCall[ChatResponse]
    error: QianfanError | None = None
    pieces: list[ChatResponse] = field(default_factory=list)
    earlier: list[Reply[Any]] = field(default_factory=list)
    tool_loop: ToolLoop | None = None
    started: float = field(default_factory=time.perf_counter)
    notices: list[str] = field(default_factory=list)
    say_options: Callable[[str], str] = str

    def change(self, **values: Any) -> None:
        """Change what is shown of the answer."""
        self.answer = replace(self.answer, **values)

    def start_round(self) -> None:
        """Keep the reply so far as an earlier one; its text is replaced."""
        self.earlier += filter(None, [self._join_pieces()])
        self.pieces = []
        reasoning = self.answer.reasoning
        state = "waiting"
        if self.answer.steps:
            state = "streaming"
        self.change(text="", reasoning=f"{reasoning}\n\n" if reasoning else "", state=state)

    def keep_as_preface(self) -> None:
        """Show the text so far above the functions that it calls."""
        preface = "\n\n".join(filter(None, [self.answer.preface, self.answer.text]))
        self.change(text="", preface=preface)

    def add_piece(self, piece: ChatResponse) -> None:
        """Add a piece to the answer."""
        self.pieces.append(piece)
        current = self.answer
        seconds = time.perf_counter() - self.started
        if current.first_token is None and piece.text:
            self.change(first_token=seconds)
        if piece.usage.total_tokens is not None:
            self.change(**chat.usage_facts([*self.earlier, piece]))
        self.change(
            text=current.text + piece.text,
            reasoning=current.reasoning + piece.reasoning,
            state="streaming",
            seconds=seconds,
            from_sandbox=piece.from_sandbox,
            request_id=piece.request_id,
            model=current.model or str(piece.body.get("model") or ""),
            replacement=find_replacement(current.model, piece.model),
        )

    def finish(self, state: AnswerState, error: QianfanError | None = None) -> None:
        """Record how the answer ended."""
        self.error = error
        reply = self._join_pieces()
        self.change(
            state=state,
            seconds=time.perf_counter() - self.started,
            error=self.say_options(str(error).splitlines()[0]) if error else "",
            running="",
            text=hide_keys(self.answer.text),
            reasoning=hide_keys(self.answer.reasoning),
            is_cut_while_thinking=reply is not None and reply.is_cut_while_thinking,
            notices=[hide_keys(self.say_options(text)) for text in self.notices],
        )

    def to_reply(self) -> ChatResponse | None:
        """Return the last round as a reply that knows those before it, None when nothing
        arrived.
        """
        reply = self._join_pieces()
        if reply is not None:
            reply.earlier = tuple(self.earlier)
            if self.tool_loop is not None:
                reply.steps = tuple(self.tool_loop.steps)
                reply.turns = self.tool_loop.turns
        return reply

    def _join_pieces(self) -> ChatResponse | None:
        if not self.pieces:
            return None
        text = "".join(piece.text for piece in self.pieces)
        return join_pieces(self.pieces, text, self.answer.seconds)


@dataclass
class CellRequest:
    """A question, who is asked, and how the answers are read.

    Attributes:
        turns: the conversation, which ends with the question.
        models: labels and clients, in the order of display.
        options: of `ChatCompletion.do`.
        tools: functions that the model may call.
        say_options: as in `AnswerStream`.
    """

    turns: list[dict[str, Any]]
    models: Sequence[tuple[str, ChatCompletion]]
    options: Mapping[str, Any]
    format: AnswerFormat
    stream: bool = True
    tools: Sequence[Tool] = ()
    say_options: Callable[[str], str] = str


class ChatRun:
    """A question being answered in a cell: `run` on the I/O loop, `finish` on the cell's thread."""

    def __init__(self, request: CellRequest, stop: Callable[[], None]) -> None:
        self.request = request
        self._options = dict(request.options)
        if isinstance(response_format := self._options.get("response_format"), ResponseFormat):
            # `_parse_value` does it
            self._options["response_format"] = replace(response_format, is_checked=False)
        self.streams = [self._open_stream(label, client) for label, client in request.models]
        self._first = self.streams[0]
        self._is_single = len(self.streams) == 1
        self.live = open_with_stop_button(
            self._state(),
            html=chat.live_html,
            final=chat.answers_bundle,
            stop=stop,
            tooltip=tr("Stop this answer") if self._is_single else tr("Stop these answers"),
        )
        self.value: Any = None
        self._parse_error: ValueError | None = None
        self._failure: QianfanError | None = None

    def _open_stream(self, label: str, client: ChatCompletion) -> AnswerStream:
        answer = StreamedAnswer(label, form=self.request.format.form)
        notices: list[str] = []
        with collecting(notices):
            call = client.prepare(self.request.turns, stream=self.request.stream, **self._options)
        return AnswerStream(
            answer, client, call, notices=notices, say_options=self.request.say_options
        )

    async def run(self) -> None:
        """Ask all models at once; a model that fails does not disturb the others."""
        await asyncio.gather(*map(self._stream_answer, self.streams))
        if self._is_single and self._first.error is None:
            await self._parse_value(self._first)

    def finish(self, *, interrupted: bool = False) -> list[ChatResponse | None]:
        """Show the last state and return the replies, None for a model that did not answer."""
        for stream in self.streams:
            if stream.answer.state in {"waiting", "streaming"}:
                stream.finish("interrupted")
        errors = []
        for stream in self.streams:
            if stream.error is not None:
                errors.append(stream.error)
        if len(errors) == len(self.streams) and not interrupted:
            self._failure = errors[0]
        answer = self._first.answer
        has_failed = self._is_single and bool(errors)
        is_empty = not (answer.text or answer.reasoning or answer.steps)
        if has_failed and is_empty and not isinstance(errors[0], StreamInterrupted):
            self.live.remove()
        else:
            if has_failed:  # the error below the answer says it
                self._first.change(error="")
            self.live.finish(self._state())
        replies = [stream.to_reply() for stream in self.streams]
        for reply in filter(None, replies):
            reply.parsed = self.value
        return replies

    def raise_if_failed(self) -> None:
        """Raise the error that ended all answers, or that made the answer unreadable."""
        if self._failure is not None:
            raise self._failure
        if self._parse_error is None:
            return
        reason = next(iter(str(self._parse_error).splitlines()), tr("it is empty"))
        name = self.request.format.name
        text = tr("the answer is not {format}: {reason}", format=name, reason=reason)
        kept = tr("the answer is kept above and in the -o variable")
        raise UnreadableAnswer(f"{text}\n{kept}", answer=self._first.answer.text)

    async def _stream_answer(self, stream: AnswerStream) -> None:
        receive = self._run_tools if self.request.tools else self._receive
        with collecting(stream.notices):
            with contextlib.suppress(QianfanError):  # the call below raises it
                await connect.aclient()  # the time of an answer is not that of the sandbox's start
            stream.started = time.perf_counter()
            await self._receive_or_fail(stream, receive)

    async def _receive_or_fail(
        self, stream: AnswerStream, receive: Callable[[AnswerStream], Awaitable[None]]
    ) -> None:
        try:
            await receive(stream)
        except asyncio.CancelledError:
            stream.finish("interrupted")
            raise
        except QianfanError as error:
            stream.finish("failed", error)
        else:
            stream.finish("done")
        self.live.update(self._state())

    async def _receive(self, stream: AnswerStream) -> None:
        """Send the call and add what comes to the answer."""
        if not self.request.stream:
            stream.add_piece(await stream.client.send(stream.call))
            return
        async with aclosing(stream.client.stream(stream.call)) as pieces:
            async for piece in pieces:
                stream.add_piece(piece)
                self.live.update(self._state())

    async def _run_tools(self, stream: AnswerStream) -> None:
        """Let the model call functions until it answers; each call is shown."""

        async def ask(messages: Messages, options: dict[str, Any]) -> ChatResponse:
            stream.call = stream.client.prepare(messages, stream=self.request.stream, **options)
            if stream.pieces:
                stream.start_round()
            await self._receive(stream)
            reply = join_pieces(stream.pieces, stream.answer.text, stream.answer.seconds)
            if reply.tool_calls:
                stream.keep_as_preface()
            return reply

        def show_steps(running: str = "") -> None:
            stream.change(steps=tuple(tool_loop.steps), running=running)
            self.live.update(self._state())

        tool_loop = ToolLoop(
            list(self.request.tools),
            on_call=lambda call: show_steps(describe_call(call)),
            on_step=lambda _: show_steps(),
            is_allowed=lambda call: self.live.mode != "static" and ask_user(call),
        )
        stream.tool_loop = tool_loop
        await tool_loop.run(ask, self.request.turns, self._options)

    async def _parse_value(self, stream: AnswerStream) -> None:
        """Set the value of the answer; ask again when it cannot be parsed and the format says
        so.
        """
        answer_format = self.request.format
        try:
            self.value = answer_format.parse(stream.answer.text)
        except ValueError as error:
            self._parse_error = error
        if self._parse_error is None or not answer_format.retry:
            return
        between = stream.tool_loop.turns if stream.tool_loop else ()
        text = stream.answer.text
        correction = answer_format.correction(text, self._parse_error, self.request.turns)
        turns = [*self.request.turns, *between, *correction]
        stream.call = stream.client.prepare(turns, stream=self.request.stream, **self._options)
        stream.start_round()
        await self._receive_or_fail(stream, self._receive)
        try:
            self.value = answer_format.parse(stream.answer.text)
            self._parse_error = None
        except ValueError as error:
            self._parse_error = error

    def _state(self) -> tuple[StreamedAnswer, ...]:
        return tuple(stream.answer for stream in self.streams)
