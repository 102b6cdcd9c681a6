"""The commands of `qfnb`, and how one is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from typer import Option
from typer.main import get_command

from .._command_line import LazyGroup, create_app
from ..base.language import tr, tr_noop
from .exit_codes import DONE, WRONG_INPUT

COMMANDS: Final = {
    "chat": (
        "qfnb.cli.chat:chat",
        tr_noop("Ask a model; the question is an argument, or comes from stdin."),
    ),
    "batch": (
        "qfnb.cli.batch:batch",
        tr_noop("Ask a model about every row of a file, and lose nothing."),
    ),
    "train": ("qfnb.cli.train:train", tr_noop("Fine-tune a model, or follow a training.")),
    "eval": (
        "qfnb.cli.evaluate:evaluate",
        tr_noop("Ask models the same questions, and compare their answers."),
    ),
    "migrate": (
        "qfnb.cli.migrate:migrate",
        tr_noop("Rewrite code for the official SDK `qianfan`, in a copy."),
    ),
    "models": ("qfnb.cli.tables:models", tr_noop("List the models, or show one.")),
    "usage": (
        "qfnb.cli.tables:usage",
        tr_noop("Tokens and cost of the batches and evaluations of this computer."),
    ),
    "doctor": (
        "qfnb.cli.tables:doctor",
        tr_noop("Versions, keys and platform, without secrets, and what is wrong."),
    ),
    "sandbox": (
        "qfnb.sandbox.command:app",
        tr_noop("The local sandbox: a Qianfan on this computer"),
    ),
}
"""Name -> where the command is, and its help."""

EXIT_CODES: Final = tr_noop(
    "Exit codes: 0 done; 1 failed; 2 wrong input, nothing was sent; 3 done with a negative result "
    "(failed rows, "
    "--fail-on); 130 interrupted."
)


class _Commands(LazyGroup):
    table = COMMANDS


def run(words: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    app = create_app(tr_noop("Baidu Qianfan on the command line."), group=_Commands)
    app.callback(epilog=tr(EXIT_CODES))(_declare_options)
    command = get_command(app)
    if not words:
        command.main(["--help"], prog_name="qfnb", standalone_mode=False)
        return WRONG_INPUT
    return command.main(list(words), prog_name="qfnb", standalone_mode=False) or DONE


def _declare_options(
    *,
    version: Annotated[bool, Option("--version", help=tr_noop("Print the version."))] = False,
    debug: Annotated[
        bool, Option("--debug", help=tr_noop("Show where an error comes from."))
    ] = False,
) -> None:
    """Declare the options that `main` handles, for the help."""
