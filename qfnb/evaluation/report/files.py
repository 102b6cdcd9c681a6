"""A report as a file that can be sent: no network, no active content, no secrets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..._files import write_atomically
from ..._text import is_missing
from ...errors import InvalidArgumentError
from . import html, json, text, xlsx
from .data import ReportData
from .html import Picture as Picture
from .sanitize import to_markdown, to_sheet_text

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_COLUMNS: Final = (
    "model", "metric", "n", "total", "failed", "mean", "ci_low", "ci_high", "worst", "best", "method",
)  # fmt: skip
PAIR_COLUMNS: Final = (
    "metric", "baseline", "candidate", "difference", "ci_low", "ci_high", "p_holm", "wins", "losses", "ties",
    "verdict",
)  # fmt: skip
"""The columns of the Markdown tables; the DataFrames have more."""


def save_report(
    report: ReportData, path: Path, pictures: Sequence[Picture] = (), lead: Sequence[str] = ()
) -> Path:
    """Write a report in the format of the path's suffix; return the path.

    Args:
        report: the report.
        path: a .html, .md, .csv, .xlsx or .json file.
        pictures: charts for HTML.
        lead: lines that HTML and Markdown begin with, instead of the report's conclusion.

    Raises:
        InvalidArgumentError: the suffix is another one, or the file cannot be written.
    """
    writers: dict[str, Callable[[], bytes]] = {
        ".html": lambda: html.render_page(report, pictures, lead).encode(),
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


def report_tables(report: ReportData) -> dict[str, pd.DataFrame]:
    """Return the tables of a report by name, in reading order."""
    tables = {"summary": report.summary, "pairs": report.pairs, "usage": report.usage}
    return {name: table for name, table in tables.items() if len(table)} | {"samples": report.samples}


def render_markdown(report: ReportData, lead: Sequence[str] = ()) -> str:
    """Return conclusion, tables and footnotes as Markdown.

    Args:
        report: the report.
        lead: the first lines, instead of the report's conclusion.
    """
    lines = lead or text.conclusion(report).splitlines()
    parts = ["# 评估报告 / evaluation report", *map(to_markdown, lines)]
    parts += [_markdown_table(report.summary, SUMMARY_COLUMNS)]
    if len(report.pairs):
        parts += [_markdown_table(report.pairs, PAIR_COLUMNS)]
    parts += [_markdown_table(report.usage, [*report.usage.columns])]
    parts += ["\n".join(f"- {to_markdown(line)}" for line in text.footnote_lines(report))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    lines = [_markdown_row(map(to_markdown, columns)), _markdown_row("---" for _ in columns)]
    lines += [
        _markdown_row(to_markdown(text.format_cell(row[name])) for name in columns)
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
    if is_missing(value):
        return ""
    return value if isinstance(value, (int, float)) else to_sheet_text(value)
