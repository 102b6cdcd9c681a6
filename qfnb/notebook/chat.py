"""`%%qfchat`: the cell is the question, exactly as it is written."""

from __future__ import annotations

import argparse
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ..errors import InvalidArgumentError
from . import aliases, awaiting, formats
from .arguments import Parser, document, endpoint, keep, name, shell_of, variables
from .sessions import VERBS, Sessions, expand

if TYPE_CHECKING:
    from ..resources.asking import Version
    from ..resources.chat import ChatCompletion
    from ..resources.messages import Messages
    from ..resources.reply import ChatResponse
    from .asking import Asked, Question

PARSER = Parser(
    "%%qfchat",
    "Ask a chat model, or several at once. The cell's text is the prompt, exactly as it is written.",
    "  %%qfchat -m ERNIE-4.0-8K --session tour\n  推荐三个杭州的景点\n\n"
    "  %%qfchat -m ernie-speed-8k,ernie-4.0-8k        (side by side)\n  一句话解释量子纠缠\n\n"
    "  %%qfchat -f df -o reply        (reply.value is a DataFrame)\n  列出中国四大名著和作者\n\n"
    "  %%qfchat --image photo.png -m ernie-4.5-turbo-vl\n  图里有什么\n\n"
    "  reply = %qfchat 你好\n"
    f"  %qfchat VERB, one of: {', '.join(VERBS.values())}, alias NAME MODEL\n"
    "  %qfchat --explain                               (the last exception of the notebook)",
)
PARSER.add_argument(
    "-m", "--model", metavar="NAME[,NAME...]", help="a model, or several; default ERNIE-Bot-turbo"
)
PARSER.add_argument(
    "-e", "--endpoint", metavar="NAME", help="a service of your own, or a variable that holds one"
)
PARSER.add_argument("-s", "--system", metavar="TEXT", help="the model's persona")
PARSER.add_argument("-t", "--temperature", type=float, metavar="X", help="in (0, 1]")
PARSER.add_argument(
    "-f", "--format", metavar="FORMAT", default="markdown", help=f"{', '.join(formats.NAMES)}, pydantic:NAME"
)
PARSER.add_argument("-o", "--out", type=name, metavar="VAR", help="keep the reply (or replies) in a variable")
PARSER.add_argument("--session", metavar="NAME", help="remember the conversation under a name")
PARSER.add_argument("--reset", action="store_true", help="forget the session before asking")
PARSER.add_argument("--image", action="append", metavar="PATH", help="attach a picture, for models that see")
PARSER.add_argument("--expand", action="store_true", help="put variables into {{name}}")
PARSER.add_argument("--next-cell", action="store_true", help="put the answer's code into the next cell")
PARSER.add_argument("--no-stream", action="store_true", help="show the answer when it is whole")
PARSER.add_argument("--explain", action="store_true", help="ask about the last exception of the notebook")
PARSER.add_argument("--version", type=int, choices=(1, 2), help="the API to use; default: by the kind of key")
PARSER.add_argument(awaiting.FLAG, dest="awaited", action="store_true", help=argparse.SUPPRESS)

KEPT = "已中断，已收到的部分保留在上面 / interrupted; what arrived is kept"


