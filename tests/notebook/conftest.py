"""A kernel for the tests of a module."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
def busy_cell(kernel: Kernel, tmp_path: Path) -> Callable[..., Any]:
    """A context with a cell that runs until its end."""

    @contextlib.contextmanager
    def run() -> Iterator[None]:
        end = tmp_path / "end"
        code = (
            "import pathlib, time\nprint('busy')\nwhile not "
            f"pathlib.Path({str(end)!r}).exists(): time.sleep(0.01)"
        )
        cell = kernel.start(code, live=True)
        kernel.until(lambda: "busy" in cell.text)
        yield
        assert not cell.status
        end.touch()
        kernel.wait(cell)

    return run
