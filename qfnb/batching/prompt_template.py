"""The prompt template of a batch, and the cells that it is filled with."""

import string
from collections.abc import Mapping, Sequence
from typing import Any

from ..base.language import tr, tr_noop
from ..base.text import clip, closest, did_you_mean, is_missing
from ..errors import InvalidArgumentError


class PromptTemplate:
    """A text with `{column}` placeholders; `{{` and `}}` are braces.

    Raises:
        InvalidArgumentError: a brace is alone, or a placeholder is more than a column's name.
    """

    def __init__(self, text: str) -> None:
        try:
            self._parts = self._parse(text)
        except ValueError as error:
            raise InvalidArgumentError(
                tr(
                    "prompt={text!r}: {error}; {remedy}",
                    text=clip(text, 61),
                    error=error,
                    remedy=tr(_BRACES),
                )
            ) from None
        self.names = tuple(dict.fromkeys(name for _, name in self._parts if name is not None))

    def validate_columns(self, columns: Sequence[str]) -> None:
        """Check that every placeholder is a column.

        Raises:
            InvalidArgumentError: names the placeholder and the columns.
        """
        for name in self.names:
            if name not in columns:
                hint = did_you_mean(name, columns, "{{{}}}")
                error = InvalidArgumentError(
                    tr(
                        "prompt has {{{name}}}, which is not a column{hint} (the columns are: "
                        "{columns}); {remedy}",
                        name=name,
                        hint=hint,
                        columns=tr(", ").join(columns) or tr("none"),
                        remedy=tr(_BRACES),
                    )
                )
                if match := closest(name, columns):
                    error.correction = f"{{{name}}}", f"{{{match}}}"
                raise error

    def fill(self, row: Mapping[str, Any]) -> str:
        """Return the text for one row.

        Raises:
            InvalidArgumentError: the row lacks a column, or its cell is empty.
        """
        return "".join(
            literal if name is None else literal + cell_text(row, name)
            for literal, name in self._parts
        )

    @staticmethod
    def _parse(text: str) -> list[tuple[str, str | None]]:
        parts: list[tuple[str, str | None]] = []
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError:
            raise ValueError(tr("a brace has no partner")) from None
        for literal, name, spec, conversion in parsed:
            if spec or conversion or name == "":
                raise ValueError(tr("{{{name}...}} is not a column's name", name=name or ""))
            parts.append((literal, name))
        return parts


_BRACES = tr_noop("write {{ and }} for braces that are text")


def cell_text(row: Mapping[str, Any], name: str) -> str:
    """Return a cell as text.

    Raises:
        InvalidArgumentError: the cell is missing or empty (None, NaN, blank).
    """
    if name not in row:
        raise InvalidArgumentError(tr("it has no {name!r}", name=name))
    value = row[name]
    if isinstance(value, str):
        return validate_text(name, value)
    if is_missing(value):
        raise InvalidArgumentError(
            tr("{name} is empty", name=name) if value is None else tr("{name} is NaN", name=name)
        )
    return str(value)


def validate_text(name: str, text: str) -> str:
    """Return a text that is not blank.

    Raises:
        InvalidArgumentError: it is blank.
    """
    if not text.strip():
        raise InvalidArgumentError(tr("{name} is empty", name=name))
    return text
