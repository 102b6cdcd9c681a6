"""`%%qfchat`: the cell is the question, exactly as it is written."""

from __future__ import annotations

import inspect
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ..base.language import tr, tr_noop
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError, UnreadableAnswer
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.response_format import extract_code, in_language_of
from ..resources.inference.thinking import parse_think
from ..resources.inference.tools import to_tools
from ..wire import catalog
from . import await_cell, parser
from .chat_run import FORMATS, CellRequest, ChatRun, find_format, records_of
from .conversations import COMMANDS, VERBS, Conversations
from .image import resolve_picture
from .parser import (
    ENDPOINT,
    SYSTEM,
    TEMPERATURE,
    THINK,
    MagicOption,
    Parser,
    document_magic,
    quote_word,
    split_names,
    store_variable,
    user_variables,
    variable_name,
)
from .prompt_context import expand_prompt, explain_prompt
from .trainings import find_endpoint, find_service, resolve_endpoint

if TYPE_CHECKING:
    from ..resources.inference.reply import ChatResponse
    from ..resources.inference.tools import Tool


def _functions(magics: Any) -> list[str]:
    """Return the notebook's variables that hold functions."""
    variables = user_variables(magics.shell).items()
    return [name for name, value in variables if inspect.isroutine(value)]


OPTIONS = (
    MagicOption(
        "one model, or several; default: the default chat model",
        "--model",
        "NAME[,NAME...]",
        "-m",
        complete=parser.chat_models,
    ),
    ENDPOINT,
    SYSTEM,
    TEMPERATURE,
    MagicOption(
        f"{', '.join(FORMATS)}, pydantic:NAME",
        "--format",
        "FORMAT",
        "-f",
        complete=lambda _: [*FORMATS, "pydantic:"],
    ),
    MagicOption(
        "keep the reply (or replies) in a variable", "--out", "VAR", "-o", parse=variable_name
    ),
    THINK,
    MagicOption(
        "functions of the notebook that the model may call",
        "--tools",
        "NAME[,NAME...]",
        complete=_functions,
    ),
    MagicOption(
        "remember the conversation under a name",
        "--session",
        "NAME",
        complete=lambda magics: magics.conversations,
    ),
    MagicOption("forget the conversation before asking", "--reset"),
    MagicOption("attach a picture: a file or a variable", "--image", "FILE", repeated=True),
    MagicOption(
        "fill in {{name}}: text, a table's schema and first rows, an array; {{In[3]}}, "
        "{{Out[3]}}, {{Err}}",
        "--expand",
    ),
    MagicOption("put the answer's code into the next cell", "--next-cell"),
    MagicOption("show the answer when it is complete", "--no-stream"),
    MagicOption("ask about the last exception of the notebook", "--explain"),
    MagicOption("the API to use; default: by the kind of key", "--version", "N"),
)

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
    OPTIONS,
    verbs=", ".join(VERBS.values()),
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
        if options.help or (cell is None and remaining == "help"):
            return PARSER.print_help()
        if cell is None and not options.explain:
            words = remaining.split()
            if self.conversations.is_command(words):
                return self.conversations.run_command(words)
        if cell is not None and remaining:
            text = remaining[:40]
            is_model = catalog.find_model(None, remaining) or find_endpoint(self.shell, remaining)
            PARSER.error(
                tr("unexpected {text!r} in the first line: the question goes below it", text=text),
                f"%%qfchat -m {quote_word(remaining)}\n{cell}" if is_model else "",
            )
        question = self._read_question(options, remaining if cell is None else cell)
        if options.reset:
            self.conversations.reset(options.session)
        if not question:
            if options.reset:
                return None
            PARSER.error(tr("the cell is empty: write the question below the first line"))
        is_value = cell is None and not options.explain
        return self._ask(options, question, is_value=is_value)

    def _ask(self, options: Namespace, question: str, *, is_value: bool) -> Any:
        if options.format == "image":
            return self._draw(options, question)
        request = self._build_request(options, question)
        if is_value:
            return self._ask_for_value(options, request)
        return self._ask_in_cell(options, request)

    def complete_word(self, previous: str) -> list[str]:
        """Return the completions: verbs behind the name of the magic, conversations behind their
        verbs.
        """
        if previous.endswith("qfchat"):
            return [*COMMANDS, "help"]
        return self.conversations.names_behind(previous)

    def _read_question(self, options: Namespace, text: str) -> str:
        variables = user_variables(self.shell)
        if options.expand:
            text = expand_prompt(text, variables)
        if options.explain:
            return explain_prompt(variables.get("In") or [], text.strip())
        return text.strip()

    def _draw(self, options: Namespace, text: str) -> Any:
        """Hand the cell to `%%qfimage`."""
        words = []
        if options.awaited:
            words = [await_cell.AWAIT_OPTION]
        if options.model:
            words += ["-m", options.model]
        if options.out:
            words += ["-o", options.out]
        return self.shell.run_cell_magic("qfimage", " ".join(words), text)  # type: ignore[union-attr]

    def _ask_in_cell(self, options: Namespace, request: CellRequest) -> Any:
        """Ask with the answer streaming into the cell."""
        cell_task: await_cell.CancellableTask[None] = await_cell.CancellableTask()
        run = ChatRun(request, cell_task.cancel)

        def on_end(interrupted: bool) -> Any:
            replies = run.finish(interrupted=interrupted)
            self._store_replies(options, replies)
            if interrupted:
                return None
            run.raise_if_failed()
            return self._after_answer(options, run, replies[0])

        return await_cell.run_in_cell(
            run.run(), on_end, tr(INTERRUPTED), awaited=options.awaited, task=cell_task
        )

    def _ask_for_value(self, options: Namespace, request: CellRequest) -> ChatResponse | None:
        """Ask without a display; the reply is the value of the line."""
        if len(request.models) > 1:
            PARSER.error(tr("several models are compared in a cell: %%qfchat -m a,b"))
        (_, client) = request.models[0]
        if request.tools:
            reply = client.run(request.turns, request.tools, **request.options)
        else:
            reply = client.do(request.turns, **request.options)
        try:
            reply.parsed = request.format.parse(reply.text)
        except ValueError as error:
            message = tr(
                "the answer is not {format}: {error}\nthe text is in `.answer` of this error",
                format=request.format.name,
                error=error,
            )
            raise UnreadableAnswer(message, answer=reply.text, reply=reply) from None
        self.conversations.store(options.session, request.turns, reply)
        self._store_replies(options, [reply])
        if options.out:
            return None
        return reply

    def _build_request(self, options: Namespace, text: str) -> CellRequest:

        turns = [*self.conversations.turns(options.session)]
        turns.append({"role": "user", "content": self._read_content(options, text)})
        answer_format = find_format(options.format or "markdown", user_variables(self.shell))
        arguments = PARSER.keywords(options)
        instruction = in_language_of(turns, answer_format.instruction)
        if system := "\n".join(filter(None, (options.system, instruction))):
            arguments["system"] = system
        if answer_format.response_format is not None:
            arguments["response_format"] = answer_format.response_format
        if options.think is not None:
            arguments["think"] = parse_think(options.think)
        tools = self._find_tools(options.tools)
        if len(split_names(options.model)) > 1:
            self._refuse_several(options, retries=answer_format.retry)
        models = self._select_models(options)
        return CellRequest(
            turns,
            models,
            arguments,
            answer_format,
            stream=not options.no_stream,
            tools=tools,
            say_options=PARSER.say_options,
        )

    def _refuse_several(self, options: Namespace, *, retries: bool) -> None:
        """Raise for options that take one model."""
        if options.session:
            PARSER.error(
                tr("--session remembers one conversation: it cannot be used with several models")
            )
        if retries:
            PARSER.error(
                tr(
                    "-f {format} reads one answer: it cannot be used with several models",
                    format=options.format,
                )
            )
        if options.tools:
            PARSER.error(tr("--tools takes one model: with several, each would run the functions"))

    def _read_content(self, options: Namespace, text: str) -> str | list[dict[str, Any]]:
        """Return the question, with the pictures that are attached."""
        if not options.image:
            return text
        from ..resources.inference.images import read_image, to_data_url  # noqa: PLC0415 - only with pictures

        parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
        for name in options.image:
            try:
                url = to_data_url(read_image(resolve_picture(self.shell, name)))
            except InvalidArgumentError as error:
                raise InvalidArgumentError(f"--image: {error}") from None
            parts.append({"type": "image_url", "image_url": {"url": url}})
        return parts

    def _find_tools(self, names: str | None) -> list[Tool]:
        """Return the functions that `--tools` names."""
        variables = user_variables(self.shell)
        requested = split_names(names)
        for name in requested:
            if name not in variables:
                hint = did_you_mean(name, _functions(self))
                PARSER.error(
                    tr("--tools: the notebook has no function {name!r}{hint}", name=name, hint=hint)
                )
        return to_tools([variables[name] for name in requested]) if requested else []

    def _select_models(self, options: Namespace) -> list[tuple[str, ChatCompletion]]:
        """Return labels and clients of the models, or of the service of a training or in a
        variable.
        """
        version: Any = options.version or (2 if options.image else None)
        requested = dict.fromkeys(split_names(options.model))
        if options.endpoint:
            if requested:
                PARSER.error(tr("-e and -m: use a service of your own or models, not both"))
            service = resolve_endpoint(self.shell, options.endpoint) or ""
            return [(service, ChatCompletion(None, service, version=version))]
        models = []
        for name in map(parser.resolve, requested):
            service = find_service(self.shell, name)
            model = None if service else name
            models.append((name, ChatCompletion(model, service or None, version=version)))
        return models or [("", ChatCompletion(version=version))]

    def _store_replies(self, options: Namespace, replies: list[ChatResponse | None]) -> None:
        if any(reply is not None for reply in replies):
            value = replies[0] if len(replies) == 1 else replies
            store_variable(self.shell, options.out, value)

    def _after_answer(self, options: Namespace, run: ChatRun, reply: ChatResponse | None) -> Any:
        """Store the conversation, fill the next cell; return the value of the answer, which the
        cell shows.
        """
        if reply is not None:
            self.conversations.store(options.session, run.request.turns, reply)
        if options.next_cell and reply is not None:
            self.shell.set_next_input(extract_code(reply.text), replace=False)  # type: ignore[union-attr]
        if run.request.format.form != "folded":
            return None
        if rows := records_of(run.value):
            import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay
            from IPython.display import display  # noqa: PLC0415 - only under IPython

            with pd.option_context("display.html.use_mathjax", False):
                display(pd.DataFrame(rows))  # type: ignore[no-untyped-call]
            if options.out:
                return None
        return run.value


document_magic(ChatMagics.qfchat, PARSER)
