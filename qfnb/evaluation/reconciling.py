"""The platform's scores beside ours: the same answers, two numbers, and by how much they differ."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .tables import Column

if TYPE_CHECKING:
    from .report import EvaluationResult
    from .samples import Sample

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Reconciled:
    """One answer on one metric; NaN where one side does not have it."""

    model: str
    index: int
    prompt: str
    output: str
    metric: str
    platform: float
    ours: float


COLUMNS: Final = (
    Column("model", lambda r: r.model),
    Column("index", lambda r: r.index),
    Column("prompt", lambda r: r.prompt),
    Column("output", lambda r: r.output),
    Column("metric", lambda r: r.metric),
    Column("platform", lambda r: r.platform),
    Column("ours", lambda r: r.ours),
    Column("difference", lambda r: r.ours - r.platform),
)


def reconciled(
    ours: EvaluationResult, platform: EvaluationResult, names: Mapping[str, str]
) -> list[Reconciled]:
    """Return every answer of the platform on every metric that both have.

    Answers are found by what was asked and said; by the model too, where the labels are the same ones.
    """
    labelled = bool(set(ours.models) & set(platform.models))
    known: defaultdict[Key, list[Sample]] = defaultdict(list)
    for sample in ours.records:
        known[_key(sample, labelled=labelled)].append(sample)
    pairs = {name: names.get(name, name) for name in platform.names}
    shared = {theirs: own for theirs, own in pairs.items() if own in ours.names}
    return [
        line
        for sample in platform.records
        if not sample.error
        for line in _lines(sample, _taken(known[_key(sample, labelled=labelled)]), shared)
    ]


def _key(sample: Sample, *, labelled: bool) -> Key:
    return sample.model if labelled else "", sample.prompt.strip(), sample.output.strip()


def _taken(same: list[Sample]) -> Sample | None:
    """Take the first of several rows that are the same, as long as there is more than one."""
    return None if not same else same.pop(0) if len(same) > 1 else same[0]


def _lines(sample: Sample, own: Sample | None, shared: Mapping[str, str]) -> Iterator[Reconciled]:
    for theirs, name in shared.items():
        value = math.nan if own is None else own.score(name)
        place = sample.model, sample.index, sample.prompt, sample.output
        yield Reconciled(*place, theirs, sample.score(theirs), value)
