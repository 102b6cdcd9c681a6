"""Datasets and runs on the sandbox, made quickly."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from qfnb.connect import current_platform
from qfnb.resources import Data, FineTune, Storage
from support.waiting import wait_for

ANSWERS = {"几点开门": "早上九点开门。", "在哪里": "在河边路三号。", "多少钱": "每人二十元。"}
PAIRS = [
    {"prompt": f"{before}{ask}{after}", "response": answer}
    for ask, answer in ANSWERS.items()
    for before in ("", "请问", "你好，")
    for after in ("", "？", "呢")
]
TEXT = "茶馆在河边。茶馆早上九点开门。开门以后先烧水。水开了再泡茶。茶泡好了客人就来了。\n" * 4
LONG = "notebooks/data/teahouse_train.jsonl"


def create_dataset(text: str = "") -> str:
    """Return a released dataset: of a few pairs, or of the JSON lines that are given."""
    bucket = current_platform().bucket
    folder = f"t/{secrets.token_hex(4)}"
    lines = text or "\n".join(
        json.dumps([row | {"response": [[row["response"]]]}]) for row in PAIRS
    )
    address = put_object(bucket, f"{folder}/rows.jsonl", lines)
    id_ = Data.create("few", bucket, f"/{folder}/").data.dataset_id
    version = lambda: Data.info(id_)["result"]["versionInfo"]
    Data.import_files(id_, [address])
    wait_for(version, lambda info: info["importStatus"] == 2)
    Data.release(id_)
    wait_for(version, lambda info: info["releaseStatus"] == 2)
    return id_


def create_long_dataset() -> str:
    """Return a released dataset that 50 epochs take half a minute for."""
    return create_dataset(Path(LONG).read_text(encoding="utf-8") * 4)


def start_run(
    dataset_id: str, *, model: str = "ERNIE-Speed-8K", scale: str = "LoRA", **values: Any
) -> str:
    """Start a run in a job of its own; return `task-...`."""
    job = FineTune.V2.create_job("test", model).data.job_id
    return FineTune.V2.create_task(job, scale, values, datasets=[dataset_id]).data.task_id


def start_long_run() -> str:
    # what is learned slowly is not left out
    return start_run(create_long_dataset(), epoch=50, learningRate=3e-5)


def run_to_end(**values: Any) -> str:
    """Return a run that is done."""
    task = start_run(create_dataset(), **values)
    wait_for_end(task)
    return task


def wait_for_end(task: str) -> dict[str, Any]:
    """Wait for a run's end; return it."""
    return wait_for(
        lambda: describe_run(task), lambda row: row["runStatus"] in {"Done", "Failed", "Stopped"}
    )


def wait_for_points(task: str) -> dict[str, Any]:
    """Wait until a run has points; return it."""
    return wait_for(lambda: describe_run(task), lambda row: row.get("checkpointList"))


def describe_run(task: str) -> dict[str, Any]:
    return FineTune.V2.task_detail(task)["result"]


def put_object(bucket: str, key: str, text: str) -> str:
    """Put a text into the bucket; return its address."""
    return Storage.upload(f"bos:/{bucket}/{key}", text.encode())
