"""A sweep as an output: a row for each training, the curves together, the evaluation, and what the
best is worth.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from typing import Any, Final

from ...base.language import tr, tr_noop, trn
from ...base.text import duration, format_loss, labelled
from ...evaluation.report.text import (
    format_difference,
    format_interval,
    format_p_value,
    format_score,
    metric_title,
)
from ...trainer.loss_diagnostics import best_checkpoint
from ...trainer.sweep import Sweep, SweepProgress
from ...transport import event_loop
from .. import components, formats, line_chart
from ..components import Html, Kind
from ..controls import LimitedPart, PanelWidgets
from ..display import Bundle, accept_clicks
from ..line_chart import LineChart
from ..panel import Panel
from ..text import one_line
from . import summary
from .loss_chart import checkpoint_name, comparison_chart

STARTED: Final = tr_noop("The sweep runs in the background; `%qftrain wait` shows how it ends.")

MAX_LABEL: Final = 60
MAX_CURVE_NAME: Final = 16


def bundle(progress: SweepProgress) -> Bundle:
    """Return the sweep in every static format; the picture of the curves is drawn once they are
    final.
    """
    forms: Bundle = {"text/plain": text(progress), "text/html": html(progress)}
    if not progress.is_finished:
        picture = None
    else:
        picture = line_chart.png(_chart(progress), _title(progress))
    return forms | ({"image/png": base64.b64encode(picture).decode()} if picture else {})


def text(progress: SweepProgress) -> str:
    """Return the sweep as a few lines of text."""
    _, sign, words = _state(progress)
    if progress.from_sandbox:
        mark = f" [{tr(components.SANDBOX_MARK)}]"
    else:
        mark = ""
    lines = [labelled(f"{_title(progress)}{mark}", f"{sign} {words}"), _subtitle(progress)]
    lines += [" · ".join(cell for cell in row if cell) for row in _rows(progress)]
    lines += [" · ".join(row) for row in _scores(progress)]
    lines += [" ".join(filter(None, remark[1:])) for remark in _remarks(progress)]
    return "\n".join(one_line(line, summary.MAX_TEXT) for line in [*lines, *_next_steps(progress)])


def html(progress: SweepProgress) -> Html:
    """Return the sweep as an output of its own: the end, or the state as of now."""
    steps = components.footer(*map(components.with_code, _next_steps(progress)))
    blocks = [*_summary(progress, is_live=False), _details(progress), steps]
    return components.output(components.panel(_title(progress), *blocks))


def _title(progress: SweepProgress) -> str:
    model = next((training.title for training in progress.trainings.values() if training.title), "")
    if model:
        return tr("Sweep of {model}", model=one_line(model, 80))
    return tr("Sweep")


def _subtitle(progress: SweepProgress) -> str:
    count = trn("{n} training", "{n} trainings", len(progress.trainings))
    if progress.reused:
        reused = tr("{n} existed already", n=len(progress.reused))
    else:
        reused = ""
    elapsed = (progress.ended_at or time.time()) - (progress.started_at or time.time())
    parts = (count, tr("{n} at a time", n=progress.parallel), reused, duration(elapsed))
    return " · ".join(part for part in parts if part)


def _state(progress: SweepProgress, *, is_live: bool = True) -> tuple[Kind, str, str]:
    """Return the colour, the sign and the words of the state; that of a saved output that is not
    final is dated.
    """
    if not is_live and not progress.is_finished:
        return "idle", "○", formats.as_of(time.time())
    if progress.is_finished:
        if progress.is_stopped:
            return "warn", "■", tr("Stopped")
        is_complete = len(progress.done) == len(progress.trainings)
        return ("ok", "✓", tr("Done")) if is_complete else ("bad", "✕", tr("Failed in part"))
    if progress.started_at is None:
        return "idle", "○", tr("Preparing")
    if progress.is_stopped:
        return "warn", "■", tr("Stopping…")
    return "run", "●", tr("Evaluating") if progress.is_evaluating else tr("Training")


def _heads() -> list[str]:
    return [
        tr("Settings"),
        tr("State"),
        tr("Progress"),
        tr("Training loss"),
        tr("Lowest validation loss"),
        tr("Time"),
    ]


def _rows(progress: SweepProgress) -> list[tuple[str, ...]]:
    """Return settings, state, percent, losses and time of each training; the lowest validation loss
    has a star.
    """
    rows: list[tuple[str, ...]] = []
    now = time.time()
    lowest = progress.lowest_loss
    for label, training in progress.trainings.items():
        _, sign, words = summary.state(training, is_live=True, now=now)
        if label in progress.problems:
            sign = "✕"
            words = tr("Failed")
        elif label in progress.waiting or training.started_at is None:
            sign = "○"
            words = tr("Waiting")
        if label in progress.reused:
            words = tr("{state}, existed already", state=words)
        best = best_checkpoint(training.points)
        if best is None:
            validation = ""
        else:
            validation = f"{format_loss(best.validation_loss)} ({checkpoint_name(best)})"
        rows.append(
            (
                one_line(label, MAX_LABEL),
                f"{sign} {words}",
                "" if training.percent is None else f"{training.percent}%",
                format_loss(training.points[-1].training_loss) if training.points else "",
                f"{validation} ★" if label == lowest else validation,
                duration(training.elapsed(now)) if training.started_at is not None else "",
            )
        )
    return rows


def _score_heads() -> list[str]:
    return [
        tr("Model"),
        tr("Metric"),
        tr("Mean"),
        tr("95 % interval"),
        tr("Against the base model"),
        tr("Corrected (Holm)"),
    ]


def _scores(progress: SweepProgress) -> list[tuple[str, ...]]:
    """Return every model on every metric, beside the base model."""
    if (report := progress.report) is None:
        return []
    pairs = {
        (pair.candidate, pair.metric): pair
        for pair in report.comparisons
        if pair.baseline == report.models[0]
    }
    rows: list[tuple[str, ...]] = []
    for score in report.model_scores:
        pair = pairs.get((score.model, score.metric))
        if pair is None:
            against = ("", "")
        else:
            against = (format_difference(pair.test.difference), format_p_value(pair.p_holm))
        interval = format_interval(score.interval.low, score.interval.high)
        rows.append(
            (
                one_line(score.model, MAX_LABEL),
                metric_title(score.metric),
                format_score(score.mean),
                interval,
                *against,
            )
        )
    return rows


def _remarks(progress: SweepProgress) -> list[tuple[Kind, str, str]]:
    """Return the remarks: refusals, failures, and the worth of the best of several."""
    rows: list[tuple[Kind, str, str]] = []
    rows += [
        ("bad", tr("{label} could not be started.", label=name), why)
        for name, why in progress.problems.items()
    ]
    failed = ((name, row.error) for name, row in progress.trainings.items() if row.failed)
    rows += [
        ("bad", tr("{label} failed.", label=name), error.split("\n")[0]) for name, error in failed
    ]
    if progress.evaluation_error:
        rows.append(("bad", tr("The models were not evaluated."), progress.evaluation_error))
    return rows + (
        _warn_of_choice(progress) if progress.is_finished and len(progress.done) > 1 else []
    )


def _warn_of_choice(progress: SweepProgress) -> list[tuple[Kind, str, str]]:
    """Return the worth of the best of several: it was chosen by the number that praises it."""
    statement = tr("The best of {n} looks better than it is.", n=len(progress.done))
    if (choice := progress.choose()) is None:
        remedy = tr(
            "The lowest validation loss is partly luck, and nothing corrects it here: pass rows "
            "that "
            "were not trained on as `eval_dataset`."
        )
        return [("warn", statement, remedy)]
    remedy = tr(
        "{label} gains {gain} in {metric} over the base model on the questions that chose it. On "
        "new questions expect "
        "{corrected}: chosen on 1,000 resamples of the questions, and each time scored on the "
        "questions outside of it.",
        label=choice.label,
        metric=metric_title(choice.metric),
        gain=format_difference(choice.gain),
        corrected=format_difference(choice.corrected),
    )
    return [("warn", statement, remedy)]


def _next_steps(progress: SweepProgress) -> list[str]:
    if not progress.is_finished:
        return [tr("to go on after a restart: run the same cell; nothing is trained twice")]
    choice = progress.choose()
    best = progress.trainings.get(choice.label if choice else progress.lowest_loss)
    if best is not None:
        name = summary.handle(best)
    else:
        name = ""
    if name:
        return [tr("to deploy it: `%qftrain deploy {name}`", name=name)]
    return []


def _summary(progress: SweepProgress, *, is_live: bool) -> list[Html]:
    """Return the header, the bar, the table of trainings and the remarks."""
    kind, sign, words = _state(progress, is_live=is_live)
    pill = components.pill(kind, words, sign)
    ended = sum(training.finished for training in progress.trainings.values()) + len(
        progress.problems
    )
    count = tr("{done} of {total} have ended", done=ended, total=len(progress.trainings))
    table = components.table(_heads(), _rows(progress), numeric=range(2, 6), is_wide=True)
    notes = [
        components.note(kind, one_line(statement, 200), components.with_code(one_line(remedy, 600)))
        for kind, statement, remedy in _remarks(progress)
    ]
    head = components.header(
        _title(progress), pill=pill, subtitle=_subtitle(progress), is_sandbox=progress.from_sandbox
    )
    return [
        head,
        components.progress_bar(ended, len(progress.trainings), count, kind=kind),
        table,
        *notes,
    ]


def _details(progress: SweepProgress) -> Html:
    """Return the scores and the curves."""
    scores = _scores(progress)
    if scores:
        table = components.table(_score_heads(), scores, numeric=range(2, 6), is_wide=True)
    else:
        table = Html("")
    has_points = any(training.points for training in progress.trainings.values())
    if has_points:
        chart = line_chart.figure(_chart(progress), has_switch=progress.is_finished)
    else:
        chart = Html("")
    return components.join([table, chart])


def _chart(progress: SweepProgress) -> LineChart:
    """Return the curves, each named by its values where settings with their names are too long for
    a curve.
    """
    values = [re.sub(r"\b\w+=", "", label) for label in progress.trainings]
    is_short = all(len(label) <= MAX_CURVE_NAME for label in progress.trainings)
    if is_short or len(set(values)) < len(values):
        names = [*progress.trainings]
    else:
        names = values
    curves = zip(names, progress.trainings.values(), strict=True)
    return comparison_chart({name: training for name, training in curves if training.points})


class SweepPanel(Panel):
    """Shows a sweep while it runs: a row for each training; static HTML when it has ended."""

    poll_s = 0.5
    job: Sweep

    def _create_controls(self) -> SweepControls:
        return SweepControls(self.job)

    def _bundle(self, progress: SweepProgress) -> Bundle:
        return bundle(progress)

    def result(self) -> str:
        """Return the headline of the sweep."""
        return text(self.job.progress).split("\n")[0]

    def _go_on(self, progress: SweepProgress) -> str:
        return tr("Trainings that were started go on. To follow them, run the cell again.")

    def _is_open(self) -> bool:
        return self.job.is_running


class SweepControls:
    """The widgets of a running sweep; `is_asking` while the button that stops all trainings is to
    be confirmed.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self.is_asking = False

    def build(self) -> Any:
        """Return the widget: the state, the buttons, then the curves."""
        widgets = PanelWidgets()
        self._head = LimitedPart(widgets.html(), 0.5)
        self._body = LimitedPart(widgets.html(), 0.5)
        tooltip = tr("The platform keeps the checkpoints so far")
        self._first = widgets.button("", self._toggle, tooltip=tooltip)
        self._confirm = widgets.button(tr("Yes, stop all"), self._stop, kind="risk")
        self._row = widgets.row([self._first])
        return widgets.panel([self._head.widget, self._row, self._body.widget])

    def draw(self, progress: SweepProgress) -> None:
        """Show a state; what has not changed is not sent."""
        state = _state(progress, is_live=True)
        self._head.draw(components.stack(*_summary(progress, is_live=True)), state)
        self._body.draw(components.stack(_details(progress)), state)
        is_ending = progress.is_stopped or progress.is_finished
        self.is_asking = self.is_asking and not is_ending
        if self.is_asking:
            self._first.description = tr("Keep training")
        else:
            self._first.description = tr("Stop all")
        self._first.disabled = is_ending
        buttons = (self._first, self._confirm) if self.is_asking else (self._first,)
        if self._row.children != buttons:
            self._row.children = buttons
        for button in buttons:
            accept_clicks(button)

    def _toggle(self, _button: Any) -> None:
        self.is_asking = not self.is_asking
        self.draw(self._sweep.progress)

    def _stop(self, _button: Any) -> None:
        """Stop all on a thread: the platform is asked for each training."""
        self._confirm.disabled = True
        event_loop.submit(asyncio.to_thread(self._sweep.stop))
