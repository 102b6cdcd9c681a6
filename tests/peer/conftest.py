"""The official `qianfan` SDK in a separate process, with the sandbox's URLs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.sdk_environment import IAM, sdk_environment

from qfnb.sandbox import Address


@pytest.fixture
def sdk(sandbox: Address, tmp_path: Path) -> Callable[..., list[str]]:
    """Run code that imports `qianfan`, with the named keys (the IAM pair by default); return the printed lines."""

    def run(code: str, *keys: str) -> list[str]:
        completed = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env=sdk_environment(sandbox, tmp_path, keys or IAM),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr[-3000:]
        return completed.stdout.splitlines()

    return run
