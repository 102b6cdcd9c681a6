"""The platform's scores beside ours: the same answers, two numbers, and by how much they differ."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..samples import Sample
from .data import ReportData
from .tables import Column

Key = tuple[str, str, str]


@dataclass(frozen=True)
class ScoreDifference:
    """One answer on one metric; NaN where one side has no score of it."""

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


def compare_scores(ours: ReportData, platform: ReportData, names: Mapping[str, str]) -> list[ScoreDifference]:
    """Return every answer of the platform on every metric that both reports have.

    Answers are matched by prompt and output; by the model too, where the reports share a label.

    Args:
        ours: our report.
        platform: the platform's report.
        names: {the platform's name of a metric: our name}, where they differ.
    """
    labelled = bool(set(ours.models) & set(platform.models))
    samples_by_key: defaultdict[Key, list[Sample]] = defaultdict(list)
    for sample in ours.records:
        samples_by_key[_sample_key(sample, labelled=labelled)].append(sample)
    our_names = {name: names.get(name, name) for name in platform.metric_names}
    shared = {theirs: our_name for theirs, our_name in our_names.items() if our_name in ours.metric_names}
    return [
        difference
        for sample in platform.records
        if not sample.error
        for difference in _differences(
            sample, _take_first(samples_by_key[_sample_key(sample, labelled=labelled)]), shared
        )
    ]


def _sample_key(sample: Sample, *, labelled: bool) -> Key:
    return sample.model if labelled else "", sample.prompt.strip(), sample.output.strip()


def _take_first(samples: list[Sample]) -> Sample | None:
    """Return the first of several equal rows and remove it, unless it is the last one."""
    if not samples:
        return None
    return samples.pop(0) if len(samples) > 1 else samples[0]


def _differences(
    sample: Sample, our_sample: Sample | None, shared: Mapping[str, str]
) -> Iterator[ScoreDifference]:
    for platform_name, our_name in shared.items():
        our_score = math.nan if our_sample is None else our_sample.score(our_name)
        identity = sample.model, sample.index, sample.prompt, sample.output
        yield ScoreDifference(*identity, platform_name, sample.score(platform_name), our_score)
