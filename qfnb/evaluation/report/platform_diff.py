"""The platform's scores beside ours: the same answers, two numbers, and by how much they differ."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .tables import Column

if TYPE_CHECKING:
    from ..sample import Sample
    from .data import EvaluationResult

Key = tuple[str, str, str]


@dataclass(frozen=True)
class ScoreDifference:
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


def compare_scores(
    ours: EvaluationResult, platform: EvaluationResult, names: Mapping[str, str]
) -> list[ScoreDifference]:
    """Return every answer of the platform on every metric that both have.

    Answers are found by what was asked and said; by the model too, where the labels are the same ones.
    """
    labelled = bool(set(ours.models) & set(platform.models))
    samples_by_key: defaultdict[Key, list[Sample]] = defaultdict(list)
    for sample in ours.records:
        samples_by_key[_sample_key(sample, labelled=labelled)].append(sample)
    pairs = {name: names.get(name, name) for name in platform.metric_names}
    shared = {
        platform_name: our_name for platform_name, our_name in pairs.items() if our_name in ours.metric_names
    }
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
    """Take the first of several rows that are the same, as long as there is more than one."""
    return None if not samples else samples.pop(0) if len(samples) > 1 else samples[0]


def _differences(
    sample: Sample, our_sample: Sample | None, shared: Mapping[str, str]
) -> Iterator[ScoreDifference]:
    for platform_name, name in shared.items():
        value = math.nan if our_sample is None else our_sample.score(name)
        identity = sample.model, sample.index, sample.prompt, sample.output
        yield ScoreDifference(*identity, platform_name, sample.score(platform_name), value)
