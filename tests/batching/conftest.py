"""What batch tests share: a register of what the sandbox was asked, and faults that end with the test."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest


@pytest.fixture
def register(control: httpx.Client) -> Iterator[Callable[[], dict[str, int]]]:
    """Count what the sandbox is asked; call it for the counts."""
    control.post("/_sandbox/register", json={"on": True}).raise_for_status()
    yield lambda: control.get("/_sandbox/register").json()
    control.post("/_sandbox/register", json={"on": False}).raise_for_status()


@pytest.fixture
def always(control: httpx.Client) -> Iterator[Callable[..., Any]]:
    """Make a share of all chat calls go wrong until the test ends."""

    def add(fault: str, chance: float = 1.0, **more: Any) -> None:
        body = {"endpoint": "chat.v2", "fault": fault, "chance": chance, "times": None, **more}
        control.post("/_sandbox/faults", json=body).raise_for_status()

    yield add
    control.request("DELETE", "/_sandbox/faults").raise_for_status()


@pytest.fixture
def interrupt() -> Iterator[Callable[[float], None]]:
    """Press Ctrl+C after some seconds, as the terminal and ■ do."""
    main = threading.main_thread().ident
    assert main is not None
    previous_handler = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a job in the background ignores it

    def later(after: float) -> None:
        threading.Timer(after, signal.pthread_kill, (main, signal.SIGINT)).start()

    yield later
    signal.signal(signal.SIGINT, previous_handler)
