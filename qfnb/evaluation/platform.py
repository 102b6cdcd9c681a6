"""Evaluate model versions on the platform: it asks and judges; the results are fetched.

Source: seed 000 (evaluation of models), API pages of /modelrepo/eval.
"""

import secrets
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from .._jsonl_csv_parquet import RowError
from ..base.language import tr
from ..config import settings
from ..connect import platform_info
from ..dataset import file_reader
from ..dataset.row_formats import raise_problems
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError, QianfanError
from ..model import Model
from ..model.service import wait_for_state
from ..resources.management.model import Model as Repository
from ..resources.management.storage import download
from ..wire import evaluation as wire
from .evaluator import QianfanEvaluator, QianfanRefereeEvaluator
from .report import EvaluationResult, archive
from .run import UNANSWERED
from .samples import Sample

MAX_RESULT_BYTES: Final = 512 * 1024 * 1024
"""Bytes of the results as a zip."""

COLUMNS: Final = {
    "prompt": ("Prompt问题", "Prompt(问题)", "Prompt（问题）"),
    "output": ("模型结果", "Completion（模型回答）", "Completion(模型回答)"),
    "reference": ("预期回答", "Response（参考答案）", "Response(参考答案)"),
}
"""Names of the columns of the results, in several versions of the platform."""

SCORES: Final = {
    "BLEU-4": "bleu4", "ROUGE-1": "rouge_1", "ROUGE-2": "rouge_2", "ROUGE-L": "rouge_l",
    "裁判员模型打分": "judge_score",
}  # fmt: skip
EXPORT_INTERVAL_S: Final = 2.0
"""Seconds between two checks of an export."""

FAILED_STATES: Final = frozenset({wire.FAILED, "Fail", wire.STOPPED})


def evaluate_on_platform(
    evaluators: Sequence[QianfanEvaluator], models: Sequence[Model], dataset: Dataset
) -> EvaluationResult | None:
    """Return the platform's report; None when people have to judge there first.

    Raises:
        InvalidArgumentError: an object is not a published model.
        QianfanError: the platform could not evaluate any of the models.
    """
    for model in models:
        if not isinstance(model, Model):
            raise InvalidArgumentError(
                tr(
                    "{kind} is not a Model: the platform evaluates published models; "
                    "services are asked by local_evaluators",
                    kind=type(model).__name__,
                )
            )
        model.auto_complete_info()
    modes = []
    conf: dict[str, Any] = {}
    max_points = 0
    for evaluator in evaluators:
        modes.append(evaluator.mode)
        conf |= evaluator.conf()
        if isinstance(evaluator, QianfanRefereeEvaluator):
            max_points = evaluator.prompt_max_score
    conf["evalMode"] = ",".join(modes)
    versions = [{"modelId": model.set_id, "modelVersionId": model.id} for model in models]
    name = f"sdk_eval_{secrets.token_hex(5)}"
    task = Repository.create_evaluation_task(
        name, versions, dataset.release(), conf
    ).data.eval_id_str
    return fetch_report(task, max_points)


def fetch_report(task: str, max_points: int = 0) -> EvaluationResult | None:
    """Return the report of a task, waiting for its end; None when people have to judge first.

    Of a task that is done in part the finished versions have scores; the rows of the others are
    failed rows.

    Raises:
        QianfanError: none of its models could be evaluated.
    """
    info = wait_for_state(
        lambda: Repository.get_evaluation_info(task),
        lambda answer: answer.data.state,
        done_states={wire.DONE, wire.PARTLY_DONE, wire.MANUAL_STARTED},
        failed_states=FAILED_STATES,
        interval=settings().evaluation_online_polling_interval,
        label=f"evaluation {task}",
    ).data
    if info.state == wire.MANUAL_STARTED:
        return None
    platform_metrics = {
        _model_label(item): item.effect_metric.to_wire()
        for item in Repository.get_evaluation_result(task).data
    }
    report = _build_report([*_export_rows(task)], platform_metrics, info)
    if max_points:
        report = replace(report, scales={"judge_score": (0.0, float(max_points))})
    archive.keep(report)
    return report


