"""`%%qfchat`: the cell is the question, exactly as it is written."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ..errors import QianfanError, StreamInterrupted
from .arguments import Interrupted, Parser, document, endpoint, keep, name

if TYPE_CHECKING:
    from ..resources.chat import ChatCompletion
    from ..resources.messages import Messages
    from ..resources.reply import ChatResponse
    from ..views.chat import Answer

PARSER = Parser(
    "%%qfchat",
    "Ask a chat model. The cell's text is the prompt, verbatim: braces and $ are not touched.",
    "  %%qfchat -m ERNIE-4.0-8K --session tour\n  推荐三个杭州的景点\n\n  reply = %qfchat 你好",
)
PARSER.add_argument("-m", "--model", metavar="NAME", help="a preset model; default ERNIE-Bot-turbo")
PARSER.add_argument(
    "-e", "--endpoint", metavar="NAME", help="a service of your own, or a variable that holds one"
)
PARSER.add_argument("-s", "--system", metavar="TEXT", help="the model's persona")
PARSER.add_argument("-t", "--temperature", type=float, metavar="X", help="in (0, 1]")
PARSER.add_argument("-o", "--out", type=name, metavar="VAR", help="keep the reply in a variable")
PARSER.add_argument("--session", metavar="NAME", help="remember the conversation under a name")
PARSER.add_argument("--reset", action="store_true", help="forget the session before asking")
PARSER.add_argument("--no-stream", action="store_true", help="show the answer when it is whole")
PARSER.add_argument("--version", type=int, choices=(1, 2), help="the API to use; default: by the kind of key")


@magics_class
class ChatMagics(Magics):
    """The chat cell and its sessions."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.sessions: dict[str, Messages] = {}

    @no_var_expand
    @line_cell_magic
    def qfchat(self, line: str, cell: str | None = None) -> ChatResponse | None:
        options, rest = PARSER.read(line)
        if options.help:
            print(PARSER.format_help())  # noqa: T201 - help was asked for
            return None
        question = (rest if cell is None else cell).strip()
        if cell is not None and rest:
            PARSER.error(f"unexpected {rest[:40]!r} in the first line: the question goes below it")
        if options.reset and options.session:
            self.sessions.pop(options.session, None)
        if not question:
            if options.reset:
                return None
            PARSER.error("the cell is empty: write the question below the first line (请在单元格中写下问题)")
        return self._ask(options, question, quiet=cell is None)

    def _ask(self, options: Namespace, question: str, *, quiet: bool) -> ChatResponse | None:
        from ..resources.chat import ChatCompletion  # noqa: PLC0415 - %load_ext stays fast
        from ..resources.messages import Messages  # noqa: PLC0415

        messages = Messages(self.sessions.get(options.session, Messages()) if options.session else ())
        messages.append(question)
        options.endpoint = endpoint(self.shell, options.endpoint)
        chat = ChatCompletion(options.model, options.endpoint, version=options.version)
        given = {"system": options.system, "temperature": options.temperature}
        if quiet:
            reply = chat.do(messages, **_set(given))
        else:
            reply = self._show(options, chat, messages, _set(given))
        if options.session:
            messages.append(reply)
            self.sessions[options.session] = messages
        self._keep(options, reply)
        return reply if quiet and not options.out else None

    def _show(
        self, options: Namespace, chat: ChatCompletion, messages: Messages, given: dict[str, Any]
    ) -> ChatResponse:
        """Ask with a live output; whatever arrived stays, in the cell and in the variable."""
        from ..views import chat as view  # noqa: PLC0415

        live = view.live(view.Answer(options.endpoint or options.model or ""))
        run = _Run(live.state)
        try:
            for reply in _pieces(chat, messages, stream=not options.no_stream, given=given):
                live.update(run.take(reply))
        except KeyboardInterrupt:
            live.finish(run.ended("interrupted"))
            self._keep(options, run.reply())
            raise Interrupted("已中断，已收到的部分保留在上面 / interrupted; what arrived is kept") from None
        except QianfanError as error:
            if isinstance(error, StreamInterrupted) or run.answer.text:
                live.finish(run.ended("failed"))
                self._keep(options, run.reply())
            else:
                live.discard()
            raise
        live.finish(run.ended("done"))
        whole = run.reply()
        assert whole is not None
        return whole

    def _keep(self, options: Namespace, reply: ChatResponse | None) -> None:
        if options.out and reply is not None:
            keep(self.shell, options.out, reply)


class _Run:
    """Collects the pieces of one answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self._started = time.perf_counter()
        self._pieces: list[ChatResponse] = []

    def take(self, piece: ChatResponse) -> Answer:
        """Return the answer with one more piece."""
        from ..wire.chat import reasoning_of  # noqa: PLC0415

        self._pieces.append(piece)
        seconds = time.perf_counter() - self._started
        first = self.answer.first_token
        tokens = piece.usage.total_tokens
        self.answer = replace(
            self.answer,
            text=self.answer.text + piece.text,
            reasoning=self.answer.reasoning + reasoning_of(piece.body),
            state="streaming",
            seconds=seconds,
            first_token=seconds if first is None and piece.text else first,
            tokens=self.answer.tokens if tokens is None else tokens,
            from_sandbox=piece.from_sandbox,
            request_id=piece.request_id,
            model=self.answer.model or str(piece.body.get("model") or ""),
        )
        return self.answer

    def ended(self, state: Any) -> Answer:
        """Return the answer in its last state."""
        self.answer = replace(self.answer, state=state, seconds=time.perf_counter() - self._started)
        return self.answer

    def reply(self) -> ChatResponse | None:
        """Return the pieces as one reply, None when none arrived."""
        from ..resources.reply import joined  # noqa: PLC0415

        return joined(self._pieces, self.answer.text, self.answer.seconds) if self._pieces else None


def _pieces(
    chat: ChatCompletion, messages: Messages, *, stream: bool, given: dict[str, Any]
) -> Iterator[ChatResponse]:
    if stream:
        yield from chat.do(messages, stream=True, **given)
    else:
        yield chat.do(messages, **given)


def _set(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


document(ChatMagics.qfchat, PARSER)
