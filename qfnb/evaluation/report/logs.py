"""Reports and the logs of other tools: what logs of one model each become, and what a log keeps of
a report of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ...base.language import tr
from ...errors import DatasetError, InvalidArgumentError
from ..samples import Sample
from .data import ReportData
from .files import sanitize_json

OURS: Final = "qfnb"
"""The key of a log below which are the facts that its format has no field for."""

FACTS: Final = (
    "recipes",
    "scales",
    "notes",
    "cluster",
    "benchmark",
    "dataset",
    "counting",
    "judges",
)
SAMPLE_FACTS: Final = (
    "cost",
    "cost_low",
    "tokens",
    "finish_reason",
    "notes",
    "error",
    "seconds",
    "repeat",
    "index",
)


@dataclass(frozen=True)
class Log:
    """The answers of one model as a tool has logged them.

    Attributes:
        task: the tool's name of the questions.
        answers: (key of the question, sample); keys are shared by logs of the same task.
        lower_is_better: of the metrics.
        facts: those of `facts_of`; of other tools recipes and notes.
    """

    model: str
    task: str
    answers: Sequence[tuple[str, Sample]]
    lower_is_better: frozenset[str] = frozenset()
    facts: Mapping[str, Any] = field(default_factory=dict)


def facts_of(report: ReportData, model: str) -> dict[str, Any]:
    """Return what a log of a model keeps of a report: how metrics are counted, and where its
    numbers are from.
    """
    coverage = {s.metric: f"{s.n}/{s.total}" for s in report.model_scores if s.model == model}
    facts = {name: getattr(report, name) for name in FACTS}
    facts |= {
        "model": model,
        "origin": report.origins.get(model, ""),
        "lower_is_better": [*report.lower_is_better],
    }
    return dict(sanitize_json(facts | {"coverage": coverage}))


def sample_facts(sample: Sample) -> dict[str, Any]:
    """Return what a log keeps of a sample besides its texts and scores."""
    return dict(sanitize_json({name: getattr(sample, name) for name in SAMPLE_FACTS}))


def with_facts(sample: Sample, facts: object) -> Sample:
    """Return a sample with those of its facts that a log has kept."""
    if not isinstance(facts, Mapping):
        return sample
    return replace(sample, **{name: facts[name] for name in SAMPLE_FACTS if name in facts})


def report_fields(logs: Sequence[Log]) -> dict[str, Any]:
    """Return the fields of the report on logs; a task that a model has twice is that of two
    models.
    """
    labels: dict[tuple[str, str], int] = {}
    indexes: dict[tuple[str, str], int] = {}
    records: list[Sample] = []
    origins: dict[str, str] = {}
    facts: dict[str, Any] = {"recipes": {}, "scales": {}, "notes": [], "counting": {}, "judges": {}}
    for log in logs:
        count = labels[log.model, log.task] = labels.get((log.model, log.task), 0) + 1
        if count == 1:
            label = log.model
        else:
            label = f"{log.model} ({count})"
        for key, sample in log.answers:
            index = indexes.setdefault((log.task, key), len(indexes))
            records.append(replace(sample, model=label, index=index))
        origins |= {label: log.facts["origin"]} if log.facts.get("origin") else {}
        for name in ("recipes", "scales", "counting", "judges"):
            facts[name] |= log.facts.get(name, {})
        facts["notes"] += log.facts.get("notes", ())
        facts |= {
            name: log.facts[name]
            for name in ("cluster", "benchmark", "dataset")
            if log.facts.get(name)
        }
    return {
        **facts,
        "records": tuple(records),
        "models": tuple(dict.fromkeys(sample.model for sample in records)),
        "metric_names": tuple(dict.fromkeys(name for sample in records for name in sample.scores)),
        "scales": {name: tuple(scale) for name, scale in facts["scales"].items()},
        "lower_is_better": frozenset(name for log in logs for name in log.lower_is_better),
        "notes": tuple(dict.fromkeys(facts["notes"])),
        "origins": origins,
    }


def log_files(path: str | Path, *patterns: str) -> list[Path]:
    """Return a file, or the files of a folder and its folders.

    Raises:
        InvalidArgumentError: there is none.
    """
    target = Path(path).expanduser()
    if target.is_file():
        return [target]
    files = sorted(
        {file for pattern in patterns for file in target.rglob(pattern)} if target.is_dir() else ()
    )
    if not files:
        raise InvalidArgumentError(
            tr("{path}: there is no {patterns}", path=target, patterns=tr(", ").join(patterns))
        )
    return files


def parse_log(content: bytes, path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        DatasetError: it is none.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise DatasetError(tr("is no JSON object"), path=str(path))
    return value


def text_of(content: object) -> str:
    """Return the text of a message, whose content is a text or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = content
    else:
        parts = []
    return "\n".join(
        str(part["text"])
        for part in parts
        if isinstance(part, Mapping) and part.get("type") == "text"
    )


def conversation_row(messages: Sequence[Mapping[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Return the last question of a conversation, and its system message and history as columns."""
    turns = [(str(message.get("role")), text_of(message.get("content"))) for message in messages]
    system = [text for role, text in turns if role == "system"]
    texts = [text for role, text in turns if role in {"user", "assistant"}]
    history = [
        {"prompt": a, "response": b} for a, b in zip(texts[:-1:2], texts[1:-1:2], strict=False)
    ]
    row = ({"system": system[0]} if system else {}) | ({"history": history} if history else {})
    return (texts[-1] if texts else ""), row


def messages_of(sample: Sample) -> list[dict[str, str]]:
    """Return the conversation of a sample that ends with its question."""
    if sample.row.get("system"):
        system = [{"role": "system", "content": str(sample.row["system"])}]
    else:
        system = []
    turns = [
        {"role": role, "content": str(turn[name])}
        for turn in sample.row.get("history") or ()
        for role, name in (("user", "prompt"), ("assistant", "response"))
    ]
    return [*system, *turns, {"role": "user", "content": sample.prompt}]


def other_columns(sample: Sample) -> dict[str, Any]:
    """Return the columns of a sample's row besides the conversation."""
    return {
        name: cell for name, cell in sample.row.items() if name not in {"system", "history", OURS}
    }


def samples_by_model(report: ReportData) -> Iterator[tuple[str, list[Sample]]]:
    """Yield each model with all its samples."""
    for model in report.models:
        yield model, [sample for sample in report.records if sample.model == model]


def file_name(text: str) -> str:
    """Return a text as part of a file name."""
    return re.sub(r"[^\w.-]+", "_", text).strip("._")[:80] or "_"


def task_name(report: ReportData) -> str:
    """Return the name of a report's questions for a log."""
    return file_name(str(report.benchmark.get("title") or report.dataset or OURS))


def as_scores(values: Iterable[tuple[str, object]]) -> dict[str, float]:
    """Return scores of the numbers among values."""
    return {name: float(value) for name, value in values if isinstance(value, (bool, int, float))}
