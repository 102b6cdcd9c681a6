"""What answers took, and how often they are degenerate: cost, time, length, flags."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ...base.language import tr, tr_noop
from ...evaluation.local_evaluators import Flag, degenerate_flags
from ...evaluation.report.card import Card, Shift
from ...evaluation.report.data import ReportData
from ...evaluation.report.text import (
    NO_VALUE,
    average_title,
    format_interval,
    format_score,
    metric_title,
    to_plain,
)
from ...evaluation.samples import Sample
from ...evaluation.stats.aggregates import Average, UsageTotals
from ...wire.prices import PriceRange
from .. import components, formats
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
    averages = report.group_averages
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


FLAG_WORDS: Final[Mapping[Flag, str]] = {
    "empty": tr_noop("empty answers"),
    "repetition": tr_noop("repetitive answers"),
    "truncated": tr_noop("answers cut off"),
    "refusal": tr_noop("refusals"),
    "wrong_language": tr_noop("answers in another language"),
}
MAX_CHECKED_ANSWERS: Final = 2000
"""Answers of a model that are checked for degeneration; each takes a fraction of a millisecond."""


def usage_table(report: ReportData) -> Html:
    """Return the use of the answers of each model, without the columns that no model has."""
    columns: list[tuple[str, Callable[[UsageTotals], str]]] = [
        (tr("Answered"), lambda usage: f"{usage.answered:,} / {usage.total:,}"),
        ("Tokens", lambda usage: _number(usage.tokens)),
        (tr("Median time"), lambda usage: _seconds(usage.latency_p50)),
        (tr("95% within"), lambda usage: _seconds(usage.latency_p95)),
        (tr("Mean length (characters)"), lambda usage: _number(usage.characters)),
        (tr("Cut off"), lambda usage: _number(usage.truncated or math.nan)),
        (tr("Empty"), lambda usage: _number(usage.empty or math.nan)),
        (tr("1,000 answers"), lambda usage: _cost(report, usage)),
    ]
    values = [[read(usage) for usage in report.model_usage] for _, read in columns]
    filled_columns = [
        number for number, column in enumerate(values) if any(value != NO_VALUE for value in column)
    ]
    rows = [
        (to_plain(usage.model), *(values[number][row] for number in filled_columns))
        for row, usage in enumerate(report.model_usage)
    ]
    heads = (tr("Model"), *(columns[number][0] for number in filled_columns))
    return components.table(heads, rows, numeric=range(1, len(heads)))


def shift_table(card: Card[Any]) -> Html:
    """Return the other changes from one model to the other: cost, time, length, degenerate answers;
    "" for none.
    """
    rows = [
        _shift_row(shift)
        for shift in card.shifts
        if shift.is_known and (shift.before or shift.after)
    ]
    rows += _flag_rows(card)
    if not rows:
        return Html("")
    heads = (tr("What else changed"), to_plain(card.base), to_plain(card.tuned), tr("Difference"))
    return components.table(heads, rows, numeric=(1, 2, 3))


def _shift_row(shift: Shift) -> tuple[str, str, str, str]:
    name = tr(shift.name)
    if math.isnan(shift.ratio):
        ratio = ""
    else:
        ratio = f" (× {shift.ratio:.2f})"
    if math.isnan(shift.change):
        change = NO_VALUE
    else:
        change = f"{shift.change:+,.3g}".replace("-", "−") + ratio
    return (
        tr("{name} ({unit})", name=f"{name[:1].upper()}{name[1:]}", unit=tr(shift.unit)),
        *shift.amounts(),
        change,
    )


def _flag_rows(card: Card[Any]) -> list[tuple[str, str, str, str]]:
    is_limited = max(score.total for score in card.scores) > MAX_CHECKED_ANSWERS
    if is_limited:
        limit = tr(" (of the first {n})", n=f"{MAX_CHECKED_ANSWERS:,}")
    else:
        limit = ""
    before, after = (
        _count_flags(card.report.samples_of(model)) for model in (card.base, card.tuned)
    )
    return [
        (
            f"⚠︎ {tr(words)}{limit}",
            f"{before[flag]:,}",
            f"{after[flag]:,}",
            f"{after[flag] - before[flag]:+,}".replace("-", "−"),
        )
        for flag, words in FLAG_WORDS.items()
        if before[flag] or after[flag]
    ]


def _count_flags(samples: Mapping[int, Sample]) -> Counter[str]:
    """Return how many of the first answers are degenerate, by kind."""
    answered = [sample for sample in samples.values() if not sample.error][:MAX_CHECKED_ANSWERS]
    counts: Counter[str] = Counter()
    for sample in answered:
        texts = {"prompt": sample.prompt, "reference": sample.reference}
        counts.update(degenerate_flags(sample.output, finish_reason=sample.finish_reason, **texts))
    return counts


def _number(value: float) -> str:
    if math.isnan(value):
        return NO_VALUE
    return f"{value:,.0f}"


def _seconds(value: float) -> str:
    if math.isnan(value):
        return NO_VALUE
    return formats.seconds(value)


def _cost(report: ReportData, usage: UsageTotals) -> str:
    if math.isnan(usage.cost):
        is_free = len(report.sandbox_models) == len(report.models)
        if is_free:
            return formats.cost(None, is_free=True)
        return NO_VALUE
    return formats.cost(PriceRange(usage.cost_low_per_1000, usage.cost_per_1000))
