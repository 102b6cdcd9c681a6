"""Scripts written for the SDK, run under it and under qfnb at the same time, each in one process, on one sandbox."""

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


def run_under_both(files: Mapping[str, list[Path]], folder: Path, **variables: str) -> dict[str, dict[str, Any]]:
    """Return the results of all scripts, by package.

    Args:
        files: the scripts of each package.
        folder: an empty one, for what the SDK caches.
        **variables: of the environment.
    """
    env = sdk_environment(ensure(), folder) | variables
    processes = {
        package: subprocess.Popen(
            [sys.executable, "-W", "ignore", str(RUNNER), *map(str, paths)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for package, paths in files.items()
    }
    return {package: _read_results(process) for package, process in processes.items()}


def _read_results(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=240)
    lines = [line for line in output.splitlines() if line.startswith("RESULTS ")]
    assert lines, errors[-3000:]
    return json.loads(lines[-1].removeprefix("RESULTS "))
