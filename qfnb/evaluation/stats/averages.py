"""Averages that benchmarks report: the mean of subjects' means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..samples import Sample
from . import intervals
from .intervals import UNIT_SCALE, Interval, Scale


@dataclass(frozen=True)
class Average:
    """A model's mean on a metric over a group of questions.

    Attributes:
        column, value: of the questions that are in it; both "" for all questions.
        units: subjects whose means are averaged, each alike.
        questions: that have a score.
    """

    model: str
    metric: str
    column: str
    value: str
    units: int
    questions: int
    mean: float
    interval: Interval


def average_groups(
    model: str,
    metric: str,
    samples: Sequence[Sample],
    benchmark: Mapping[str, Any],
    scale: Scale | None = None,
) -> list[Average]:
    """Return the averages of a benchmark, the one over all first, then groups of subjects, then
    subjects.

    Args:
        model: the label of the model.
        metric: the metric.
        samples: those of the model, one for each question.
        benchmark: its columns of groups, the last of which has the subjects.
        scale: (lowest, highest possible score), where that is not 0-1.
    """
    scored = [sample for sample in samples if not math.isnan(sample.score(metric))]
    groups = benchmark.get("groups", ())
    if not groups:
        return []
    subjects = {name: part for name, part in _split(scored, groups[-1]).items() if part}

    def average(column: str, value: str, members: Sequence[str]) -> Average:
        rows = [[sample.score(metric) for sample in subjects[name]] for name in members]
        means = [statistics.fmean(row) for row in rows]
        if len(means) < 2:
            interval = intervals.mean_interval(rows[0] if rows else [], None, scale)
        else:
            interval = intervals.interval_with_ends(
                means, None, scale or UNIT_SCALE, method="t of subjects' means"
            )
        if means:
            mean = statistics.fmean(means)
        else:
            mean = math.nan
        return Average(
            model, metric, column, value, len(means), sum(map(len, rows)), mean, interval
        )

    averages = [average("", "", [*subjects])]
    for column in groups[:-1]:
        averages += [
            average(
                column,
                value,
                [name for name, part in subjects.items() if part[0].cell(column) == value],
            )
            for value in sorted(_split(scored, column))
        ]
    return [*averages, *(average(groups[-1], name, [name]) for name in subjects)]


def _split(samples: Sequence[Sample], column: str) -> dict[str, list[Sample]]:
    """Return samples by the value of a column, those without one left out."""
    parts: dict[str, list[Sample]] = {}
    for sample in samples:
        if (value := sample.cell(column)) is not None:
            parts.setdefault(str(value), []).append(sample)
    return parts
