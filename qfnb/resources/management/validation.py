"""Turn what a user gave into the record that travels: a mistake is named before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from ...errors import InvalidArgumentError
from ...wire.base import Record

R = TypeVar("R", bound=Record)


def validate_record(kind: type[R], values: Mapping[str, Any], *, label: str) -> R:
    """Return the record of some values, under its Python names or the wire's.

    Args:
        kind: the record.
        values: its fields.
        label: what the user calls it, for the message.

    Raises:
        InvalidArgumentError: names the first field that is wrong, its value and the reason.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join([label, *map(str, first["loc"])])
        shown_value = "" if first["type"] == "missing" else f"={first['input']!r}"
        raise InvalidArgumentError(f"{field}{shown_value}: {first['msg']}") from None


def validate_positive(value: int, name: str) -> int:
    """Return a number that counts something.

    Raises:
        InvalidArgumentError: it is none, or less than one.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"{name}={value!r}: it is a whole number from 1 (须为正整数)")
    return value
