"""Write the files of a user's state folder that `test_opens.py` opens: `python
tests/stored/write.py FOLDER`.

It was run once, with the code of 0.1.0, into `v0.1.0/`. Run it again only for a new folder beside
that one, when a later version stores something new: the files of an earlier version are never
written again.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

QUESTIONS = [f"第{number}杯茶多少钱" for number in range(6)]
"""The rows of the batches."""

MODEL = "ERNIE-Bot-turbo"
"""The default model of that version; a batch without one would ask today's."""

PAIRS = [
    {"prompt": f"{before}{ask}{after}", "response": answer}
    for ask, answer in {
        "几点开门": "早上九点开门。",
        "在哪里": "在河边路三号。",
        "多少钱": "每人二十元。",
    }.items()
    for before in ("", "请问", "你好，")
    for after in ("", "？", "呢")
]
"""What the model of the finished run has learned."""

HALF = 3
"""Rows of a batch that were at least answered when its process died."""

LEFT_OUT = {"server.json", "server.log", "keys.json", "port.json", "words", "reports"}
"""Files of a running server, keys, what is computed anew, and paths of this machine."""


def main(target: Path) -> None:
    """Write everything into a state folder, and copy what lasts of it to the target."""
    with tempfile.TemporaryDirectory(prefix="stored-") as folder:
        os.environ["QFNB_STATE_DIR"] = folder
        from qfnb import sandbox

        sandbox.ensure()
        batches = _batches()
        half = [sys.executable, __file__, "--half"]
        assert subprocess.run(half, env=os.environ, check=False, timeout=240).returncode == 1
        facts = batches | _trainings() | _others(Path(folder))
        sandbox.stop()
        _copy(Path(folder), target)
        (target / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _batches() -> dict[str, Any]:
    """Ask six rows, online and offline."""
    from qfnb import batch

    unnamed = batch(QUESTIONS, model=MODEL)
    unnamed.wait()
    batch(QUESTIONS, model=MODEL, name="offline", mode="offline").wait()
    return {"finished": unnamed.name}


def _half() -> None:
    """Ask six rows; after three of them the process dies."""
    from qfnb import batch

    batching = batch(QUESTIONS, model=MODEL, name="half", workers=1, canary=0)
    for number, _ in enumerate(batching.as_completed(), 1):
        if number == HALF:
            os._exit(1)


def _trainings() -> dict[str, Any]:
    """Finish one run, up to a service; stop another."""
    from qfnb import Dataset, DeployConfig, LLMFinetune, TrainConfig

    deployed = LLMFinetune(
        "ERNIE-Speed-8K",
        Dataset(PAIRS, name="stored"),
        TrainConfig(epoch=3, peft_type="LoRA", extras={"warmup_ratio": 0.1}),
        DeployConfig(endpoint_suffix="stored"),
        name="stored",
        model_name="stored_model",
    ).run()
    stopped = LLMFinetune(
        "ERNIE-Speed-8K", _many_rows(), TrainConfig(epoch=50), name="stopped"
    ).start()
    while not stopped.progress.points:
        time.sleep(0.02)
    stopped.stop().wait(180)
    now = deployed.progress
    names = ("run_id", "task_id", "job_id", "model_version_id", "service_id", "service_endpoint")
    facts = {name: getattr(now, name) for name in names}
    return facts | {"dataset": deployed.output["datasets"][0]["id"], "stopped": stopped.id}


def _many_rows() -> Any:
    """Return rows that 50 epochs take seconds for."""
    from qfnb import Dataset

    with Path("notebooks/data/teahouse_train.jsonl").open(encoding="utf-8") as lines:
        return Dataset([json.loads(next(lines)) for _ in range(40)], name="many")


def _others(folder: Path) -> dict[str, Any]:
    """Keep a prompt, a saved form, an alias, and a report."""
    from qfnb import ChatCompletion, Dataset, EvaluationManager
    from qfnb.evaluation import ExactMatchEvaluator, RougeLEvaluator
    from qfnb.notebook import parser
    from qfnb.resources import Prompt
    from qfnb.trainer.form import drafts, launch_form

    prompt = Prompt.create("greeting", "你好，{name}")
    drafts.save(
        "teahouse", launch_form.Draft(dataset="ds-stored", values={"epoch": "3"}, after="deploy")
    )
    parser.run_command(["fast", "ERNIE-Speed-8K"])
    rows = Dataset(PAIRS[:4], name="questions")
    models = [ChatCompletion(model=name) for name in ("ERNIE-Speed-8K", "ERNIE-Lite-8K")]
    manager = EvaluationManager(local_evaluators=[ExactMatchEvaluator(), RougeLEvaluator()])
    manager.eval(models, rows).save(folder / "report.json")
    return {"prompt": prompt["result"]["templatePK"]}


def _copy(state: Path, target: Path) -> None:
    """Copy the state, its databases in one file each, without what belongs to this machine."""
    shutil.copytree(
        state,
        target,
        ignore=lambda _, names: {name for name in names if _is_left_out(name)},
        dirs_exist_ok=True,
    )
    for path in target.rglob("*.db"):
        with sqlite3.connect(path) as database:
            database.execute("pragma journal_mode = delete")
            database.execute("vacuum")
        database.close()
    for path in (path for path in target.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not any(
            str(folder).encode() in content for folder in (state, Path.cwd(), Path.home())
        ), path


def _is_left_out(name: str) -> bool:
    return name in LEFT_OUT or name.endswith((".lock", ".owner", ".tmp"))


if __name__ == "__main__":
    _half() if sys.argv[1] == "--half" else main(Path(sys.argv[1]))
