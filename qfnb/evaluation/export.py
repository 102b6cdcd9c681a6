"""A report as a file that can be sent: no network, no active content, no secrets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidArgumentError
from ..transport.files import atomically
from . import archive, page, sheets
from .inert import in_markdown, in_sheet

if TYPE_CHECKING:
    import pandas as pd

    from .counting import Comparison
    from .report import EvaluationResult

SUMMARY: Final = (
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
PAIRS: Final = (
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


def save(
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
        ".html": lambda: page.html(report, pictures, lead).encode(),
        ".md": lambda: markdown(report, lead).encode(),
        ".csv": lambda: _csv(report.samples),
        ".xlsx": lambda: sheets.workbook(tables(report)),
        ".json": lambda: archive.to_json(report).encode(),
    }
    write = writers.get(path.suffix.lower())
    if write is None:
        raise InvalidArgumentError(f"{path.name!r} ends in none of {', '.join(writers)} (不支持的格式)")
    content = write()
    with atomically(path) as file:
        file.write(content)
    return path


def tables(report: EvaluationResult) -> dict[str, pd.DataFrame]:
    """Return the tables of a report by name, in reading order."""
    found = {"summary": report.summary, "pairs": report.pairs, "usage": report.usage}
    return {name: table for name, table in found.items() if len(table)} | {"samples": report.samples}


def markdown(report: EvaluationResult, lead: Sequence[str] = ()) -> str:
    """Return conclusion, tables and notes as Markdown."""
    parts = ["# 评估报告 / evaluation report", *(in_markdown(line) for line in lead or opening(report))]
    parts += [_markdown_table(report.summary, SUMMARY)]
    if len(report.pairs):
        parts += [_markdown_table(report.pairs, PAIRS)]
    parts += [_markdown_table(report.usage, [*report.usage.columns])]
    parts += ["\n".join(f"- {in_markdown(line)}" for line in footnotes(report))]
    return "\n\n".join(part for part in parts if part) + "\n"


def opening(report: EvaluationResult) -> list[str]:
    """Return what a report says first."""
    return report.conclusion().splitlines() if report.names else []


def footnotes(report: EvaluationResult) -> list[str]:
    """Return where answers and numbers are from: the report's notes, each metric's recipe, the clusters."""
    by = [f"同一 {report.cluster} 的行相关 / rows of one {report.cluster} belong together"]
    recipes = [f"{name}: {about}" for name, about in report.recipes.items() if name in report.names]
    return [*report.notes, *recipes, *(by if report.cluster else ())]


def sentence(pair: Comparison) -> str:
    """Return what a comparison shows."""
    test = pair.test
    return (
        f"{pair.candidate} vs {pair.baseline}, {pair.metric}: {test.difference:+.3f} "
        f"[{test.interval.low:+.3f}, {test.interval.high:+.3f}], p = {pair.p_holm:.2g} "
        f"({test.method}, n = {test.n}) — {pair.verdict}"
    )


def shown(value: Any) -> str:
    """Return a cell for people."""
    if value is None or value != value:  # noqa: PLR0124 - NaN is not itself, NA says nothing
        return "n/a"
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() and abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if 0 < abs(value) < 0.001 or math.isinf(value) else f"{value:.3f}"


def _markdown_table(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    lines = [_line(map(in_markdown, columns)), _line("---" for _ in columns)]
    lines += [_line(in_markdown(shown(row[name])) for name in columns) for row in frame.to_dict("records")]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV that Excel opens as text."""
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow([in_sheet(name) for name in frame.columns])
    writer.writerows([_cell(value) for value in row] for row in frame.itertuples(index=False, name=None))
    return b"\xef\xbb\xbf" + made.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None or value != value:  # noqa: PLR0124 - NaN is not itself
        return ""
    return value if isinstance(value, (int, float)) else in_sheet(value)
