"""A client of the session's sandbox, and a sandbox of a test's own."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.raw_http import connect
from support.sandbox_thread import run_world

from qfnb.sandbox import Address
from qianfan_sandbox.state.world import World


@pytest.fixture
def http(sandbox: Address) -> Iterator[httpx.Client]:
    """Return a client with the sandbox's key."""
    with connect(sandbox) as client:
        yield client


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Serve an empty world, whose clock and modes the test can set."""
    with run_world(tmp_path, time.monotonic) as running:
        yield running