@magics_class
class ChatMagics(Magics):
    """The chat cell, its sessions and aliases."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.sessions = Sessions()

    @no_var_expand
    @line_cell_magic
    def qfchat(self, line: str, cell: str | None = None) -> Any:
        options, rest = PARSER.read(line)
        if options.help:
            print(PARSER.format_help())  # noqa: T201 - help was asked for
            return None
        if cell is None and not options.explain:
            words = rest.split()
            if self.sessions.understands(words):
                return self.sessions.run(words)
            if words[:1] == ["alias"] and len(words) in {1, 3}:
                return aliases.run(words[1:])
        if cell is not None and rest:
            PARSER.error(f"unexpected {rest[:40]!r} in the first line: the question goes below it")
        text = self._text(options, rest if cell is None else cell)
        if options.reset:
            self.sessions.forget(options.session)
        if not text:
            if options.reset:
                return None
            PARSER.error("the cell is empty: write the question below the first line (请在单元格中写下问题)")
        return self._ask(options, text, quiet=cell is None and not options.explain)

    def _text(self, options: Namespace, written: str) -> str:
        text = written.strip()
        if options.explain:
            from .explaining import last_exception  # noqa: PLC0415 - only when it is asked for

            text = last_exception(self.shell, text)
        return expand(text, variables(self.shell)) if options.expand else text

    def _ask(self, options: Namespace, text: str, *, quiet: bool) -> Any:
        if options.format == "image":
            return self._draw(options, text)
        question, talk = self._question(options, text)
        if quiet:
            return self._quietly(options, question, talk)
        from .asking import Asked  # noqa: PLC0415 - %load_ext stays fast

        job: awaiting.Job[None] = awaiting.Job()
        asked = Asked(question, job.stop)

        def end(interrupted: bool) -> None:
            replies = asked.end(interrupted=interrupted)
            self._keep(options, replies)
            if not interrupted:
                asked.raise_if_failed()
                self._after(options, asked, talk, replies)

        return awaiting.finish(asked.work(), job, end, KEPT, awaited=options.awaited)

    def _draw(self, options: Namespace, text: str) -> Any:
        """Hand the cell to `%%qfimage`."""
        wanted = [("-m", options.model), ("-o", options.out), (awaiting.FLAG, options.awaited)]
        words = " ".join(f"{flag} {value if value is not True else ''}" for flag, value in wanted if value)
        return shell_of(self).run_cell_magic("qfimage", words, text)

    def _quietly(self, options: Namespace, question: Question, talk: Messages) -> ChatResponse | None:
        """Ask without an output; the reply is the line's value."""
        (_, ask), wanted = question.models[0], question.format
        if len(question.models) > 1:
            PARSER.error("several models are compared in a cell: %%qfchat -m a,b")
        reply = ask.do(talk, **question.given)
        reply.value = wanted.read(reply.text)
        talk.append(reply)
        self.sessions.keep(options.session, talk)
        self._keep(options, [reply])
        return None if options.out else reply

    def _question(self, options: Namespace, text: str) -> tuple[Question, Messages]:
        from .asking import Question  # noqa: PLC0415

        talk = self.sessions.start(options.session)
        talk.append({"role": "user", "content": _with_pictures(text, options.image)})
        wanted = formats.format_of(options.format, variables(self.shell))
        models = self._models(options)
        if len(models) > 1 and options.session:
            PARSER.error("--session remembers one conversation: it cannot go with several models")
        if len(models) > 1 and wanted.again:
            PARSER.error(f"-f {wanted.name} reads one answer: it cannot go with several models")
        persona = "\n".join(part for part in (options.system, wanted.instruction) if part)
        given: dict[str, Any] = {"system": persona or None, "temperature": options.temperature}
        given = {key: value for key, value in given.items() if value is not None}
        if wanted.json_mode:
            given["response_format"] = {"type": "json_object"}
        return Question(talk, models, given, wanted, stream=not options.no_stream), talk

    def _models(self, options: Namespace) -> list[tuple[str, ChatCompletion]]:
        from ..resources.chat import ChatCompletion  # noqa: PLC0415 - %load_ext stays fast

        version: Version | None = options.version or (2 if options.image else None)
        service = endpoint(self.shell, options.endpoint)
        asked = [part.strip() for part in (options.model or "").split(",") if part.strip()]
        if service and asked:
            PARSER.error("-e and -m: give a service of your own or models, not both")
        if service:
            return [(service, ChatCompletion(None, service, version=version))]
        found: list[str] = [aliases.model(model) for model in dict.fromkeys(asked)]
        return [(model, self._one(model, version)) for model in found or [""]]

    def _one(self, model: str, version: Version | None) -> ChatCompletion:
        """Return what asks a model; a variable that holds a service may stand in a list of models."""
        from ..resources.chat import ChatCompletion  # noqa: PLC0415

        value = variables(self.shell).get(model)
        own = getattr(value, "endpoint", None)
        if isinstance(own, str):
            return ChatCompletion(None, own, version=version)
        return ChatCompletion(model or None, None, version=version)

    def _keep(self, options: Namespace, replies: list[ChatResponse | None]) -> None:
        if options.out and any(reply is not None for reply in replies):
            keep(self.shell, options.out, replies[0] if len(replies) == 1 else replies)

    def _after(
        self, options: Namespace, asked: Asked, talk: Messages, replies: list[ChatResponse | None]
    ) -> None:
        """Remember the conversation, show the table, fill the next cell."""
        reply = replies[0]
        if options.session and reply is not None:
            talk.append(reply)
            self.sessions.keep(options.session, talk)
        if asked.question.format.name == "df" and asked.value is not None:
            from IPython.display import display  # noqa: PLC0415 - only under IPython

            display(asked.value)  # type: ignore[no-untyped-call]
        if options.next_cell and reply is not None:
            shell_of(self).set_next_input(formats.code(reply.text), replace=False)


def _with_pictures(text: str, paths: list[str] | None) -> Any:
    """Return a turn's content: the text, or its parts when pictures are attached."""
    if not paths:
        return text
    from ..resources.image2text import read_image, to_data_url  # noqa: PLC0415 - only with pictures

    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    for path in paths:
        try:
            parts.append({"type": "image_url", "image_url": {"url": to_data_url(read_image(path))}})
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"--image {path}: {error}") from None
    return parts


document(ChatMagics.qfchat, PARSER)
