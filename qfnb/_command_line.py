"""Commands of `qfnb`: how a line of words becomes the options of a command, and the help in the
user's language.

Messages stand in the declarations as `tr_noop("...")`; they are translated where they are shown.
"""

from __future__ import annotations

import argparse
import importlib
import re
import shutil
from argparse import ArgumentError, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn, Protocol

from .base.language import tr, tr_noop
from .base.text import align_columns, did_you_mean, terminal_cells
from .errors import InvalidArgumentError

DONE: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
NEGATIVE: Final = 3
INTERRUPTED: Final = 130
"""Exit codes, the same for all commands."""

HELP: Final = "--help"
_CLOSING: Final = r"\u3001\u3002\uff0c\uff1a\uff1b\uff1f\uff01\uff09\u300d\u201d"
"""Chinese punctuation that belongs to the character before it."""

MAX_COLUMN: Final = 34
"""Cells of the options in the help; longer ones have a line of their own."""


class OptionRow(Protocol):
    """An option, as `Option` has it; those of the magics are others."""

    @property
    def help(self) -> str:
        """A message."""

    @property
    def name(self) -> str:
        """The name of its value."""

    @property
    def flags(self) -> list[str]:
        """The forms in which it is typed."""

    @property
    def metavar(self) -> str:
        """What stands for the value in the help, "" for a switch."""

    @property
    def kind(self) -> Callable[[str], Any]:
        """What makes its value of a word."""

    @property
    def repeated(self) -> bool:
        """Whether it may be given several times."""


@dataclass(frozen=True)
class Option:
    """An option; see `OptionRow`."""

    flag: str
    help: str
    metavar: str = ""
    kind: Callable[[str], Any] = str
    repeated: bool = False

    @property
    def name(self) -> str:
        """The name of its value."""
        return self.flag.lstrip("-").replace("-", "_")

    @property
    def flags(self) -> list[str]:
        """The forms in which it is typed."""
        return [self.flag]


@dataclass(frozen=True)
class Word:
    """A word that is no option.

    Attributes:
        name: of its value.
        metavar: what stands for it in the help.
        help: a message.
        count: "?" where it may be left out, "*" for any number.
    """

    name: str
    metavar: str
    help: str = ""
    count: str | None = None


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        run: gets words and options by name, None or False where they are not given; returns the
            exit code, None for 0.
        options, words: in the order of the help.
        help: a message.
        unset: names of further values, which are None: those that only a magic sets.
    """

    run: Callable[[Namespace], int | None]
    options: Sequence[OptionRow] = ()
    words: Sequence[Word] = ()
    help: str = ""
    unset: Iterable[str] = ()

    def execute(self, prog: str, line: Sequence[str]) -> int:
        """Run the command with a line of words."""
        if HELP in line[: line.index("--") if "--" in line else None]:
            print(self.describe(prog))
            return DONE
        options, unknown = self._parse_line(prog, line)
        if unknown and unknown[0].startswith("-"):
            flags = [flag for row in self.options for flag in row.flags]
            name = unknown[0].partition("=")[0]
            hint = did_you_mean(name, flags)
            _refuse(prog, tr("there is no option {name}{hint}", name=name, hint=hint))
        if unknown:
            _refuse(prog, tr("too many words: {words}", words=" ".join(unknown)))
        return self.run(options) or DONE

    def _parse_line(self, prog: str, line: Sequence[str]) -> tuple[Namespace, list[str]]:
        parser = _Parser(prog, add_help=False, allow_abbrev=False, exit_on_error=False)
        for row in self.options:
            settings: dict[str, Any] = {"action": "store_true"}
            if row.metavar:
                action = "append" if row.repeated else "store"
                settings = {"action": action, "type": row.kind}
            parser.add_argument(*row.flags, dest=row.name, **settings)
        for word in self.words:
            parser.add_argument(word.name, metavar=word.metavar, nargs=word.count)
        try:
            return parser.parse_known_intermixed_args(line, Namespace(**dict.fromkeys(self.unset)))
        except ArgumentError as error:
            name = (error.argument_name or "").rpartition("/")[2]
            _refuse(prog, _explain(name, error.message))

    def describe(self, prog: str) -> str:
        """Return the help."""
        usage = [prog, "[OPTIONS]", *(word.metavar for word in self.words)]
        words = [(word.metavar, word.help) for word in self.words]
        options = [(f"{', '.join(row.flags)} {row.metavar}", row.help) for row in self.options]
        options.append((HELP, _HELP))
        tables = {tr("Arguments"): words, tr("Options"): options}
        return _format_help(" ".join(usage), self.help, tables)


@dataclass(frozen=True)
class LazyCommand:
    """A command, or a group, that is imported when it runs.

    Attributes:
        path: where it is, `module:attribute`.
        help: a message.
    """

    path: str
    help: str

    def execute(self, prog: str, line: Sequence[str]) -> int:
        """Run the command with a line of words."""
        module, name = self.path.split(":")
        command: Command | Group = getattr(importlib.import_module(module), name)
        return replace(command, help=self.help).execute(prog, line)


@dataclass(frozen=True)
class Group:
    """Commands by name.

    Attributes:
        commands: as above.
        help: a message.
        default: runs where no command is named.
        options: names and messages of the options that all commands have.
        epilog: a message, the end of the help.
    """

    commands: Mapping[str, Command | LazyCommand | Group]
    help: str = ""
    default: Command | None = None
    options: Sequence[tuple[str, str]] = ()
    epilog: str = ""

    def execute(self, prog: str, line: Sequence[str]) -> int:
        """Run the command that a line begins with."""
        if not line and self.default:
            return self.default.execute(prog, line)
        if not line:
            _refuse(prog, tr("a command is missing"))
        name, *words = line
        if name == HELP:
            print(self.describe(prog))
            return DONE
        if name not in self.commands:
            command = f"{prog} {name}"
            hint = did_you_mean(name, self.commands)
            raise InvalidArgumentError(
                tr("there is no command `{command}`{hint}", command=command, hint=hint)
            )
        return self.commands[name].execute(f"{prog} {name}", words)

    def describe(self, prog: str) -> str:
        """Return the help."""
        commands = [(name, command.help) for name, command in self.commands.items()]
        tables = {tr("Commands"): commands, tr("Options"): [*self.options, (HELP, _HELP)]}
        return _format_help(f"{prog} COMMAND", self.help, tables, self.epilog)


_HELP: Final = tr_noop("Show this help.")


class _Parser(argparse.ArgumentParser):
    """A parser that raises where words are missing."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process."""
        _refuse(self.prog, tr("{name} is missing", name=message.rpartition(": ")[2]))


