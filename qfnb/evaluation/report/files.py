"""A report as a file that can be sent: no network, no active content, no secrets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..._files import write_atomically
from ...errors import InvalidArgumentError
from . import html, json, xlsx
from .sanitize import to_markdown, to_sheet_text

if TYPE_CHECKING:
    import pandas as pd

    from ..stats.aggregates import Comparison
    from .data import EvaluationResult

SUMMARY_COLUMNS: Final = (
    "model",
    "metric",
    "n",
    "total",
    "failed",
    "mean",
    "ci_low",
    "ci_high",
    "worst",
    "best",
    "method",
)
PAIR_COLUMNS: Final = (
    "metric",
    "baseline",
    "candidate",
    "difference",
    "ci_low",
    "ci_high",
    "p_holm",
    "wins",
    "losses",
    "ties",
    "verdict",
)
"""Columns that people read first; the DataFrames have more."""


@dataclass(frozen=True)
class Picture:
    """A chart for an HTML report: a PNG, and what it shows in words."""

    png: bytes
    alt: str

    def captions(self) -> list[str]:
        """Return what is to be read below it."""
        return []


def save_report(
    report: EvaluationResult, path: Path, pictures: Sequence[Picture] = (), lead: Sequence[str] = ()
) -> Path:
    """Write a report in the format that the path ends in; return the path.

    Args:
        report: what is written.
        path: .html, .md, .csv, .xlsx or .json.
        pictures: charts for HTML.
        lead: lines that HTML and Markdown begin with, instead of the report's conclusion.

    Raises:
        InvalidArgumentError: it ends otherwise, or cannot be written.
    """
    writers: dict[str, Callable[[], bytes]] = {
        ".html": lambda: html.render_html(report, pictures, lead).encode(),
        ".md": lambda: render_markdown(report, lead).encode(),
        ".csv": lambda: _to_csv(report.samples),
        ".xlsx": lambda: xlsx.write_workbook(report_tables(report)),
        ".json": lambda: json.to_json(report).encode(),
    }
    write = writers.get(path.suffix.lower())
    if write is None:
        raise InvalidArgumentError(f"{path.name!r} ends in none of {', '.join(writers)} (不支持的格式)")
    content = write()
    with write_atomically(path) as file:
        file.write(content)
    return path


def report_tables(report: EvaluationResult) -> dict[str, pd.DataFrame]:
    """Return the tables of a report by name, in reading order."""
    candidates = {"summary": report.summary, "pairs": report.pairs, "usage": report.usage}
    return {name: table for name, table in candidates.items() if len(table)} | {"samples": report.samples}


def render_markdown(report: EvaluationResult, lead: Sequence[str] = ()) -> str:
    """Return conclusion, tables and notes as Markdown."""
    parts = ["# 评估报告 / evaluation report", *(to_markdown(line) for line in lead or lead_lines(report))]
    parts += [_markdown_table(report.summary, SUMMARY_COLUMNS)]
    if len(report.pairs):
        parts += [_markdown_table(report.pairs, PAIR_COLUMNS)]
    parts += [_markdown_table(report.usage, [*report.usage.columns])]
    parts += ["\n".join(f"- {to_markdown(line)}" for line in footnote_lines(report))]
    return "\n\n".join(part for part in parts if part) + "\n"


def lead_lines(report: EvaluationResult) -> list[str]:
    """Return what a report says first."""
    return report.conclusion().splitlines() if report.metric_names else []


def footnote_lines(report: EvaluationResult) -> list[str]:
    """Return where answers and numbers are from: the report's notes, each metric's recipe, the clusters."""
    cluster_note = [f"同一 {report.cluster} 的行相关 / rows of one {report.cluster} belong together"]
    recipes = [f"{name}: {about}" for name, about in report.recipes.items() if name in report.metric_names]
    return [*report.notes, *recipes, *(cluster_note if report.cluster else ())]


def comparison_sentence(comparison: Comparison) -> str:
    """Return what a comparison shows."""
    test = comparison.test
    return (
        f"{comparison.candidate} vs {comparison.baseline}, {comparison.metric}: {test.difference:+.3f} "
        f"[{test.interval.low:+.3f}, {test.interval.high:+.3f}], p = {comparison.p_holm:.2g} "
        f"({test.method}, n = {test.n}) — {comparison.verdict}"
    )


def format_cell(value: Any) -> str:
    """Return a cell for people."""
    if value is None or value != value:  # noqa: PLR0124 - NaN is not itself, NA says nothing
        return "n/a"
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() and abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if 0 < abs(value) < 0.001 or math.isinf(value) else f"{value:.3f}"


def _markdown_table(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    lines = [_markdown_row(map(to_markdown, columns)), _markdown_row("---" for _ in columns)]
    lines += [
        _markdown_row(to_markdown(format_cell(row[name])) for name in columns)
        for row in frame.to_dict("records")
    ]
    return "\n".join(lines)


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _to_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV that Excel opens as text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([to_sheet_text(name) for name in frame.columns])
    writer.writerows([_csv_cell(value) for value in row] for row in frame.itertuples(index=False, name=None))
    return b"\xef\xbb\xbf" + buffer.getvalue().encode()


def _csv_cell(value: Any) -> Any:
    if value is None or value != value:  # noqa: PLR0124 - NaN is not itself
        return ""
    return value if isinstance(value, (int, float)) else to_sheet_text(value)
