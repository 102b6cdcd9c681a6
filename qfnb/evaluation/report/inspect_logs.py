"""Logs of inspect_ai, version 2 of its format: `.eval` and `.json` are read as a report, and from
one `.json` is written.

A log has one model. Entries of `.eval` files are compressed by Zstandard, which Python reads from
3.14 on; before,
pyarrow does. Source: inspect_ai's documentation ("Log Files", "Log File API").
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ..._jsonl_csv_parquet import import_pyarrow
from ...base.language import tr
from ...base.private_files import write_atomically
from ...errors import DatasetError, InvalidArgumentError
from ..samples import Sample
from . import logs
from .data import ReportData
from .files import sanitize_json

VERSION: Final = 2
VALUES: Final = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # correct, partly, incorrect, no answer
STOP_REASONS: Final = {
    "length": "max_tokens",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
}
_ZSTANDARD: Final = 93
_LOCAL_HEADER: Final = struct.Struct("<26xHH")
Parts = dict[str, Any]


def write_inspect(report: ReportData, path: Path) -> list[Path]:
    """Write a log for each model: into a folder, or, where there is one model, into a .json file.

    Raises:
        InvalidArgumentError: the path is a file for several models, or cannot be written.
    """
    if path.suffix == ".eval":
        raise InvalidArgumentError(
            tr("{path}: write a .json file or a folder, which inspect_ai reads too", path=path)
        )
    is_file = path.suffix == ".json"
    if is_file and len(report.models) > 1:
        raise InvalidArgumentError(
            tr(
                "{path}: a log of inspect_ai has one model, and the report {n}: give a folder",
                path=path,
                n=len(report.models),
            )
        )
    written = []
    for number, (model, samples) in enumerate(logs.samples_by_model(report), 1):
        name = f"{logs.task_name(report)}_{number}_{logs.file_name(model)}.json"
        if is_file:
            target = path
        else:
            target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(target) as file:
            log = _build_log(report, model, samples)
            file.write(json.dumps(log, ensure_ascii=False).encode())
        written.append(target)
    return written


def _build_log(report: ReportData, model: str, samples: Sequence[Sample]) -> Parts:
    name = logs.task_name(report)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    facts = logs.facts_of(report, model)
    epochs = report.repeat_count
    log_id = hashlib.sha256(f"{created}{model}{json.dumps(facts)}".encode()).hexdigest()[:22]
    questions = [*report.samples_of(model).values()]
    config = {"epochs": epochs, "fail_on_error": False}
    dataset = {
        "name": name,
        "samples": len(questions),
        "sample_ids": [sample.index for sample in questions],
    }
    scores = [s for s in report.model_scores if s.model == model]
    results = [
        {
            "name": score.metric,
            "scorer": score.metric,
            "scored_samples": score.n,
            "unscored_samples": score.total - score.n,
            "metrics": {
                key: {"name": key, "value": value}
                for key, value in (
                    ("mean", score.mean),
                    ("ci_low", score.interval.low),
                    ("ci_high", score.interval.high),
                )
                if math.isfinite(value)
            },
            "metadata": {"recipe": report.recipes.get(score.metric, score.metric)},
        }
        for score in scores
    ]
    spec: Parts = {
        "eval_id": log_id,
        "run_id": log_id,
        "created": created,
        "task": name,
        "task_id": log_id,
    }
    spec |= {"model": model, "dataset": dataset, "config": config, "metadata": {logs.OURS: facts}}
    answered = sum(not sample.error for sample in samples)
    totals = {"total_samples": len(samples), "completed_samples": answered, "scores": results}
    head = {"version": VERSION, "status": "success", "eval": spec, "plan": {}, "results": totals}
    stats = {"started_at": created, "completed_at": created}
    return dict(
        sanitize_json(
            head | {"stats": stats, "samples": [_to_entry(model, each) for each in samples]}
        )
    )


def _to_entry(model: str, sample: Sample) -> Parts:
    messages = logs.messages_of(sample)
    answer = {"role": "assistant", "content": sample.output, "source": "generate", "model": model}
    stop = STOP_REASONS.get(sample.finish_reason or "", "stop")
    output: Parts = {"model": model, "choices": [], "completion": sample.output}
    if not sample.error:
        output["choices"] = [{"message": answer, "stop_reason": stop}]
    if sample.tokens is not None:
        output["usage"] = {
            "input_tokens": 0,
            "output_tokens": sample.tokens,
            "total_tokens": sample.tokens,
        }
    scores = {
        name: {
            "value": value,
            "answer": sample.output,
            "explanation": "\n".join(sample.notes.values()) or None,
        }
        for name, value in sample.scores.items()
        if math.isfinite(value)
    }
    entry = {
        "id": sample.index,
        "epoch": sample.repeat + 1,
        "input": messages if len(messages) > 1 else sample.prompt,
        "target": sample.reference,
        "messages": [*messages, *([] if sample.error else [answer])],
        "output": output,
        "scores": scores,
        "metadata": {**logs.other_columns(sample), logs.OURS: logs.sample_facts(sample)},
        "total_time": sample.seconds,
    }
    failure = {"message": sample.error, "traceback": "", "traceback_ansi": ""}
    return entry | ({"error": failure} if sample.error else {})


def read_inspect(path: str | Path | Sequence[str | Path]) -> Parts:
    """Return the fields of the report on logs: a file, a folder of them, or several.

    Raises:
        InvalidArgumentError: there is no log.
        DatasetError: a file is no log of inspect_ai, or not readable.
    """
    if isinstance(path, (str, Path)):
        paths = [path]
    else:
        paths = [*path]
    files = [file for each in paths for file in logs.log_files(each, "*.eval", "*.json")]
    return logs.report_fields([_to_log(_read(file), file) for file in files])


def _read(path: Path) -> Parts:
    try:
        if path.suffix != ".eval":
            return logs.parse_log(path.read_bytes(), path)
        with zipfile.ZipFile(path) as packed:
            names = packed.namelist()
            header = next(
                (name for name in ("header.json", "_journal/start.json") if name in names), ""
            )
            if not header:
                raise DatasetError(tr("is no log of inspect_ai"), path=str(path))
            samples = [name for name in names if name.startswith("samples/")]
            entries = [logs.parse_log(_read_entry(packed, name), path) for name in samples]
            return logs.parse_log(_read_entry(packed, header), path) | {"samples": entries}
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(tr("cannot be read: {reason}", reason=error), path=str(path)) from None


def _read_entry(packed: zipfile.ZipFile, name: str) -> bytes:
    info = packed.getinfo(name)
    try:
        return packed.read(name)
    except NotImplementedError:
        if info.compress_type != _ZSTANDARD:
            raise DatasetError(tr("is no log of inspect_ai"), path=str(packed.filename)) from None
    with Path(str(packed.filename)).open("rb") as file:
        file.seek(info.header_offset)
        name_size, extra_size = _LOCAL_HEADER.unpack(file.read(30))
        file.seek(name_size + extra_size, io.SEEK_CUR)
        content = file.read(info.compress_size)
    unpacked = import_pyarrow().decompress(
        content, decompressed_size=info.file_size, codec="zstd", asbytes=True
    )
    return bytes(unpacked)


def _to_log(log: Parts, path: Path) -> logs.Log:
    if isinstance(version := log.get("version"), int) and version > VERSION:
        raise DatasetError(
            tr("is of a later version of inspect_ai's format than 2"), path=str(path)
        )
    try:
        spec = log["eval"]
        entries = log.get("samples") or []
        model = str(spec["model"])
        task = str(spec["task"])
        facts = (spec.get("metadata") or {}).get(logs.OURS) or _describe(spec, entries)
        answers = [(str(entry["id"]), _to_sample(model, entry)) for entry in entries]
        if log.get("status") != "success":
            problem = _problem(log)
            facts = {**facts, "notes": [*facts.get("notes", ()), f"{model}: {problem}"]}
            answers = _with_failed(answers, model, spec, problem)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise DatasetError(tr("is no log of inspect_ai"), path=str(path)) from None
    if not answers:
        raise DatasetError(
            tr("the log has no samples: status {status}", status=log.get("status")), path=str(path)
        )
    return logs.Log(
        facts.get("model", model), task, answers, frozenset(facts.get("lower_is_better", ())), facts
    )


def _problem(log: Parts) -> str:
    """Return why the run of a log is not complete."""
    reason = str((log.get("error") or {}).get("message", "")).strip()
    return tr(
        "this run failed: {reason}",
        reason=reason or tr("status {status}", status=log.get("status")),
    )


def _with_failed(
    answers: Sequence[tuple[str, Sample]], model: str, spec: Mapping[str, Any], problem: str
) -> list[tuple[str, Sample]]:
    """Return the answers of a run that failed, with every planned sample: those without a score are
    failed rows.
    """
    rows = [
        (key, sample if sample.scores or sample.error else replace(sample, error=problem))
        for key, sample in answers
    ]
    planned = dict.fromkeys(str(key) for key in (spec.get("dataset") or {}).get("sample_ids") or ())
    missing = [key for key in planned if key not in dict(rows)]
    return [*rows, *((key, Sample(model, 0, "", "", "", {}, error=problem)) for key in missing)]


def _describe(spec: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Parts:
    """Return where the numbers of a log of another tool are from."""
    version = (spec.get("packages") or {}).get("inspect_ai", "")
    note = tr(
        "{model}: log of inspect_ai {version}, task {task}, {n} samples",
        model=spec["model"],
        version=version,
        task=spec["task"],
        n=len(entries),
    )
    metrics = dict.fromkeys(
        name for entry in entries for name, _ in _values(entry.get("scores") or {})
    )
    return {
        "notes": [note],
        "recipes": {name: f"{name} [inspect_ai {version}]" for name in metrics},
    }


def _values(scores: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the scores of a sample; one with several values gives several metrics."""
    for name, score in scores.items():
        value = score["value"]
        items: Iterable[tuple[str, object]] = [(name, value)]
        if isinstance(value, Mapping):
            items = [(f"{name}/{key}", each) for key, each in value.items()]
        yield from logs.as_scores(
            (key, VALUES.get(each, each) if isinstance(each, str) else each) for key, each in items
        ).items()


