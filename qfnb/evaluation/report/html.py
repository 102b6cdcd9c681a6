"""A report as HTML: conclusion first, then the numbers, then the evidence.

`render_body` is what a notebook shows and what a saved page contains; `render_page` makes it one file that
needs no network, runs no script, and is legible in light and dark.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..stats.aggregates import Comparison
from . import html_tables, text
from .data import ReportData
from .html_tables import details
from .text import format_difference, format_interval, format_score, to_html

MAX_UNFOLDED_ROWS: Final = 12  # rows of the summary that are shown without a click
MAX_EXAMPLES: Final = 10  # regressions, and improvements, that are shown
MAX_SAMPLES: Final = 500  # samples of a page; a file with more of them takes long to open

SUMMARY_HEADS: Final = (
    "模型 model", "指标 metric", "均值 mean", "95 % 区间 interval", "有分 scored", "失败 failed",
    "极端 worst–best", "方法 method",
)  # fmt: skip
"""The last column is for pages only: a notebook's output is too narrow for it."""
PAIR_HEADS: Final = (
    "指标 metric", "基准 baseline", "对比 candidate", "结论 verdict", "差 difference", "95 % 区间 interval",
    "p (Holm)", "胜 wins", "负 losses", "平 ties",
)  # fmt: skip

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif;
  max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
td { font-variant-numeric: tabular-nums } summary { font-weight: 600 } img { max-width: 100% }
"""


@dataclass(frozen=True)
class Picture:
    """A chart for an HTML report: a PNG, and what it shows in words."""

    png: bytes
    alt: str

    def captions(self) -> list[str]:
        """Return the lines below it."""
        return []


def render_page(report: ReportData, pictures: Sequence[Picture] = (), lead: Sequence[str] = ()) -> str:
    """Return a whole page: what a notebook shows, unfolded, and the first samples."""
    charts = "\n".join(map(_picture_html, pictures))
    body = render_body(report, charts, lead=[to_html(line) for line in lead], is_open=True)
    return (
        '<!doctype html>\n<html lang="zh">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>评估报告 / evaluation report</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>评估报告 / evaluation report</h1>\n{body}\n{_samples_html(report)}\n</body>\n</html>\n"
    )


def render_body(
    report: ReportData, charts: str = "", more_charts: str = "", *, lead: Sequence[str] = (), is_open: bool = False
) -> str:
    """Return conclusion, charts and summary; pairs, changes, usage and notes are folded."""
    usage = [[text.format_cell(value) for value in row] for row in report.usage.itertuples(index=False)]
    usage_table = html_tables.render_table([*report.usage.columns], usage, text_column_count=1)
    sections = [
        *(f"<p>{line}</p>" for line in lead or conclusion_html(report)),
        charts,
        _summary_table(report, is_open=is_open),
        details(f"两两比较 pairs ({len(report.comparisons)})", _pairs_table(report), is_open=is_open),
        more_charts,
        *_changes_html(report, is_open=is_open),
        details("用量 usage", usage_table, is_open=is_open),
        details("说明 notes", _lines_html(text.footnote_lines(report)), is_open=is_open),
    ]
    return f"<div>{''.join(sections)}</div>"


def conclusion_html(report: ReportData) -> list[str]:
    """Return as HTML what the evaluation shows: each model against the first one, and what is missing."""
    if not report.metric_names:
        return ["没有指标 / the report has no metric"]
    metric, base = report.metric_names[0], report.models[0] if report.models else ""
    scores = {score.model: score for score in report.model_scores if score.metric == metric}
    if not any(score.n for score in scores.values()):
        return [f"<b>没有得分 / no answer has a score</b>{_common_error_html(report)}"]
    verdicts = [_verdict_html(pair) for pair in report.comparisons if pair.metric == metric and pair.baseline == base]
    if not verdicts:
        verdicts = [
            f"<b>{to_html(score.model)}: {to_html(score.metric)} {format_score(score.mean)}</b> "
            f"{format_interval(score.interval.low, score.interval.high)}, n = {score.n:,}"
            for score in scores.values()
        ]
    missing = [
        f"{to_html(score.model)}: {score.n:,}/{score.total:,} 有分 scored"
        + (f", {score.failed:,} 失败 failed" if score.failed else "")
        for score in scores.values()
        if score.n < score.total
    ]
    return [*verdicts, *([f"⚠ {'；'.join(missing)}{_common_error_html(report)}"] if missing else [])]


def verdict_label(comparison: Comparison) -> str:
    """Return the verdict on a comparison's candidate: better, worse, or cannot tell."""
    outcome = comparison.outcome
    space = "" if outcome == "cannot tell" else " "
    return f"{text.VERDICT_SIGNS[outcome]}{space}{text.VERDICT_WORDS[outcome]}"


