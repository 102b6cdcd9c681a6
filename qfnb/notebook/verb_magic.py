"""Magics whose first word is a verb: `%qfbatch wait`, `%qftrain start trainer`, `%qfeval show
report`.

A verb is a method `do_<verb>` of the magic's class; an option names the verbs that accept it. Both
stand in the magic's own module; the help, the checks and the completion follow from them.
"""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.magic import Magics

from ..base.language import tr
from ..base.text import near_miss
from ..errors import InvalidArgumentError
from .await_cell import print_help, run_in_cell
from .parser import WordsParser, quote_word, used_options, user_variables

if TYPE_CHECKING:
    import pandas as pd

    from ..views.panel import Panel


def listing(frame: pd.DataFrame, when_empty: str) -> pd.DataFrame:
    """Return a table; one without rows shows a sentence instead.

    Args:
        frame: the table.
        when_empty: the sentence, in the user's language.
    """
    if len(frame):
        return frame
    empty: pd.DataFrame = _empty_class()(frame)
    setattr(empty, "sentence", when_empty)  # noqa: B010 - pandas knows no such attribute
    return empty


@cache
def _empty_class() -> Any:
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    class EmptyListing(pd.DataFrame):
        """A table without rows that shows a sentence."""

        sentence: str
        _metadata = ["sentence"]  # noqa: RUF012 - as pandas wants it

        def __repr__(self) -> str:
            return self.sentence

        def _repr_html_(self) -> None:
            return None

    return EmptyListing


MAX_LISTED = 5
"""Cells that an error offers at most, where a name is missing."""


class VerbParser(WordsParser):
    """The options of a magic with verbs.

    Args:
        magic: its name with the percent sign, `%qfbatch`.
        description: the first lines of the help.
        examples: the last lines of the help.
        verbs: in the order of the help.
        **facts: what placeholders in these texts and in the help of options stand for.
    """

    def __init__(
        self, magic: str, description: str, examples: str, verbs: Sequence[str], **facts: str
    ) -> None:
        self.verbs = (*verbs, "help")
        super().__init__(magic, description, examples, verbs=", ".join(self.verbs), **facts)

    def check_verb(self, verb: str, options: Namespace) -> None:
        """Check that a verb accepts the options.

        Raises:
            InvalidArgumentError: names the options that it does not accept.
        """
        accepted = {name for name, option in self.options.items() if verb in option.verbs}
        if unknown := used_options(options).keys() - accepted - {"awaited"}:
            self.error(
                tr(
                    "{magic} {verb} takes no {options}",
                    magic=self.prog,
                    verb=verb,
                    options=tr(", ").join(sorted(unknown)),
                )
            )


class VerbMagics(Magics):
    """A magic whose first word is a verb; `do_<verb>(options, target)` runs it.

    Attributes:
        default_verb: the verb of a line that begins with none.
        needs_verb: whether a first word that is neither a verb nor an option is a mistake, not a
            target.
        takes_target: whether a word may stand behind a verb.
    """

    parser: ClassVar[VerbParser]
    default_verb: ClassVar[str] = "start"
    needs_verb: ClassVar[bool] = False
    takes_target: ClassVar[bool] = True

    def run_line(self, line: str) -> Any:
        """Run a line; return what its verb returns."""
        with self.naming_columns(line):
            return self.run_verb(*self.parse(line))

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

    def parse(self, line: str) -> tuple[str, Namespace, Any]:
        """Return the verb of a line, by default `default_verb`, its options, and its target."""
        verb, remaining = self._split_verb(line)
        options, target = self._parse_target(verb, remaining)
        if not options.help:
            self.parser.check_verb(verb, options)
        if target and not self.takes_target:
            self.parser.error(
                tr("{magic} {verb} takes no word behind it", magic=self.parser.prog, verb=verb)
            )
        return verb, options, target

    def run_verb(self, verb: str, options: Namespace, target: Any) -> Any:
        """Run a verb, or print the help."""
        if options.help or verb == "help":
            return print_help(self.parser, awaited=options.awaited)
        return getattr(self, f"do_{verb}")(options, target)

    def _split_verb(self, line: str) -> tuple[str, str]:
        verb, remaining = (*line.split(maxsplit=1), "", "")[:2]
        if verb in self.parser.verbs:
            return verb, remaining
        facts = {"word": verb, "magic": self.parser.prog}
        if verb not in user_variables(self.shell) and (match := near_miss(verb, self.parser.verbs)):
            self.parser.error(
                tr(
                    "{word!r} is not a verb of {magic}; did you mean {match}?", match=match, **facts
                ),
                f"{self.parser.prog} {match} {remaining}".rstrip(),
            )
        if self.needs_verb and verb and not verb.startswith("-"):
            cell = self._propose_verb(verb)
            if cell:
                hint = ""
            else:
                hint = tr(": use {verbs}", verbs=tr(", ").join(self.parser.verbs))
            self.parser.error(
                tr("{word!r} is not a verb of {magic}{hint}", hint=hint, **facts), cell
            )
        return self.default_verb, line

    def _propose_verb(self, word: str) -> str:
        """Return the cell that may be meant by a word that is no verb, "" for none."""
        return ""

    def _parse_target(self, verb: str, line: str) -> tuple[Namespace, Any]:
        """Return the options behind a verb, and its target, one word at most."""
        return self.parser.parse_target(line, verb)

    def complete_word(self, previous: str) -> list[str]:
        """Return what Tab offers behind a word: verbs behind the name of the magic."""
        if previous.endswith(self.parser.prog):
            return list(self.parser.verbs)
        return []


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
    work: Coroutine[Any, Any, object],
    raise_errors: Callable[[], object],
    message: str,
    *,
    awaited: bool,
) -> Any:
    """Wait for the end of a job with the kernel free, and show it; an awaited cell gets an
    awaitable.
    """
    from ..views.display import display_mode  # noqa: PLC0415 - %load_ext stays fast
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

    return run_in_cell(work, on_end, message, awaited=awaited)
