"""A training as an output: as HTML, Markdown, text and picture, and as a panel that follows it."""

from __future__ import annotations

import base64
import time
from typing import Final

from ...base.language import tr, tr_noop
from ...base.text import labelled
from ...trainer import LLMFinetune
from ...trainer.progress import TrainingProgress
from .. import components, line_chart
from ..components import Html
from ..display import Bundle
from ..panel import Panel
from ..text import one_line
from . import details, summary
from .controls import Controls
from .loss_chart import loss_chart, rewards_chart

STARTED: Final = tr_noop("The training runs in the background; `%qftrain wait` shows how it ends.")


def bundle(progress: TrainingProgress) -> Bundle:
    """Return the progress in every static format; the picture of a curve is drawn once it is
    final.
    """
    formats: Bundle = {"text/plain": text(progress), "text/html": html(progress)}
    chart = loss_chart(progress)
    if not progress.finished:
        picture = None
    else:
        picture = line_chart.png(chart, _headline(progress, time.time()))
    return formats | ({"image/png": base64.b64encode(picture).decode()} if picture else {})


def text(progress: TrainingProgress) -> str:
    """Return the progress as a few lines of text."""
    now = time.time()
    numbers = " · ".join(
        f"{label} {value}" for label, value, _ in summary.key_numbers(progress, now=now)
    )
    metrics = " · ".join(f"{name} {value}" for name, value in progress.metrics.items())
    lines = [
        *_lines(progress, now),
        numbers,
        loss_chart(progress).finding,
        metrics and tr("on the rows held out: {metrics}", metrics=metrics),
        *summary.next_steps(progress),
    ]
    return "\n".join(one_line(row, summary.MAX_TEXT) for row in lines if row)


def _lines(progress: TrainingProgress, now: float) -> list[str]:
    """Return the state, what is trained, the steps, the progress and the remarks; none is empty."""
    steps = summary.steps(progress, is_live=True, now=now)
    line = summary.progress_line(progress, now=now)
    lines = [
        _headline(progress, now),
        summary.subtitle(progress),
        " → ".join(f"{sign} {name} {elapsed}".rstrip() for _, sign, name, elapsed in steps),
        " · ".join(filter(None, line[1:])) if line else "",
        *(" ".join(filter(None, remark[1:])) for remark in summary.remarks(progress)),
    ]
    return [line for line in lines if line]


def html(progress: TrainingProgress) -> Html:
    """Return the progress as an output of its own: the end, or the state as of now."""
    now = time.time()
    folds = components.folds(*details.folds(progress).values())
    if progress.finished:
        steps = summary.next_steps(progress)
    else:
        steps = []
    next_steps = components.footer(*map(components.with_code, steps))
    blocks = [
        *summary.blocks(progress, is_live=False, now=now),
        numbers_and_charts(progress, now=now),
    ]
    return components.output(components.panel(summary.title(progress), *blocks, folds, next_steps))


def numbers_and_charts(progress: TrainingProgress, *, now: float) -> Html:
    """Return the parts that change with a new point of the loss curve.

    Args:
        progress: the training.
        now: Unix seconds.
    """
    numbers = summary.key_numbers(progress, now=now)
    waiting = summary.waiting_for_curve(progress)
    has_values = progress.finished or progress.elapsed(now) >= VALUES_S
    parts = [
        components.key_numbers(*numbers) if numbers else "",
        components.dim_lines(waiting) if waiting else "",
        line_chart.figure(
            loss_chart(progress), has_switch=progress.finished, has_values=has_values
        ),
        line_chart.figure(rewards_chart(progress), has_values=has_values),
    ]
    return components.join(parts)


def _headline(progress: TrainingProgress, now: float) -> str:
    """Return the title, the state, and the mark of the sandbox."""
    _, sign, words = summary.state(progress, is_live=True, now=now)
    if progress.from_sandbox:
        mark = f" [{tr(components.SANDBOX_MARK)}]"
    else:
        mark = ""
    return labelled(f"{summary.title(progress)}{mark}", f"{sign} {words}")


VALUES_S: Final = 60.0
"""Age of a running training in seconds from which its charts show values below the pointer: they
are redrawn seldom.
"""


class TrainingPanel(Panel):
    """Shows a trainer while it runs; static HTML when it has ended.

    A training that is not running is shown with buttons for the next steps, until the panel is
    closed.
    """

    poll_s = 0.5
    job: LLMFinetune

    def __init__(self, trainer: LLMFinetune) -> None:
        super().__init__(trainer)
        self._stays_open = False

    def show(self, notice: str = "") -> None:
        """Display the panel in the current cell; where outputs cannot move, a line, or the state at
        the end.
        """
        self._stays_open = not self.job.is_running
        super().show(notice or (tr(STARTED) if self.job.is_running else ""))

    def publish_final(self) -> None:
        """Publish the final state from the current cell, once the training has ended."""
        if self._has_ended():
            super().publish_final()

    def _create_controls(self) -> Controls:
        return Controls(self.job, numbers_and_charts, close=self._close)

    def _draw(self, controls: Controls, progress: TrainingProgress) -> None:
        controls.draw(progress, stays_open=self._stays_open)

    def _bundle(self, progress: TrainingProgress) -> Bundle:
        return bundle(progress)

    def result(self) -> str:
        """Return the state of the training, and the next steps."""
        progress = self.job.progress
        return "\n".join([_headline(progress, time.time()), *summary.next_steps(progress)])

    def _go_on(self, progress: TrainingProgress) -> str:
        name = summary.handle(progress)
        if not name:
            return tr("To go on, run the cell again.")
        if self._stays_open:
            return tr("To show it again: `%qftrain show {name}`", name=name)
        return tr("The training goes on; to follow it here: `%qftrain attach {name}`", name=name)

    def _has_ended(self) -> bool:
        return not self.job.is_running

    def _is_open(self) -> bool:
        self._stays_open = self._stays_open and not self.job.is_running
        return self._stays_open or self.job.is_running

    def _close(self) -> None:
        self._stays_open = False
