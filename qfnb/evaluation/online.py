"""Evaluate model versions on the platform: it asks, it judges, and its results are fetched.

Source: seed 000 (基于Model进行评估), API pages of /modelrepo/eval.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from ..config import settings
from ..errors import InvalidArgumentError, QianfanError
from ..model import Model
from ..model.watch import until
from ..resources.model import Model as Repository
from ..resources.storage import download
from ..wire import evaluation as wire
from .evaluator import QianfanEvaluator
from .report import EvaluationResult, Sample

MOST_BYTES: Final = 512 * 1024 * 1024
COLUMNS: Final = {
    "prompt": ("Prompt问题", "Prompt(问题)", "Prompt（问题）"),
    "output": ("模型结果", "Completion（模型回答）", "Completion(模型回答)"),
    "reference": ("预期回答", "Response（参考答案）", "Response(参考答案)"),
}
"""What the platform calls the columns of its results, in more than one version of it."""

SCORES: Final = {
    "BLEU-4": "bleu4",
    "ROUGE-1": "rouge_1",
    "ROUGE-2": "rouge_2",
    "ROUGE-L": "rouge_l",
    "裁判员模型打分": "judge_score",
}
EXPORT_INTERVAL: Final = 2.0


class Released(Protocol):
    """What is asked, e.g. a `qfnb.dataset.Dataset`."""

    def release(self) -> str:
        """Bring it onto the platform; return its `ds-...`."""
        ...


def evaluate(
    evaluators: Sequence[QianfanEvaluator], models: Sequence[Model], dataset: Released
) -> EvaluationResult | None:
    """Return what the platform found; None when people are to judge there first.

    Raises:
        InvalidArgumentError: something else than published models was given.
        QianfanError: the platform could not evaluate any of them.
    """
    for model in models:
        if not isinstance(model, Model):
            raise InvalidArgumentError(
                f"{type(model).__name__} is no Model: the platform evaluates published models; "
                "services are asked by local_evaluators (服务请用本地评估器)"
            )
        model.auto_complete_info()
    conf: dict[str, Any] = {"evalMode": ",".join(evaluator.mode for evaluator in evaluators)}
    for evaluator in evaluators:
        conf |= evaluator.conf()
    versions = [{"modelId": model.set_id, "modelVersionId": model.id} for model in models]
    name = f"sdk_eval_{secrets.token_hex(5)}"
    task = Repository.create_evaluation_task(name, versions, dataset.release(), conf).data.eval_id_str
    state = _ended(task)
    if state == wire.MANUAL_BEGUN:
        return None
    items = Repository.get_evaluation_result(task).data
    return _result(list(_rows(task)), {_label(item): item.effect_metric for item in items}, task, state)


def _ended(task: str) -> str:
    return until(
        lambda: Repository.get_evaluation_info(task),
        lambda answer: answer.data.state,
        done={wire.DONE, wire.PARTLY_DONE, wire.MANUAL_BEGUN},
        failed={wire.FAILED, "Fail", wire.STOPPED},
        interval=settings().evaluation_online_polling_interval,
        what=f"evaluation {task}",
    ).data.state


def _rows(task: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a task, from the zip that the platform exports."""
    export = Repository.create_evaluation_result_export_task(task).data.export_id_str
    done = until(
        lambda: Repository.get_evaluation_result_export_task_status(export),
        lambda answer: answer.data.state,
        done={wire.DONE},
        failed={wire.EXPORT_FAILED},
        interval=EXPORT_INTERVAL,
        what=f"the export of {task}",
    ).data
    with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
        path = download(done.download_url, Path(folder) / "results.zip", MOST_BYTES)
        with zipfile.ZipFile(path) as packed, packed.open("data.jsonl") as lines:
            for line in lines:
                value = json.loads(line)
                yield from _flat(value if isinstance(value, list) else [value])


def _flat(values: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a line, which some versions nest by prompt."""
    for value in values:
        if "model_content" in value:
            yield from ({"Prompt问题": value.get("prompt", ""), **row} for row in value["model_content"])
        else:
            yield value


def _result(
    rows: Sequence[Mapping[str, Any]], metrics: Mapping[str, Any], task: str, state: str
) -> EvaluationResult:
    if not rows:
        raise QianfanError(f"evaluation {task} ended as {state!r} without any result")
    samples, seen = [], dict[str, int]()
    for row in rows:
        model = f"{row.get('模型名称', '')}_{row.get('模型版本', '')}".strip("_")
        seen[model] = seen.get(model, -1) + 1
        samples.append(_sample(model, seen[model], row))
    names = dict.fromkeys(name for sample in samples for name in sample.scores)
    told = {model: metric.to_wire() for model, metric in metrics.items()}
    return EvaluationResult(tuple(samples), tuple(seen), tuple(names), platform=told)


def _sample(model: str, index: int, row: Mapping[str, Any]) -> Sample:
    found = {name: next((str(row[key]) for key in keys if key in row), "") for name, keys in COLUMNS.items()}
    scores = {name: value for key, name in SCORES.items() if (value := _number(row.get(key))) is not None}
    return Sample(model, index, found["prompt"], found["reference"], found["output"], scores)


def _number(value: object) -> float | None:
    """Read "7.84%" as 0.0784 and "3" as 3; what is no number is none."""
    text = str(value).strip()
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None


def _label(item: wire.ReportItem) -> str:
    return f"{item.model_name}_{item.model_version}"
