"""Tab completion in the first line of our magics: options, models, sessions, services of the notebook."""

from __future__ import annotations

import re
from typing import Any

from ..resources.models import names
from . import aliases, formats
from .arguments import Parser, variables

MAGICS = ("qfchat", "qfimage", "qftrain")


def register(shell: Any) -> None:
    """Hook into the shell's completer."""
    for magic in MAGICS:
        for prefix in ("%", "%%"):
            shell.set_hook("complete_command", _complete, str_key=f"{prefix}{magic}")


def candidates(shell: Any, line: str) -> list[str]:
    """Return what may stand at the end of a line."""
    magic = re.match(r"\s*%{1,2}(\w+)", line)
    before = line.split()[-2:] if not line.endswith(" ") else [*line.split()[-1:], ""]
    word, option = before[-1], before[0] if len(before) > 1 else ""
    if word.startswith("-"):
        return [flag for flag in _flags(magic.group(1) if magic else "") if flag.startswith(word)]
    found = _values(shell, option, magic.group(1) if magic else "")
    head, comma, last = word.rpartition(",")
    return [f"{head}{comma}{value}" for value in found if value.lower().startswith(last.lower())]


def _complete(shell: Any, event: Any) -> list[str]:
    return candidates(shell, event.text_until_cursor)


def _flags(magic: str) -> list[str]:
    parser = _parser(magic)
    if parser is None:
        return []
    shown = [action for action in parser._actions if action.help != "==SUPPRESS=="]  # noqa: SLF001
    return [flag for action in shown for flag in action.option_strings if flag.startswith("--")]


def _values(shell: Any, option: str, magic: str) -> list[str]:
    if option in {"-m", "--model"}:
        return [*aliases.known(), *names("text2image" if magic == "qfimage" else "chat")]
    if option == "--session" or option in {"history", "undo", "fork", "export", "forget"}:
        return list(shell.magics_manager.registry["ChatMagics"].sessions)
    if option in {"-f", "--format"}:
        return [*formats.NAMES, "pydantic:"]
    if option in {"-e", "--endpoint"}:
        return [
            key
            for key, value in variables(shell).items()
            if isinstance(getattr(value, "endpoint", None), str)
        ]
    if option.endswith("qftrain"):
        from .train import VERBS  # noqa: PLC0415 - the magics are registered by then

        return list(VERBS)
    return []


def _parser(magic: str) -> Parser | None:
    from . import chat, image, train  # noqa: PLC0415

    return {"qfchat": chat.PARSER, "qfimage": image.PARSER, "qftrain": train.PARSER}.get(magic)
