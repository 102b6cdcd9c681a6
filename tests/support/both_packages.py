"""Scripts written for the SDK, run under it and then under qfnb, each in one process, on one
sandbox.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qfnb.sandbox import ensure
from support.sdk_environment import sdk_environment

RUNNER = Path(__file__).parents[1] / "compat" / "run_scripts.py"


def run_under_both(
    files: Mapping[str, list[Path]], folder: Path, **variables: str
) -> dict[str, dict[str, Any]]:
    """Return the results of all scripts, by package.

    Args:
        files: the scripts of each package.
        folder: an empty one, for what the SDK caches.
        **variables: of the environment.
    """
    env = sdk_environment(ensure(), folder) | variables
    # a list's newest entry is its own
    return {package: _run(paths, env) for package, paths in files.items()}


def _run(paths: list[Path], env: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", str(RUNNER), *map(str, paths)]
    completed = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    lines = [line for line in completed.stdout.splitlines() if line.startswith("RESULTS ")]
    assert lines, completed.stderr[-3000:]
    return json.loads(lines[-1].removeprefix("RESULTS "))
