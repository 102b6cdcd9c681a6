"""The options of a magic: split as a shell does it; the text after them is left unchanged."""

import argparse
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
from pathlib import Path, PurePath
from typing import Any, NoReturn

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from ..base.language import tr, tr_noop
from ..base.text import closest
from ..config import state_dir
from ..errors import APIError, InvalidArgumentError, QianfanError, split_message
from ..resources.inference.thinking import EFFORTS, is_think_level
from ..wire import catalog
from .await_cell import AWAIT_OPTION


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


MAX_USAGE_CHARS = 100
"""Characters of a usage line that an error shows; a longer one is left to the help."""


def _complete_nothing(_magics: Any) -> list[str]:
    return []


def _is_no_option(word: str) -> bool:
    return not word.startswith("-")


@dataclass(frozen=True)
class Option:
    """The facts about an option that argparse does not know."""

    flag: str = ""  # its long form, `--model`
    keyword: str = ""  # the parameter of the library that it sets, "" where it sets none by itself
    verbs: Sequence[str] = ()  # the verbs that take it, for a magic with verbs
    complete: Completer = _complete_nothing  # returns what Tab offers as the value
    # whether a word is the value, for an option that may lack it
    accepts: Callable[[str], bool] = _is_no_option


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Writes the help of a parser in the user's language."""

    def __init__(self, parser: "Parser", prog: str) -> None:
        super().__init__(prog)
        self._parser = parser

    def add_usage(self, *args: Any, **kwargs: Any) -> None:
        super().add_usage(*args, **{"prefix": tr("usage: "), **kwargs})

    def _get_help_string(self, action: argparse.Action) -> str:
        return self._parser.translate(action.help or "")


_REFUSALS = (
    (
        r"argument (?P<option>[^:]+): invalid int value: (?P<value>.+)",
        tr_noop("{option}: {value} is not an integer"),
    ),
    (
        r"argument (?P<option>[^:]+): invalid float value: (?P<value>.+)",
        tr_noop("{option}: {value} is not a number"),
    ),
    (r"argument (?P<option>[^:]+): expected .*argument.*", tr_noop("{option} needs a value")),
    (
        r"argument (?P<option>[^:]+): ignored explicit argument .+",
        tr_noop("{option} takes no value"),
    ),
    (
        (
            r"argument (?P<option>[^:]+): invalid choice: (?P<value>.+) \(choose from "
            r"(?P<choices>.+)\)"
        ),
        tr_noop("{option}: {value} is not one of {choices}"),
    ),
    (r"argument (?P<option>[^:]+): (?P<problem>.+)", tr_noop("{option}: {problem}")),
)
"""What argparse says of a wrong option -> the message."""


def _translate_refusal(text: str) -> str:
    for pattern, message in _REFUSALS:
        if match := re.fullmatch(pattern, text, re.DOTALL):
            return tr(message, **match.groupdict())
    return text


