"""`notebooks/run.py`, which runs a notebook without a front end; nbval runs all of them, on a
strict sandbox too.
"""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.fault("F72")
@pytest.mark.kernel
def test_a_notebook_runs_in_strict_mode_and_becomes_a_page(tmp_path):
    cells = [
        "%load_ext qfnb",
        "%%qfchat\nhello",
        'rows = ["a", "b"]',
        "%qfbatch rows",
        "%qfbatch wait",
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells]
    )
    nbformat.write(notebook, tmp_path / "small.ipynb")
    page = tmp_path / "page.html"
    command = [sys.executable, NOTEBOOKS / "run.py", tmp_path / "small.ipynb", "--html", page]
    environment = os.environ | {"QFNB_SANDBOX_STRICT": "1"}
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "finished in" in run.stdout
    assert "2 / 2" in page.read_text(encoding="utf-8")