def _to_sample(model: str, entry: Mapping[str, Any]) -> Sample:
    attachments = entry.get("attachments") or {}
    messages = entry["input"]
    if isinstance(messages, str):
        prompt = _attached(messages, attachments)
        row = dict[str, Any]()
    else:
        prompt, row = logs.conversation_row(messages)
        prompt = _attached(prompt, attachments)
    if isinstance(entry["target"], list):
        targets = entry["target"]
    else:
        targets = [entry["target"]]
    output = entry.get("output") or {}
    error = entry.get("error") or {}
    choices = output.get("choices") or [{}]
    text = logs.text_of((choices[0].get("message") or {}).get("content")) or str(
        output.get("completion") or ""
    )
    metadata = dict(entry.get("metadata") or {})
    facts = metadata.pop(logs.OURS, None)
    row |= metadata | ({"choices": entry["choices"]} if entry.get("choices") else {})
    row |= {"targets": targets} if len(targets) > 1 else {}
    scores = entry.get("scores") or {}
    stop = choices[0].get("stop_reason")
    notes = {
        name: str(score["explanation"])
        for name, score in scores.items()
        if score.get("explanation")
    }
    sample = Sample(
        model=model,
        index=0,
        prompt=prompt,
        reference=str(targets[0]),
        output=_attached(text, attachments),
        scores=dict(_values(scores)),
        seconds=output.get("time") or entry.get("total_time"),
        error=str(error.get("message", "")),
        finish_reason="length" if stop == "max_tokens" else stop,
        tokens=(output.get("usage") or {}).get("output_tokens"),
        notes={f"{name} (explanation)": note for name, note in notes.items()},
        row=row,
        repeat=int(entry.get("epoch", 1)) - 1,
    )
    return logs.with_facts(sample, facts)


def _attached(text: str, attachments: Mapping[str, str]) -> str:
    """Return a text that may stand elsewhere in the log."""
    if text.startswith("attachment://"):
        return attachments.get(text.removeprefix("attachment://"), text)
    return text
