"""The options of a magic: split as a shell does it; the text after them is left unchanged."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import copy
import functools
import inspect
import io
import json
import re
import shlex
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from ..base.language import tr, tr_noop
from ..base.text import closest
from ..config import state_dir
from ..errors import APIError, InvalidArgumentError, QianfanError, split_message
from ..resources.inference.thinking import EFFORTS, is_think_level
from ..wire import catalog
from .await_cell import AWAIT_OPTION

SYNONYMS: Final = {"lr": "learning-rate", "file": "data", "output": "out"}
"""What other tools call an option."""


def resolve(name: str) -> str:
    """Return the model of an alias; other names are returned unchanged."""
    return load().get(name, name)


def load() -> dict[str, str]:
    """Return all aliases."""
    try:
        value: Any = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if isinstance(value, dict):
        return {str(key): str(item) for key, item in value.items()}
    return {}


def run_command(words: list[str]) -> dict[str, str]:
    """Set an alias, given its name and its model; return all aliases.

    Raises:
        InvalidArgumentError: the alias has a comma, or cannot be written.
    """
    aliases = load()
    if words:
        if "," in words[0]:
            raise InvalidArgumentError(tr("alias {words!r}: a name has no comma", words=words[0]))
        aliases[words[0]] = words[1]
        try:
            _path().write_text(json.dumps(aliases, ensure_ascii=False, indent=2), encoding="utf-8")
        except OSError as error:
            raise InvalidArgumentError(
                tr("the alias cannot be saved: {reason}", reason=error.strerror)
            ) from None
    return aliases


def _path() -> Path:
    return state_dir() / "aliases.json"


Completer = Callable[[Any], Iterable[str]]
"""Returns what Tab offers as an option's value; its argument is the magics object."""

NUMBERS = {"N": int, "X": float, "CNY": float}
"""Placeholder of an option's value -> its type, where it is a number."""

MAX_USAGE_CHARS = 100
"""Characters of a usage line that an error shows; a longer one is left to the help."""


def _complete_nothing(_magics: Any) -> list[str]:
    return []


def _is_no_option(word: str) -> bool:
    return not word.startswith("-")


@dataclass(frozen=True)
class MagicOption:
    """An option of a magic, and of the command of `qfnb` that does the same.

    Attributes:
        help: a message; it is collected as those of `tr` are.
        flag: its long form, `--model`.
        metavar: what stands for the value in the help, "" for a switch; `NUMBERS` has those of
            numbers.
        short: its short form, `-m`.
        keyword: the parameter of the library that it sets, "" where it sets none by itself.
        verbs: the verbs that take it, for a magic with verbs.
        complete: returns what Tab offers as the value.
        parse: returns the value of a word, where it is neither a text nor a number.
        repeated: whether it may be given several times; its value is a list.
        dest: the name of its value, by default that of the flag.
        const: the value where none is given, None where it must be.
        accepts: returns whether the next word is the value, where none need be given.
    """

    help: str
    flag: str
    metavar: str = ""
    short: str = ""
    keyword: str = ""
    verbs: Sequence[str] = ("start",)
    complete: Completer = _complete_nothing
    parse: Callable[[str], Any] | None = None
    repeated: bool = False
    dest: str = ""
    const: str | None = None
    accepts: Callable[[str], bool] = _is_no_option

    @property
    def name(self) -> str:
        """The name of its value."""
        return self.dest or self.flag.lstrip("-").replace("-", "_")

    @property
    def flags(self) -> list[str]:
        """The forms in which it is typed."""
        return [*filter(None, [self.short, self.flag])]

    @property
    def kind(self) -> Callable[[str], Any]:
        """What makes its value of a word."""
        return self.parse or NUMBERS.get(self.metavar, str)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Writes the help of a parser in the user's language."""

    def __init__(self, parser: Parser, prog: str) -> None:
        super().__init__(prog)
        self._parser = parser

    def add_usage(self, *args: Any, **kwargs: Any) -> None:
        super().add_usage(*args, **{"prefix": tr("usage: "), **kwargs})

    def _get_help_string(self, action: argparse.Action) -> str:
        return self._parser.translate(action.help or "")


