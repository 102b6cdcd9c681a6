"""`%%qfchat`: the cell is the question, exactly as it is written."""

from __future__ import annotations

import functools
import inspect
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ..base.language import tr, tr_noop
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError, UnreadableAnswer
from ..resources.inference.response_format import extract_code, in_language_of
from ..resources.inference.thinking import parse_think
from . import await_cell, parser
from .chat_run import FORMATS, find_format, records_of
from .conversations import VERBS, Conversations
from .image import resolve_picture
from .parser import Parser, document_magic, get_shell, store_variable, user_variables, variable_name
from .prompt_context import expand_prompt, explain_prompt
from .services import explain_model, find_service, resolve_endpoint

if TYPE_CHECKING:
    from ..resources.inference.chat import ChatCompletion
    from ..resources.inference.inference_model import Version
    from ..resources.inference.reply import ChatResponse
    from ..resources.inference.tools import Tool
    from .chat_run import CellRequest, ChatRun

PARSER = Parser(
    "%%qfchat",
    tr_noop(
        "Ask a chat model, or several at once. The cell's text is the prompt, exactly as it is "
        "written."
    ),
    tr_noop(
        "  %%qfchat -m ernie-5.1 --session tour\n  Recommend three sights in Hangzhou\n\n"
        "  %%qfchat -m ernie-4.5-turbo-128k,ernie-5.1        (side by side)\n"
        "  Explain quantum entanglement in one sentence\n\n"
        "  %%qfchat -f df -o reply        (reply.parsed is a DataFrame)\n"
        "  The four classic Chinese novels and their authors\n\n"
        "  %%qfchat --think high --tools weather,search   (functions of the notebook)\n"
        "  Do I need an umbrella in Hangzhou tomorrow?\n\n"
        "  %%qfchat --image photo.png -m ernie-4.5-turbo-vl\n  What is in the picture?\n\n"
        "  reply = %qfchat Hello\n"
        "  %qfchat VERB, one of: {verbs}, alias NAME MODEL, help\n"
        "  %qfchat --explain                               (the last exception of the notebook)"
    ),
    verbs=", ".join(VERBS.values()),
)
PARSER.add_option(
    "-m",
    "--model",
    metavar="NAME[,NAME...]",
    help=tr_noop("one model, or several; default: the default chat model"),
    complete=parser.chat_models,
)
PARSER.add_option(
    "-e",
    "--endpoint",
    metavar="NAME",
    help=tr_noop("a service of your own: its name, id or suffix, or its training"),
    complete=parser.endpoints,
)
PARSER.add_option(
    "-s", "--system", metavar="TEXT", help=tr_noop("the system prompt: who the model is")
)
PARSER.add_temperature_option()
PARSER.add_option(
    "-f",
    "--format",
    metavar="FORMAT",
    default="markdown",
    help=f"{', '.join(FORMATS)}, pydantic:NAME",
    complete=lambda _: [*FORMATS, "pydantic:"],
)
PARSER.add_option(
    "-o",
    "--out",
    type=variable_name,
    metavar="VAR",
    help=tr_noop("keep the reply (or replies) in a variable"),
)
PARSER.add_think_option()
PARSER.add_option(
    "--tools",
    metavar="NAME[,NAME...]",
    help=tr_noop("functions of the notebook that the model may call"),
    complete=lambda magics: [
        name for name, value in user_variables(magics.shell).items() if inspect.isroutine(value)
    ],
)
PARSER.add_option(
    "--session",
    metavar="NAME",
    help=tr_noop("remember the conversation under a name"),
    complete=lambda magics: magics.conversations,
)
PARSER.add_option(
    "--reset", action="store_true", help=tr_noop("forget the conversation before asking")
)
PARSER.add_option(
    "--image",
    action="append",
    metavar="FILE",
    help=tr_noop("attach a picture: a file or a variable"),
)
PARSER.add_option(
    "--expand",
    action="store_true",
    help=tr_noop(
        "fill in {{name}}: text, a table's schema and first rows, an array; {{In[3]}}, "
        "{{Out[3]}}, {{Err}}"
    ),
)
PARSER.add_option(
    "--next-cell", action="store_true", help=tr_noop("put the answer's code into the next cell")
)
PARSER.add_option(
    "--no-stream", action="store_true", help=tr_noop("show the answer when it is complete")
)
PARSER.add_option(
    "--explain", action="store_true", help=tr_noop("ask about the last exception of the notebook")
)
PARSER.add_option(
    "--version",
    type=int,
    choices=(1, 2),
    help=tr_noop("the API to use; default: by the kind of key"),
)

INTERRUPTED = tr_noop("interrupted; what arrived is kept above")