def _refuse(prog: str, text: str) -> NoReturn:
    raise InvalidArgumentError(f"{text} {tr('(help: {command})', command=f'{prog} {HELP}')}")


def _explain(name: str, message: str) -> str:
    """Return what argparse says of an option in the user's language."""
    if message.startswith("expected"):
        return tr("{name} needs a value", name=name)
    kind, _, value = message.partition(" value: ")
    value = value.strip("'")
    if kind == "invalid int":
        return tr("{name}: {value!r} is not a whole number", name=name, value=value)
    if kind == "invalid float":
        return tr("{name}: {value!r} is not a number", name=name, value=value)
    return f"{name}: {message}"


def _format_help(
    usage: str, text: str, tables: Mapping[str, Sequence[tuple[str, str]]], epilog: str = ""
) -> str:
    """Return a help: how the line looks, what it does, and tables of names and messages."""
    width = shutil.get_terminal_size().columns
    lines = [f"{tr('Usage:')} {usage}", "", *wrap_cells(tr(text), width)]
    for title, rows in tables.items():
        if rows:
            lines += ["", title]
        for name, message in rows:
            head = f"  {name.rstrip()}  "
            indent = " " * MAX_COLUMN
            explanation = wrap_cells(tr(message) if message else "", width - MAX_COLUMN)
            if len(head) > MAX_COLUMN:
                lines.append(head.rstrip())
                head = ""
            lines.append(f"{head:{MAX_COLUMN}}{explanation[0]}")
            lines += [indent + line for line in explanation[1:]]
    if epilog:
        lines += ["", *wrap_cells(tr(epilog), width)]
    return "\n".join(line.rstrip() for line in lines)


def wrap_cells(text: str, width: int) -> list[str]:
    """Return a text as lines of at most `width` cells; Chinese has no spaces to break at, and no
    line of it begins with a punctuation mark.
    """
    lines = [""]
    for piece in re.findall(rf"(?:[!-~]+ ?|.)[{_CLOSING}]*", text):
        if terminal_cells(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return lines


def print_table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, numeric: Iterable[int] = ()
) -> None:
    """Print columns that are aligned also where a character is two cells wide; nothing is cut.

    Args:
        heads: one for each column.
        rows: as many cells as there are heads.
        numeric: indexes of the columns that are right-aligned.
    """
    for line in align_columns((heads, *rows), numeric=numeric):
        print(line)
