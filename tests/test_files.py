"""Private files are replaced as a whole; files have an encoding and a name that every system
knows.
"""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import qfnb
from qfnb import errors
from qfnb.base.private_files import write_private
from qfnb.batching.journal_store import journal_path


@pytest.mark.fault("F85")
def test_a_private_file_is_replaced_and_only_its_user_can_read_it(tmp_path):
    path = tmp_path / "key.json"
    write_private(path, "旧")
    write_private(path, "新", durable=True)
    assert path.read_text(encoding="utf-8") == "新"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 or os.name == "nt"
    assert [file.name for file in tmp_path.iterdir()] == ["key.json"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "key.json"
    write_private(path, "old")
    monkeypatch.setattr(
        os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError, match="No space"):
        write_private(path, "new", durable=True)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["key.json"]


@pytest.mark.fault("F84")
def test_every_text_file_is_opened_with_its_encoding():
    rule = [
        "check",
        "--preview",
        "--select",
        "PLW1514",
        "--no-cache",
        str(Path(qfnb.__file__).parent),
    ]
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *rule], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.fault("F84")
@pytest.mark.parametrize(
    "name", ["a:b", "a\\b", "a/b", "a*b", "a?", "a|b", 'a"b', ".", "x" * 101, "a\n"]
)
def test_a_name_that_is_no_file_name_on_every_system_is_refused(name):
    with pytest.raises(errors.InvalidArgumentError, match="letters, digits"):
        journal_path(name)
