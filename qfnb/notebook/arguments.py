"""The options of a magic: read as a shell would, the text after them left exactly as it is."""

from __future__ import annotations

import argparse
import difflib
import io
import shlex
from typing import Any, NoReturn

from ..errors import InvalidArgumentError


class Parser(argparse.ArgumentParser):
    """Options of one magic; a wrong one is an InvalidArgumentError with the usage line."""

    def __init__(self, magic: str, description: str, examples: str) -> None:
        super().__init__(
            prog=magic,
            description=description,
            epilog=f"examples:\n{examples}",
            add_help=False,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument("-h", "--help", action="store_true", help="show this help")

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process."""
        raise InvalidArgumentError(f"{message}\n{self._usage()}（帮助 / help: {self.prog} --help）")

    def read(self, line: str) -> tuple[argparse.Namespace, str]:
        """Return the options at the start of a line, and the text after them, verbatim."""
        words, rest = self._split(line)
        options, unknown = self.parse_known_args(words)
        if unknown:
            known = [flag for action in self._actions for flag in action.option_strings]
            near = difflib.get_close_matches(unknown[0], known, 1)
            self.error(f"unknown option {unknown[0]!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return options, rest

    def _split(self, line: str) -> tuple[list[str], str]:
        """Take leading options with their values off a line."""
        words: list[str] = []
        rest = line.strip()
        while rest.startswith("-"):
            word, rest = self._next(rest)
            words.append(word)
            if rest and self._takes_value(word):
                word, rest = self._next(rest)
                words.append(word)
        return words, rest

    def _next(self, text: str) -> tuple[str, str]:
        stream = io.StringIO(text)
        lexer = shlex.shlex(stream, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
        try:
            word = lexer.get_token() or ""
        except ValueError:
            self.error("a quote is not closed")
        return word, text[stream.tell() :].lstrip()

    def _takes_value(self, word: str) -> bool:
        action = self._option_string_actions.get(word)
        return action is not None and action.nargs is None and "=" not in word

    def _usage(self) -> str:
        whole = " ".join(self.format_usage().split())
        return whole if len(whole) <= 100 else f"usage: {self.prog} [options]"


class TargetParser(Parser):
    """Options before and behind the one thing that a line is about; a value may begin with a dash."""

    def parts(self, line: str) -> tuple[argparse.Namespace, str]:
        """Return the options of a line, and its target; a path with blanks stands in quotes."""
        text = line.strip()
        _, rest = self._split(text)
        if not rest:
            return self.read(text)[0], ""
        target, more = self._next(rest)
        options, extra = self.read(f"{text[: len(text) - len(rest)]} {more}")
        if extra:
            self.error(f"unexpected {extra[:40]!r}: a text with blanks stands in quotes")
        return options, target

    def _split(self, line: str) -> tuple[list[str], str]:
        words, rest = super()._split(line)
        joined: list[str] = []
        for word in words:
            if joined and self._waits(joined[-1]) and word not in self._option_string_actions:
                joined[-1] = f"{joined[-1]}={word}"
            else:
                joined.append(word)
        return joined, rest

    def _waits(self, word: str) -> bool:
        return word.startswith("--") and self._takes_value(word)


class WordsParser(TargetParser):
    """Options before, between and behind any number of words."""

    def words(self, line: str) -> tuple[argparse.Namespace, list[str]]:
        """Return the options of a line, and its words; one with blanks stands in quotes."""
        text, found, left = line.strip(), [], []
        while text:
            _, rest = self._split(text)
            left.append(text[: len(text) - len(rest)])
            word, text = self._next(rest) if rest else ("", "")
            found += [word] if rest else []
        return self.read(" ".join(left))[0], found


def name(text: str) -> str:
    """Read a Python variable's name."""
    if not text.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not a variable name")
    return text


def shell_of(magics: Any) -> Any:
    """Return the shell that magics are registered with."""
    return magics.shell


def variables(shell: Any) -> dict[str, Any]:
    """Return the notebook's variables."""
    found: dict[str, Any] = shell.user_ns
    return found


def keep(shell: Any, variable: str, value: object) -> None:
    """Put a value into a variable of the notebook."""
    variables(shell)[variable] = value


def endpoint(shell: Any, given: str | None) -> str | None:
    """Return an endpoint given by name, or by a variable that holds a service or a text."""
    value = variables(shell).get(given or "", given)
    if value is None or isinstance(value, str):
        return value
    found = getattr(value, "endpoint", None)
    if not isinstance(found, str):
        raise InvalidArgumentError(f"-e {given}: the variable holds a {type(value).__name__}, not a service")
    return found


def document(function: object, parser: Parser) -> None:
    """Make the parser's help the magic's docstring, which is what `%magic?` shows."""
    function.__doc__ = parser.format_help()
