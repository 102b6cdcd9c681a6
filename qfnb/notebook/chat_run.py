"""One question to one or several models: streams the answers into the cell, keeps whatever
arrived.
"""

import asyncio
import io
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from .._notices import collecting
from ..base.language import tr
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError, QianfanError, StreamInterrupted, UnreadableAnswer
from ..redact import hide_keys
from ..resources.inference.arguments import Messages
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.inference_model import InferenceCall
from ..resources.inference.model_choice import find_replacement
from ..resources.inference.reply import ChatResponse, Reply, ToolCall, join_pieces
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
from ..resources.inference.tool_loop import ToolLoop
from ..resources.inference.tools import Tool, ask_user, describe_call
from ..sandbox import process
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
    """Return the format that an option names.

    Raises:
        InvalidArgumentError: the format, or the pydantic model, is unknown.
    """
    if name.startswith("pydantic:"):
        return _schema_format(name, variables)
    if name not in FORMATS:
        raise InvalidArgumentError(
            tr(
                "-f {name}: must be one of {formats} or pydantic:NAME",
                name=name,
                formats=tr(", ").join(FORMATS),
            )
        )
    return FORMATS[name]


def records_of(value: Any) -> list[dict[str, Any]]:
    """Return a list of objects as rows of a table, [] for every other value."""
    if not isinstance(value, (list, tuple)):
        return []
    rows = [item.model_dump() if hasattr(item, "model_dump") else item for item in value]
    if all(isinstance(row, dict) for row in rows):
        return rows
    return []


