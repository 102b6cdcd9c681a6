"""A kernel for the tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from support.kernel import Kernel


@pytest.fixture(scope="module")
def _kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(_kernel: Kernel, sandbox: Any) -> Kernel:
    """A kernel with qfnb loaded, no overrides, and the session's sandbox alive."""
    _kernel.run("from qfnb import config; config.get_config()._overrides.clear()")
    return _kernel


@pytest.fixture
def slow(control: httpx.Client, fault: Callable[..., None]) -> Iterator[None]:
    """Every answer takes a while."""
    fault("chat.v2", "slow", seconds=0.05, times=None)
    yield
    control.delete("/_sandbox/faults").raise_for_status()