def _export_rows(task: str) -> Iterator[Mapping[str, Any]]:
    export = Repository.create_evaluation_result_export_task(task).data.export_id_str
    done = wait_for_state(
        lambda: Repository.get_evaluation_result_export_task_status(export),
        lambda answer: answer.data.state,
        done_states={wire.DONE},
        failed_states={wire.EXPORT_FAILED},
        interval=EXPORT_INTERVAL_S,
        label=f"the export of {task}",
    ).data
    with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
        path = download(done.download_url, Path(folder) / "results.zip", MAX_RESULT_BYTES)
        lines = file_reader.read_path(path, "zip", name=f"the results of {task}")
    raise_problems([(location, value) for location, value in lines if isinstance(value, RowError)])
    for _, line in lines:
        values: Any = line if isinstance(line, list) else [line]
        for value in values:
            if "model_content" not in value:
                yield value
            for row in value.get("model_content", ()):  # some versions nest rows by prompt
                yield {"Prompt问题": value.get("prompt", ""), **row}


def _build_report(
    rows: Sequence[Mapping[str, Any]],
    platform_metrics: Mapping[str, Mapping[str, Any]],
    info: wire.TaskDetail,
) -> EvaluationResult:
    if not rows:
        raise QianfanError(
            tr(
                "evaluation {id} ended as {state} without any result",
                id=info.evaluation_id_str,
                state=repr(info.state),
            )
        )
    failed = {}
    for unit in info.eval_units:
        if unit.state in FAILED_STATES:
            failed[_model_label(unit)] = unit.message
    samples = [*_parse_samples(rows, failed)]
    questions = {sample.index: sample for sample in samples}
    models = dict.fromkeys(sample.model for sample in samples)
    for model in [name for name in failed if name not in models]:
        reason = _failure_reason(failed[model])
        for question in questions.values():
            samples.append(replace(question, model=model, output="", scores={}, error=reason))
    names: dict[str, float] = {}
    for sample in samples:
        models[sample.model] = None
        names |= sample.scores
    return EvaluationResult(
        records=tuple(samples),
        models=tuple(models),
        metric_names=tuple(names),
        platform=platform_metrics,
        notes=(f"evaluation {info.evaluation_id_str} {info.name}: {info.state}",),
        origins=dict.fromkeys(models, platform_info().name),
    )


def _parse_samples(
    rows: Sequence[Mapping[str, Any]], failed: Mapping[str, str]
) -> Iterator[Sample]:
    """Yield the rows as samples; a question has the same index for all models, even if one lacks
    others.

    A row without an answer and without scores has failed: the platform scores every answer.
    """
    occurrences = Counter[tuple[str, str]]()
    indexes: dict[tuple[str, int], int] = {}
    for row in rows:
        model = f"{row.get('模型名称', '')}_{row.get('模型版本', '')}".strip("_")
        prompt, output, reference = (
            next((str(row[column]) for column in COLUMNS[name] if column in row), "")
            for name in ("prompt", "output", "reference")
        )
        index = indexes.setdefault((prompt, occurrences[model, prompt]), len(indexes))
        occurrences[model, prompt] += 1
        scores = {}
        for key, name in SCORES.items():
            score = _parse_score(row.get(key))
            if score is not None:
                scores[name] = score
        if output or scores:
            error = ""
        else:
            error = _failure_reason(failed.get(model, ""))
        yield Sample(model, index, prompt, reference, output, scores, error=error)


def _failure_reason(message: str) -> str:
    return f"NotAnswered: {message or tr(UNANSWERED)}"


def _parse_score(value: object) -> float | None:
    """Return "7.84%" as 0.0784 and "3" as 3.0; None for what is not a number."""
    text = str(value).strip()
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None


def _model_label(item: wire.ReportItem | wire.EvaluationUnit) -> str:
    return f"{item.model_name}_{item.model_version}"
