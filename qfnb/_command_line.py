"""Commands of `qfnb`, on typer: help and usage in the user's language, and the loading of what one
command needs.

Messages stand in the declarations as `tr_noop("...")`; they are translated when a command is built,
that is when it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import typer
from pydantic import ValidationError
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from .base.language import tr, tr_noop
from .base.text import align_columns, did_you_mean
from .errors import InvalidArgumentError

USAGE_ERROR: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""The class of errors about words of the command line; typer exports only one of them."""

_HELP: Final = tr_noop("Show this help.")

_VALUE_ERRORS: Final = {
    "int_parsing": tr_noop("{name}: {value!r} is not a whole number"),
    "float_parsing": tr_noop("{name}: {value!r} is not a number"),
}
"""Errors of pydantic, which reads the values -> what is said about them."""


class _Translated:
    """The part of commands and groups that speaks the user's language."""

    help: str | None
    short_help: str | None
    params: list[Any]

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.help = tr(self.help) if self.help else None
        for parameter in self.params:
            _translate(parameter)

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        """Write the usage line."""
        pieces = " ".join(self.collect_usage_pieces(ctx))  # type: ignore[attr-defined]
        formatter.write_usage(ctx.command_path, pieces, prefix=f"{tr('Usage:')} ")

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option `--help`."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = tr(_HELP)
            option.metavar = ""
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, its headings in the user's language."""
        from typer import rich_utils  # noqa: PLC0415 - 40 ms that only help should pay

        rich_utils.OPTIONS_PANEL_TITLE = tr("Options")
        rich_utils.ARGUMENTS_PANEL_TITLE = tr("Arguments")
        rich_utils.COMMANDS_PANEL_TITLE = tr("Commands")
        rich_utils.REQUIRED_LONG_STRING = tr("[required]")
        rich_utils.DEFAULT_STRING = tr("[default: {}]")
        rich_utils.Columns = _folding_columns()  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)  # type: ignore[misc]


@cache
def _folding_columns() -> Any:
    """Return rich's columns, but with text that is folded: Chinese has no spaces to wrap at, and
    rich would cut it.
    """
    from rich.columns import Columns  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    class FoldingColumns(Columns):
        def __init__(self, renderables: Iterable[Any]) -> None:
            super().__init__(renderables)
            for text in self.renderables:
                if isinstance(text, Text):
                    text.overflow = "fold"

    return FoldingColumns


def _translate(parameter: Any) -> None:
    """Translate the help of a parameter; a switch has no type, since it has no value."""
    if getattr(parameter, "help", None):
        parameter.help = tr(parameter.help)
    if getattr(parameter, "is_flag", False) and parameter.metavar is None:
        parameter.metavar = ""


class Command(_Translated, TyperCommand):
    """A command whose help is in the user's language."""


class Group(_Translated, TyperGroup):
    """A group of commands whose help is in the user's language."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Return the command that a line begins with, and the words behind it.

        Raises:
            InvalidArgumentError: there is none.
        """
        names = self.list_commands(ctx)
        if args[0] not in names:
            command = f"{ctx.command_path} {args[0]}"
            hint = did_you_mean(args[0], names)
            raise InvalidArgumentError(
                tr("there is no command `{command}`{hint}", command=command, hint=hint)
            )
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """A group whose commands are imported when one of them runs.

    Attributes:
        table: name -> where the command is, `module:attribute`, and its help.
    """

    table: Mapping[str, tuple[str, str]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with the line that the list of commands shows of it."""
        if cmd_name in self.table:
            return Command(name=cmd_name, help=self.table[cmd_name][1])
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Return the command that a line begins with, imported now, and the words behind it."""
        name, _, words = super().resolve_command(ctx, args)
        module, attribute = self.table[name][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        app = command
        if not isinstance(command, typer.Typer):
            app = typer.Typer(add_completion=False, rich_markup_mode="rich")
            app.command(name, cls=Command, help=self.table[name][1])(command)
        built = get_command(app)
        built.name = name
        return name, built, words


def create_app(help_text: str, *, group: type[Group] = Group, **settings: Any) -> typer.Typer:
    """Return a group without commands; its help is a message of `tr_noop`."""
    return typer.Typer(
        cls=group, help=help_text, add_completion=False, rich_markup_mode="rich", **settings
    )


def explain_usage_error(error: Any) -> str:
    """Return the mistake in a line, in the user's language, and where help is."""
    kind = type(error).__name__
    context = getattr(error, "ctx", None)
    name = _name_of(getattr(error, "param", None))
    text = error.format_message()
    if kind == "NoSuchOption":
        rows = context.command.params if context else []
        hint = did_you_mean(error.option_name, [option for row in rows for option in row.opts])
        text = tr("there is no option {name}{hint}", name=error.option_name, hint=hint)
    elif kind == "MissingParameter":
        text = tr("{name} is missing", name=name)
    elif kind == "BadOptionUsage":
        text = tr("{name} needs a value", name=error.option_name)
    elif kind == "BadParameter":
        text = f"{name}: {error.message}"
        if isinstance(error.__cause__, ValidationError):
            cause = error.__cause__.errors()[0]
            message = _VALUE_ERRORS.get(cause["type"], text)
            text = tr(message, name=name, value=cause["input"])
    elif "extra argument" in error.message:
        text = tr("too many words: {words}", words=error.message.rpartition("(")[2].rstrip(")"))
    elif "Missing command" in error.message:
        text = tr("a command is missing")
    command = context.command_path if context is not None else "qfnb"
    return f"{text} {tr('(help: {command})', command=f'{command} --help')}"


def _name_of(parameter: Any) -> str:
    """Return an option as it is typed, an argument as the help names it, "" for neither."""
    if parameter is None:
        return ""
    is_option = parameter.opts[0].startswith("-")
    return str(parameter.opts[-1] if is_option else parameter.metavar or parameter.name.upper())


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
        typer.echo(line)
