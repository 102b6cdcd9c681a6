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
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ... import config
from ...base.language import tr
from ...base.private_files import modified_at, write_private
from ...base.text import clip, did_you_mean
from ...errors import InvalidArgumentError
from . import files
from .data import AnswerOrigins, ReportData

FOLDER: Final = "history"
SUFFIX: Final = ".jsonl.gz"
MAX_EVALUATIONS: Final = 200
MAX_BYTES: Final = 200_000_000

VERSION: Final = 1
"""Of a file's first line; the report has its own, `files.JSON_VERSION`."""

MAX_LINE: Final = 10_000_000  # bytes of facts that are read
UNREADABLE: Final = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError)

REPORT_FACTS: Final = (
    "models", "metric_names", "counting", "cluster", "origins", "platform", "cells", "prompts",
)  # fmt: skip
SAMPLE_FACTS: Final = (
    "model", "index", "repeat", "prompt", "reference", "output", "error", "seconds",
)  # fmt: skip
"""What of a report and of an answer an evaluation's id is of, with the scores: fields of later
versions change no id.
"""

Mean = tuple[float, float, float, int]
"""A mean, the ends of its 95 % interval, and the number of scores."""


@dataclass(frozen=True)
class Entry(AnswerOrigins):
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


def report_id(report: ReportData) -> str:
    """Return the id of a report: the same for the same answers with the same scores, whatever their
    data is called.
    """
    facts = {name: getattr(report, name) for name in REPORT_FACTS}
    facts["compared"] = ()  # a field of earlier versions, which every id is of
    samples = []
    for sample in report.records:
        values = [getattr(sample, name) for name in SAMPLE_FACTS]
        samples.append([*values, sorted(sample.scores.items())])
    return f"eval-{_digest(files.dump_json(facts | {'samples': samples}), size=5)}"


def question_keys(report: ReportData) -> dict[int, Hashable]:
    """Return each question's key by its index: of prompt, reference and conversation, and which one
    of equals it is.
    """
    samples = {sample.index: sample for sample in report.records}
    counts = Counter[str]()
    keys: dict[int, Hashable] = {}
    for index, sample in sorted(samples.items(), key=lambda item: item[0]):
        context = [sample.row.get(name) or "" for name in ("system", "history")]
        content = [sample.prompt, sample.reference, *context]
        digest = _digest(json.dumps(content, ensure_ascii=False, default=str))
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
    id_ = report_id(report)
    with contextlib.suppress(OSError):
        path = config.state_dir(FOLDER) / f"{id_}{SUFFIX}"
        if not path.exists():
            facts = {"qfnb_history": VERSION, "id": id_, "created": time.time()}
            documents = [facts | _facts_of(report), files.to_document(report)]
            lines = [f"{files.dump_json(document)}\n" for document in documents]
            write_private(path, gzip.compress("".join(lines).encode(), mtime=0))
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
    matches = []
    for entry in entries:
        if entry.id == word:
            matches = [entry]
            break
        if word and entry.id.startswith((word, f"eval-{word}")):
            matches.append(entry)
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
    if matches[0].problem:
        raise InvalidArgumentError(matches[0].problem)
    return matches[0]


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


def _digest(text: str, *, size: int = 8) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


def _facts_of(report: ReportData) -> dict[str, Any]:
    scores: dict[str, dict[str, Any]] = {}
    for score in report.model_scores:
        means = scores.setdefault(score.model, {})
        means[score.metric] = [score.mean, score.interval.low, score.interval.high, score.n]
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


_KINDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "created": float, "dataset": str, "digest": str, "questions": int, "models": tuple,
    "metrics": tuple, "failed": int, "origins": dict, "counting": dict,
}  # fmt: skip


def _read_entry(path: Path) -> Entry:
    id_ = path.name.removesuffix(SUFFIX)
    try:
        with gzip.open(path, "rb") as lines:
            facts = json.loads(lines.readline(MAX_LINE))
        if facts["qfnb_history"] > VERSION:
            problem = tr(
                "{path} was written by a later version of qfnb: update this one", path=path
            )
            return Entry(id_, modified_at(path), problem=problem)
        scores: dict[str, dict[str, Mean]] = {}
        for model, row in facts["scores"].items():
            scores[model] = {}
            for name, (*numbers, n) in row.items():
                mean, low, high = (math.nan if each is None else float(each) for each in numbers)
                scores[model][name] = mean, low, high, int(n)
        values = {name: kind(facts[name]) for name, kind in _KINDS.items()}
        return Entry(id_, **values, scores=scores, lower_is_better=frozenset(facts["lower"]))
    except UNREADABLE as error:
        return Entry(id_, modified_at(path), problem=_damage(path, error))


def _damage(path: Path, error: BaseException) -> str:
    reason = " ".join(str(getattr(error, "strerror", None) or error).split())
    return tr(
        "the evaluation {id} cannot be opened, its file is damaged ({reason}); delete {path}",
        id=path.name.removesuffix(SUFFIX),
        reason=clip(reason or type(error).__name__, 80),
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
