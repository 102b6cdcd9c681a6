"""A module, or one code cell: its text, its syntax tree, its lines that are IPython's, and the
changes to it.
"""

import ast
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

FindingKind = Literal["changed", "note", "manual"]
"""What the copy has differently; what runs but acts differently; what the user has to do."""


class Edit(NamedTuple):
    """A span of a text, in characters, and what is written there instead."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Finding:
    """Something to say about a line, and the edits that it stands for.

    Attributes:
        line: in its module or cell, from 1.
        cell: number of the code cell, from 1; None in a module.
    """

    kind: FindingKind
    message: str
    line: int
    cell: int | None = None
    edits: tuple[Edit, ...] = ()


@dataclass
class Unit:
    """A module, or one code cell.

    Attributes:
        text: as it is in the file.
        python: the same lines, those of IPython replaced by a statement of Python; "" where a cell
            has none.
        shell_lines: the numbers of the lines that are IPython's, from 1.
        cell: number of the code cell, from 1; None for a module.
    """

    text: str
    python: str
    shell_lines: tuple[int, ...] = ()
    cell: int | None = None

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of its Python.

        Raises:
            SyntaxError: it has none.
        """
        return ast.parse(self.python)

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, with their ends."""
        return self.text.split("\n")

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *itertools.accumulate(len(line) + 1 for line in self.lines)]

    def offset(self, line: int, column: int = 0) -> int:
        """Return where a position of the syntax tree is in the text.

        Args:
            line: from 1.
            column: in bytes of UTF-8, from 0.
        """
        prefix = self.lines[line - 1].encode()[:column].decode(errors="ignore")
        return self._starts[line - 1] + len(prefix)

    def span(self, node: ast.expr | ast.stmt | ast.alias) -> tuple[int, int]:
        """Return the start and the end of a node in the text."""
        end_line = node.end_lineno or node.lineno
        end_column = node.end_col_offset or 0
        return self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column)

    def replace(
        self, node: ast.expr | ast.stmt | ast.alias, old: str, new: str
    ) -> tuple[Edit, ...]:
        """Return the edit that replaces a text within a node; none where the node does not have it
        exactly once.
        """
        start, end = self.span(node)
        segment = self.text[start:end]
        if segment.count(old) != 1:
            return ()
        first = start + segment.index(old)
        return (Edit(first, first + len(old), new),)


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Return a text after edits that do not overlap."""
    for edit in sorted(set(edits), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


PYTHON_CELL_MAGICS = frozenset(["capture", "debug", "prun", "time", "timeit"])
"""Cell magics below which Python stands."""


def read_cell(text: str, cell: int) -> Unit:
    """Return a code cell as a unit.

    Args:
        text: of the cell.
        cell: its number among the code cells, from 1.
    """
    lines = [line + "\n" for line in text.split("\n")]
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    hidden: set[int] = set()
    if lines[first].startswith("%%"):
        if lines[first][2:].split(maxsplit=1)[:1][0].strip() not in PYTHON_CELL_MAGICS:
            return Unit(text, "", tuple(range(1, len(lines) + 1)), cell)
        lines[first] = "pass\n"
        hidden.add(first)
    while (found_lines := _hide_first_magic(lines)) and not hidden.issuperset(found_lines):
        hidden.update(found_lines)
    return Unit(text, "".join(lines), tuple(sorted(index + 1 for index in hidden)), cell)


def _hide_first_magic(lines: list[str]) -> range:
    """Replace the first magic, shell command or question by Python; return its lines, none where
    there is none.
    """
    from IPython.core import inputtransformer2 as rules  # noqa: PLC0415 - modules need none of it

    tokens = rules.make_tokens_by_line(lines)
    kinds: tuple[Any, ...] = (
        rules.MagicAssign,
        rules.SystemAssign,
        rules.EscapedCommand,
        rules.HelpEnd,
    )
    matches = [match for kind in kinds if (match := kind.find(tokens)) is not None]
    if not matches:
        return range(0)
    match = min(matches, key=lambda each: (each.start_line, each.start_col))
    first = match.start_line
    column = match.start_col
    last = max(rules.find_end_of_continued_line(lines, first), getattr(match, "q_line", first))
    is_assignment = isinstance(match, (rules.MagicAssign, rules.SystemAssign))
    lines[first] = f"{lines[first][:column]}{'0' if is_assignment else 'pass'}\n"
    lines[first + 1 : last + 1] = ["\n"] * (last - first)
    return range(first, last + 1)
