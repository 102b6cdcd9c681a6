"""The history of evaluations as a table, and two evaluations compared."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from ...base.language import tr, tr_noop, trn
from ...base.text import clip
from ...evaluation.history import Diff
from ...evaluation.report.sources import mark_models
from ...evaluation.report.text import format_score, metric_title, report_title, to_plain
from .. import components, formats
from ..components import Html
from ..display import Bundle
from ..text import escape
from . import report as report_view

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS: Final = 20
"""Evaluations that are shown, the newest."""

MAX_MODELS: Final = 4  # of an evaluation whose means are shown
MAX_NAME_CHARS: Final = 40


def table_bundle(frame: pd.DataFrame) -> Bundle:
    """Return the newest evaluations with their means on the first metric; the value has all
    columns.
    """
    rows = frame.head(MAX_ROWS).to_dict("records")
    title = trn("{n} evaluation", "{n} evaluations", len(frame))
    heads = [tr("Time"), tr("Evaluation"), tr("Data"), tr("Questions"), tr("Means")]
    table = components.table(heads, map(_html_row, rows), numeric=(3,), is_wide=True)
    hidden = len(frame) - len(rows)
    if hidden:
        note = trn(
            "{n} earlier evaluation is not shown.", "{n} earlier evaluations are not shown.", hidden
        )
    else:
        note = ""
    steps = _next_steps([row for row in rows if not row["problem"]])
    panel = components.panel(
        title,
        components.header(title),
        table if rows else "",
        note and components.dim_lines(note),
        components.footer(*map(components.with_code, steps)),
    )
    return {"text/plain": repr(frame), "text/html": components.output(panel)}


def _next_steps(rows: list[dict[Any, Any]]) -> list[str]:
    """Return how the newest evaluation is opened, and compared with an earlier one of the same
    questions.
    """
    ids = [row["id"] for row in rows if row["digest"] == rows[0]["digest"]]
    if ids:
        steps = [tr("to open it: `%qfeval open {id}`", id=ids[0])]
    else:
        steps = []
    compare = tr_noop("to compare it with an earlier one: `%qfeval diff {earlier} {later}`")
    return steps + [tr(compare, earlier=earlier, later=ids[0]) for earlier in ids[1:2]]


def diff_bundle(diff: Diff) -> Bundle:
    """Return two evaluations compared, in every format."""
    report = diff.report
    head, note, *blocks = report_view.blocks(report)
    shared = Html(f"<p>{escape(to_plain(diff.shared_sentence()))}</p>")
    which = components.dim_lines(to_plain(diff.which()))
    remarks = [components.note("warn", to_plain(remark), sign="⚠︎") for remark in diff.remarks]
    return report_view.bundle(report) | {
        "text/plain": to_plain(repr(diff)),
        "text/html": report_view.output(
            report_title(report), head, shared, which, *remarks, note, *blocks
        ),
    }


def _html_row(row: dict[Any, Any]) -> list[object]:
    created, name, *columns = _cells(row)
    lines = [Html("<br>".join(escape(line) for line in cell)) for cell in (created, *columns)]
    return [lines[0], components.code(name[0]), *lines[1:]]


def _cells(row: dict[Any, Any]) -> list[list[str]]:
    """Return the lines of each cell."""
    created = formats.when(row["created"].timestamp(), time.time())
    if row["problem"]:
        return [
            [created],
            [row["id"]],
            [tr("cannot be opened; `%qfeval open ID` says why")],
            [],
            [],
        ]
    data = [to_plain(clip(row["dataset"], MAX_NAME_CHARS)) or tr("without a name")]
    data += [to_plain(mark_models(row["models"], row["sandbox_models"]))] if row["sandbox"] else []
    data += [trn("{n} answer failed", "{n} answers failed", row["failed"])] if row["failed"] else []
    return [[created], [row["id"]], data, [f"{row['questions']:,}"], _means(row)]


def _means(row: dict[Any, Any]) -> list[str]:
    """Return the means on the first metric, a line each."""
    if not row["metrics"]:
        return []
    metric = row["metrics"][0]
    models = row["models"]
    means = {
        model: row["scores"].get(model, {}).get(metric, math.nan) for model in models[:MAX_MODELS]
    }
    lines = [
        f"{to_plain(clip(model, MAX_NAME_CHARS))} {format_score(mean)}"
        for model, mean in means.items()
    ]
    hidden = len(models) - len(means)
    lines += [trn("and {n} model", "and {n} models", hidden)] if hidden else []
    return [to_plain(metric_title(metric)), *lines]
