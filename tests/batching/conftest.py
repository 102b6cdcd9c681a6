"""Fixtures of batch tests: counts of the requests to the sandbox, and faults that end with the
test.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from support.waiting import until


@pytest.fixture
def count_requests(control: httpx.Client) -> Iterator[Callable[[], dict[str, int]]]:
    """Count the requests to the sandbox; call the value for the counts."""
    control.post("/_sandbox/register", json={"on": True}).raise_for_status()
    yield lambda: control.get("/_sandbox/register").json()
    control.post("/_sandbox/register", json={"on": False}).raise_for_status()


@pytest.fixture
def repeat_fault(control: httpx.Client) -> Iterator[Callable[..., Any]]:
    """Make a share of all chat calls fail until the test ends."""

    def add(fault: str, chance: float = 1.0, **more: Any) -> None:
        body = {"endpoint": "chat.v2", "fault": fault, "chance": chance, "times": None, **more}
        control.post("/_sandbox/faults", json=body).raise_for_status()

    yield add
    control.request("DELETE", "/_sandbox/faults").raise_for_status()


@pytest.fixture
def interrupt() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Press Ctrl+C once a condition is true, as the terminal and ■ do."""
    main = threading.main_thread().ident
    assert main is not None
    # a job in the background ignores the signal by default
    previous_handler = signal.signal(signal.SIGINT, signal.default_int_handler)

    def press_when(condition: Callable[[], Any]) -> None:
        def press() -> None:
            until(condition)
            signal.pthread_kill(main, signal.SIGINT)

        threading.Thread(target=press, daemon=True).start()

    yield press_when
    signal.signal(signal.SIGINT, previous_handler)
