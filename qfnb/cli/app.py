"""The commands of `qfnb`, and how one is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .._command_line import WRONG_INPUT, Group, LazyCommand
from ..base.language import tr_noop

COMMANDS: Final = Group(
    {
        "chat": LazyCommand(
            "qfnb.cli.chat:COMMAND",
            tr_noop("Ask a model; the question is an argument, or comes from stdin."),
        ),
        "batch": LazyCommand(
            "qfnb.cli.batch:COMMAND",
            tr_noop("Ask a model about every row of a file, and lose nothing."),
        ),
        "train": LazyCommand(
            "qfnb.cli.train:COMMAND", tr_noop("Fine-tune a model, or follow a training.")
        ),
        "eval": LazyCommand(
            "qfnb.cli.evaluate:COMMAND",
            tr_noop("Ask models the same questions, and compare their answers."),
        ),
        "migrate": LazyCommand(
            "qfnb.cli.migrate:COMMAND",
            tr_noop("Rewrite code for the official SDK `qianfan`, in a copy."),
        ),
        "models": LazyCommand("qfnb.cli.tables:MODELS", tr_noop("List the models, or show one.")),
        "doctor": LazyCommand(
            "qfnb.cli.tables:DOCTOR",
            tr_noop("Versions, keys and platform, without secrets, and what is wrong."),
        ),
        "sandbox": LazyCommand(
            "qfnb.sandbox.command:COMMANDS",
            tr_noop("The local sandbox: a Qianfan on this computer"),
        ),
    },
    tr_noop("Baidu Qianfan on the command line."),
    options=[
        ("--version", tr_noop("Print the version.")),
        ("--debug", tr_noop("Show where an error comes from.")),
    ],
    epilog=tr_noop(
        "Exit codes: 0 done; 1 failed; 2 wrong input, nothing was sent; 3 done with a negative "
        "result (failed rows, "
        "--fail-on); 130 interrupted."
    ),
)


def run(words: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    if not words:
        print(COMMANDS.describe("qfnb"))
        return WRONG_INPUT
    return COMMANDS.execute("qfnb", words)
