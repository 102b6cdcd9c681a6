"""Checks of users' arguments: a mistake is named, with what is allowed, before anything is sent."""

from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum
from typing import Any, TypeVar

from pydantic import ValidationError

from ..base.language import tr
from ..base.text import describe_problem
from ..errors import InvalidArgumentError
from ..wire.base import Record

RecordT = TypeVar("RecordT", bound=Record)


def validate_record(name: str, kind: type[RecordT], values: Mapping[str, Any]) -> RecordT:
    """Return a record made of a mapping.

    Args:
        name: the user's name for the mapping; the message begins with it.
        kind: the record's class.
        values: its fields, under their Python names or the wire's.

    Raises:
        InvalidArgumentError: names the first field that is wrong, its value and the reason.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join([name, *map(str, first["loc"])])
        shown_value = "" if first["type"] == "missing" else f"={first['input']!r}"
        raise InvalidArgumentError(
            tr("{field}: {problem}", field=f"{field}{shown_value}", problem=describe_problem(first))
        ) from None


def validate_positive(name: str, value: int) -> int:
    """Return an integer from 1.

    Raises:
        InvalidArgumentError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(
            tr("{name}={value!r}: must be an integer from 1", name=name, value=value)
        )
    return value


def validate_range(name: str, value: float, low: float, high: float) -> None:
    """Check a number.

    Args:
        name: the argument's name, for the message.
        value: the argument.
        low: the lowest value.
        high: the highest value.

    Raises:
        InvalidArgumentError: it is less than `low` or more than `high`.
    """
    if not low <= value <= high:
        raise InvalidArgumentError(
            tr(
                "{name}={value}: must be {low} to {high}",
                name=name,
                value=value,
                low=low,
                high=high,
            )
        )


def validate_choice(name: str, value: str | int | Enum, choices: Iterable[str | int]) -> Any:
    """Return one of the choices; a member of an enumeration stands for its value.

    Args:
        name: the argument's name, for the message.
        value: the argument.
        choices: the values that are allowed.

    Raises:
        InvalidArgumentError: it is none of them.
    """
    choice = value.value if isinstance(value, Enum) else value
    allowed = list(choices)
    if choice not in allowed:
        raise InvalidArgumentError(
            tr(
                "{name}={choice!r}: must be one of {allowed}",
                name=name,
                choice=choice,
                allowed=tr(", ").join(map(str, allowed)),
            )
        )
    return choice


def validate_member(name: str, value: int, members: type[IntEnum]) -> int:
    """Return the number of a member of an enumeration.

    Args:
        name: the argument's name, for the message.
        value: the argument.
        members: the enumeration.

    Raises:
        InvalidArgumentError: it has no such member; the message lists them.
    """
    if value not in set(members):
        allowed = tr(", ").join(f"{member.value} ({member.name})" for member in members)
        raise InvalidArgumentError(
            tr("{name}={value!r}: must be {allowed}", name=name, value=value, allowed=allowed)
        )
    return int(value)
