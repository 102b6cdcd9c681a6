"""What all commands have in common: help, wrong lines, errors, speed of the start."""

import json
import subprocess
import sys

import pytest

from qfnb import _command_line, cli
from qfnb.cli.app import COMMANDS


def test_the_version_and_the_package_load_neither_pydantic_nor_pandas():
    code = (
        "import sys, json, qfnb.cli; qfnb.cli.main(['--version']); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("qfnb 0.")
    assert not {"pydantic", "httpx", "pandas"} & set(json.loads(run.stdout.splitlines()[1]))


@pytest.mark.parametrize("name", COMMANDS.commands)
def test_every_command_has_help(run, name):
    result = run(name, "--help")
    assert (result.code, result.err) == (0, "")
    assert f"Usage: qfnb {name}" in result.out


def test_help_is_in_the_users_language(run, monkeypatch):
    monkeypatch.setenv("QFNB_LANG", "zh")
    result = run("batch", "--help")
    assert "用法：" in result.out
    assert "选项" in result.out
    assert "Usage" not in result.out


def test_help_is_80_cells_wide_also_in_chinese(run, monkeypatch):
    monkeypatch.setenv("QFNB_LANG", "zh")
    monkeypatch.setenv("COLUMNS", "80")
    for name in COMMANDS.commands:
        assert max(cells(line) for line in run(name, "--help").out.splitlines()) <= 80


def cells(line):
    from qfnb.base.text import terminal_cells as cells

    return cells(line.rstrip())


def test_a_line_without_a_command_shows_the_help_and_the_exit_codes(run):
    result = run()
    assert result.code == 2
    assert "Exit codes: 0 done" in " ".join(result.out.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evl"], "there is no command `qfnb evl`; did you mean eval?"),
        (["sandbox", "nope"], "there is no command `qfnb sandbox nope`"),
        (["sandbox"], "a command is missing (help: qfnb sandbox --help)"),
        (
            ["batch", "x.csv", "--worker", "3"],
            "there is no option --worker; did you mean --workers?",
        ),
        (
            ["batch", "x.csv", "-w", "many"],
            "--workers: 'many' is not a whole number (help: qfnb batch --help)",
        ),
        (["batch"], "FILE is missing (help: qfnb batch --help)"),
        (["batch", "x.csv", "--workers"], "--workers needs a value"),
        (["doctor", "now"], "too many words: now"),
        (["batch", "none.csv"], "none.csv: there is no such file"),
        (["eval", "ernie-5.1", "-d", "none.jsonl"], "none.jsonl"),
        (
            ["eval", "ernie-5.1", "-d", "x.jsonl", "--fail-on", "bad"],
            "--fail-on bad: it is worse or not-better",
        ),
        (["train"], "--data"),
        (["chat"], "the question is empty"),
        (["models", "ernie-51"], "did you mean ernie-5.1?"),
    ],
)
def test_wrong_input_is_one_line_on_stderr_and_exit_code_2(run, words, said):
    result = run(*words)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert "Traceback" not in result.err


def test_an_unforeseen_error_is_one_line_and_debug_shows_its_place(run, monkeypatch):
    monkeypatch.setattr("qfnb.doctor.examine", lambda **_: 1 / 0)
    result = run("doctor")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "ZeroDivisionError" in result.err
    with pytest.raises(ZeroDivisionError):
        cli.main(["doctor", "--debug"])


def test_what_the_reader_of_a_pipe_does_not_want_is_no_error(run):
    line = f"{sys.executable} -m qfnb sandbox openapi | head -1"
    shell = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert (shell.stdout, shell.stderr) == ("{\n", "")


def test_help_loses_nothing_for_want_of_spaces(run, monkeypatch):
    monkeypatch.setenv("QFNB_LANG", "zh")
    for name in ("eval", "batch"):
        cuts = set()
        for width in ("80", "300"):
            monkeypatch.setenv("COLUMNS", width)
            cuts.add(run(name, "--help").out.count("…"))
        assert len(cuts) == 1


def test_no_line_of_a_chinese_help_begins_with_a_punctuation_mark():
    lines = _command_line.wrap_cells("每行一个问题：或者表示标准输入，默认为八。", 12)
    assert "".join(lines) == "每行一个问题：或者表示标准输入，默认为八。"
    assert not [line for line in lines if line[0] in "：，。"]
