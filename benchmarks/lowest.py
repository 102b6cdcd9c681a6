"""Chat, batch, picture, training, evaluation, a cell and the command line once; exits with 1 when
one fails or warns.

`make lowest` runs it with the lowest versions that pyproject.toml declares, in an environment of
its own. It prints where the installed version is not the declared one, for want of a wheel for this
Python.

    build/lowest/bin/python benchmarks/lowest.py
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODEL = "ernie-4.5-turbo-128k"
ROWS = [
    {"prompt": f"What is the code of {number}?", "response": f"The code is {number * 7}."}
    for number in range(100, 150)
]


def main() -> None:
    print_versions()
    warnings.simplefilter("error", UserWarning)
    with tempfile.TemporaryDirectory(prefix="qfnb-lowest-") as folder:
        os.environ.update(QFNB_STATE_DIR=f"{folder}/state", QFNB_LANG="en", QIANFAN_SANDBOX="1")
        try:
            for check in (chat, batch, picture, training, evaluation, cell, command_line):
                check(Path(folder))
                print(f"{check.__name__.replace('_', ' ')}: passed", flush=True)
        finally:
            run("sandbox", "stop")


def print_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in project["dependencies"]:
        name, lowest = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
        installed = importlib.metadata.version(name)
        if installed.removesuffix(".0") != lowest.removesuffix(".0"):
            print(f"{name}: {installed} instead of {lowest}")


def chat(folder: Path) -> None:
    import qfnb

    assert qfnb.ChatCompletion().do("hi").text
    assert "".join(reply.text for reply in qfnb.ChatCompletion().do("hi", stream=True))


def batch(folder: Path) -> None:
    import qfnb

    path = folder / "answers.csv"
    qfnb.batch([row["prompt"] for row in ROWS], model=MODEL, out=path).wait()
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert all(row["text"] for row in csv.DictReader(file))


def picture(folder: Path) -> None:
    import qfnb

    assert qfnb.Text2Image().do("a red boat").save(folder)


def training(folder: Path) -> None:
    import qfnb

    trainer = qfnb.LLMFinetune(
        "ERNIE-4.5-Turbo-128K", qfnb.Dataset(ROWS), qfnb.TrainConfig(epoch=1)
    )
    trainer.run()
    assert trainer.output["model_version_id"]


def evaluation(folder: Path) -> None:
    import qfnb

    card = qfnb.compare(MODEL, "ernie-5.1", qfnb.Dataset(ROWS))
    card.report.save(folder / "report.html")
    assert "<svg" in (folder / "report.html").read_text(encoding="utf-8")


def cell(folder: Path) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "qfnb")
    shell.run_cell("%qfchat hi").raise_error()


def command_line(folder: Path) -> None:
    data = folder / "rows.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")
    commands = re.findall(r"^│ (\w+) ", run("--help").split("Commands")[1], re.MULTILINE)
    assert {"chat", "batch", "train", "eval"} <= set(commands)
    for command in commands:
        assert f"qfnb {command}" in run(command, "--help")
    assert "--nonsense" in run("train", "--nonsense", code=2)
    assert run("chat", "hi")
    assert "run-" in run("train", "--data", str(data), "--epoch", "1", "--wait", "--again")
    assert MODEL in run("eval", MODEL, "ernie-5.1", "--data", str(data))


def run(*words: str, code: int = 0) -> str:
    """Return what a command prints; its exit code must be `code`, and a warning is an error."""
    program = Path(sys.executable).with_name("qfnb")
    completed = subprocess.run(
        [program, *words], capture_output=True, text=True, check=False, timeout=300
    )
    text = completed.stdout + completed.stderr
    assert completed.returncode == code, f"qfnb {' '.join(words)}: {completed.returncode}\n{text}"
    assert "Warning" not in text, f"qfnb {' '.join(words)}\n{text}"
    return text


if __name__ == "__main__":
    main()