_REFUSALS = {
    "invalid int value: (?P<value>.+)": tr_noop("{option}: {value} is not an integer"),
    "invalid float value: (?P<value>.+)": tr_noop("{option}: {value} is not a number"),
    "expected .*argument.*": tr_noop("{option} needs a value"),
    "ignored explicit argument .+": tr_noop("{option} takes no value"),
    "(?P<problem>.+)": tr_noop("{option}: {problem}"),
}
"""What argparse says of a wrong option -> the message."""


def _translate_refusal(text: str) -> str:
    for pattern, message in _REFUSALS.items():
        if match := re.fullmatch(rf"argument (?P<option>[^:]+): {pattern}", text, re.DOTALL):
            return tr(message, **match.groupdict())
    return text


class Parser(argparse.ArgumentParser):
    """Options of one magic; a wrong one is an InvalidArgumentError with the usage line.

    Args:
        magic: its name with the percent sign, `%qfauth`.
        description: the first lines of the help, a message.
        examples: the last lines of the help, a message.
        options: in the order of the help.
        **facts: what placeholders in these texts and in the help of options stand for.
    """

    def __init__(
        self,
        magic: str,
        description: str,
        examples: str,
        options: Iterable[MagicOption] = (),
        **facts: str,
    ) -> None:
        super().__init__(
            prog=magic, description=description, epilog=examples, add_help=False,
            allow_abbrev=False,
            formatter_class=functools.partial(_HelpFormatter, self),
        )  # fmt: skip
        self.options = {option.name: option for option in options}
        self._facts = facts
        self.add_argument("-h", "--help", action="store_true", help=tr_noop("show this help"))
        self.add_argument(AWAIT_OPTION, dest="awaited", action="store_true", help=argparse.SUPPRESS)
        for name, option in self.options.items():
            if not option.metavar:
                self.add_argument(*option.flags, dest=name, action="store_true", help=option.help)
                continue
            self.add_argument(
                *option.flags,
                dest=name,
                action="append" if option.repeated else "store",
                nargs=None if option.const is None else "?",
                const=option.const,
                type=option.kind,
                metavar=option.metavar,
                help=option.help,
            )

    def keywords(self, options: argparse.Namespace) -> dict[str, Any]:
        """Return the options that are set, as keyword arguments of the library."""
        used = used_options(options)
        return {
            option.keyword: used[name]
            for name, option in self.options.items()
            if option.keyword and name in used
        }

    def visible_flags(self) -> list[str]:
        """Return the long options that the help shows."""
        flags = [option.flag for option in self.options.values()]
        return ["--help", *(flag for flag in flags if flag.startswith("--"))]

    def find_option(self, flag: str) -> MagicOption | None:
        """Return an option by one of its forms, None for other words."""
        return next((row for row in self.options.values() if flag in row.flags), None)

    def speak(self, magic: Callable[..., Any]) -> Callable[..., Any]:
        """Return a magic whose errors say its options; one that is awaited, too (a decorator)."""

        @functools.wraps(magic)
        def run(magics: Any, *line_and_cell: str) -> Any:
            with self.in_its_words(*line_and_cell):
                result = magic(magics, *line_and_cell)
            if inspect.iscoroutine(result):
                return self._await(result, *line_and_cell)
            if AWAIT_OPTION in line_and_cell[0]:  # the cell awaits whatever there is
                return asyncio.sleep(0, result)
            return result

        return run

    async def _await(self, result: Coroutine[Any, Any, Any], *line_and_cell: str) -> Any:
        with self.in_its_words(*line_and_cell):
            return await result

    @contextlib.contextmanager
    def in_its_words(self, line: str, cell: str | None = None) -> Iterator[None]:
        """Say options, `--prompt`, in errors that name the library's parameters, `prompt=`; one
        about a word of the line ends in the cell that has the right one.
        """
        try:
            yield
        except QianfanError as error:
            error.args = tuple(
                self.say_options(value) if isinstance(value, str) else value for value in error.args
            )
            if isinstance(error, APIError):
                error.hint = self.say_options(error.hint)
            if isinstance(error, InvalidArgumentError):
                self._correct(error, line, cell)
            raise

    def _correct(self, error: InvalidArgumentError, line: str, cell: str | None) -> None:
        wrong, right = error.correction
        body = cell or ""
        if not wrong or wrong not in line + body:
            return
        texts = split_message(error)[0]
        explanation = [text for text in texts if not text.startswith(tr("usage: "))]
        magic = self.prog.lstrip("%")
        first = f"%{magic}" if cell is None else f"%%{magic}"
        if wrong in line:
            line = line.replace(wrong, right)
        else:
            body = body.replace(wrong, right)
        line = line.replace(AWAIT_OPTION, "").strip()
        rows = [*explanation, f"{first} {line}", body.rstrip()]
        error.args = ("\n".join(filter(None, rows)),)

    def format_help(self) -> str:
        """Return the help in the user's language."""
        translated = copy.copy(self)
        translated.description = self.translate(self.description or "")
        translated.epilog = f"{tr('examples:')}\n{self.translate(self.epilog or '')}"
        text = super(Parser, translated).format_help()
        return text.replace("\noptions:\n", f"\n{tr('options:')}\n")

    def translate(self, message: str) -> str:
        """Return a text of the help in the user's language, its placeholders replaced by facts."""
        text = ""
        if message:
            text = tr(message)
        for name, fact in self._facts.items():
            text = text.replace(f"{{{name}}}", fact.replace(", ", tr(", ")))
        return text

    def error(
        self, message: str, cell: str = "", correction: tuple[str, str] = ("", "")
    ) -> NoReturn:
        """Raise instead of ending the process; the last line is the cell to run next.

        Args:
            message: what is wrong.
            cell: the cell, or several, a line each; by default the one that shows the help, below
                the usage.
            correction: a wrong word of the line, and the right one.
        """
        next_lines = [cell]
        if not cell:
            next_lines = [self._usage_line(), f"%{self.prog.lstrip('%')} help"]
        text = "\n".join(filter(None, [_translate_refusal(message), *next_lines]))
        error = InvalidArgumentError(text)
        error.correction = correction
        raise error

    def say_options(self, text: str) -> str:
        """Return a text in which parameters are options; `workers=0` is `--workers 0`."""
        # the library's messages name some options in brackets
        text = re.sub(r"\w+=\S+ \((--[\w-]+)\)", r"\1", text)
        for name, option in self.options.items():
            parameter = rf"(?<![\w(.]){option.keyword or name}="
            text = re.sub(rf"{parameter}(?=[^\s,;:)])", f"{option.flag} ", text)
            text = re.sub(parameter, option.flag, text)
        return text

    def parse_line(self, line: str) -> tuple[argparse.Namespace, str]:
        """Return the options at the start of a line, and the text after them, verbatim."""
        words, text = self._take_options(line)
        options, unknown = self.parse_known_args(words)
        if unknown:
            option = unknown[0].partition("=")[0]
            flags = {flag.lstrip("-"): flag for flag in self._option_string_actions}
            name = option.lstrip("-")
            match = flags.get(SYNONYMS.get(name, "")) or flags.get(closest(name, flags) or "")
            hint = ""
            if match:
                hint = tr("; did you mean {match}?", match=match)
            message = tr("unknown option {option!r}{hint}", option=option, hint=hint)
            self.error(message, correction=(option, match) if match else ("", ""))
        return options, text

    def parse_words(self, line: str) -> tuple[argparse.Namespace, list[str]]:
        """Return the options of a line, which stand anywhere, and its words; a word with spaces is
        quoted.
        """
        text = line.strip()
        words = []
        option_texts = []
        while text:
            _, remaining = self._take_options(text)
            option_texts.append(text[: len(text) - len(remaining)])
            text = ""
            if remaining:
                word, text = self._next_word(remaining)
                words.append(word)
        return self.parse_line(" ".join(option_texts))[0], words

    def parse_text(self, line: str) -> tuple[argparse.Namespace, list[str]]:
        """Return the options of a line, its first word and the text behind it, verbatim."""
        options, remaining = self.parse_line(line)
        if not remaining:
            return options, []
        word, text = self._next_word(remaining)
        return options, [word, *filter(None, [text.strip()])]

    def _take_options(self, line: str) -> tuple[list[str], str]:
        """Split a line into its leading options with their values, which may begin with a dash, and
        the remaining text.
        """
        words: list[str] = []
        remaining = line.strip()
        while remaining.startswith("-"):
            word, remaining = self._next_word(remaining)
            if remaining and self._takes_value(word, remaining):
                value, remaining = self._next_word(remaining)
                if word.startswith("--") and value not in self._option_string_actions:
                    word = f"{word}={value}"
                else:
                    words.append(word)
                    word = value
            words.append(word)
        return words, remaining

    def _next_word(self, text: str) -> tuple[str, str]:
        stream = io.StringIO(text)
        lexer = shlex.shlex(stream, posix=True, punctuation_chars=False)
        lexer.whitespace_split = True
        lexer.commenters = ""
        lexer.escape = ""
        try:
            word = lexer.get_token() or ""
        except ValueError:
            self.error(tr("a quote is not closed"))
        return word, text[stream.tell() :].lstrip()

    def _takes_value(self, word: str, remaining: str) -> bool:
        """Return whether a word is an option with a value; one that may lack it takes the next word
        that it accepts.
        """
        option = self.find_option(word)
        if option is None or not option.metavar:
            return False
        return option.const is None or option.accepts(remaining.partition(" ")[0])

    def _usage_line(self) -> str:
        usage = " ".join(self.format_usage().split())
        if len(usage) <= MAX_USAGE_CHARS:
            return usage
        return ""


