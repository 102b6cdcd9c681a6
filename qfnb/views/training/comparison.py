"""Several trainings compared: their loss curves in one chart, and a table of their differences."""

from __future__ import annotations

import base64
import time
import unicodedata
from collections.abc import Mapping, Sequence

from ...base.language import tr
from ...base.text import format_loss
from ...trainer.loss_diagnostics import best_checkpoint
from ...trainer.progress import TrainingProgress
from .. import components, line_chart
from ..components import Html
from ..display import Bundle
from ..text import one_line
from .loss_chart import checkpoint_name, comparison_chart
from .summary import state

Row = tuple[str, tuple[str, ...]]


def bundle(runs: Mapping[str, TrainingProgress]) -> Bundle:
    """Return a comparison of named trainings in every format."""
    picture = line_chart.png(comparison_chart(runs), _title(runs))
    formats = {"text/plain": text(runs), "text/html": html(runs)}
    return formats | ({"image/png": base64.b64encode(picture).decode()} if picture else {})


def text(runs: Mapping[str, TrainingProgress]) -> str:
    """Return the table as text."""
    rows = [("", tuple(runs)), *table(list(runs.values()))]
    cells = [[one_line(cell, 40) for cell in (name, *values)] for name, values in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def html(runs: Mapping[str, TrainingProgress]) -> Html:
    """Return the chart and the table."""
    is_sandbox = any(run.from_sandbox for run in runs.values())
    rows = [
        (one_line(name, 40), *(one_line(value, 80) for value in values))
        for name, values in table([*runs.values()])
    ]
    heads = ["", *(one_line(name, 40) for name in runs)]
    blocks = [
        components.header(_title(runs), is_sandbox=is_sandbox),
        line_chart.figure(comparison_chart(runs), has_switch=True),
        components.table(heads, rows, numeric=range(1, len(heads))),
    ]
    return components.output(components.panel(_title(runs), *blocks))


def table(runs: Sequence[TrainingProgress]) -> list[Row]:
    """Return the rows: state, model, settings that differ, losses and metrics; a row without values
    is left out.
    """
    now = time.time()
    rows: list[Row] = [
        (tr("State"), tuple(" ".join(state(run, is_live=True, now=now)[1:]) for run in runs)),
        (tr("Base model"), tuple(run.title for run in runs)),
        *(_differing_rows(runs) or [(tr("Settings"), (tr("the same"),) * len(runs))]),
        (tr("Training loss"), tuple(_last_loss(run) for run in runs)),
        (tr("Lowest validation loss"), tuple(_lowest_validation(run) for run in runs)),
    ]
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    rows += [(name, tuple(str(run.metrics.get(name, "")) for run in runs)) for name in names]
    return [row for row in rows if any(row[1])]


def _title(runs: Mapping[str, TrainingProgress]) -> str:
    return tr("Comparison of {n} trainings", n=len(runs))


def _width(text: str) -> int:
    """Return the width of a text in the columns of a terminal."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _differing_rows(runs: Sequence[TrainingProgress]) -> list[Row]:
    names = dict.fromkeys(name for run in runs for name in run.hyper_parameters)
    rows = [
        (name, tuple(str(run.hyper_parameters.get(name, "")) for run in runs)) for name in names
    ]
    return [row for row in rows if len(set(row[1])) > 1]


def _last_loss(run: TrainingProgress) -> str:
    if run.points:
        return format_loss(run.points[-1].training_loss)
    return ""


def _lowest_validation(run: TrainingProgress) -> str:
    best = best_checkpoint(run.points)
    if best is None:
        return ""
    return f"{format_loss(best.validation_loss)} ({checkpoint_name(best)})"
