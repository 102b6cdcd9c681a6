"""A report in sentences: conclusion, verdicts, footnotes, and numbers as people read them."""

import html
import math
import re
from typing import Any, Final

from ..._text import is_missing, replace_surrogates, strip_controls
from ...redact import redact
from ..stats.aggregates import Comparison, Outcome
from .data import ReportData

VERDICT_SIGNS: Final[dict[Outcome, str]] = {"better": "▲", "worse": "▼", "cannot tell": "？"}
VERDICT_WORDS: Final[dict[Outcome, str]] = {
    "better": "更好 better",
    "worse": "更差 worse",
    "cannot tell": "无法判断 cannot tell",
}


def conclusion(report: ReportData) -> str:
    """Return what the evaluation shows, a sentence per comparison on the first metric."""
    metrics = report.metric_names[:1]
    return "\n".join(comparison_sentence(pair) for pair in report.comparisons if pair.metric in metrics)


def comparison_sentence(comparison: Comparison) -> str:
    """Return what a comparison shows."""
    test = comparison.test
    return (
        f"{comparison.candidate} vs {comparison.baseline}, {comparison.metric}: {test.difference:+.3f} "
        f"[{test.interval.low:+.3f}, {test.interval.high:+.3f}], p = {comparison.p_holm:.2g} "
        f"({test.method}, n = {test.n}) — {comparison.verdict}"
    )


def detectable_sentence(comparison: Comparison) -> list[str]:
    """Return the smallest difference that the questions can show; nothing when they show one, or too few."""
    test = comparison.test
    if comparison.is_significant or math.isnan(test.detectable):
        return []
    return [f"{test.n:,} 题能看出的最小差 / smallest difference that {test.n:,} questions show: {test.detectable:.3f}"]


def needed_sentence(comparison: Comparison) -> list[str]:
    """Return how many questions would show the difference; nothing when these do, or when it is 0."""
    test = comparison.test
    if comparison.is_significant or test.needed is None or test.needed <= test.n:
        return []
    return [f"约需 {test.needed:,} 题才能确认 / about {test.needed:,} questions would show this difference"]


def footnote_lines(report: ReportData) -> list[str]:
    """Return the origin of answers and numbers: the report's notes, each metric's recipe, the clusters."""
    cluster_note = f"同一 {report.cluster} 的行相关 / rows of one {report.cluster} belong together"
    recipes = [f"{name}: {recipe}" for name, recipe in report.recipes.items() if name in report.metric_names]
    return [*report.notes, *recipes, *([cluster_note] if report.cluster else [])]


def format_score(value: float) -> str:
    """Return a score with three decimals; a large one with four digits, NaN as "n/a"."""
    if math.isnan(value):
        return "n/a"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.4g}"


def format_interval(low: float, high: float, *, plus: bool = False) -> str:
    """Return an interval, "n/a" where a bound is unknown."""
    if math.isnan(low) or math.isnan(high):
        return "n/a"
    return f"[{low:+.3f}, {high:+.3f}]" if plus else f"[{format_score(low)}, {format_score(high)}]"


def format_difference(value: float) -> str:
    """Return a difference with its sign."""
    return "n/a" if math.isnan(value) else f"{value:+.3f}"


def format_cell(value: Any) -> str:
    """Return the cell of a table as text."""
    if is_missing(value):
        return "n/a"
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() and abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if 0 < abs(value) < 0.001 or math.isinf(value) else f"{value:.3f}"


_MARKS: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>])")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def redact_text(text: str) -> str:
    """Return a text that can be written as UTF-8, with everything that looks like a credential hidden."""
    return redact(replace_surrogates(text))


def to_plain(text: object) -> str:
    """Return text without secrets, terminal escapes, control characters and direction overrides."""
    return strip_controls(redact_text(str(text)))


def to_html(text: object) -> str:
    """Return text that is inert inside HTML, attributes included."""
    return html.escape(to_plain(text), quote=True)


def to_markdown(text: object) -> str:
    """Return text that is only text in a cell of a Markdown table."""
    escaped = _MARKS.sub(r"\\\1", to_plain(text).replace("\t", " "))
    return html.escape(escaped, quote=False).replace("\n", "<br>")


def to_sheet_text(text: object) -> str:
    """Return text that a spreadsheet takes for text: one that begins with = + - @ gets an apostrophe."""
    cleaned = to_plain(text)
    return f"'{cleaned}" if cleaned.startswith(_FORMULA) else cleaned
