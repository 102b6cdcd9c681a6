"""Runs of lm-evaluation-harness with `--log_samples`: read as a report, and written from one.

A run has a folder for its model with `results_TIME.json`, and `samples_TASK_TIME.jsonl` for each
task. Source: its documentation ("interface.md"), and the files that version 0.4.13 writes.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ..._jsonl_csv_parquet import RowError, read_jsonl
from ...base.language import tr
from ...base.private_files import write_atomically
from ...errors import DatasetError
from ..samples import Sample, mean_sample
from . import logs
from .data import ReportData
from .files import sanitize_json

RESULTS: Final = "results_"
SAMPLES: Final = "samples_"
PLAIN_FILTER: Final = "none"
Parts = dict[str, Any]


def write_lm_eval(report: ReportData, folder: Path) -> list[Path]:
    """Write a folder for each model with its results and its samples; return the files of results.

    Raises:
        InvalidArgumentError: a file cannot be written.
    """
    now = datetime.now(UTC)
    task = logs.task_name(report)
    written = []
    time = now.strftime("%Y-%m-%dT%H-%M-%S.%f")
    for number, (model, samples) in enumerate(logs.samples_by_model(report), 1):
        target = folder / f"{number}_{logs.file_name(model)}"
        target.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(_to_line(group), ensure_ascii=False) for group in _by_question(samples)]
        results = json.dumps(_build_results(report, model, task, now), ensure_ascii=False, indent=2)
        path = target / f"{RESULTS}{time}.json"
        for name, text in (
            (target / f"{SAMPLES}{task}_{time}.jsonl", "\n".join(lines) + "\n"),
            (path, results),
        ):
            with write_atomically(name) as file:
                file.write(text.encode())
        written.append(path)
    return written


def _by_question(samples: Sequence[Sample]) -> list[list[Sample]]:
    groups: dict[int, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.index, []).append(sample)
    return [*groups.values()]


def _build_results(report: ReportData, model: str, task: str, now: datetime) -> Parts:
    scores = [score for score in report.model_scores if score.model == model]
    numbers: Parts = {"alias": task}
    for score in scores:
        numbers[f"{score.metric},{PLAIN_FILTER}"] = score.mean
        width = score.interval.high - score.interval.low
        numbers[f"{score.metric}_stderr,{PLAIN_FILTER}"] = (
            width / 3.92 if math.isfinite(width) else "N/A"
        )
    is_higher = {score.metric: score.metric not in report.lower_is_better for score in scores}
    shots = report.benchmark.get("shots", 0)
    total = len(report.samples_of(model))
    return dict(
        sanitize_json(
            {
                "results": {task: numbers},
                "group_subtasks": {task: []},
                "configs": {
                    task: {"task": task, "output_type": "generate_until", "num_fewshot": shots}
                },
                "versions": {task: 1},
                "n-shot": {task: shots},
                "higher_is_better": {task: is_higher},
                "n-samples": {task: {"original": total, "effective": total}},
                "config": {"model": logs.OURS, "model_args": {"model": model}},
                "date": now.timestamp(),
                "model_source": logs.OURS,
                "model_name": model,
                "model_name_sanitized": logs.file_name(model),
                logs.OURS: logs.facts_of(report, model),
            }
        )
    )


def _to_line(group: Sequence[Sample]) -> Parts:
    """Return the line of a question; its metrics are the means of all answers to it."""
    sample = mean_sample(group)
    messages = logs.messages_of(group[0])
    if len(messages) > 1:
        prompt = json.dumps(messages, ensure_ascii=False)
    else:
        prompt = sample.prompt
    scores = {name: value for name, value in sample.scores.items() if math.isfinite(value)}
    doc = {"prompt": sample.prompt, **logs.other_columns(sample)}
    hashes = {
        "doc_hash": json.dumps(doc, default=str),
        "prompt_hash": prompt,
        "target_hash": sample.reference,
    }
    kept = [
        {**logs.sample_facts(each), "output": each.output, "scores": dict(each.scores)}
        for each in group
    ]
    line = {
        "doc_id": sample.index,
        "doc": doc,
        "target": sample.reference,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {}}},
        "resps": [[each.output for each in group]],
        "filtered_resps": [sample.output],
        "filter": PLAIN_FILTER,
        "metrics": [*scores],
        **{name: hashlib.sha256(text.encode()).hexdigest() for name, text in hashes.items()},
        **scores,
        logs.OURS: kept,
    }
    return dict(sanitize_json(line))


def read_lm_eval(folder: str | Path, tasks: Sequence[str] | None = None) -> Parts:
    """Return the fields of the report on runs; of several runs of a model on a task the last one
    counts.

    Args:
        folder: that of `--output_path`, or of one model.
        tasks: those that are read, default all.

    Raises:
        InvalidArgumentError: there are no results or no samples.
        DatasetError: a file is not of lm-evaluation-harness, or not readable.
    """
    newest: dict[tuple[str, str], logs.Log] = {}
    for path in logs.log_files(folder, f"{RESULTS}*.json"):
        run = _read_results(path)
        time = path.stem.removeprefix(RESULTS)
        for task in run["results"]:
            samples = path.with_name(f"{SAMPLES}{task}_{time}.jsonl")
            if samples.is_file() and (tasks is None or task in tasks):
                log = _to_log(run, task, samples)
                newest[log.model, task] = log
    if not newest:
        raise DatasetError(
            tr("there are no samples of {tasks}: lm_eval writes them with --log_samples",
               tasks=tr(", ").join(tasks or [tr("any task")])),
            path=str(folder),
        )  # fmt: skip
    return logs.report_fields([*newest.values()])


def _read_results(path: Path) -> Parts:
    try:
        run = logs.parse_log(path.read_bytes(), path)
    except OSError as error:
        raise DatasetError(
            tr("cannot be read: {reason}", reason=error.strerror), path=str(path)
        ) from None
    if not isinstance(run.get("results"), dict):
        raise DatasetError(tr("has no results of lm-evaluation-harness"), path=str(path))
    if isinstance(run.get("config"), dict):
        config = run.get("config")
    else:
        config = {}
    return run | {
        "model_name": str(run.get("model_name") or (config or {}).get("model") or path.parent.name)
    }


def _to_log(run: Parts, task: str, path: Path) -> logs.Log:
    model = run["model_name"]
    answers = dict[str, list[Sample]]()
    with path.open("rb") as file:
        for line, value in read_jsonl(file, str(path)):
            if isinstance(value, RowError):
                raise DatasetError(value.reason, path=str(path), line=line)
            try:
                entry = dict(value)  # type: ignore[call-overload]
                key = str(entry["doc_id"])
                samples = _to_samples(model, task, entry)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError):
                message = tr("is no sample of lm-evaluation-harness")
                raise DatasetError(message, path=str(path), line=line) from None
            answers[key] = _merge(answers[key], samples) if key in answers else samples
    flat = [(key, sample) for key, group in answers.items() for sample in group]
    metrics = dict.fromkeys(name for _, sample in flat for name in sample.scores)
    directions = (run.get("higher_is_better") or {}).get(task) or {}
    lower = frozenset(name for name in metrics if directions.get(name.split(",")[0]) is False)
    return logs.Log(
        model, task, flat, lower, run.get(logs.OURS) or _describe(run, task, metrics, len(answers))
    )


def _describe(run: Parts, task: str, metrics: Mapping[str, None], n: int) -> Parts:
    """Return where the numbers of a run of another tool are from."""
    version = run.get("lm_eval_version", "")
    shots = (run.get("n-shot") or {}).get(task, 0)
    note = tr(
        "{model}: run of lm-eval {version}, task {task}, {shots} examples, {n} samples",
        model=run["model_name"],
        version=version,
        task=task,
        shots=shots,
        n=n,
    )
    return {"notes": [note], "recipes": {name: f"{name} [lm-eval {version}]" for name in metrics}}


def _merge(samples: Sequence[Sample], others: Sequence[Sample]) -> list[Sample]:
    """Return the samples of a question with the scores by another filter."""
    first = samples[0]
    second = others[0]
    return [
        Sample.from_dict(first.to_dict() | {"scores": {**first.scores, **second.scores}}),
        *samples[1:],
    ]


def _to_samples(model: str, task: str, entry: Parts) -> list[Sample]:
    prompt, row = _prompt_of(entry)
    if isinstance(entry.get("doc"), dict):
        doc = entry.get("doc")
    else:
        doc = {}
    columns = (
        {"task": task}
        | {name: cell for name, cell in (doc or {}).items() if name != "prompt"}
        | row
    )
    name = str(entry.get("filter", PLAIN_FILTER))
    texts = _texts_of(entry)
    ours = entry.get(logs.OURS)
    if isinstance(ours, list) and ours:
        base = Sample(
            model,
            0,
            prompt,
            str(entry["target"]),
            "",
            {},
            row={k: v for k, v in columns.items() if k != "task"},
        )
        return [logs.with_facts(Sample.from_dict(base.to_dict() | each), each) for each in ours]
    metrics = entry.get("metrics") or [
        key for key, value in entry.items() if isinstance(value, (int, float)) and key != "doc_id"
    ]
    values = [
        (key if name == PLAIN_FILTER else f"{key},{name}", _number(entry.get(key)))
        for key in metrics
    ]
    return [Sample(model, 0, prompt, _target_of(entry), texts, logs.as_scores(values), row=columns)]


def _number(value: object) -> object:
    """Return a score; the share of a list of right and wrong ones."""
    if (
        isinstance(value, list)
        and value
        and all(isinstance(each, (bool, int, float)) for each in value)
    ):
        return statistics.fmean(value)
    return value


def _arguments(entry: Parts) -> list[list[Any]]:
    """Return the arguments of each request; older versions have lists."""
    arguments = entry.get("arguments") or []
    rows = arguments.values() if isinstance(arguments, dict) else arguments
    return [[*row.values()] if isinstance(row, dict) else [*row] for row in rows]


def _prompt_of(entry: Parts) -> tuple[str, Parts]:
    """Return the question, and system message and history where it is a conversation."""
    arguments = _arguments(entry)
    prompt = str(arguments[0][0]) if arguments else ""
    try:
        messages = json.loads(prompt) if prompt[:1] == "[" else None
        return logs.conversation_row(messages) if messages else (prompt, {})
    except (ValueError, AttributeError):
        return prompt, {}


def _texts_of(entry: Parts) -> str:
    """Return the answer; of choices the likeliest one."""
    responses = entry["resps"]
    arguments = _arguments(entry)
    first = responses[0][0]
    if isinstance(first, str):
        return first
    likelihoods = [float(response[0][0]) for response in responses]
    return str(arguments[likelihoods.index(max(likelihoods))][1]).strip()


def _target_of(entry: Parts) -> str:
    """Return the expected answer; the number of a choice becomes its text."""
    target = entry["target"]
    arguments = _arguments(entry)
    is_number = isinstance(target, int) or str(target).isdecimal()
    if is_number and len(arguments) > 1 and int(target) < len(arguments):
        return str(arguments[int(target)][1]).strip()
    return str(target[0] if isinstance(target, list) and target else target)