class Parser(argparse.ArgumentParser):
    """Options of one magic; a wrong one is an InvalidArgumentError with the usage line.

    Args:
        magic: its name with the percent sign, `%qfauth`.
        description: the first lines of the help, a message.
        examples: the last lines of the help, a message.
        **facts: what placeholders in these texts and in the help of options stand for.
    """

    def __init__(self, magic: str, description: str, examples: str, **facts: str) -> None:
        super().__init__(
            prog=magic, description=description, epilog=examples, add_help=False,
            allow_abbrev=False,
            formatter_class=functools.partial(_HelpFormatter, self),
        )  # fmt: skip
        self.options: dict[str, Option] = {}
        # options of other magics -> what this one calls them, with the value
        self.foreign_options: dict[str, str] = {}
        self._facts = facts
        self.add_argument("-h", "--help", action="store_true", help=tr_noop("show this help"))
        self.add_argument(AWAIT_OPTION, dest="awaited", action="store_true", help=argparse.SUPPRESS)

    def add_option(
        self,
        *flags: str,
        keyword: str = "",
        verbs: Sequence[str] = ("start",),
        complete: Completer = _complete_nothing,
        accepts: Callable[[str], bool] = _is_no_option,
        **settings: Any,
    ) -> None:
        """Add an option, with its keyword, verbs and completion.

        Args:
            *flags: `-m`, `--model`.
            keyword: the parameter of the library that it sets, "" where it sets none by itself.
            verbs: the verbs that take it, for a magic with verbs.
            complete: returns what Tab offers as the value.
            accepts: returns whether the next word is the value, with `nargs="?"`.
            **settings: of `ArgumentParser.add_argument`.
        """
        action = self.add_argument(*flags, **settings)
        self.options[action.dest] = Option(max(flags, key=len), keyword, verbs, complete, accepts)

    def add_temperature_option(self) -> None:
        """Add `-t`."""
        self.add_option(
            "-t",
            "--temperature",
            type=float,
            metavar="X",
            help=tr_noop(
                "ERNIE: above 0, at most 1; open models: 0 to 2; the default is the model's own"
            ),
            keyword="temperature",
        )

    def add_think_option(self) -> None:
        """Add `--think`; without a value it means "on"."""
        self.add_option(
            "--think",
            nargs="?",
            const="on",
            metavar="LEVEL",
            help=tr_noop("think before answering: on, off, low, high, ... or a number of tokens"),
            complete=lambda _: ["on", "off", *EFFORTS],
            accepts=is_think_level,
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
        actions = [action for action in self._actions if action.help != argparse.SUPPRESS]
        return [
            flag for action in actions for flag in action.option_strings if flag.startswith("--")
        ]

    def find_option(self, flag: str) -> Option | None:
        """Return the facts about an option, None for other words."""
        action = self._option_string_actions.get(flag)
        if action is None:
            return None
        return self.options.get(action.dest, Option())

    def speak(self, magic: Callable[..., Any]) -> Callable[..., Any]:
        """Return a magic whose errors say its options; one that is awaited, too (a decorator)."""

        @functools.wraps(magic)
        def run(*arguments: Any, **options: Any) -> Any:
            with self.in_its_words(), self._correcting(*arguments[1:]):
                result = magic(*arguments, **options)
            if inspect.iscoroutine(result):
                return self._await(result, *arguments[1:])
            return result

        return run

    @contextlib.contextmanager
    def _correcting(self, line: str, cell: str | None = None) -> Iterator[None]:
        """End an error about a word of the line in the cell that has the right one."""
        try:
            yield
        except InvalidArgumentError as error:
            wrong, right = error.correction
            if wrong and wrong in f"{line}{cell}":
                explanation = [
                    text for text in split_message(error)[0] if not text.startswith(tr("usage: "))
                ]
                magic = f"{'%' if cell is None else '%%'}{self.prog.lstrip('%')}"
                words = line.replace(AWAIT_OPTION, "").strip()
                # a column, wherever it stands
                if wrong.startswith("{"):
                    count = -1
                else:
                    count = 1
                corrected = words.replace(wrong, right, count)
                body = (cell or "").rstrip()
                if wrong not in line or count < 0:
                    body = body.replace(wrong, right, count)
                error.args = (
                    "\n".join(filter(None, [*explanation, f"{magic} {corrected}", body])),
                )
            raise

    async def _await(
        self, result: Coroutine[Any, Any, Any], line: str, cell: str | None = None
    ) -> Any:
        with self.in_its_words(), self._correcting(line, cell):
            return await result

    def format_help(self) -> str:
        """Return the help in the user's language."""
        translated = copy.copy(self)
        translated.description = self.translate(self.description or "")
        translated.epilog = f"{tr('examples:')}\n{self.translate(self.epilog or '')}"
        return (
            super(Parser, translated).format_help().replace("\noptions:\n", f"\n{tr('options:')}\n")
        )

    def translate(self, message: str) -> str:
        """Return a text of the help in the user's language, its placeholders replaced by facts."""
        if message:
            text = tr(message)
        else:
            text = ""
        for name, fact in self._facts.items():
            text = text.replace(f"{{{name}}}", fact.replace(", ", tr(", ")))
        return text

    def error(self, message: str, cell: str = "") -> NoReturn:
        """Raise instead of ending the process; the last line is the cell to run next.

        Args:
            message: what is wrong.
            cell: the cell, or several, a line each; by default the one that shows the help, below
                the usage.
        """
        if cell:
            next_lines = [cell]
        else:
            next_lines = [self._usage_line(), f"%{self.prog.lstrip('%')} help"]
        raise InvalidArgumentError(
            "\n".join(filter(None, [_translate_refusal(message), *next_lines]))
        )

    @contextlib.contextmanager
    def in_its_words(self) -> Iterator[None]:
        """Say options, `--prompt`, in errors that name the library's parameters, `prompt=`."""
        try:
            yield
        except QianfanError as error:
            error.args = tuple(
                self.say_options(value) if isinstance(value, str) else value for value in error.args
            )
            if isinstance(error, APIError):
                error.hint = self.say_options(error.hint)
            raise

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
            option, _, value = unknown[0].partition("=")
            flags = {flag.lstrip("-"): flag for flag in self._option_string_actions}
            match = flags.get(closest(option.lstrip("-"), flags) or "")
            if match:
                hint = tr("; did you mean {match}?", match=match)
                correction = (option, match)
            else:
                hint = ""
                correction = ("", "")
            if option in self.foreign_options:
                correction = self._translate_option(option, value or text, line)
                hint = ""
            try:
                self.error(tr("unknown option {option!r}{hint}", option=option, hint=hint))
            except InvalidArgumentError as error:
                error.correction = correction
                raise
        return options, text

    def _translate_option(self, option: str, text: str, line: str) -> tuple[str, str]:
        """Return an option of other magics with its value, as it stands in a line, and what this
        magic calls it; "" where that is not clear.
        """
        value = self._next_word(text)[0]
        own_option = self.foreign_options[option]
        written = re.search(rf"{option}[=\s]+([\"']?){re.escape(value)}\1", line)
        if not value or written is None or own_option.split()[0] in line:
            return "", ""
        return written.group(), own_option.format(value)

    def _take_options(self, line: str) -> tuple[list[str], str]:
        """Split a line into its leading options with their values, and the remaining text."""
        words: list[str] = []
        remaining = line.strip()
        while remaining.startswith("-"):
            word, remaining = self._next_word(remaining)
            words.append(word)
            if remaining and self._takes_value(word, remaining):
                word, remaining = self._next_word(remaining)
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

    def _takes_value(self, word: str, remaining: str = "") -> bool:
        """Return whether a word is an option with a value; one that may lack it takes the next word
        that it accepts.
        """
        action = self._option_string_actions.get(word)
        if action is None or "=" in word:
            return False
        option = self.options.get(action.dest, Option())
        next_word = remaining.partition(" ")[0]
        return action.nargs is None or (
            action.nargs == argparse.OPTIONAL and option.accepts(next_word)
        )

    def _usage_line(self) -> str:
        usage = " ".join(self.format_usage().split())
        if len(usage) <= MAX_USAGE_CHARS:
            return usage
        return ""


class WordsParser(Parser):
    """Options before, between and behind the words of a line; a value may begin with a dash."""

    def parse_target(self, line: str, verb: str = "") -> tuple[argparse.Namespace, str]:
        """Return the options of a line and its target; a path with spaces is quoted.

        Args:
            line: behind the verb.
            verb: of the line, as errors say it.
        """
        text = line.strip()
        _, remaining = self._take_options(text)
        if not remaining:
            return self.parse_line(text)[0], ""
        target, options_after = self._next_word(remaining)
        options, unexpected = self.parse_line(
            f"{text[: len(text) - len(remaining)]} {options_after}"
        )
        if unexpected:
            self._refuse_words(target, options_after, unexpected, verb)
        return options, target

    def parse_text(self, line: str) -> tuple[argparse.Namespace, list[str]]:
        """Return the options of a line, its first word and the text behind it, verbatim."""
        options, remaining = self.parse_line(line)
        if not remaining:
            return options, []
        word, text = self._next_word(remaining)
        return options, [word, *filter(None, [text.strip()])]

    def _refuse_words(
        self, target: str, options_after: str, unexpected: str, verb: str
    ) -> NoReturn:
        """Raise the error about words behind the target, or behind the options that follow it."""
        words = unexpected.split()
        is_one_text = options_after != unexpected or len(words) > 1
        if is_one_text and not PurePath(words[0]).suffix:
            self.error(
                tr("unexpected {text!r}: put a text with spaces into quotes", text=unexpected[:40])
            )
        command = f"{self.prog} {verb}".rstrip()
        text = tr(
            "unexpected {text!r} behind {target!r}: `{command}` takes one word, a variable, a name "
            "or a path",
            text=unexpected[:40],
            target=target[:40],
            command=command,
        )
        self.error(text, f"{command} {quote_word(target)}".strip())

    def _take_options(self, line: str) -> tuple[list[str], str]:
        words, remaining = super()._take_options(line)
        joined: list[str] = []
        for word in words:
            if joined and self._lacks_value(joined[-1]) and word not in self._option_string_actions:
                joined[-1] = f"{joined[-1]}={word}"
            else:
                joined.append(word)
        return joined, remaining

    def _lacks_value(self, word: str) -> bool:
        return word.startswith("--") and self._takes_value(word)

    def parse_words(self, line: str) -> tuple[argparse.Namespace, list[str]]:
        """Return the options of a line and its words; a word with spaces is quoted."""
        text = line.strip()
        words = []
        option_texts = []
        while text:
            _, remaining = self._take_options(text)
            option_texts.append(text[: len(text) - len(remaining)])
            word, text = self._next_word(remaining) if remaining else ("", "")
            words += [word] if remaining else []
        return self.parse_line(" ".join(option_texts))[0], words


def quote_word(text: str) -> str:
    """Return a text as one word of a line."""
    if re.search(r"[\s'\\]", text):
        return f'"{text}"'
    return text


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


def get_shell(magics: Any) -> Any:
    """Return the shell that magics are registered with."""
    return magics.shell


def user_variables(shell: Any) -> dict[str, Any]:
    """Return the notebook's variables; none without a shell, on the command line."""
    namespace: dict[str, Any] = {} if shell is None else shell.user_ns
    return namespace


def store_variable(shell: Any, variable: str, value: object) -> None:
    """Set a variable of the notebook."""
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
    return [*load(), *catalog.model_names("chat")]


def image_models(_magics: Any) -> list[str]:
    """Return the names of image models, aliases first."""
    return [*load(), *catalog.model_names("text2image")]


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
