"""An evaluation's report as it is read: what it shows first, then the numbers, then the evidence, folded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ..evaluation import EvaluationResult, export
from ..evaluation.inert import in_html
from . import evaluation_gallery as gallery
from .display import Bundle
from .evaluation_canvas import number
from .evaluation_tables import changed, folded, signed, span, table
from .safety import plain

if TYPE_CHECKING:
    from ..evaluation.counting import Comparison, Score

SHOWN: Final = 12
"""Rows of the summary that are not folded away."""

EXAMPLES: Final = 10
SUMMARY: Final = (
    "模型 model",
    "指标 metric",
    "均值 mean",
    "95 % 区间 interval",
    "有分 scored",
    "失败 failed",
    "极端 worst–best",
)
PAIRS: Final = (
    "指标 metric",
    "基准 baseline",
    "对比 candidate",
    "结论 verdict",
    "差 difference",
    "95 % 区间 interval",
    "p (Holm)",
    "胜 wins",
    "负 losses",
    "平 ties",
)
SIGNS: Final = {"better": "▲ 更好 better", "worse": "▼ 更差 worse", "cannot tell": "？无法判断 cannot tell"}


def bundle(report: EvaluationResult) -> Bundle:
    """Return the report in every format."""
    return {"text/plain": text(report), "text/html": html(report)}


def text(report: EvaluationResult) -> str:
    """Return the summary and the conclusion."""
    return plain(repr(report)) if report.names else "没有指标 / the report has no metric"


def html(report: EvaluationResult) -> str:
    """Return conclusion, bars and summary; pairs, charts, usage, changes and notes are folded."""
    charts = gallery.all_of(report)
    rest = [chart for kind, chart in charts.drawn.items() if kind != "bars"]
    more = "".join(gallery.chart_html(chart, hint=False) for chart in rest) + gallery.left_out(charts)
    parts = [
        *(f"<p>{line}</p>" for line in conclusion(report)),
        *(gallery.chart_html(charts["bars"]) for _ in range("bars" in charts.drawn)),
        _summary(report),
        folded(f"两两比较 pairs ({len(report.comparisons)})", _pairs(report)),
        folded(f"其它图 more charts ({len(rest)})", more),
        *_changes(report),
        folded("用量 usage", _usage(report)),
        folded("说明 notes", _lines(export.footnotes(report))),
    ]
    return f"<div>{''.join(parts)}</div>"


def conclusion(report: EvaluationResult) -> list[str]:
    """Return as HTML what the evaluation shows: each model against the first one, and what is missing."""
    if not report.names:
        return ["没有指标 / the report has no metric"]
    metric, base = report.names[0], report.models[0] if report.models else ""
    lines = {line.model: line for line in report.scored if line.metric == metric}
    if not any(line.n for line in lines.values()):
        return [f"<b>没有得分 / no answer has a score</b>{_why(report)}"]
    found = [_verdict(pair) for pair in report.comparisons if pair.metric == metric and pair.baseline == base]
    if not found:
        found = [_single(line) for line in lines.values()]
    missing = [_missing(line) for line in lines.values() if line.n < line.total]
    return [*found, *([f"⚠ {'；'.join(missing)}{_why(report)}"] if missing else [])]


def said(pair: Comparison) -> str:
    """Return the verdict on a comparison's candidate: better, worse, or cannot tell."""
    if not pair.is_shown:
        return SIGNS["cannot tell"]
    return SIGNS["better" if (pair.test.difference > 0) != pair.less else "worse"]


def _verdict(pair: Comparison) -> str:
    test = pair.test
    if not test.n:
        none = "没有共同的题 no question has both scores"
        return f"<b>{in_html(pair.candidate)} {said(pair)}</b> : {in_html(pair.baseline)}<br>{none}"
    numbers = f"{signed(test.difference)} {span(test.interval.low, test.interval.high, plus=True)}"
    small = ""
    if not pair.is_shown and not math.isnan(test.detectable):
        small = f"；{test.n:,} 题能看出的最小差 smallest difference that so many show: {test.detectable:.2f}"
    return (
        f"<b>{in_html(pair.candidate)} {said(pair)}</b> : {in_html(pair.baseline)}<br>"
        f"{in_html(pair.metric)} {numbers}, p = {pair.p_holm:.2g}, 共同的题 shared n = {test.n:,}{small}"
    )


def _single(line: Score) -> str:
    interval = span(line.interval.low, line.interval.high)
    return (
        f"<b>{in_html(line.model)}: {in_html(line.metric)} {number(line.mean)}</b> {interval}, n = {line.n:,}"
    )


def _missing(line: Score) -> str:
    failed = f", {line.failed:,} 失败 failed" if line.failed else ""
    return f"{in_html(line.model)}: {line.n:,}/{line.total:,} 有分 scored{failed}"


def _why(report: EvaluationResult) -> str:
    """Return the commonest error of failed rows."""
    errors = [sample.error for sample in report.records if sample.error]
    if not errors:
        return ""
    common = max(dict.fromkeys(errors), key=errors.count)
    return f"<br>{errors.count(common):,} × {in_html(common[:200])}"


def _summary(report: EvaluationResult) -> str:
    rows = [
        (
            line.model,
            line.metric,
            number(line.mean),
            span(line.interval.low, line.interval.high),
            f"{line.n:,}/{line.total:,}",
            f"{line.failed:,}",
            span(line.worst, line.best) if line.n < line.total else "",
        )
        for line in report.scored
    ]
    shown = table(SUMMARY, rows, texts=2)
    return shown if len(rows) <= SHOWN else folded(f"汇总 summary ({len(rows)})", shown)


def _pairs(report: EvaluationResult) -> str:
    rows = [
        (
            pair.metric,
            pair.baseline,
            pair.candidate,
            said(pair),
            signed(pair.test.difference),
            span(pair.test.interval.low, pair.test.interval.high, plus=True),
            f"{pair.p_holm:.2g}",
            *(f"{count:,}" for count in (pair.test.wins, pair.test.losses, pair.test.ties)),
        )
        for pair in report.comparisons
    ]
    return table(PAIRS, rows, texts=4) if rows else ""


def _usage(report: EvaluationResult) -> str:
    frame = report.usage
    rows: list[Sequence[Any]] = [
        [export.shown(value) for value in row] for row in frame.itertuples(index=False)
    ]
    return table([*frame.columns], rows, texts=1)


def _changes(report: EvaluationResult) -> list[str]:
    """Return the questions that changed most from the first model to the last, folded."""
    if len(report.models) < 2 or not report.names:
        return []
    found = report.changes()
    worse = [change for change in found if change.gain < 0]
    better = [change for change in reversed(found) if change.gain > 0]
    pair = f"{in_html(report.models[0])} → {in_html(report.models[-1])}"
    named = f"{pair}, {in_html(report.names[0])}"
    kinds = (("退步 regressions", worse), ("进步 improvements", better))
    return [
        folded(f"{kind} ({min(len(some), EXAMPLES)} / {len(some):,}): {named}", changed(some[:EXAMPLES]))
        for kind, some in kinds
        if some
    ]


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"<div>{in_html(line)}</div>" for line in lines)
