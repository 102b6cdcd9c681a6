"""The official `qianfan` SDK in a separate process, with the sandbox's URLs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qfnb.sandbox import Address
from qfnb.sandbox.command import environment

IAM = ("QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY")


@pytest.fixture
def sdk(sandbox: Address, tmp_path: Path) -> Callable[..., list[str]]:
    """Run code that imports `qianfan`, with the named keys (the IAM pair by default); return the printed lines."""

    def run(code: str, *keys: str, seconds: float = 60) -> list[str]:
        key_variables = {
            name: value
            for name, value in environment(sandbox).items()
            if name.endswith("_URL") or name in (keys or IAM)
        }
        env = {name: value for name, value in os.environ.items() if not name.startswith("QIANFAN_")} | key_variables
        env |= {"QIANFAN_DISABLE_EB_SDK": "true", "QIANFAN_CACHE_DIR": str(tmp_path), "NO_PROXY": "127.0.0.1"}
        completed = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env=env,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr[-3000:]
        return completed.stdout.splitlines()

    return run
