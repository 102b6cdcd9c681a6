"""Tab completion in the first line of our magics: options, models, conversations, services of the
notebook.
"""

import re
from collections.abc import Collection
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from ..wire import catalog
from . import parser
from .parser import user_variables

IDENTIFIER = "qfnb"
_OWN_MAGIC = re.compile(r"\s*%{1,2}(qf\w*)\s")


def register(shell: Any) -> None:
    """Add our matcher to the shell; where it has matches, Python's own names are not offered."""
    unregister(shell)

    @context_matcher(identifier=IDENTIFIER)  # type: ignore[untyped-decorator]
    def matcher(context: CompletionContext) -> Any:
        lines = context.full_text.split("\n")
        line = lines[context.cursor_line][: context.cursor_position]
        matches = complete_columns(shell, lines[0], line) or complete_line(shell, line)
        if line.endswith(" "):
            word = ""
        elif line.split():
            word = line.split()[-1]
        else:
            word = ""
        completions = [SimpleCompletion(text=text, type="qfnb") for text in matches]
        return {"completions": completions, "suppress": bool(matches), "matched_fragment": word}

    shell.Completer.custom_matchers.append(matcher)


def unregister(shell: Any) -> None:
    """Remove our matcher from the shell."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [
        matcher for matcher in matchers if getattr(matcher, "matcher_identifier", "") != IDENTIFIER
    ]


def complete_line(shell: Any, line: str) -> list[str]:
    """Return the completions of the last word of a line with one of our magics."""
    magics = _find_magics(shell, line)
    if magics is None:
        return []
    if not line.endswith(" "):
        last_words = line.split()[-2:]
    else:
        last_words = [*line.split()[-1:], ""]
    word = last_words[-1]
    if len(last_words) > 1:
        previous = last_words[0]
    else:
        previous = ""
    if word.startswith("-"):
        return [flag for flag in magics.parser.visible_flags() if flag.startswith(word)]
    option = magics.parser.find_option(previous)
    if option is None:
        values = magics.complete_word(previous)
    else:
        values = option.complete(magics)
    head, comma, last_part = word.rpartition(",")
    return [
        f"{head}{comma}{value}" for value in values if value.lower().startswith(last_part.lower())
    ]


def complete_columns(shell: Any, first: str, line: str) -> list[str]:
    """Return the columns that an open brace in a batch's prompt may name."""
    magic = re.match(r"\s*%{1,2}qfbatch\s+(.*)", first)
    brace = re.search(r"(\S*\{)([^{}\s]*)$", line)
    if magic is None or brace is None:
        return []
    values: list[Any] = [user_variables(shell).get(word) for word in magic.group(1).split()]
    names = [str(name) for value in values if hasattr(value, "columns") for name in value.columns]
    return [f"{brace.group(1)}{name}}}" for name in names if name.startswith(brace.group(2))]


def chat_models(_magics: Any) -> list[str]:
    """Return the names of chat models, aliases first."""
    return [*parser.load(), *catalog.model_names("chat")]


def image_models(_magics: Any) -> list[str]:
    """Return the names of image models, aliases first."""
    return [*parser.load(), *catalog.model_names("text2image")]


def endpoints(magics: Any) -> list[str]:
    """Return the notebook's variables that hold a service or a trainer."""
    items = list(user_variables(magics.shell).items())
    services = [key for key, value in items if isinstance(getattr(value, "endpoint", None), str)]
    return [*services, *variables_of(magics, {"LLMFinetune"})]


def variables_of(magics: Any, kinds: Collection[str]) -> list[str]:
    """Return the notebook's variables whose class, or a base of it, has one of these names."""
    items = list(user_variables(magics.shell).items())
    names = [
        key for key, value in items if any(base.__name__ in kinds for base in type(value).__mro__)
    ]
    return [name for name in names if not name.startswith("_") and name not in {"In", "Out"}]


def _find_magics(shell: Any, line: str) -> Any:
    """Return the magics object that a line calls, None for other lines."""
    match = _OWN_MAGIC.match(line)
    magic = match and shell.magics_manager.magics["line"].get(match.group(1))
    return getattr(magic, "__self__", None)