def quote_word(text: str) -> str:
    """Return a text as one word of a line."""
    if re.search(r"[\s'\\]", text):
        return f'"{text}"'
    return text


def split_names(text: str | None) -> list[str]:
    """Return the names that commas separate."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def used_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that are set, by name; 0 is a value, None and False are not."""
    return {
        name: value
        for name, value in vars(options).items()
        if value is not None and value is not False
    }


def variable_name(text: str) -> str:
    """Return the text, which must be a valid name of a variable."""
    if not text.isidentifier():
        raise argparse.ArgumentTypeError(tr("{text!r} is not a variable name", text=text))
    return text


def user_variables(shell: Any) -> dict[str, Any]:
    """Return the notebook's variables; none without a shell, on the command line."""
    namespace: dict[str, Any] = {}
    if shell is not None:
        namespace = shell.user_ns
    return namespace


def store_variable(shell: Any, variable: str | None, value: object) -> None:
    """Set a variable of the notebook, if one is named."""
    if variable:
        user_variables(shell)[variable] = value


def document_magic(function: object, parser: Parser) -> None:
    """Let `%magic?` show the help of a parser: IPython asks an object's `getdoc` before its
    docstring.
    """
    function.__doc__ = parser.format_help()
    function.getdoc = parser.format_help  # type: ignore[attr-defined]


