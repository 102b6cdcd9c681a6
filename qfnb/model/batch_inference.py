"""Let a model version answer a dataset on the platform, without a service. Source: seed 000 (批量推理)."""

from __future__ import annotations

import secrets
import threading
from typing import Final

from ..config import settings
from ..dataset import Dataset
from ..errors import InvalidArgumentError, QianfanError
from ..resources.management.model import Model as Repository
from ..wire import evaluation as wire
from .polling import wait_for_state

TASK_CONFIG: Final = {"evalMode": "manual", "evaluationDimension": [{"dimension": "满意度"}]}
"""A task for people to judge: its first half is what is wanted here, the answers."""

COLUMNS: Final = {"prompt": "prompt", "completion": "llm_output", "response": "expected_output"}


def run_batch_inference(
    set_id: str, version: str, dataset: Dataset, *, stop_event: threading.Event | None = None
) -> Dataset:
    """Return the rows with a version's answers: prompt, input_prompt, llm_output, expected_output.

    Raises:
        InvalidArgumentError: the dataset has nothing to ask.
        QianfanError: the platform could not answer it.
    """
    if dataset.schema.name == "text":
        raise InvalidArgumentError(
            f"{dataset.name!r} has texts only: a model is asked prompts (纯文本数据集不能推理)"
        )
    dataset_id = dataset.release(stop_event=stop_event)
    name = f"model_run_{secrets.token_hex(5)}"
    versions = [{"modelId": set_id, "modelVersionId": version}]
    task = Repository.create_evaluation_task(name, versions, dataset_id, TASK_CONFIG).data.eval_id_str
    info = wait_for_state(
        lambda: Repository.get_evaluation_info(task),
        lambda answer: answer.data.state,
        done_states={wire.MANUAL_STARTED, wire.DONE},
        failed_states={wire.FAILED, wire.STOPPED, wire.PARTLY_DONE},
        interval=settings().batch_run_status_polling_interval,
        label=f"the inference of {version}",
        stop_event=stop_event,
    ).data
    result_id = info.eval_standard_conf.get("resultDatasetIdStr") or info.eval_standard_conf.get(
        "resultDatasetId"
    )
    if not result_id:
        raise QianfanError(f"the platform names no dataset with the answers of {task}")
    return _rename_columns(Dataset.load(qianfan_dataset_id=result_id, name=f"{dataset.name}_{version}"))


def _rename_columns(answers: Dataset) -> Dataset:
    rows = [
        {new_name: row.get(old_name, "") for old_name, new_name in COLUMNS.items()} for row in answers.list()
    ]
    return Dataset(
        [{**row, "input_prompt": row["prompt"]} for row in rows], name=answers.name, schema="prompts"
    )
