"""Waiting in tests: for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 180) -> T:
    """Wait until a condition is true, and return its value; fails after some seconds."""
    return wait_for(condition, bool, seconds)


def wait_for(fetch: Callable[[], T], condition: Callable[[T], Any], seconds: float = 180) -> T:
    """Fetch a value again and again until a condition is true of it, and return it; fails after
    some seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition(value := fetch()):
        assert time.monotonic() < deadline, f"after {seconds:g} s it is still {value!r}"
        time.sleep(0.01)
    return value