IDENTIFIER = "qfnb"
_OWN_MAGIC = re.compile(r"\s*%{1,2}(qf\w*)\s")


def register(shell: Any) -> None:
    """Add our matcher to the shell; where it has matches, Python's own names are not offered."""
    from IPython.core.completer import SimpleCompletion, context_matcher  # noqa: PLC0415 - the command line needs no IPython

    @context_matcher(identifier=IDENTIFIER)  # type: ignore[untyped-decorator]
    def matcher(context: Any) -> Any:
        lines = context.full_text.split("\n")
        line = lines[context.cursor_line][: context.cursor_position]
        matches = complete_line(shell, line)
        completions = [SimpleCompletion(text=text, type="qfnb") for text in matches]
        word = _last_words(line)[-1]
        return {"completions": completions, "suppress": bool(matches), "matched_fragment": word}

    shell.Completer.custom_matchers.append(matcher)


def unregister(shell: Any) -> None:
    """Remove our matcher from the shell."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [
        matcher for matcher in matchers if getattr(matcher, "matcher_identifier", "") != IDENTIFIER
    ]


def _last_words(line: str) -> list[str]:
    """Return the last two words of a line; behind a space, the last is empty."""
    words = ["", *line.split()]
    if line.endswith(" "):
        words.append("")
    return words[-2:]


def complete_line(shell: Any, line: str) -> list[str]:
    """Return the completions of the last word of a line with one of our magics."""
    match = _OWN_MAGIC.match(line)
    magic = match and shell.magics_manager.magics["line"].get(match.group(1))
    magics = getattr(magic, "__self__", None)
    if magics is None:
        return []
    previous, word = _last_words(line)
    if word.startswith("-"):
        return [flag for flag in magics.parser.visible_flags() if flag.startswith(word)]
    option = magics.parser.find_option(previous)
    if option is None:
        values = magics.complete_word(previous)
    else:
        values = option.complete(magics)
    head, comma, start = word.rpartition(",")
    return [f"{head}{comma}{value}" for value in values if value.lower().startswith(start.lower())]


def chat_models(_magics: Any) -> list[str]:
    """Return the names of chat models, aliases first."""
    return [*load(), *catalog.model_names("chat")]


def endpoints(magics: Any) -> list[str]:
    """Return the notebook's variables that hold a service or a trainer."""
    items = list(user_variables(magics.shell).items())
    services = [key for key, value in items if isinstance(getattr(value, "endpoint", None), str)]
    return [*services, *variables_of(magics.shell, {"LLMFinetune"})]


