"""The averages of a benchmark in a notebook: over its subjects and their groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...base.language import tr
from ...evaluation.report.averages import average_title, report_averages
from ...evaluation.report.data import ReportData
from ...evaluation.report.text import format_interval, format_score, metric_title, to_plain
from ...evaluation.stats.aggregates import Average
from .. import components
from ..components import Html
from ..text import escape


def averages_table(report: ReportData, models: Sequence[str]) -> Html:
    """Return the averages of models over all and over groups of subjects; "" where the report has
    none.
    """
    rows = [each for each in _rows(report, models) if each.column != _subject_column(report)]
    if rows:
        return _table(rows, models, tr("Average over"), tr("Subjects"))
    return Html("")


def subject_folds(report: ReportData, models: Sequence[str]) -> list[tuple[object, object, object]]:
    """Return the means of each subject, folded."""
    rows = [each for each in _rows(report, models) if each.column == _subject_column(report)]
    if not rows:
        return []
    table = _table(rows, models, tr("Subject"), tr("Questions"))
    return [(tr("By subject"), metric_title(rows[0].metric), table)]


def _subject_column(report: ReportData) -> str:
    return str(report.benchmark.get("groups", [""])[-1])


def _rows(report: ReportData, models: Sequence[str]) -> list[Average]:
    """Return the averages of models on the first metric."""
    metric = report.metric_names[0]
    averages = report_averages(report)
    return [each for each in averages if each.metric == metric and each.model in models]


def _table(rows: Iterable[Average], models: Sequence[str], head: str, unit: str) -> Html:
    by_name: dict[str, dict[str, Average]] = {}
    for each in rows:
        by_name.setdefault(average_title(each), {})[each.model] = each
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
