"""The hook that keeps keys out of the repository."""

import json
import subprocess
from pathlib import Path

import pytest
from support.find_keys import find_keys

ROOT = Path(__file__).parents[1]
HEX = "0123456789abcdef" * 3


@pytest.mark.parametrize(
    "line",
    [
        "bce-v3/ALTAK-" + "abcDEF1234567890" + "/" + HEX[:40],
        "ALTAK" + "a1B2" * 6,
        "sk-" + "a1B2" * 9,
        'get_config().secret_key = "' + HEX[:32] + '"',
    ],
)
def test_a_notebook_with_a_key_is_refused_and_the_line_named(tmp_path, line):
    notebook = tmp_path / "a.ipynb"
    notebook.write_text(
        json.dumps({"cells": [{"source": ["x = 1", line]}]}, indent=1), encoding="utf-8"
    )
    (place,) = find_keys([str(notebook)])
    assert place.startswith(f"{notebook}:")


def test_no_file_of_the_repository_has_a_key():
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    files = [str(ROOT / name) for name in names.split("\0") if name and (ROOT / name).is_file()]
    assert find_keys(files) == []
