"""The evaluations of this user on disk: one private file each, a line of facts and a line with the
report.

At most `MAX_EVALUATIONS` and `MAX_BYTES` are kept; the oldest go first, and the newest always
stays.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import math
import time
import zlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ... import config
from ...base.language import tr
from ...base.private_files import modified_at, write_private
from ...base.text import clip, did_you_mean
from ...errors import InvalidArgumentError
from ..samples import Sample
from . import files
from .data import SANDBOX, ReportData

FOLDER: Final = "history"
SUFFIX: Final = ".jsonl.gz"
MAX_EVALUATIONS: Final = 200
MAX_BYTES: Final = 200_000_000

VERSION: Final = 1
"""Of a file's first line; the report has its own, `files.JSON_VERSION`."""

MAX_LINE: Final = 10_000_000  # bytes of facts that are read
UNREADABLE: Final = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError)

SAMPLE_FACTS: Final = (
    "model",
    "index",
    "repeat",
    "prompt",
    "reference",
    "output",
    "error",
    "seconds",
)
"""What of an answer its evaluation's id is of, with the scores: fields of later versions change no
id.
"""

Mean = tuple[float, float, float, int]
"""A mean, the ends of its 95 % interval, and the number of scores."""


@dataclass(frozen=True)
class Entry:
    """What is known of an evaluation without opening its report.

    Attributes:
        created: Unix seconds.
        dataset: the name of the data, "" where it has none.
        digest: of its questions and references; the same for the same questions in any order.
        questions: their number.
        models: labels, the baseline first.
        metrics: the first decides.
        scores: {model: {metric: mean with interval}}.
        failed: questions without an answer, over all models.
        origins: {model: name of the platform that answered}.
        counting: {metric: how it is counted, in English}.
        lower_is_better: metrics of which lower scores are the better ones.
        problem: why the file cannot be read, "" where it can.
    """

    id: str
    created: float
    dataset: str = ""
    digest: str = ""
    questions: int = 0
    models: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    scores: Mapping[str, Mapping[str, Mean]] = field(default_factory=dict)
    failed: int = 0
    origins: Mapping[str, str] = field(default_factory=dict)
    counting: Mapping[str, str] = field(default_factory=dict)
    lower_is_better: frozenset[str] = frozenset()
    problem: str = ""

    @property
    def from_sandbox(self) -> bool:
        """Whether answers of the local sandbox are among those that count."""
        return bool(self.sandbox_models)

    @property
    def sandbox_models(self) -> tuple[str, ...]:
        """The models whose answers are of the local sandbox."""
        return tuple(model for model in self.models if self.origins.get(model) == SANDBOX)


def report_id(report: ReportData) -> str:
    """Return the id of a report: the same for the same answers with the same scores, whatever their
    data is called.
    """
    names = (
        "models",
        "metric_names",
        "counting",
        "cluster",
        "origins",
        "platform",
        "cells",
        "prompts",
        "compared",
    )
    facts = {name: getattr(report, name) for name in names}
    samples = [
        [getattr(sample, name) for name in SAMPLE_FACTS] + [sorted(sample.scores.items())]
        for sample in report.records
    ]
    return f"eval-{_digest(files.dump_json(facts | {'samples': samples}), size=5)}"


def question_keys(report: ReportData) -> dict[int, Hashable]:
    """Return each question's key by its index: of prompt, reference and conversation, and which one
    of equals it is.
    """
    samples = {sample.index: sample for sample in report.records}
    counts: Counter[str] = Counter()
    keys: dict[int, Hashable] = {}
    for index in sorted(samples):
        digest = _digest_question(samples[index])
        keys[index] = (digest, counts[digest])
        counts[digest] += 1
    return keys


def digest_questions(report: ReportData) -> str:
    """Return a digest of the questions and references: the same for the same ones in any order."""
    return _digest("\n".join(sorted(map(str, question_keys(report).values()))))


def keep(report: ReportData) -> None:
    """Write a report to the history, unless it is there; a full disk or a folder that is read-only
    is no error.
    """
    with contextlib.suppress(OSError):
        path = config.state_dir(FOLDER) / f"{report_id(report)}{SUFFIX}"
        if not path.exists():
            facts = {
                "qfnb_history": VERSION,
                "id": report_id(report),
                "created": time.time(),
                **_facts_of(report),
            }
            lines = f"{files.dump_json(facts)}\n{files.dump_json(files.to_document(report))}\n"
            write_private(path, gzip.compress(lines.encode(), mtime=0))
            _prune(path)


def list_entries() -> list[Entry]:
    """Return the evaluations of this user, the newest first; those that cannot be read last."""
    entries = [_read_entry(path) for path in config.state_dir(FOLDER).glob(f"*{SUFFIX}")]
    return sorted(
        entries, key=lambda entry: (not entry.problem, entry.created, entry.id), reverse=True
    )


