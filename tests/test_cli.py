"""The commands that control a running sandbox."""

import json

import pytest

from qfnb import cli
from qfnb.sandbox import ensure, stop


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A state folder with its own sandbox: its clock is changed."""
    folder = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFNB_STATE_DIR", str(folder))
        ensure()
        yield folder
        stop()


@pytest.fixture
def run(home, capsys):
    """Return a function that runs a command and returns exit code, output lines and error
    output.
    """

    def command(*words):
        code = cli.main(["sandbox", *words])
        output = capsys.readouterr()
        return code, output.out.splitlines(), output.err

    yield command
    cli.main(["sandbox", "faults", "clear"])


def test_a_fault_is_added_listed_and_removed(run):
    code, (id_,), _ = run(
        "faults", "add", "finetune.*", "slow", "--seconds", "0.1", "--chance", "0.5"
    )
    (rule,) = map(json.loads, run("faults")[1])
    assert (code, rule["id"], rule["endpoint"], rule["seconds"]) == (0, id_, "finetune.*", 0.1)
    assert run("faults", "clear", id_)[0] == 0
    assert run("faults", "list")[1] == []


def test_an_error_code_is_sent_as_it_is_typed(run):
    run("faults", "add", "*", "--code", "336100")
    run("faults", "add", "*", "--code", "InappropriateJSON")
    assert [json.loads(row)["code"] for row in run("faults")[1]] == [336100, "InappropriateJSON"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("faults", "add", "chat.v9"), "matches no operation"),
        (("faults", "clear", "fault-none"), "fault-none"),
        (("durations", "deploy"), "STAGE=SECONDS"),
        (("durations", "sleep=3"), "sleep"),
        (("clock", "--speed", "-1"), "speed"),
        (("restore", "../x"), "snapshot"),
        (("restore", "none"), "none"),
    ],
)
def test_errors_are_printed_on_one_line(run, words, expected):
    code, _, stderr = run(*words)
    assert (code, expected in stderr, stderr.count("\n")) == (1, True, 1)


def test_the_clock_is_shown_and_moved(run):
    first = run("clock")[1][0]
    second = run("clock", "--advance", "60")[1][0]
    assert first.endswith("UTC, speed 1")
    assert second > first


def test_durations_are_shown_and_changed(run):
    before = dict(row.split("=") for row in run("durations")[1])
    changed = dict(row.split("=") for row in run("durations", "deploy=60")[1])
    assert changed == before | {"deploy": "60"}


def test_a_snapshot_is_created_listed_and_restored(run):
    assert run("snapshot", "before")[0] == 0
    assert run("snapshots")[1][0].startswith("before  ")
    assert run("restore", "before")[1] == ["restored"]


def test_the_description_is_printed(run):
    assert json.loads("\n".join(run("openapi")[1]))["openapi"] == "3.1.0"


def test_commands_need_a_running_sandbox(run, monkeypatch, tmp_path):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    code, _, stderr = run("clock")
    assert (code, "qfnb sandbox start" in stderr) == (1, True)


def test_a_sandbox_is_strict_until_it_is_told_otherwise(run):
    assert run("start", "--strict")[0] == 0
    assert "strict=True" in run("modes")[1]
    assert run("start", "--no-strict")[0] == 0
    assert run("modes")[1] == ["strict=False"]
