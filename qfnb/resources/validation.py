"""Checks of users' arguments: a mistake is named, with what is allowed, before anything is sent."""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, IntEnum
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .._language import tr, tr_noop
from ..errors import InvalidArgumentError
from ..wire.base import Record

RecordT = TypeVar("RecordT", bound=Record)
T = TypeVar("T")

_RULES: Final = {
    "missing": tr_noop("it is required"),
    "greater_than_equal": tr_noop("it must be greater than or equal to {ge}"),
    "greater_than": tr_noop("it must be greater than {gt}"),
    "less_than_equal": tr_noop("it must be less than or equal to {le}"),
    "less_than": tr_noop("it must be less than {lt}"),
    "finite_number": tr_noop("it must be a finite number"),
    "literal_error": tr_noop("it must be {expected}"),
    "enum": tr_noop("it must be {expected}"),
    "int": tr_noop("it must be a whole number"),
    "float": tr_noop("it must be a number"),
    "string": tr_noop("it must be a text"),
    "bool": tr_noop("it must be True or False"),
    "dict": tr_noop("it must be a dictionary"),
    "model": tr_noop("it must be a dictionary"),
    "list": tr_noop("it must be a list"),
}
"""The rules of pydantic's errors, by their type or by its first word, `int_parsing`."""


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
        raise InvalidArgumentError(f"{field}{shown_value}: {describe_rule(first)}") from None


def describe_rule(error: ErrorDetails) -> str:
    """Return which rule of a record a value breaks, in the user's language."""
    rule = _RULES.get(error["type"]) or _RULES.get(error["type"].split("_")[0])
    return tr(rule, **error.get("ctx", {})) if rule else error["msg"]


def validate_positive(name: str, value: int) -> int:
    """Return an integer from 1.

    Raises:
        InvalidArgumentError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(tr("{name}={value!r}: must be an integer from 1", name=name, value=value))
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
            tr("{name}={value}: must be {low} to {high}", name=name, value=value, low=low, high=high)
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
    choice, allowed = value.value if isinstance(value, Enum) else value, list(choices)
    if choice not in allowed:
        raise InvalidArgumentError(
            tr(
                "{name}={choice!r}: must be one of {allowed}",
                name=name,
                choice=choice,
                allowed=", ".join(map(str, allowed)),
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
        allowed = ", ".join(f"{member.value} ({member.name})" for member in members)
        raise InvalidArgumentError(tr("{name}={value!r}: must be {allowed}", name=name, value=value, allowed=allowed))
    return int(value)


def list_or_none(values: Sequence[T] | None) -> list[T] | None:
    """Return a list of the values; None, which is not sent, for no values."""
    return [*values] if values else None


def dict_or_none(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a copy of the mapping; None, which is not sent, for None."""
    return None if values is None else dict(values)
