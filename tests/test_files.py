"""Private files are replaced as a whole."""

import os
import stat

import pytest

from qfnb._private_files import write_private


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
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_private(path, "new", durable=True)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["key.json"]