def variables_of(shell: Any, kinds: Collection[str]) -> list[str]:
    """Return the notebook's variables whose class, or a base of it, has one of these names."""
    items = list(user_variables(shell).items())
    names = [
        key for key, value in items if any(base.__name__ in kinds for base in type(value).__mro__)
    ]
    return [name for name in names if not name.startswith("_") and name not in {"In", "Out"}]


MODEL = MagicOption(
    "the model to ask; default: the default chat model",
    "--model",
    "NAME",
    "-m",
    complete=chat_models,
)
ENDPOINT = MagicOption(
    "a service of your own: its name, id or suffix, or its training",
    "--endpoint",
    "NAME",
    "-e",
    complete=endpoints,
)
SYSTEM = MagicOption(
    "the system prompt: who the model is", "--system", "TEXT", "-s", keyword="system"
)
TEMPERATURE = MagicOption(
    "ERNIE: above 0, at most 1; open models: 0 to 2; the default is the model's own",
    "--temperature",
    "X",
    "-t",
    keyword="temperature",
)
THINK = MagicOption(
    "think before answering: on, off, low, high, ... or a number of tokens",
    "--think",
    "LEVEL",
    complete=lambda _: ["on", "off", *EFFORTS],
    const="on",
    accepts=is_think_level,
)
MAX_TOKENS = MagicOption(
    "the most tokens of an answer", "--max-tokens", "N", keyword="max_output_tokens"
)
CHAT_OPTIONS = (MODEL, ENDPOINT, SYSTEM, TEMPERATURE, THINK, MAX_TOKENS)
"""What `%qfbatch`, `qfnb chat` and `qfnb batch` take to ask a model."""
