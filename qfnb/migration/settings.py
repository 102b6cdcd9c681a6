"""Keys and settings, in Python and in lines of the shell: of v1, of the SDK alone, and keys in
clear text.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from .. import config
from ..base.language import tr, tr_noop
from ..redact import register_secret
from ..resources.inference.model_choice import NO_V1
from .imports import OPENAI_INSTEAD
from .program import SDK, Program
from .unit import Edit, Finding, Unit

COMMANDS: Final = {
    "chat": "`qfnb chat`",
    "completion": "`qfnb chat`",
    "trainer": "`qfnb train`",
    "evaluation": "`qfnb eval`",
    "dataset": "qfnb.Dataset",
    "embedding": "qfnb.Embedding().do(...)",
    "txt2img": "`%%qfimage`",
    "plugin": "ChatCompletion(tools=...)",
}
"""The SDK's commands -> what does the same."""

USE_INSTEAD: Final = tr_noop("`qianfan {command}`: use {instead}")

_COMMAND: Final = re.compile(rf"(?:^|[!;&|]|&&)\s*{SDK}\s+(?:--?[\w-]+\s+)*([a-z0-9]+)")
_INSTALL: Final = re.compile(rf"\b(?:pip3?|uv|conda|poetry|add)\b.*(?<![\w./-]){SDK}(?![\w-])")
_PYTHON: Final = re.compile(rf"(?<![\w.'\"/]){SDK}(?=\.\w)")

V1_SETTINGS: Final = frozenset(["ACCESS_TOKEN", "AK", "SK"])

_VARIABLE: Final = re.compile(r"\bQIANFAN_([A-Z0-9_]+)")
_KEY_NAME: Final = re.compile(
    r"(?i)(?<![a-z])(access_?key|secret_?key|api_?key|bearer_?token|access_?token|ak|sk)(?![a-z])"
)
_KEY: Final = re.compile(
    r"""(?<=['"=\s])(?=[\w/.-]*\d)(?![\w-]*(?:your|xxx))(?:bce-v3/)?[A-Za-z0-9][\w/.-]{15,}"""
)
"""A text that may be a key, and no placeholder such as "your-key" or "..."."""


def review_settings(program: Program, unit: Unit) -> Iterator[Finding]:
    """Yield what has to be said about the keys and settings of a unit; each message once for a
    line.
    """
    for node in ast.walk(unit.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if match := _VARIABLE.fullmatch(node.value):
                yield from review_setting(unit, node.lineno, match[1], node.value)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if _is_config(program, node.value):
                yield from review_setting(unit, node.lineno, node.attr.upper(), node.attr)
        elif isinstance(node, ast.Call):
            yield from _review_arguments(program, unit, node)
    yield from _find_keys(unit)


def review_setting(unit: Unit, line: int, setting: str, name: str) -> Iterator[Finding]:
    """Yield what has to be said about a setting.

    Args:
        unit: where it is set or read.
        line: there, from 1.
        setting: its name in upper case.
        name: as it is written.
    """
    if setting in V1_SETTINGS:
        yield Finding("manual", tr(NO_V1), line, unit.cell)
    elif not hasattr(config.get_config(), setting):
        yield Finding("note", tr("{name}: qfnb has no such setting", name=name), line, unit.cell)


def _is_config(program: Program, node: ast.expr) -> bool:
    function = program.path_of(node.func) if isinstance(node, ast.Call) else ""
    return (function or program.instances.get(ast.unparse(node), "")).rpartition(".")[
        2
    ] == "get_config"


def _review_arguments(program: Program, unit: Unit, call: ast.Call) -> Iterator[Finding]:
    path = program.path_of(call.func)
    if path in {f"{SDK}.AK", f"{SDK}.SK", f"{SDK}.AccessToken"}:
        yield Finding("manual", tr(NO_V1), call.lineno, unit.cell)
    for keyword in call.keywords if path else ():
        if keyword.arg and keyword.arg.upper() in V1_SETTINGS:
            yield Finding("manual", tr(NO_V1), keyword.value.lineno, unit.cell)


def _find_keys(unit: Unit) -> Iterator[Finding]:
    """Yield the lines that have a key written into them; from now on it is hidden where anything is
    printed.
    """
    for number, line in enumerate(unit.lines, 1):
        keys = _KEY.findall(line) if _KEY_NAME.search(line) else []
        for key in keys:
            register_secret(key)
        if keys:
            message = tr(
                "a key is written here, for everyone who gets the file: put it into the "
                "environment or into "
                "`%qfauth set --keep`, and make a new one"
            )
            yield Finding("manual", message, number, unit.cell)


def review_shell_lines(program: Program, unit: Unit) -> Iterator[Finding]:
    """Yield what has to be said about the lines of a cell that are IPython's."""
    for number in unit.shell_lines:
        line = unit.lines[number - 1] if number <= len(unit.lines) else ""
        if _INSTALL.search(line):
            yield Finding("manual", tr("install qfnb here instead of qianfan"), number, unit.cell)
        elif match := _COMMAND.search(line):
            yield Finding("manual", _explain_command(match[1]), number, unit.cell)
        for match in _VARIABLE.finditer(line):
            yield from review_setting(unit, number, match[1], match[0])
        if line.lstrip().startswith("%") and not program.is_name_taken:
            start = unit.offset(number)
            for match in _PYTHON.finditer(line):
                edit = Edit(start + match.start(), start + match.end(), "qfnb")
                yield Finding("changed", "", number, unit.cell, (edit,))


def _explain_command(command: str) -> str:
    if command in {"openai", "proxy"}:
        return f"`qianfan {command}`: {tr(OPENAI_INSTEAD)}"
    return tr(USE_INSTEAD, command=command, instead=COMMANDS.get(command, "`qfnb --help`"))
