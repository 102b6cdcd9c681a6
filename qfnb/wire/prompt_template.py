"""Prompt templates: a text with variables, and its rendering with values."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..base.language import tr
from ..errors import InvalidArgumentError

# the pairs of brackets that can mark a variable
IDENTIFIERS = ("{}", "{{}}", "[]", "[[]]", "()", "(())")
_VARIABLE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{1,29}")


@dataclass(frozen=True)
class PromptTemplate:
    """A prompt with variables: `PromptTemplate("Write a poem about
    {theme}").render(theme="autumn")`.

    Args:
        template: the text.
        identifier: the pair that marks a variable, one of `IDENTIFIERS`.
        variables: their names; default: those found in the text. If they are named, all other text
            is left alone, such as JSON in braces.

    Raises:
        InvalidArgumentError: the pair is unknown, or a name is not 2 to 30 letters, digits and _.
    """

    template: str
    identifier: str = "{}"
    variables: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        validate_identifier(self.identifier)
        validate_names(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables, each once, in order."""
        names = self.variables
        if names is None:
            opening, closing = map(re.escape, _split_identifier(self.identifier))
            names = tuple(re.findall(f"{opening}(.*?){closing}", self.template))
        return tuple(dict.fromkeys(names))

    def render(self, **values: object) -> str:
        """Return the text with every variable replaced by its value.

        Raises:
            InvalidArgumentError: names the variables that have no value.
        """
        if missing := [name for name in self.names if name not in values]:
            raise InvalidArgumentError(
                tr("the template needs a value for {missing}", missing=tr(", ").join(missing))
            )
        return self.fill(values)

    def fill(self, values: Mapping[str, object]) -> str:
        """Return the text with each variable that has a value replaced by it."""
        names = [name for name in self.names if name in values]
        if not names:
            return self.template
        opening, closing = map(re.escape, _split_identifier(self.identifier))
        pattern = re.compile(f"{opening}({'|'.join(map(re.escape, names))}){closing}")
        return pattern.sub(lambda match: str(values[match[1]]), self.template)


def validate_identifier(identifier: str) -> None:
    """Raise unless a pair of brackets can mark a variable.

    Raises:
        InvalidArgumentError: names the pairs that can.
    """
    if identifier not in IDENTIFIERS:
        raise InvalidArgumentError(
            tr(
                "identifier={identifier!r}: must be one of {identifiers}",
                identifier=identifier,
                identifiers=" ".join(IDENTIFIERS),
            )
        )


def validate_names(names: Iterable[str]) -> None:
    """Raise unless all names are valid for variables.

    Raises:
        InvalidArgumentError: names the first that is not, and the rule.
    """
    for name in names:
        if not _VARIABLE_NAME.fullmatch(name):
            raise InvalidArgumentError(
                tr(
                    "variable {name!r}: must be 2 to 30 letters, digits and _, not a digit first",
                    name=name,
                )
            )


def _split_identifier(identifier: str) -> tuple[str, str]:
    middle = len(identifier) // 2
    return identifier[:middle], identifier[middle:]
