"""Several trainings compared: their loss curves in one chart, and a table of their differences."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from ...trainer.progress import TrainingProgress
from .. import styles
from ..display import Bundle
from ..text import escape, image_html, one_line
from .loss_chart import Curve, curves_svg, smooth

COLOURS: Final = ("#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#64748b")
DASHES: Final = ("", "6 3", "2 3", "8 3 2 3", "12 4", "4 6")
"""Dashes that distinguish the lines without their colours."""

SAME_PARAMETERS = "（超参数相同 the same hyper-parameters）"


Row = tuple[str, tuple[str, ...]]


def bundle(runs: Mapping[str, TrainingProgress]) -> Bundle:
    """Return a comparison of named trainings in every format."""
    return {"text/plain": text(runs), "text/html": html(runs)}


def text(runs: Mapping[str, TrainingProgress]) -> str:
    """Return the table as text."""
    rows = [("", tuple(runs)), *table(list(runs.values()))]
    cells = [[one_line(cell, 40) for cell in (name, *values)] for name, values in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def html(runs: Mapping[str, TrainingProgress]) -> str:
    """Return the chart and the table."""
    alt = f"loss curves of {len(runs)} runs: {', '.join(runs)}"
    svg = chart(runs)
    picture = f"<div>{image_html(svg.encode(), 'image/svg+xml', one_line(alt, 300))}</div>" if svg else ""
    heads = "".join(f'<th scope="col" {styles.CELL}>{escape(one_line(head, 40))}</th>' for head in ("", *runs))
    body = "".join(
        f'<tr><th scope="row" {styles.CELL}>{escape(one_line(name, 40))}</th>'
        + "".join(f"<td {styles.CELL}>{escape(one_line(value, 80))}</td>" for value in values)
        + "</tr>"
        for name, values in table(list(runs.values()))
    )
    return f"<div>{picture}<table {styles.TABLE}><tr>{heads}</tr>{body}</table></div>"


def chart(runs: Mapping[str, TrainingProgress]) -> str:
    """Return the smoothed training losses as one SVG, over epochs, or over steps where a run has no epochs."""
    steps = any(point.epoch is None for run in runs.values() for point in run.points)
    curves = [
        Curve(
            one_line(name, 40),
            [float(point.step if steps else point.epoch or 0) for point in run.points],
            smooth([point.training_loss for point in run.points]),
            COLOURS[number % len(COLOURS)],
            DASHES[number % len(DASHES)],
        )
        for number, (name, run) in enumerate(runs.items())
    ]
    return curves_svg(curves, axis="smoothed training loss over steps" if steps else "epoch")


def table(runs: Sequence[TrainingProgress]) -> list[Row]:
    """Return the rows: status, model, hyper-parameters that differ, losses and metrics."""
    rows: list[Row] = [
        ("状态 status", tuple(run.status for run in runs)),
        ("模型 model", tuple(run.title for run in runs)),
        *(_differing_rows(runs) or [(SAME_PARAMETERS, ("",) * len(runs))]),
        ("训练 loss（最后 last）", tuple(_last_value(run, "training_loss") for run in runs)),
        ("验证 validation（最低 lowest）", tuple(_lowest_validation(run) for run in runs)),
        ("困惑度 perplexity", tuple(_last_value(run, "perplexity") for run in runs)),
    ]
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    return rows + [(name, tuple(str(run.metrics.get(name, "")) for run in runs)) for name in names]


def _width(text: str) -> int:
    """Return the width of a text in the columns of a terminal."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _differing_rows(runs: Sequence[TrainingProgress]) -> list[Row]:
    names = dict.fromkeys(name for run in runs for name in run.hyper_parameters)
    rows = [(name, tuple(str(run.hyper_parameters.get(name, "")) for run in runs)) for name in names]
    return [row for row in rows if len(set(row[1])) > 1]


def _last_value(run: TrainingProgress, name: str) -> str:
    values = [value for point in run.points if (value := getattr(point, name)) is not None]
    return f"{values[-1]:.4f}" if values else ""


def _lowest_validation(run: TrainingProgress) -> str:
    losses = [point.validation_loss for point in run.points if point.validation_loss is not None]
    return f"{min(losses):.4f}" if losses else ""
