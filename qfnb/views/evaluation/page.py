"""A report as one HTML file that needs no network, runs no script, and is legible in light, dark
and on paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ...base.language import html_lang, tr
from ...evaluation.report import ReportData
from ...evaluation.report.sources import with_mark
from ...evaluation.report.text import format_cell, redact_text, report_title, to_plain
from .. import components
from ..components import Html
from ..text import escape
from .report import blocks

MAX_SAMPLES: Final = 500  # samples of a page; a file with more of them takes long to open
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE: Final = (
    "body { max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; color-scheme: light dark }"
)


def render_page(report: ReportData, lead: Sequence[str] = ()) -> str:
    """Return a whole page: what a notebook shows, unfolded, the lines of a card, and the first
    samples.

    Args:
        report: the report; its charts are on the page.
        lead: lines of text above the report.
    """
    heading = with_mark(report_title(report), report)
    content = components.panel(
        report_title(report),
        components.dim_lines(*map(to_plain, lead)),
        *blocks(report, is_open=True),
        _samples_html(report),
    )
    body = components.output(content)
    page = (
        f'<!doctype html>\n<html lang="{html_lang()}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(to_plain(heading))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
    return redact_text(page)


def _samples_html(report: ReportData) -> Html:
    """Return the first samples, folded."""
    columns = ["model", "index", "prompt", "reference", "output", *report.metric_names]
    columns += ["error"] if any(sample.error for sample in report.records) else []
    frame: Any = report.samples.sort_values(["index", "model"], kind="stable").head(MAX_SAMPLES)
    rows = [
        [to_plain(format_cell(row[name])) for name in columns] for row in frame.to_dict("records")
    ]
    remark = tr("{n} of {total}", n=f"{len(rows):,}", total=f"{len(report.records):,}")
    numeric = range(5, 5 + len(report.metric_names))
    return components.folds(
        (tr("Answers"), remark, components.table([*map(to_plain, columns)], rows, numeric=numeric))
    )