@magics_class
class ChatMagics(Magics):
    """The chat cell, its conversations and aliases."""

    parser = PARSER

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.conversations = Conversations()

    @no_var_expand
    @line_cell_magic
    @PARSER.speak
    def qfchat(self, line: str, cell: str | None = None) -> Any:
        options, remaining = PARSER.parse_line(line)
        chat_options = PARSER.keywords(options)
        if options.help or (cell is None and remaining == "help"):
            return await_cell.print_help(PARSER, awaited=options.awaited)
        if cell is None and not options.explain:
            words = remaining.split()
            if self.conversations.is_command(words):
                return self.conversations.run_command(words)
            if words[:1] == ["alias"] and len(words) in {1, 3}:
                if names := parser.run_command(words[1:]):
                    return names
                print(tr("there is no alias: `%qfchat alias NAME MODEL` makes one"))  # noqa: T201 - what was asked for
                return None
        if cell is not None and remaining:
            PARSER.error(
                tr(
                    "unexpected {text!r} in the first line: the question goes below it",
                    text=remaining[:40],
                )
            )
        text = self._prompt_text(options, remaining if cell is None else cell)
        if options.reset:
            self.conversations.reset(options.session)
        if not text:
            if options.reset:
                return await_cell.no_result(awaited=options.awaited)
            PARSER.error(tr("the cell is empty: write the question below the first line"))
        explaining = functools.partial(explain_model, self.shell, options.model, line)
        as_value = cell is None and not options.explain
        return self._ask(options, text, chat_options, explaining, as_value=as_value)

    def complete_word(self, previous: str) -> list[str]:
        """Return the completions: verbs behind the name of the magic, conversations behind their
        verbs.
        """
        if previous.endswith("qfchat"):
            return [*VERBS, "alias", "help"]
        return self.conversations.names_behind(previous)

    def _prompt_text(self, options: Namespace, raw_text: str) -> str:
        if options.expand:
            text = expand_prompt(raw_text, user_variables(self.shell))
        else:
            text = raw_text
        if options.explain:
            return explain_prompt(user_variables(self.shell).get("In") or [], text.strip())
        return text.strip()

    def _ask(
        self,
        options: Namespace,
        text: str,
        chat_options: dict[str, Any],
        explaining: Callable[[], AbstractContextManager[None]],
        *,
        as_value: bool,
    ) -> Any:
        if options.format == "image":
            return self._run_image_magic(options, text)
        request = self._build_request(options, text, chat_options)
        if as_value:
            with explaining():
                return self._ask_for_value(options, request)
        from .chat_run import ChatRun  # noqa: PLC0415 - %load_ext stays fast

        cell_task: await_cell.CancellableTask[None] = await_cell.CancellableTask()
        run = ChatRun(request, cell_task.cancel)

        def on_end(interrupted: bool) -> Any:
            replies = run.finish(interrupted=interrupted)
            self._store_replies(options, replies)
            if not interrupted:
                with explaining():
                    run.raise_if_failed()
                return self._after_answer(options, run, replies)
            return None

        return await_cell.run_in_cell(
            run.run(), on_end, tr(INTERRUPTED), awaited=options.awaited, task=cell_task
        )

    def _run_image_magic(self, options: Namespace, text: str) -> Any:
        """Hand the cell to `%%qfimage`."""
        flags = [
            ("-m", options.model),
            ("-o", options.out),
            (await_cell.AWAIT_OPTION, options.awaited),
        ]
        words = " ".join(
            f"{flag} {value if value is not True else ''}" for flag, value in flags if value
        )
        return get_shell(self).run_cell_magic("qfimage", words, text)

    def _ask_for_value(self, options: Namespace, request: CellRequest) -> ChatResponse | None:
        """Ask without a display; the reply is the value of the line."""
        (_, client) = request.models[0]
        answer_format = request.format
        if len(request.models) > 1:
            PARSER.error(tr("several models are compared in a cell: %%qfchat -m a,b"))
        if request.tools:
            reply = client.run(request.turns, request.tools, **request.options)
        else:
            reply = client.do(request.turns, **request.options)
        try:
            reply.parsed = answer_format.parse(reply.text)
        except ValueError as error:
            message = tr(
                "the answer is not {format}: {error}\nthe text is in `.answer` of this error",
                format=answer_format.name,
                error=error,
            )
            raise UnreadableAnswer(message, answer=reply.text, reply=reply) from None
        self.conversations.store(options.session, request.turns, reply)
        self._store_replies(options, [reply])
        if options.out:
            return None
        return reply

    def _build_request(
        self, options: Namespace, text: str, chat_options: dict[str, Any]
    ) -> CellRequest:
        from .chat_run import CellRequest  # noqa: PLC0415 - %load_ext stays fast

        if options.session:
            earlier = self.conversations.turns(options.session)
        else:
            earlier = ()
        pictures = [resolve_picture(self.shell, name) for name in options.image or ()]
        content = _content_with_images(text, pictures) if pictures else text
        turns = [*earlier, {"role": "user", "content": content}]
        answer_format = FORMATS.get(options.format) or find_format(
            options.format, user_variables(self.shell)
        )
        if system := "\n".join(
            filter(None, (options.system, in_language_of(turns, answer_format.instruction)))
        ):
            chat_options["system"] = system
        if answer_format.response_format is not None:
            chat_options["response_format"] = answer_format.response_format
        if options.think is not None:
            chat_options["think"] = parse_think(options.think)
        tools = self._find_tools(options.tools)
        models = self._select_models(options)
        if len(models) > 1 and options.session:
            PARSER.error(
                tr("--session remembers one conversation: it cannot be used with several models")
            )
        if len(models) > 1 and answer_format.retry:
            PARSER.error(
                tr(
                    "-f {format} reads one answer: it cannot be used with several models",
                    format=answer_format.name,
                )
            )
        if len(models) > 1 and tools:
            PARSER.error(tr("--tools takes one model: with several, each would run the functions"))
        return CellRequest(
            turns,
            models,
            chat_options,
            answer_format,
            stream=not options.no_stream,
            tools=tools,
            say_options=PARSER.say_options,
        )

    def _find_tools(self, names: str | None) -> list[Tool]:
        """Return the functions that `--tools` names."""
        if not names:
            return []
        from ..resources.inference.tools import to_tools  # noqa: PLC0415 - only with tools

        variables = user_variables(self.shell)
        requested = [name.strip() for name in names.split(",") if name.strip()]
        for name in requested:
            if name not in variables:
                functions = [
                    key
                    for key, value in variables.items()
                    if callable(value) and not key.startswith("_")
                ]
                hint = did_you_mean(name, functions)
                PARSER.error(
                    tr("--tools: the notebook has no function {name!r}{hint}", name=name, hint=hint)
                )
        return to_tools([variables[name] for name in requested])

    def _select_models(self, options: Namespace) -> list[tuple[str, ChatCompletion]]:
        from ..resources.inference.chat import ChatCompletion  # noqa: PLC0415 - %load_ext stays fast

        version: Version | None = options.version or (2 if options.image else None)
        requested = [part.strip() for part in (options.model or "").split(",") if part.strip()]
        if options.endpoint and requested:
            PARSER.error(tr("-e and -m: use a service of your own or models, not both"))
        if service := options.endpoint and resolve_endpoint(self.shell, options.endpoint):
            return [(service, ChatCompletion(None, service, version=version))]
        if not requested:
            return [("", ChatCompletion(version=version))]
        names = [parser.resolve(model) for model in dict.fromkeys(requested)]
        return [(model, self._create_client(model, version)) for model in names]

    def _create_client(self, model: str, version: Version | None) -> ChatCompletion:
        """Return the client of a model, or of the service of a training or in a variable."""
        from ..resources.inference.chat import ChatCompletion  # noqa: PLC0415

        if endpoint := find_service(self.shell, model):
            return ChatCompletion(None, endpoint, version=version)
        return ChatCompletion(model, version=version)

    def _store_replies(self, options: Namespace, replies: list[ChatResponse | None]) -> None:
        if options.out and any(reply is not None for reply in replies):
            store_variable(self.shell, options.out, replies[0] if len(replies) == 1 else replies)

    def _after_answer(
        self, options: Namespace, run: ChatRun, replies: list[ChatResponse | None]
    ) -> Any:
        """Store the conversation, fill the next cell; return the value of the answer, which the
        cell shows.
        """
        reply = replies[0]
        if options.session and reply is not None:
            self.conversations.store(options.session, run.request.turns, reply)
        if options.next_cell and reply is not None:
            get_shell(self).set_next_input(extract_code(reply.text), replace=False)
        is_structured = run.request.format.form == "folded"
        if is_structured and (rows := records_of(run.value)):
            import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay
            from IPython.display import display  # noqa: PLC0415 - only under IPython

            with pd.option_context("display.html.use_mathjax", False):
                display(pd.DataFrame(rows))  # type: ignore[no-untyped-call]
            if options.out:
                return None
            return run.value
        if is_structured:
            return run.value
        return None


def _content_with_images(text: str, pictures: list[Any]) -> list[dict[str, Any]]:
    """Return the parts of a turn: the text and the attached images."""
    from ..resources.inference.images import read_image, to_data_url  # noqa: PLC0415 - only with pictures

    parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
    for picture in pictures:
        try:
            parts.append(
                {"type": "image_url", "image_url": {"url": to_data_url(read_image(picture))}}
            )
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"--image: {error}") from None
    return parts


document_magic(ChatMagics.qfchat, PARSER)
