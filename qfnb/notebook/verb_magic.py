"""Magics whose first word is a verb: `%qfbatch wait`, `%qftrain start trainer`, `%qfeval show
report`.

A verb is a method `do_<verb>` of the magic's class; an option names the verbs that accept it. Both
stand in the magic's own module; the help, the checks and the completion follow from them.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.magic import Magics, line_magic, no_var_expand

from ..base.language import tr
from ..base.text import listed, near_miss
from ..errors import InvalidArgumentError
from ..views.display import display_mode
from .await_cell import INTERRUPT_GRACE_S, run_in_cell
from .parser import MagicOption, Parser, document_magic, quote_word, used_options, user_variables

if TYPE_CHECKING:
    import pandas as pd

    from ..views.panel import Panel


def listing(frame: pd.DataFrame, when_empty: str) -> pd.DataFrame | None:
    """Return a table; of one without rows, print a sentence instead.

    Args:
        frame: the table.
        when_empty: the sentence, in the user's language.
    """
    if len(frame):
        return frame
    print(when_empty)  # noqa: T201 - what was asked for
    return None


POLL_S = 0.05
"""Seconds between two looks at a job."""

MAX_LISTED = 5
"""Cells that an error offers at most, where a name is missing."""


class VerbParser(Parser):
    """The options of a magic with verbs.

    Args:
        magic: its name with the percent sign, `%qfbatch`.
        description: the first lines of the help.
        examples: the last lines of the help.
        verbs: in the order of the help.
        options: likewise.
        **facts: what placeholders in these texts and in the help of options stand for.
    """

    def __init__(
        self,
        magic: str,
        description: str,
        examples: str,
        verbs: Sequence[str],
        options: Iterable[MagicOption] = (),
        **facts: str,
    ) -> None:
        self.verbs = (*verbs, "help")
        super().__init__(
            magic, description, examples, options, verbs=", ".join(self.verbs), **facts
        )

    def check_verb(self, verb: str, options: Namespace) -> None:
        """Check that a verb accepts the options.

        Raises:
            InvalidArgumentError: names the options that it does not accept.
        """
        accepted = {name for name, option in self.options.items() if verb in option.verbs}
        if unknown := used_options(options).keys() - accepted - {"awaited"}:
            names = listed(sorted(unknown))
            self.error(
                tr("{magic} {verb} takes no {options}", magic=self.prog, verb=verb, options=names)
            )


class VerbMagics(Magics):
    """A magic whose first word is a verb.

    A method `do_<verb>(options, *words)` runs it; its parameters are the words that it takes.

    Attributes:
        parser: its options and verbs; a line that begins with no verb has the first.
        needs_verb: whether a first word that is neither a verb nor an option is a mistake, not a
            target.
    """

    parser: ClassVar[VerbParser]
    needs_verb: ClassVar[bool] = True

    def run_line(self, line: str, cell: str | None = None) -> Any:
        """Run a line; return what its verb returns."""
        verb, remaining = self._split_verb(line)
        options, words = self._parse_words(verb, remaining)
        if options.help or verb == "help":
            return self.parser.print_help()
        self.parser.check_verb(verb, options)
        self._read_cell(verb, options, cell)
        self._check_words(verb, options, words)
        with self.naming_columns(line):
            return self.run_verb(verb, options, words)

    def run_verb(self, verb: str, options: Namespace, words: Sequence[str]) -> Any:
        """Run a verb."""
        return getattr(self, f"do_{verb}")(options, *words)

    def _parse_words(self, verb: str, line: str) -> tuple[Namespace, list[str]]:
        """Return the options behind a verb, and its words."""
        return self.parser.parse_words(line)

    def _read_cell(self, verb: str, options: Namespace, cell: str | None) -> None:
        """Take what the cell below the line says."""

    def _check_words(self, verb: str, options: Namespace, words: Sequence[str]) -> None:
        parameters = inspect.signature(getattr(self, f"do_{verb}")).parameters.values()
        if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
            return
        limit = len(parameters) - 1
        unexpected = " ".join(words[limit:])[:40]
        command = f"{self.parser.prog} {verb}"
        if not unexpected:
            return
        if not limit:
            text = tr("{magic} {verb} takes no word behind it", magic=self.parser.prog, verb=verb)
            self.parser.error(text, command)
        if used_options(options).keys() - {"awaited"}:
            self.parser.error(
                tr("unexpected {text!r}: put a text with spaces into quotes", text=unexpected)
            )
        target = " ".join(map(quote_word, words[:limit]))
        self.parser.error(
            tr("unexpected {text!r} behind {target!r}", text=unexpected, target=target[:40]),
            f"{command} {target}",
        )

    @contextlib.contextmanager
    def naming_columns(self, line: str) -> Iterator[None]:
        """End an error about the names of columns in the line that names them."""
        try:
            yield
        except InvalidArgumentError as error:
            if options := error.columns and self.column_options([*map(quote_word, error.columns)]):
                lines = [text for text in str(error).splitlines() if "Dataset.load(" not in text]
                error.args = ("\n".join([*lines, f"{self.parser.prog} {line.strip()} {options}"]),)
            raise

    def column_options(self, columns: Sequence[str]) -> str:
        """Return options that name columns which the data have, those of questions and answers; ""
        for none.
        """
        if len(columns) < 2:
            return ""
        return f"--input {columns[0]} --reference {columns[1]}"

    def _split_verb(self, line: str) -> tuple[str, str]:
        verb, remaining = (*line.split(maxsplit=1), "", "")[:2]
        if verb in self.parser.verbs:
            return verb, remaining
        facts = {"word": verb, "magic": self.parser.prog}
        if verb not in user_variables(self.shell) and (match := near_miss(verb, self.parser.verbs)):
            text = tr(
                "{word!r} is not a verb of {magic}; did you mean {match}?", match=match, **facts
            )
            self.parser.error(text, f"{self.parser.prog} {match} {remaining}".rstrip())
        if self.needs_verb and verb and not verb.startswith("-"):
            cell = self._propose_verb(verb)
            verbs = listed(self.parser.verbs)
            hint = "" if cell else tr(": use {verbs}", verbs=verbs)
            text = tr("{word!r} is not a verb of {magic}{hint}", hint=hint, **facts)
            self.parser.error(text, cell)
        return self.parser.verbs[0], line

    def _propose_verb(self, word: str) -> str:
        """Return the cell that may be meant by a word that is no verb, "" for none."""
        return ""

    def complete_word(self, previous: str) -> list[str]:
        """Return the completions behind a word: verbs behind the name of the magic."""
        if previous.endswith(self.parser.prog):
            return list(self.parser.verbs)
        return []


def verb_magic(parser: VerbParser, kind: Callable[[str], Any] = line_magic) -> Any:
    """Return the method of a `VerbMagics` that is the magic, `%qfbatch` for one.

    Args:
        parser: of the magic.
        kind: whether it is one of a line, or of a cell, too.
    """

    def magic(magics: VerbMagics, line: str, cell: str | None = None) -> Any:
        return magics.run_line(line, cell)

    magic.__name__ = parser.prog.lstrip("%")
    spoken = parser.speak(magic)
    document_magic(spoken, parser)
    return no_var_expand(kind(magic.__name__)(spoken))


def choose_only(
    parser: VerbParser, verb: str, names: Sequence[str], when_none: str, cell: str
) -> str:
    """Return the only name that a verb without one can mean.

    Args:
        parser: of the magic.
        verb: the verb.
        names: what it can mean, the newest first.
        when_none: what is wrong where there are none.
        cell: the cell to run then.

    Raises:
        InvalidArgumentError: there are none, or several; it ends in a cell for each of the newest.
    """
    command = f"{parser.prog} {verb}"
    if not names:
        parser.error(when_none, cell)
    if len(names) > 1:
        text = tr("{command}: there are {n} to choose from", command=command, n=len(names))
        parser.error(text, list_cells(command, names))
    return names[0]


def list_cells(command: str, names: Sequence[str]) -> str:
    """Return a command with each of some names, the first `MAX_LISTED`, a line each."""
    return "\n".join(f"{command} {quote_word(name)}" for name in names[:MAX_LISTED])


def wait_in_cell(
    job: Any,
    create_panel: Callable[[Any], Panel],
    raise_errors: Callable[[], object],
    message: str,
    *,
    is_over: Callable[[], bool],
    cancel: Callable[[], object] | None = None,
    awaited: bool,
) -> Any:
    """Wait for the end of a job with the kernel free, and show it; an awaited cell gets an
    awaitable.

    Args:
        job: the job.
        create_panel: returns its panel, where none shows it yet.
        raise_errors: raises what ended it badly.
        message: of an interrupt.
        is_over: returns whether it has ended.
        cancel: ends it when the cell is interrupted, None for a job that goes on.
        awaited: whether the cell is.
    """
    from ..views.panel import find_panel  # noqa: PLC0415

    panel = find_panel(job)
    stands_above = panel is not None
    if panel is None:
        panel = create_panel(job)
        if display_mode() == "live":
            panel.show()

    def on_end(interrupted: bool) -> None:
        panel.publish_final()
        if interrupted:
            return
        raise_errors()
        if stands_above and display_mode() == "live":
            print(panel.result())  # noqa: T201 - the panel itself may be out of sight

    return run_in_cell(_wait(is_over, cancel), on_end, message, awaited=awaited)


async def _wait(is_over: Callable[[], bool], cancel: Callable[[], object] | None) -> None:
    """Wait for the end of a job, or cancel it and wait for what it does then."""
    try:
        while not is_over():
            await asyncio.sleep(POLL_S)
    except asyncio.CancelledError:
        if cancel is not None:
            cancel()
            until = time.monotonic() + INTERRUPT_GRACE_S - 2 * POLL_S
            while not is_over() and time.monotonic() < until:
                await asyncio.sleep(POLL_S)
        raise
