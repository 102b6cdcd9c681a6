"""The means of a report as a table whose rows have bars, and the difference of two models on an
axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ...base.language import tr
from ...evaluation.report.data import ReportData
from ...evaluation.report.judging import judge_lines
from ...evaluation.report.sources import with_mark
from ...evaluation.report.text import (
    difference_sentence,
    format_interval,
    format_score,
    metric_title,
    to_plain,
)
from ...evaluation.stats.aggregates import Comparison, Score
from ..components import Html, dim_lines, with_code
from ..drawing import Drawing, Stroke, format_tick, linear_ticks
from ..line_chart import with_words
from ..text import escape
from .charts.scores import axis_range, describe_score

WIDTH: Final = 300  # pixels of a bar's axis


def score_table(report: ReportData, models: Sequence[str]) -> Html:
    """Return the means of models on all metrics, with a bar and the 95 % interval of each."""
    scores = [score for score in report.model_scores if score.model in models]
    heads = [tr("Model"), "", tr("Mean"), tr("95% interval"), tr("Questions")]
    styles = ["", "", *[' class="qf-n"'] * (len(heads) - 2)]
    head = "".join(
        f'<th scope="col"{css}>{escape(name)}</th>' for css, name in zip(styles, heads, strict=True)
    )
    body = "".join(_metric_rows(report, name, scores) for name in report.metric_names)
    caption = to_plain(with_mark(tr("Means with 95% intervals"), report))
    table = (
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    )
    return Html(f'<div class="qf-scroll"><table class="qf-wide qf-mid">{table}</table></div>')


def effect_figure(comparison: Comparison) -> Html:
    """Return the difference of two models with its interval on an axis that has zero in its middle;
    "" without any.
    """
    test = comparison.test
    bounds = [
        abs(v) for v in (test.interval.low, test.interval.high, test.difference) if math.isfinite(v)
    ]
    if math.isnan(test.difference) or not max(bounds):
        return Html("")
    end = linear_ticks(0.0, max(bounds), 2)[-1]

    def x(value: float) -> float:
        return 22 + (WIDTH - 44) * (value + end) / (2 * end)

    drawing = Drawing(46, width=WIDTH)
    drawing.line([(x(-end), 26), (x(end), 26)])
    for edge in (-end, end):
        drawing.line([(x(edge), 23), (x(edge), 29)])
    drawing.shapes.append(Stroke([(x(0), 2), (x(0), 28)], "z", "#888", dash="3 3"))
    if test.difference > 0:
        series = 2
    else:
        series = 1
    if math.isfinite(test.interval.low + test.interval.high):
        bounds_x = [(x(test.interval.low), 14), (x(test.interval.high), 14)]
        drawing.curve(bounds_x, series, width=4)
    drawing.dot(x(test.difference), 14, series)
    for tick in (-end, 0.0, end):
        drawing.text(x(tick), 38, _signed_tick(tick), "middle")
    words = difference_sentence(comparison)
    picture = drawing.svg(words, f"<title>{escape(words)}</title>")
    values = {"metric": metric_title(comparison.metric), "n": f"{comparison.n_comparisons:,}"}
    caption = tr("Difference in {metric}, with its 95% interval", **values)
    if comparison.n_comparisons > 1:
        caption = tr(
            "Difference in {metric}, with its interval corrected for {n} comparisons", **values
        )
    return Html(
        f'<figure><p class="qf-dim">{escape(caption)}</p>{with_words(words, picture)}</figure>'
    )


def _metric_rows(report: ReportData, metric: str, scores: Sequence[Score]) -> str:
    rows = [score for score in scores if score.metric == metric]
    low, high = axis_range(
        report, metric, [score for score in report.model_scores if score.metric == metric]
    )
    if metric in report.lower_is_better:
        less = tr(" (lower is better)")
    else:
        less = ""
    title = f'<th scope="rowgroup">{escape(to_plain(metric_title(metric) + less))}</th>'
    group = f'<tr class="qf-group">{title}<td>{_scale(low, high)}</td><td colspan="3"></td></tr>'
    return group + "".join(_row(report, score, low, high) for score in rows)


def _row(report: ReportData, score: Score, low: float, high: float) -> str:
    if score.n == score.total:
        questions = f"{score.n:,}"
    else:
        questions = f"{score.n:,} / {score.total:,}"
    cells = [
        f"<b>{format_score(score.mean)}</b>",
        format_interval(score.interval.low, score.interval.high),
        questions,
    ]
    numbers = "".join(f'<td class="qf-n">{cell}</td>' for cell in cells)
    series = report.models.index(score.model) + 1
    name = escape(to_plain(score.model))
    return f'<tr><th scope="row">{name}</th><td>{_bar(score, series, low, high)}</td>{numbers}</tr>'


def _bar(score: Score, series: int, low: float, high: float) -> Html:
    """Return a bar from zero, or from the nearer end of the axis, with its interval."""

    def x(value: float) -> float:
        return 2 + (WIDTH - 4) * (min(max(value, low), high) - low) / (high - low)

    drawing = Drawing(18, width=WIDTH)
    for tick in linear_ticks(low, high, 2):
        if low <= tick <= high:
            drawing.line([(x(tick), 0), (x(tick), 18)], "g")
    if score.n:
        start, end = sorted((x(0.0), x(score.mean)))
        drawing.box(start, 3, max(0.5, end - start), 12, series)
    if math.isfinite(score.interval.low + score.interval.high):
        drawing.whisker(x(score.interval.low), x(score.interval.high), 9)
    words = describe_score(score)
    return drawing.svg(words, f"<title>{escape(words)}</title>")


def _scale(low: float, high: float) -> Html:
    """Return the labels of the axis that the bars below share; letters keep their size in a narrow
    column.
    """
    ticks = [tick for tick in linear_ticks(low, high, 2) if low <= tick <= high]
    texts = []
    for tick in ticks:
        x = 2 + (WIDTH - 4) * (tick - low) / (high - low)
        if tick == low:
            anchor = "start"
        else:
            anchor = "middle"
        if tick == high:
            anchor = "end"
        texts.append(
            f'<text x="{x / WIDTH:.1%}" y="12" text-anchor="{anchor}">{format_tick(tick)}</text>'
        )
    size = f'width="{WIDTH}" height="14"'
    return Html(
        f'<svg {size} aria-hidden="true" font-size="12" '
        f'font-family="sans-serif">{" ".join(texts)}</svg>'
    )


def _signed_tick(value: float) -> str:
    if value:
        return f"{value:+,.6g}".replace("-", "−")
    return "0"


def judge_note(report: ReportData) -> Html:
    """Return how far the first judge agrees with people; it asks for labels where there are
    none.
    """
    return dim_lines(*_html_lines(report)[:1])


def judge_folds(report: ReportData) -> list[tuple[object, object, object]]:
    """Return agreement and biases of all judges, as a fold; none without a judge."""
    lines = _html_lines(report)
    judges = tr(", ").join(dict.fromkeys(report.judges.values()))
    if lines:
        return [(tr("Judge"), to_plain(judges), dim_lines(*lines))]
    return []


def _html_lines(report: ReportData) -> list[Html]:
    return [with_code(to_plain(line)) for line in judge_lines(report)]