def parse_frame(text: str) -> Any:
    """Return the table of an answer as a DataFrame: JSON rows, a Markdown table, or CSV.

    Raises:
        ValueError: the answer has no table.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    rows = [line.strip().strip("|") for line in text.splitlines() if line.strip().startswith("|")]
    if len(rows) >= 2:
        cells = [[cell.strip() for cell in row.split("|")] for row in rows]
        body = [row for row in cells[1:] if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
        return pd.DataFrame(body, columns=cells[0])
    try:
        value = parse_json(text)
    except ValueError:
        return _parse_csv(extract_code(text))
    if isinstance(value, dict):
        tables = [item for item in value.values() if isinstance(item, list)]
        if len(tables) == 1:
            value = tables[0]
        else:
            value = [value]
    return pd.DataFrame(value)


def _parse_csv(text: str) -> Any:
    import pandas as pd  # noqa: PLC0415

    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or "," not in lines[0]:
        raise ValueError(tr("the answer contains no table"))
    try:
        return pd.read_csv(io.StringIO(text))
    except pd.errors.ParserError as error:
        raise ValueError(tr("the table cannot be parsed: {error}", error=error)) from None


def _schema_format(name: str, variables: Mapping[str, Any]) -> AnswerFormat:
    """Return the format of `pydantic:NAME`: a class of the notebook, or a variable that holds a
    JSON Schema.
    """
    variable = name.partition(":")[2]
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
    response_format = parse_response_format(variables[variable])
    parse = response_format.parse
    return AnswerFormat(
        name, response_format=response_format, parse=parse, form="folded", retry=True
    )


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

    def start_round(self) -> None:
        """Keep the reply so far as an earlier one; its text is replaced."""
        self.earlier += filter(None, [self._join_pieces()])
        if self.answer.reasoning:
            reasoning = f"{self.answer.reasoning}\n\n"
        else:
            reasoning = ""
        state: AnswerState = "streaming" if self.answer.steps else "waiting"
        self.answer = replace(self.answer, text="", reasoning=reasoning, state=state)
        self.pieces = []

    def keep_as_preface(self) -> None:
        """Show the text so far above the functions that it calls."""
        preface = "\n\n".join(filter(None, [self.answer.preface, self.answer.text]))
        self.answer = replace(self.answer, text="", preface=preface)

    def add_piece(self, piece: ChatResponse) -> None:
        """Add a piece to the answer."""
        self.pieces.append(piece)
        current = self.answer
        seconds = time.perf_counter() - self.started
        is_counted = piece.usage.total_tokens is not None
        self.answer = replace(
            current,
            text=current.text + piece.text,
            reasoning=current.reasoning + piece.reasoning,
            state="streaming",
            seconds=seconds,
            first_token=seconds
            if current.first_token is None and piece.text
            else current.first_token,
            from_sandbox=piece.from_sandbox,
            request_id=piece.request_id,
            model=current.model or str(piece.body.get("model") or ""),
            replacement=find_replacement(current.model, piece.model),
            **(chat.usage_facts([*self.earlier, piece]) if is_counted else {}),
        )

    def finish(self, state: Any, error: QianfanError | None = None) -> None:
        """Record how the answer ended."""
        reply = self._join_pieces()
        self.error = error
        is_cut = reply is not None and reply.is_cut_while_thinking
        if error is None:
            message = ""
        else:
            message = self.say_options(str(error).splitlines()[0])
        seconds = time.perf_counter() - self.started
        answer = replace(self.answer, state=state, seconds=seconds, error=message, running="")
        text = hide_keys(answer.text)
        reasoning = hide_keys(answer.reasoning)
        if answer.from_sandbox:
            notice = process.claim_damage_notice()
        else:
            notice = ""
        notices = tuple(hide_keys(self.say_options(text)) for text in self.notices)
        answer = replace(
            answer, text=text, reasoning=reasoning, is_cut_while_thinking=is_cut, notices=notices
        )
        self.answer = replace(answer, damage_notice=notice)

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
        text = "".join(piece.text for piece in self.pieces)
        if self.pieces:
            return join_pieces(self.pieces, text, self.answer.seconds)
        return None


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
        form = request.format.form
        self._options = dict(request.options)
        if isinstance(response_format := self._options.get("response_format"), ResponseFormat):
            # `_parse_value` does it
            self._options["response_format"] = replace(response_format, is_checked=False)
        answers = tuple(StreamedAnswer(label, form=form) for label, _ in request.models)
        self.streams = [
            self._prepare(answer, client)
            for answer, (_, client) in zip(answers, request.models, strict=True)
        ]
        self.live = open_with_stop_button(
            answers,
            html=chat.live_html,
            final=chat.answers_bundle,
            stop=stop,
            tooltip=tr("Stop this answer") if len(answers) == 1 else tr("Stop these answers"),
        )
        self.value: Any = None
        self._parse_error: ValueError | None = None
        self._failure: QianfanError | None = None

    def _prepare(self, answer: StreamedAnswer, client: ChatCompletion) -> AnswerStream:
        notices: list[str] = []
        with collecting(notices):
            call = client.prepare(self.request.turns, stream=self.request.stream, **self._options)
        return AnswerStream(
            answer, client, call, notices=notices, say_options=self.request.say_options
        )

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
        first = self.streams[0].answer
        is_empty = self._is_single and errors and not (first.text or first.reasoning or first.steps)
        if is_empty and not isinstance(errors[0], StreamInterrupted):
            self.live.remove()
        else:
            if self._is_single and errors:  # the error below the answer says it
                self.streams[0].answer = replace(first, error="")
            self.live.finish(self._state())
        if not (len(errors) == len(self.streams) and not interrupted):
            self._failure = None
        else:
            self._failure = errors[0]
        return [self._to_reply(stream) for stream in self.streams]

    def raise_if_failed(self) -> None:
        """Raise the error that ended all answers, or that made the answer unreadable."""
        if self._failure is not None:
            raise self._failure
        if self._parse_error is not None:
            if str(self._parse_error):
                reason = str(self._parse_error).splitlines()[0]
            else:
                reason = tr(tr("it is empty"))
            raise UnreadableAnswer(
                tr(
                    "the answer is not {format}: {reason}",
                    format=self.request.format.name,
                    reason=reason,
                )
                + "\n"
                + tr("the answer is kept above and in the -o variable"),
                answer=self.streams[0].answer.text,
            )

    async def _stream_answer(self, stream: AnswerStream) -> None:
        stream.started = time.perf_counter()
        with collecting(stream.notices):
            await self._receive_or_fail(
                stream, self._run_tools if self.request.tools else self._receive
            )

    async def _receive_or_fail(
        self, stream: AnswerStream, receive: Callable[[AnswerStream], Awaitable[None]] | None = None
    ) -> None:
        try:
            await (receive or self._receive)(stream)
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

        def show_call(call: ToolCall) -> None:
            self._show_steps(stream, describe_call(call))

        stream.tool_loop = ToolLoop(
            list(self.request.tools),
            on_call=show_call,
            on_step=lambda _: self._show_steps(stream, ""),
            is_allowed=lambda call: self.live.mode != "static" and ask_user(call),
        )
        await stream.tool_loop.run(ask, self.request.turns, self._options)

    def _show_steps(self, stream: AnswerStream, running: str) -> None:
        if stream.tool_loop:
            steps = tuple(stream.tool_loop.steps)
        else:
            steps = ()
        stream.answer = replace(stream.answer, steps=steps, running=running)
        self.live.update(self._state())

    async def _parse_value(self, stream: AnswerStream) -> None:
        """Set the value of the answer; ask again when it cannot be parsed and the format says
        so.
        """
        answer_format = self.request.format
        try:
            self.value = answer_format.parse(stream.answer.text)
        except ValueError as error:
            if not answer_format.retry:
                self._parse_error = error
                return
            await self._ask_again(stream, error)

    async def _ask_again(self, stream: AnswerStream, error: ValueError) -> None:
        answer_format = self.request.format
        between = stream.tool_loop.turns if stream.tool_loop else ()
        turns = [*self.request.turns, *between]
        turns += answer_format.correction(stream.answer.text, error, self.request.turns)
        stream.call = stream.client.prepare(turns, stream=self.request.stream, **self._options)
        stream.start_round()
        await self._receive_or_fail(stream)
        try:
            self.value = answer_format.parse(stream.answer.text)
        except ValueError as second_error:
            self._parse_error = second_error

    def _to_reply(self, stream: AnswerStream) -> ChatResponse | None:
        reply = stream.to_reply()
        if reply is not None:
            if not self._is_single:
                reply.parsed = None
            else:
                reply.parsed = self.value
        return reply

    def _state(self) -> tuple[StreamedAnswer, ...]:
        return tuple(stream.answer for stream in self.streams)

    @property
    def _is_single(self) -> bool:
        return len(self.streams) == 1
