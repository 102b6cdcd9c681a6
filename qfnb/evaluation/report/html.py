"""A report as one HTML file: it needs no network, runs no script, and is legible in light and dark."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from . import files
from .changes import Change, Edit
from .sanitize import to_html

if TYPE_CHECKING:
    import pandas as pd

    from .data import EvaluationResult
    from .files import Picture

MAX_CHANGES: Final = 10
MAX_SAMPLES: Final = 500
"""Samples that are shown; a file with more of them takes long to open."""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --gone: #d5520022; --new: #0072b233 }
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif;
  max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid var(--line); padding: 3px 9px; text-align: left; vertical-align: top }
td { white-space: pre-wrap; overflow-wrap: break-word; max-width: 34em; font-variant-numeric: tabular-nums }
th { background: var(--soft) }
del { background: var(--gone) } ins { background: var(--new); text-decoration: underline }
.lead { font-weight: 600 } .note { opacity: .75; font-size: 13px } img { max-width: 100% }
"""


def render_html(report: EvaluationResult, pictures: Sequence[Picture] = (), lead: Sequence[str] = ()) -> str:
    """Return a page with conclusion, tables, charts, what changed most, and samples.

    Args:
        report: what is shown.
        pictures: charts.
        lead: the first lines, instead of the report's conclusion.
    """
    parts = [f'<p class="lead">{to_html(line)}</p>' for line in lead or files.lead_lines(report)]
    parts += [_picture_html(picture) for picture in pictures]
    parts += [_heading("汇总 / summary"), _frame_table(report.summary, files.SUMMARY_COLUMNS)]
    if len(report.pairs):
        parts += [_heading("两两比较 / pairs"), _frame_table(report.pairs, files.PAIR_COLUMNS)]
    parts += [_heading("用量 / usage"), _frame_table(report.usage, [*report.usage.columns])]
    parts += [_changes_section(report), _samples_section(report)]
    parts += [f'<p class="note">{to_html(line)}</p>' for line in files.footnote_lines(report)]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="zh">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>评估报告 / evaluation report</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>评估报告 / evaluation report</h1>\n{body}\n</body>\n</html>\n"
    )


def mark_edits(edits: Sequence[Edit]) -> tuple[str, str]:
    """Return the two texts of a difference as HTML, with what is gone and what is new marked."""
    before = "".join(
        f"<del>{to_html(text)}</del>" if op == "delete" else to_html(text)
        for op, text in edits
        if op != "insert"
    )
    after = "".join(
        f"<ins>{to_html(text)}</ins>" if op == "insert" else to_html(text)
        for op, text in edits
        if op != "delete"
    )
    return before, after


def _heading(text: str) -> str:
    return f"<h2>{to_html(text)}</h2>"


def _picture_html(picture: Picture) -> str:
    encoded = base64.b64encode(picture.png).decode("ascii")
    below = "".join(f'<br><span class="note">{to_html(line)}</span>' for line in picture.captions())
    return f'<p><img alt="{to_html(picture.alt)}" src="data:image/png;base64,{encoded}">{below}</p>'


def _frame_table(frame: pd.DataFrame, columns: Sequence[str]) -> str:
    rows = [[to_html(files.format_cell(row[name])) for name in columns] for row in frame.to_dict("records")]
    return _html_table([to_html(name) for name in columns], rows)


def _html_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already."""
    head = "".join(f"<th>{name}</th>" for name in columns)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def _changes_section(report: EvaluationResult) -> str:
    """Return the worst regressions and the best improvements from the first model to the last."""
    if len(report.models) < 2 or not report.metric_names:
        return ""
    changes = report.changes()
    worse = [change for change in changes if change.gain < 0][:MAX_CHANGES]
    better = [change for change in reversed(changes) if change.gain > 0][:MAX_CHANGES]
    return _change_list("退步最多 / worst regressions", worse) + _change_list(
        "进步最多 / best improvements", better
    )


def _change_list(title: str, changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    columns = ["#", "问题 / prompt", "参考 / reference", "之前 / before", "之后 / after", "±"]
    return _heading(title) + _html_table(columns, [_change_cells(change) for change in changes])


def _change_cells(change: Change) -> list[str]:
    before, after = mark_edits(change.edits)
    texts = [to_html(change.index), to_html(change.prompt), to_html(change.reference)]
    return [*texts, before, after, f"{change.gain:+.3f}"]


def _samples_section(report: EvaluationResult) -> str:
    """Return the first samples, folded."""
    columns = ("model", "index", "prompt", "reference", "output", *report.metric_names, "error")
    rows: Any = report.samples.sort_values(["index", "model"], kind="stable").head(MAX_SAMPLES)
    title = f"样本 / samples: {len(rows):,} of {len(report.records):,}"
    return f"<details><summary>{to_html(title)}</summary>{_frame_table(rows, columns)}</details>"