def _verdict_html(comparison: Comparison) -> str:
    test = comparison.test
    head = f"<b>{to_html(comparison.candidate)} {verdict_label(comparison)}</b> : {to_html(comparison.baseline)}<br>"
    if not test.n:
        return f"{head}没有共同的题 no question has both scores"
    interval = format_interval(test.interval.low, test.interval.high, plus=True)
    detectable = "".join(f"；{line}" for line in text.detectable_sentence(comparison))
    return (
        f"{head}{to_html(comparison.metric)} {format_difference(test.difference)} {interval}, "
        f"p = {comparison.p_holm:.2g}, 共同的题 shared n = {test.n:,}{detectable}"
    )


def _common_error_html(report: ReportData) -> str:
    """Return the commonest error of failed rows."""
    errors = [sample.error for sample in report.records if sample.error]
    if not errors:
        return ""
    common = max(dict.fromkeys(errors), key=errors.count)
    return f"<br>{errors.count(common):,} × {to_html(common[:200])}"


def _summary_table(report: ReportData, *, is_open: bool) -> str:
    rows = [
        (
            score.model,
            score.metric,
            format_score(score.mean),
            format_interval(score.interval.low, score.interval.high),
            f"{score.n:,}/{score.total:,}",
            f"{score.failed:,}",
            format_interval(score.worst, score.best) if score.n < score.total else "",
            *([score.interval.method] if is_open else []),
        )
        for score in report.model_scores
    ]
    table = html_tables.render_table(SUMMARY_HEADS[: None if is_open else -1], rows, text_column_count=2)
    if len(rows) <= MAX_UNFOLDED_ROWS:
        return table
    return details(f"汇总 summary ({len(rows)})", table, is_open=is_open)


def _pairs_table(report: ReportData) -> str:
    rows = [
        (
            pair.metric,
            pair.baseline,
            pair.candidate,
            verdict_label(pair),
            format_difference(pair.test.difference),
            format_interval(pair.test.interval.low, pair.test.interval.high, plus=True),
            f"{pair.p_holm:.2g}",
            *(f"{count:,}" for count in (pair.test.wins, pair.test.losses, pair.test.ties)),
        )
        for pair in report.comparisons
    ]
    return html_tables.render_table(PAIR_HEADS, rows, text_column_count=4) if rows else ""


def _changes_html(report: ReportData, *, is_open: bool) -> list[str]:
    """Return the questions that changed most from the first model to the last, folded."""
    if len(report.models) < 2 or not report.metric_names:
        return []
    changes = report.changes()
    worse = [change for change in changes if change.gain < 0]
    better = [change for change in reversed(changes) if change.gain > 0]
    models = f"{to_html(report.models[0])} → {to_html(report.models[-1])}, {to_html(report.metric_names[0])}"
    return [
        details(
            f"{kind} ({min(len(group), MAX_EXAMPLES)} / {len(group):,}): {models}",
            html_tables.changes_table(group[:MAX_EXAMPLES]),
            is_open=is_open,
        )
        for kind, group in (("退步 regressions", worse), ("进步 improvements", better))
        if group
    ]


def _samples_html(report: ReportData) -> str:
    """Return the first samples, folded."""
    columns = ["model", "index", "prompt", "reference", "output", *report.metric_names, "error"]
    frame: Any = report.samples.sort_values(["index", "model"], kind="stable").head(MAX_SAMPLES)
    rows = [[text.format_cell(row[name]) for name in columns] for row in frame.to_dict("records")]
    table = html_tables.render_table(columns, rows, text_column_count=len(columns), long_texts=True)
    return details(f"样本 samples: {len(rows):,} of {len(report.records):,}", table)


def _picture_html(picture: Picture) -> str:
    encoded = base64.b64encode(picture.png).decode("ascii")
    captions = _lines_html(picture.captions())
    return f'<p><img alt="{to_html(picture.alt)}" src="data:image/png;base64,{encoded}"></p>{captions}'


def _lines_html(lines: Sequence[str]) -> str:
    return "".join(f"<div>{to_html(line)}</div>" for line in lines)
