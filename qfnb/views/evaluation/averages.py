"""The averages of a benchmark in a notebook: over its subjects and their groups, or over items of
its questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...base.language import tr
from ...evaluation.report.averages import average_title, report_averages
from ...evaluation.report.data import ReportData
from ...evaluation.report.text import format_interval, format_score, metric_title, to_plain
from ...evaluation.stats.averages import Average
from .. import components
from ..components import Html
from ..text import escape


def averages_table(report: ReportData, models: Sequence[str]) -> Html:
    """Return the averages of models over all and over groups of subjects; "" where the report has
    none.
    """
    groups = report.benchmark.get("groups", ())
    rows = [
        each for each in report_averages(report) if each.column != (groups[-1] if groups else None)
    ]
    names = {report.metric_names[0]} if groups else {each.metric for each in rows}
    if not (rows := [each for each in rows if each.metric in names and each.model in models]):
        return Html("")
    unit = tr("Subjects") if groups else tr("Instructions")
    return _table(rows, models, tr("Average over"), unit, is_by_metric=not groups)


def subject_folds(report: ReportData, models: Sequence[str]) -> list[tuple[object, object, object]]:
    """Return the means of each subject, folded."""
    groups = report.benchmark.get("groups", ())
    metric = report.metric_names[0]
    rows = [
        each
        for each in report_averages(report)
        if groups and each.column == groups[-1] and each.metric == metric
    ]
    if not (rows := [each for each in rows if each.model in models]):
        return []
    table = _table(rows, models, tr("Subject"), tr("Questions"))
    return [(tr("By subject"), metric_title(metric), table)]


def _table(
    rows: Iterable[Average],
    models: Sequence[str],
    head: str,
    unit: str,
    *,
    is_by_metric: bool = False,
) -> Html:
    by_name: dict[str, dict[str, Average]] = {}
    for each in rows:
        name = metric_title(each.metric) if is_by_metric else average_title(each)
        by_name.setdefault(name, {})[each.model] = each
    lines: list[list[object]] = []
    for name, averages in by_name.items():
        count = max(
            each.questions if unit == tr("Questions") else each.units for each in averages.values()
        )
        lines.append(
            [to_plain(name), f"{count:,}", *(_cell(averages.get(model)) for model in models)]
        )
    heads = [head, unit, *map(to_plain, models)]
    return components.table(heads, lines, numeric=range(1, len(heads)), is_wide=True)


def _cell(average: Average | None) -> Html:
    if average is None:
        return Html("–")
    bounds = format_interval(average.interval.low, average.interval.high)
    return Html(f"<b>{format_score(average.mean)}</b><br><small>{escape(bounds)}</small>")
