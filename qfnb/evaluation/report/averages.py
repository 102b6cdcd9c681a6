"""The averages that a benchmark reports: of a report, as a table, and in sentences."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from ...base.language import tr, tr_noop
from ..stats.aggregates import Average, average_groups
from .columns import AVERAGE_COLUMNS, build_frame
from .data import ReportData
from .text import format_interval, format_score, metric_title

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES: Final = (
    tr_noop("STEM"), tr_noop("Social Science"), tr_noop("Humanities"), tr_noop("Other"),
    tr_noop("China specific"),
)  # fmt: skip
"""The groups of subjects, whose names are stored with reports and translated where they are
shown.
"""


def report_averages(report: ReportData) -> list[Average]:
    """Return the averages of every model on every metric; none where the questions are of no
    benchmark.
    """
    return [
        average
        for model in report.models
        for name in report.metric_names
        for average in average_groups(
            model,
            name,
            [*report.samples_of(model).values()],
            report.benchmark,
            report.scales.get(name),
        )
    ]


def averages_frame(report: ReportData) -> pd.DataFrame:
    """Return the averages as a table."""
    return build_frame(AVERAGE_COLUMNS, report_averages(report))


def average_title(average: Average) -> str:
    """Return what an average is over: all subjects, a group of them, or one."""
    if not average.value:
        return tr("All subjects")
    if average.value in CATEGORIES:
        return tr(average.value)
    return average.value


def average_sentences(report: ReportData, models: Collection[str] = ()) -> list[str]:
    """Return the averages over all that the benchmark reports of models, by default of all; none
    for other data.
    """
    names = models or report.models
    rows = [each for each in report_averages(report) if not each.value and each.model in names]
    if not rows:
        return []
    metric = rows[0].metric  # of several the first, so that a report stays short
    averages = [each for each in rows if each.metric == metric]
    values = [
        f"{each.model} {format_score(each.mean)} "
        f"({format_interval(each.interval.low, each.interval.high)})"
        for each in averages
    ]
    message = tr(
        "{metric}, mean of the means of {n} subjects: {values}.",
        metric=metric_title(metric),
        n=f"{max(each.units for each in averages):,}",
        values=tr(", ").join(values),
    )
    return [message]
