"""`qfnb migrate`, as it is typed."""

import pytest

CODE = "import qianfan\nqianfan.ChatCompletion(model='ERNIE-Bot')\n"
COPY = "import qfnb\nqfnb.ChatCompletion(model='ernie-4.5-turbo-128k')\n"
KEY = "0123456789abcdef0123"


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "chat.py"
    path.write_text(CODE)
    return path


def test_a_copy_is_written_and_the_file_stays(run, script):
    result = run("migrate", script)
    copy = script.with_name("chat_qfnb.py")
    assert (result.code, script.read_text(), copy.read_text()) == (0, CODE, COPY)
    assert result.out.splitlines()[0] == f"{script} → {copy}"
    assert result.out.splitlines()[-1] == "2 changes, 0 notes, 0 things to do by hand"


def test_a_copy_that_was_edited_is_not_overwritten(run, script):
    run("migrate", script)
    assert run("migrate", script).code == 0
    script.with_name("chat_qfnb.py").write_text("edited")
    result = run("migrate", script)
    assert (result.code, "exists already" in result.err) == (2, True)


def test_the_file_itself_is_changed_only_on_request(run, script):
    script.chmod(0o755)
    run("migrate", script, "--in-place")
    assert (script.read_text(), script.stat().st_mode & 0o777) == (COPY, 0o755)
    assert run("migrate", script, "--check") == (0, "Nothing here uses the SDK.\n", "")


def test_a_check_writes_nothing_and_ends_with_3(run, script):
    assert run("migrate", script, "--check").code == 3
    assert [path.name for path in script.parent.iterdir()] == ["chat.py"]


def test_a_diff_goes_to_stdout_without_keys(run, script):
    script.write_text(f"{CODE}qianfan.get_config().ACCESS_KEY = '{KEY}'\n")
    result = run("migrate", script, "--diff")
    assert "+import qfnb\n" in result.out
    assert (KEY in result.out, "a key is written here" in result.err) == (False, True)


def test_a_folder_is_copied_file_by_file_and_problems_are_named(run, script):
    folder = script.parent
    (folder / "part").mkdir()
    (folder / "part" / "b.py").write_text(CODE)
    (folder / "bad.py").write_text("import qianfan (")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "c.py").write_text(CODE)
    result = run("migrate", folder)
    copies = folder.with_name(f"{folder.name}_qfnb")
    assert str(copies / "chat.py") in result.out
    assert "bad.py, line 1" in result.err
    assert result.code == 1
    assert (copies / "part" / "b.py").read_text() == COPY


def test_a_path_that_does_not_exist_is_refused(run, tmp_path):
    result = run("migrate", tmp_path / "none.py")
    assert (result.code, "there is no such file" in result.err) == (2, True)
