"""The notebooks on a sandbox that refuses what the platform has ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(300)]


@pytest.mark.fault("F72")
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_in_strict_mode(path):
    command = [sys.executable, str(NOTEBOOKS / "run.py"), str(path)]
    environment = os.environ | {"QFNB_SANDBOX_STRICT": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
