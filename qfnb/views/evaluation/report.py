"""An evaluation's report as it is read: what it shows first, then the numbers, then the evidence, folded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ...evaluation import EvaluationResult
from ...evaluation.report import files
from ...evaluation.report.sanitize import to_html
from ..display import Bundle
from ..escape import strip_controls
from .charts import gallery
from .charts.style import format_score
from .tables import changes_table, details, format_difference, format_interval, render_table

if TYPE_CHECKING:
    from ...evaluation.stats.aggregates import Comparison, Score

MAX_UNFOLDED_ROWS: Final = 12
"""Rows of the summary that are not folded away."""

MAX_EXAMPLES: Final = 10
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
VERDICT_SIGNS: Final = {
    "better": "▲ 更好 better",
    "worse": "▼ 更差 worse",
    "cannot tell": "？无法判断 cannot tell",
}


def bundle(report: EvaluationResult) -> Bundle:
    """Return the report in every format."""
    return {"text/plain": text(report), "text/html": html(report)}


def text(report: EvaluationResult) -> str:
    """Return the summary and the conclusion."""
    return strip_controls(repr(report)) if report.metric_names else "没有指标 / the report has no metric"


def html(report: EvaluationResult) -> str:
    """Return conclusion, bars and summary; pairs, charts, usage, changes and notes are folded."""
    charts = gallery.all_charts(report)
    folded_charts = [chart for kind, chart in charts.by_kind.items() if kind != "bars"]
    folded_html = "".join(
        gallery.chart_html(chart, hint=False) for chart in folded_charts
    ) + gallery.left_out_html(charts)
    parts = [
        *(f"<p>{line}</p>" for line in conclusion_html(report)),
        *(gallery.chart_html(charts["bars"]) for _ in range("bars" in charts.by_kind)),
        _summary_table(report),
        details(f"两两比较 pairs ({len(report.comparisons)})", _pairs_table(report)),
        details(f"其它图 more charts ({len(folded_charts)})", folded_html),
        *_changes_html(report),
        details("用量 usage", _usage_table(report)),
        details("说明 notes", _lines_html(files.footnote_lines(report))),
    ]
    return f"<div>{''.join(parts)}</div>"


def conclusion_html(report: EvaluationResult) -> list[str]:
    """Return as HTML what the evaluation shows: each model against the first one, and what is missing."""
    if not report.metric_names:
        return ["没有指标 / the report has no metric"]
    metric, base = report.metric_names[0], report.models[0] if report.models else ""
    scores = {score.model: score for score in report.model_scores if score.metric == metric}
    if not any(score.n for score in scores.values()):
        return [f"<b>没有得分 / no answer has a score</b>{_common_error_html(report)}"]
    verdicts = [
        _verdict_html(pair) for pair in report.comparisons if pair.metric == metric and pair.baseline == base
    ]
    if not verdicts:
        verdicts = [_single_score_html(score) for score in scores.values()]
    missing = [_missing_scores_html(score) for score in scores.values() if score.n < score.total]
    return [*verdicts, *([f"⚠ {'；'.join(missing)}{_common_error_html(report)}"] if missing else [])]


def verdict_words(comparison: Comparison) -> str:
    """Return the verdict on a comparison's candidate: better, worse, or cannot tell."""
    if not comparison.is_significant:
        return VERDICT_SIGNS["cannot tell"]
    return VERDICT_SIGNS[
        "better" if (comparison.test.difference > 0) != comparison.lower_is_better else "worse"
    ]


def _verdict_html(comparison: Comparison) -> str:
    test = comparison.test
    if not test.n:
        no_shared_scores = "没有共同的题 no question has both scores"
        return f"<b>{to_html(comparison.candidate)} {verdict_words(comparison)}</b> : {to_html(comparison.baseline)}<br>{no_shared_scores}"
    numbers = f"{format_difference(test.difference)} {format_interval(test.interval.low, test.interval.high, plus=True)}"
    detectable_note = ""
    if not comparison.is_significant and not math.isnan(test.detectable):
        detectable_note = (
            f"；{test.n:,} 题能看出的最小差 smallest difference that so many show: {test.detectable:.2f}"
        )
    return (
        f"<b>{to_html(comparison.candidate)} {verdict_words(comparison)}</b> : {to_html(comparison.baseline)}<br>"
        f"{to_html(comparison.metric)} {numbers}, p = {comparison.p_holm:.2g}, 共同的题 shared n = {test.n:,}{detectable_note}"
    )


def _single_score_html(score: Score) -> str:
    interval = format_interval(score.interval.low, score.interval.high)
    return f"<b>{to_html(score.model)}: {to_html(score.metric)} {format_score(score.mean)}</b> {interval}, n = {score.n:,}"


def _missing_scores_html(score: Score) -> str:
    failed = f", {score.failed:,} 失败 failed" if score.failed else ""
    return f"{to_html(score.model)}: {score.n:,}/{score.total:,} 有分 scored{failed}"


def _common_error_html(report: EvaluationResult) -> str:
    """Return the commonest error of failed rows."""
    errors = [sample.error for sample in report.records if sample.error]
    if not errors:
        return ""
    common = max(dict.fromkeys(errors), key=errors.count)
    return f"<br>{errors.count(common):,} × {to_html(common[:200])}"


def _summary_table(report: EvaluationResult) -> str:
    rows = [
        (
            score.model,
            score.metric,
            format_score(score.mean),
            format_interval(score.interval.low, score.interval.high),
            f"{score.n:,}/{score.total:,}",
            f"{score.failed:,}",
            format_interval(score.worst, score.best) if score.n < score.total else "",
        )
        for score in report.model_scores
    ]
    rendered = render_table(SUMMARY, rows, text_columns=2)
    return rendered if len(rows) <= MAX_UNFOLDED_ROWS else details(f"汇总 summary ({len(rows)})", rendered)


def _pairs_table(report: EvaluationResult) -> str:
    rows = [
        (
            pair.metric,
            pair.baseline,
            pair.candidate,
            verdict_words(pair),
            format_difference(pair.test.difference),
            format_interval(pair.test.interval.low, pair.test.interval.high, plus=True),
            f"{pair.p_holm:.2g}",
            *(f"{count:,}" for count in (pair.test.wins, pair.test.losses, pair.test.ties)),
        )
        for pair in report.comparisons
    ]
    return render_table(PAIRS, rows, text_columns=4) if rows else ""


def _usage_table(report: EvaluationResult) -> str:
    frame = report.usage
    rows: list[Sequence[Any]] = [
        [files.format_cell(value) for value in row] for row in frame.itertuples(index=False)
    ]
    return render_table([*frame.columns], rows, text_columns=1)


def _changes_html(report: EvaluationResult) -> list[str]:
    """Return the questions that changed most from the first model to the last, folded."""
    if len(report.models) < 2 or not report.metric_names:
        return []
    changes = report.changes()
    worse = [change for change in changes if change.gain < 0]
    better = [change for change in reversed(changes) if change.gain > 0]
    pair = f"{to_html(report.models[0])} → {to_html(report.models[-1])}"
    named = f"{pair}, {to_html(report.metric_names[0])}"
    groups = (("退步 regressions", worse), ("进步 improvements", better))
    return [
        details(
            f"{kind} ({min(len(group), MAX_EXAMPLES)} / {len(group):,}): {named}",
            changes_table(group[:MAX_EXAMPLES]),
        )
        for kind, group in groups
        if group
    ]


def _lines_html(lines: Sequence[str]) -> str:
    return "".join(f"<div>{to_html(line)}</div>" for line in lines)
