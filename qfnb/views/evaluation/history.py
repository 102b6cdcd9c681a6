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
    table = components.table(heads, map(_cells, rows), numeric=(3,), is_wide=True)
    hidden = len(frame) - len(rows)
    note = ""
    if hidden:
        note = trn(
            "{n} earlier evaluation is not shown.", "{n} earlier evaluations are not shown.", hidden
        )
    panel = components.panel_output(
        title,
        components.header(title),
        table if rows else "",
        components.dim_lines(note),
        components.next_steps(*_next_steps(rows)),
    )
    return {"text/plain": repr(frame), "text/html": panel}


def _next_steps(rows: list[dict[Any, Any]]) -> list[str]:
    """Return how the newest evaluation is opened, and compared with an earlier one of the same
    questions.
    """
    usable = [row for row in rows if not row["problem"]]
    ids = [row["id"] for row in usable if row["digest"] == usable[0]["digest"]]
    steps = [tr("to open it: `%qfeval open {id}`", id=newest) for newest in ids[:1]]
    compare = tr_noop("to compare it with an earlier one: `%qfeval diff {earlier} {later}`")
    return steps + [tr(compare, earlier=earlier, later=ids[0]) for earlier in ids[1:2]]


def diff_bundle(diff: Diff) -> Bundle:
    """Return two evaluations compared, in every format."""
    report = diff.report
    head, *blocks = report_view.blocks(report)
    shared = Html(f"<p>{escape(diff.shared_sentence())}</p>")
    which = components.dim_lines(diff.which())
    remarks = [components.note("warn", remark, sign="⚠︎") for remark in diff.remarks]
    content = [head, shared, which, *remarks, *blocks]
    return report_view.bundle(report) | {
        "text/plain": to_plain(repr(diff)),
        "text/html": report_view.output(report_title(report), content),
    }


def _cells(row: dict[Any, Any]) -> list[Html]:
    created = components.to_html(formats.when(row["created"].timestamp(), time.time()))
    cells = [created, components.code(row["id"])]
    if row["problem"]:
        problem = tr("cannot be opened; `%qfeval open ID` says why")
        return [*cells, components.to_html(problem), Html(), Html()]
    data = [to_plain(clip(row["dataset"], MAX_NAME_CHARS)) or tr("without a name")]
    data += [mark_models(row["models"], row["sandbox_models"])] if row["sandbox"] else []
    data += [trn("{n} answer failed", "{n} answers failed", row["failed"])] if row["failed"] else []
    questions = components.to_html(f"{row['questions']:,}")
    return [*cells, components.join(data, "<br>"), questions, components.join(_means(row), "<br>")]


def _means(row: dict[Any, Any]) -> list[str]:
    """Return the means on the first metric, a line each."""
    if not row["metrics"]:
        return []
    metric = row["metrics"][0]
    models = row["models"]
    lines = [metric_title(metric)]
    for model in models[:MAX_MODELS]:
        mean = format_score(row["scores"].get(model, {}).get(metric, math.nan))
        lines.append(f"{to_plain(clip(model, MAX_NAME_CHARS))} {mean}")
    hidden = len(models) - MAX_MODELS
    return [*lines, trn("and {n} model", "and {n} models", hidden)] if hidden > 0 else lines
