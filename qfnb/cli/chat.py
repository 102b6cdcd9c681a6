"""`qfnb chat`: one question, one answer; the answer goes to stdout while it comes."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from .._command_line import DONE, INTERRUPTED, Command, Word
from ..base.language import tr, tr_noop
from ..base.text import strip_controls
from ..errors import InvalidArgumentError, QianfanError
from ..notebook.parser import CHAT_OPTIONS, MagicOption, Parser, resolve
from . import common

STDIN = "-"

PARSER = Parser("qfnb chat", "", "", CHAT_OPTIONS)

_FACTS = (
    "text",
    "reasoning",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "seconds",
    "request_id",
)
"""What `--json` says of an answer; beside it are model, cost and whether it is the sandbox's."""


QUIET = MagicOption(
    "Print the answer only, without its model, time and cost.", "--quiet", short="-q"
)


def chat(options: Namespace) -> int:
    """Ask; return the exit code.

    Raises:
        InvalidArgumentError: there is no question, or an option is wrong.
    """
    from ..notebook.trainings import resolve_endpoint  # noqa: PLC0415 - only a call needs it
    from ..resources.inference.chat import ChatCompletion  # noqa: PLC0415 - `qfnb --help` stays fast
    from ..resources.inference.thinking import parse_think  # noqa: PLC0415

    question = _read_question(options.prompt)
    arguments = PARSER.keywords(options)
    if options.think is not None:
        arguments["think"] = parse_think(options.think)
    if options.schema is not None:
        arguments["response_format"] = common.read_schema(options.schema)
    model = resolve(options.model) if options.model else None
    client = ChatCompletion(model, resolve_endpoint(None, options.endpoint))
    if options.as_json or options.schema is not None:
        return _print_whole(client.do(question, **arguments), options)
    return _print_stream(client.prepare(question, stream=True, **arguments), client, options)


def _read_question(words: list[str]) -> str:
    """Return the question; a line that has none asks for it on stdin.

    Raises:
        InvalidArgumentError: it is empty.
    """
    if not words and sys.stdin.isatty():
        raise InvalidArgumentError(
            tr("which question? `qfnb chat 'What is MoE?'`, or a text on stdin")
        )
    parts = words or [STDIN]
    texts = [sys.stdin.read() if part == STDIN else part for part in parts]
    question = ("\n" if STDIN in parts else " ").join(texts).strip()
    if not question:
        raise InvalidArgumentError(tr("the question is empty"))
    return question


def _print_whole(reply: Any, options: Namespace) -> int:
    from ..resources.inference.reply import row_result_of  # noqa: PLC0415
    from ..views.chat import StreamedAnswer  # noqa: PLC0415

    if options.as_json:
        row = row_result_of(reply)
        facts = {name: getattr(row, name) for name in _FACTS}
        common.print_json(
            {
                **facts,
                "model": reply.model,
                "parsed": reply.parsed,
                "cost_cny": row.cost,
                "sandbox": reply.from_sandbox,
            }
        )
    else:
        print(_for_output(reply.text))
        _say_facts(StreamedAnswer.from_reply(reply, reply.model), options)
    return DONE


def _print_stream(call: Any, client: Any, options: Namespace) -> int:
    """Print an answer while it comes; what had arrived before an error or an interrupt stays."""
    from .._notices import collecting  # noqa: PLC0415
    from ..notebook.chat_run import AnswerStream  # noqa: PLC0415
    from ..transport import event_loop  # noqa: PLC0415
    from ..views.chat import StreamedAnswer  # noqa: PLC0415

    stream = AnswerStream(StreamedAnswer(""), client, call)
    try:
        with collecting(stream.notices):
            for piece in event_loop.iterate(client.stream(call)):
                stream.add_piece(piece)
                sys.stdout.write(_for_output(piece.text))
                sys.stdout.flush()
    except (KeyboardInterrupt, QianfanError) as error:
        print()
        if isinstance(error, QianfanError):
            raise
        common.say(tr("interrupted; this is what had arrived"))
        return INTERRUPTED
    print()
    stream.finish("done")
    _say_facts(stream.answer, options)
    return DONE


def _for_output(text: str) -> str:
    """Return a model's text for stdout; a terminal gets no control characters of it."""
    if sys.stdout.isatty():
        return strip_controls(text)
    return text


def _say_facts(answer: Any, options: Namespace) -> None:
    from ..views import chat as view  # noqa: PLC0415

    if options.quiet:
        return
    facts = [common.sandbox_mark(is_sandbox=answer.from_sandbox), *view.footer(answer)]
    common.say(" · ".join(filter(None, facts)))
    for notice in answer.notices:
        common.say(notice)
    if note := view.ending_note(answer).text:
        common.say(note)


COMMAND = Command(
    chat,
    [*CHAT_OPTIONS, common.SCHEMA, QUIET, common.JSON],
    [Word("prompt", "PROMPT", tr_noop("The question; - stands for the text of stdin."), "*")],
)
