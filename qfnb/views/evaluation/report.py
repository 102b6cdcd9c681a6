"""A report and a card in a notebook: what is better, by how much, what got worse, what it costs."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from ...evaluation import degenerate
from ...evaluation.report import ReportData, text as wording
from ...evaluation.report.card import Card
from ...evaluation.report.html import render_body
from ...evaluation.report.html_tables import changes_table, details, render_table
from ...evaluation.report.text import to_html
from ...evaluation.samples import Sample
from ..display import Bundle
from ..text import strip_controls
from . import charts

SHIFT_NAMES: Final = {
    "cost of 1,000 answers": "千次成本",
    "median latency": "中位时延",
    "95th percentile of latency": "95 分位时延",
    "mean answer": "平均长度",
    "cut off": "截断",
    "empty": "空回答",
}
FLAG_WORDS: Final[dict[degenerate.Flag, str]] = {
    "empty": "空 empty",
    "repetition": "重复 repetition",
    "truncated": "截断 truncated",
    "refusal": "拒答 refusal",
    "wrong_language": "语言不符 wrong language",
}
MAX_CHECKED_ANSWERS: Final = 2000
"""Answers of a model that are checked for degeneration; each takes a fraction of a millisecond."""


def bundle(report: ReportData) -> Bundle:
    """Return the report in every format."""
    return {"text/plain": text(report), "text/html": html(report)}


def text(report: ReportData) -> str:
    """Return the summary and the conclusion."""
    return strip_controls(repr(report)) if report.metric_names else "没有指标 / the report has no metric"


def html(report: ReportData) -> str:
    """Return conclusion, bars and summary; pairs, other charts, usage, changes and notes are folded."""
    gallery = charts.all_charts(report)
    bars = "".join(charts.chart_html(gallery[kind]) for kind in gallery.by_kind if kind == "bars")
    others = [chart for kind, chart in gallery.by_kind.items() if kind != "bars"]
    folded = "".join(charts.chart_html(chart, hint=False) for chart in others)
    folded += charts.left_out_html(gallery)
    return render_body(report, bars, details(f"其它图 more charts ({len(others)})", folded))


def card_bundle(card: Card[Any]) -> Bundle:
    """Return the card in every format."""
    return {"text/plain": strip_controls(repr(card)), "text/html": card_html(card)}


def card_html(card: Card[Any]) -> str:
    """Return verdict and difference, a table of what changed, and the folded regressions and improvements."""
    sign, words = wording.VERDICT_SIGNS[card.verdict], wording.VERDICT_WORDS[card.verdict]
    groups = (("退步最多 worst regressions", card.regressions), ("进步最多 best improvements", card.improvements))
    verdict = f"<b>{sign} {to_html(card.tuned)} {words}</b>"
    parts = [
        f'<div style="font-size:120%">{verdict} : {to_html(card.base)}</div>',
        *(f"<div>{line}</div>" for line in _evidence_lines(card)),
        render_table(("", *map(str, (card.base, card.tuned)), "±"), _shift_rows(card), text_column_count=1),
        *(details(f"{kind} ({len(group)})", changes_table(group)) for kind, group in groups if group),
        details(
            "其它指标 other metrics",
            "".join(f"<div>{to_html(wording.comparison_sentence(p))}</div>" for p in card.other_comparisons),
        ),
    ]
    return f"<div>{''.join(parts)}</div>"


def _evidence_lines(card: Card[Any]) -> list[str]:
    """Return as HTML the difference, wins and losses, and how many questions would be needed."""
    test = card.comparison.test
    interval = wording.format_interval(test.interval.low, test.interval.high, plus=True)
    tested = f"p = {card.comparison.p_holm:.2g}, {test.method}, 共同的题 shared questions n = {test.n:,}"
    lines = [
        f"<b>{to_html(card.metric)} {wording.format_difference(test.difference)}</b> {interval} (95 %), {tested}",
        f"胜 wins {test.wins:,} · 负 losses {test.losses:,} · 平 ties {test.ties:,}",
    ]
    lines += [*wording.detectable_sentence(card.comparison), *wording.needed_sentence(card.comparison)]
    lines += [
        f"⚠ {to_html(score.model)}: {score.n:,}/{score.total:,} 有分 scored, {score.failed:,} 失败 failed"
        f"；其余全错或全对 if the rest were all wrong or all right: {wording.format_interval(score.worst, score.best)}"
        for score in card.scores
        if score.n < score.total
    ]
    return lines


def _shift_rows(card: Card[Any]) -> list[tuple[str, str, str, str]]:
    """Return scores, cost, latency and flags, before and after."""
    base_score, tuned_score = card.scores
    difference = wording.format_difference(tuned_score.mean - base_score.mean)
    rows = [(card.metric, wording.format_score(base_score.mean), wording.format_score(tuned_score.mean), difference)]
    for shift in card.shifts:
        if shift.is_known and (shift.before or shift.after):
            name = f"{SHIFT_NAMES.get(shift.name, '')} {shift.name} ({shift.unit})".strip()
            ratio = "" if math.isnan(shift.ratio) else f" (× {shift.ratio:.2f})"
            change = "" if math.isnan(shift.change) else f"{shift.change:+.4g}{ratio}"
            rows.append((name, *shift.amounts(), change))
    is_limited = max(score.total for score in card.scores) > MAX_CHECKED_ANSWERS
    limit_note = f" (前 first {MAX_CHECKED_ANSWERS:,})" if is_limited else ""
    before, after = (_count_flags(card.report.samples_of(model)) for model in (card.base, card.tuned))
    for flag, words in FLAG_WORDS.items():
        n_before, n_after = before[flag], after[flag]
        if n_before or n_after:
            rows.append((f"⚠ {words}{limit_note}", f"{n_before:,}", f"{n_after:,}", f"{n_after - n_before:+,}"))
    return rows


def _count_flags(samples: Mapping[int, Sample]) -> Counter[str]:
    """Return how many of the first answers are degenerate, by kind."""
    answered = [sample for sample in samples.values() if not sample.error][:MAX_CHECKED_ANSWERS]
    counts: Counter[str] = Counter()
    for sample in answered:
        texts = {"prompt": sample.prompt, "reference": sample.reference}
        reason = sample.finish_reason
        counts.update(degenerate.degenerate_flags(sample.output, finish_reason=reason, **texts))
    return counts