def find_entry(key: str) -> Entry:
    """Return the evaluation with an id, or the only one whose id begins like this.

    Raises:
        InvalidArgumentError: there is none, there are several, or its file cannot be read.
    """
    entries = list_entries()
    word = key.strip().lower()
    matches = [entry for entry in entries if entry.id == word]
    matches = matches or [
        entry for entry in entries if word and entry.id.startswith((word, f"eval-{word}"))
    ]
    if len(matches) > 1:
        names = tr(", ").join(entry.id for entry in matches[:5])
        raise InvalidArgumentError(
            tr("{key!r} is the beginning of several evaluations: {names}", key=key, names=names)
        )
    if not matches:
        hint = did_you_mean(word, [entry.id for entry in entries])
        raise InvalidArgumentError(
            tr(
                "there is no evaluation {key!r}{hint} (`%qfeval list` or "
                "qfnb.evaluation.history() shows all {count})",
                key=clip(key, 40),
                hint=hint,
                count=len(entries),
            )
        )
    (entry,) = matches
    if entry.problem:
        raise InvalidArgumentError(entry.problem)
    return entry


def read_fields(entry: Entry) -> dict[str, Any]:
    """Return the fields of an evaluation's report.

    Raises:
        InvalidArgumentError: its file is damaged, or another version's.
    """
    path = config.state_dir(FOLDER) / f"{entry.id}{SUFFIX}"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            next(lines)
            return files.from_json(next(lines))
    except (*UNREADABLE, StopIteration) as error:
        raise InvalidArgumentError(_damage(path, error)) from None


def _digest_question(sample: Sample) -> str:
    parts = [
        sample.prompt,
        sample.reference,
        sample.row.get("system") or "",
        sample.row.get("history") or "",
    ]
    return _digest(json.dumps(parts, ensure_ascii=False, default=str))


def _digest(text: str, *, size: int = 8) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


def _facts_of(report: ReportData) -> dict[str, Any]:
    scores: dict[str, dict[str, Any]] = {}
    for score in report.model_scores:
        interval = score.interval
        scores.setdefault(score.model, {})[score.metric] = [
            score.mean,
            interval.low,
            interval.high,
            score.n,
        ]
    return {
        "dataset": report.dataset,
        "digest": digest_questions(report),
        "questions": len({sample.index for sample in report.records}),
        "models": report.models,
        "metrics": report.metric_names,
        "scores": scores,
        "failed": sum(bool(sample.error) for sample in report.records),
        "origins": report.origins,
        "counting": report.counting,
        "lower": sorted(report.lower_is_better),
    }


def _read_entry(path: Path) -> Entry:
    try:
        with gzip.open(path, "rb") as lines:
            facts = json.loads(lines.readline(MAX_LINE))
        if facts["qfnb_history"] > VERSION:
            problem = tr(
                "{path} was written by a later version of qfnb: update this one", path=path
            )
            return Entry(path.name.removesuffix(SUFFIX), modified_at(path), problem=problem)
        return Entry(
            id=path.name.removesuffix(SUFFIX),
            created=float(facts["created"]),
            dataset=str(facts["dataset"]),
            digest=str(facts["digest"]),
            questions=int(facts["questions"]),
            models=tuple(facts["models"]),
            metrics=tuple(facts["metrics"]),
            scores={
                model: {name: _read_mean(mean) for name, mean in row.items()}
                for model, row in facts["scores"].items()
            },
            failed=int(facts["failed"]),
            origins=dict(facts["origins"]),
            counting=dict(facts["counting"]),
            lower_is_better=frozenset(facts["lower"]),
        )
    except UNREADABLE as error:
        return Entry(
            path.name.removesuffix(SUFFIX), modified_at(path), problem=_damage(path, error)
        )


def _read_mean(values: Iterable[Any]) -> Mean:
    *numbers, n = values
    mean, low, high = (math.nan if number is None else float(number) for number in numbers)
    return mean, low, high, int(n)


def _damage(path: Path, error: BaseException) -> str:
    if isinstance(error, InvalidArgumentError):
        reason = str(error)
    else:
        reason = (
            " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        )
    return tr(
        "the evaluation {id} cannot be opened, its file is damaged ({reason}); delete {path}",
        id=path.name.removesuffix(SUFFIX),
        reason=clip(reason, 80),
        path=path,
    )


def _prune(newest: Path) -> None:
    """Delete the oldest evaluations beyond the limits, never the newest."""
    paths = sorted(newest.parent.glob(f"*{SUFFIX}"), key=modified_at, reverse=True)
    paths.sort(key=lambda path: path != newest)
    size = 0
    for number, path in enumerate(paths):
        with contextlib.suppress(OSError):  # deleted by another kernel
            size += path.stat().st_size
            if path != newest and (number >= MAX_EVALUATIONS or size > MAX_BYTES):
                path.unlink()
