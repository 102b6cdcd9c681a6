"""A sweep as an output: a row for each training, the curves together, the evaluation, and what the
best is worth.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, Final

from ...base.language import tr, tr_noop, trn
from ...base.text import duration
from ...evaluation.report.text import (
    format_difference,
    format_interval,
    format_p_value,
    format_score,
    metric_title,
)
from ...trainer.progress import TrainingProgress
from ...trainer.sweep import Sweep, SweepProgress
from ...transport import event_loop
from .. import components, line_chart
from ..components import Html, Kind, State
from ..display import Bundle
from ..formats import one_line
from ..panel import Panel
from . import summary
from .loss_chart import comparison_chart
from .panel import last_loss, lowest_validation

STARTED: Final = tr_noop("The sweep runs in the background; `%qftrain wait` shows how it ends.")

MAX_LABEL: Final = 60
MAX_CURVE_NAME: Final = 16


def bundle(progress: SweepProgress) -> Bundle:
    """Return the sweep in every static format."""
    return {"text/plain": text(progress), "text/html": html(progress)}


def text(progress: SweepProgress) -> str:
    """Return the sweep as a few lines of text."""
    blocks = [*_summary(progress, is_live=True), _scores(progress), *_next_steps(progress)]
    return components.join(blocks).text


def html(progress: SweepProgress) -> Html:
    """Return the sweep as an output of its own: the end, or the state as of now."""
    blocks = [*_summary(progress, is_live=False), _scores(progress), _figure(progress)]
    steps = components.next_steps(*_next_steps(progress))
    return components.panel_output(_title(progress), *blocks, steps)


def _title(progress: SweepProgress) -> str:
    models = []
    for training in progress.trainings.values():
        if training.title:
            models.append(training.title)
    if not models:
        return tr("Sweep")
    return tr("Sweep of {model}", model=one_line(models[0], 80))


def _subtitle(progress: SweepProgress) -> str:
    facts = [trn("{n} training", "{n} trainings", len(progress.trainings))]
    facts.append(tr("{n} at a time", n=progress.parallel))
    if progress.reused:
        facts.append(tr("{n} existed already", n=len(progress.reused)))
    now = time.time()
    facts.append(duration((progress.ended_at or now) - (progress.started_at or now)))
    return " · ".join(facts)


def _state(progress: SweepProgress, *, is_live: bool = True) -> State:  # noqa: PLR0911 - one for each state
    """Return the state; that of a saved output that is not final is dated."""
    if progress.is_finished:
        if progress.is_stopped:
            return State("warn", "■", tr("Stopped"))
        if len(progress.done) == len(progress.trainings):
            return State("ok", "✓", tr("Done"))
        return State("bad", "✕", tr("Failed in part"))
    if not is_live:
        return components.state_as_of()
    if progress.started_at is None:
        return State("idle", "○", tr("Preparing"))
    if progress.is_stopped:
        return State("warn", "■", tr("Stopping…"))
    return State("run", "●", tr("Evaluating") if progress.is_evaluating else tr("Training"))


def _training_state(progress: SweepProgress, label: str, training: TrainingProgress) -> str:
    state = summary.state(training)
    if label in progress.problems:
        state = State("bad", "✕", tr("Failed"))
    elif label in progress.waiting or training.started_at is None:
        state = State("idle", "○", tr("Waiting"))
    if label in progress.reused:
        state = state._replace(words=tr("{state}, existed already", state=state.words))
    return state.pill.text


def _table(progress: SweepProgress) -> Html:
    """Return settings, state, percent, losses and time of each training; the lowest validation loss
    has a star.
    """
    heads = [tr("Settings"), tr("State"), tr("Progress"), tr("Training loss")]
    heads += [tr("Lowest validation loss"), tr("Time")]
    rows = []
    for label, training in progress.trainings.items():
        if label == progress.lowest_loss:
            star = " ★"
        else:
            star = ""
        has_started = training.started_at is not None
        rows.append(
            (
                one_line(label, MAX_LABEL),
                _training_state(progress, label, training),
                "" if training.percent is None else f"{training.percent}%",
                last_loss(training),
                f"{lowest_validation(training)}{star}",
                duration(training.elapsed(time.time())) if has_started else "",
            )
        )
    return components.table(heads, rows, numeric=range(2, 6), is_wide=True)


def _scores(progress: SweepProgress) -> Html:
    """Return every model on every metric, beside the base model."""
    report = progress.report
    if report is None:
        return Html()
    against_base = {}
    for pair in report.comparisons:
        if pair.baseline == report.models[0]:
            against_base[pair.candidate, pair.metric] = (
                format_difference(pair.test.difference),
                format_p_value(pair.p_holm),
            )
    rows = []
    for score in report.model_scores:
        name = one_line(score.model, MAX_LABEL)
        interval = format_interval(score.interval.low, score.interval.high)
        numbers = (format_score(score.mean), interval)
        pair_numbers = against_base.get((score.model, score.metric), ("", ""))
        rows.append((name, metric_title(score.metric), *numbers, *pair_numbers))
    heads = [tr("Model"), tr("Metric"), tr("Mean"), tr("95 % interval")]
    heads += [tr("Against the base model"), tr("Corrected (Holm)")]
    return components.table(heads, rows, numeric=range(2, 6), is_wide=True)


def _remarks(progress: SweepProgress) -> list[Html]:
    """Return the remarks: refusals, failures, and the worth of the best of several."""
    rows: list[tuple[Kind, str, str]] = []
    for name, reason in progress.problems.items():
        rows.append(("bad", tr("{label} could not be started.", label=name), reason))
    for name, training in progress.trainings.items():
        if training.failed:
            reason = training.error.split("\n")[0]
            rows.append(("bad", tr("{label} failed.", label=name), reason))
    if progress.evaluation_error:
        rows.append(("bad", tr("The models were not evaluated."), progress.evaluation_error))
    if progress.is_finished and len(progress.done) > 1:
        statement = tr("The best of {n} looks better than it is.", n=len(progress.done))
        rows.append(("warn", statement, _warn_of_choice(progress)))
    notes = []
    for kind, statement, remedy in rows:
        details = components.with_code(one_line(remedy, 600))
        notes.append(components.note(kind, one_line(statement, 200), details))
    return notes


def _warn_of_choice(progress: SweepProgress) -> str:
    """Return the worth of the best of several: it was chosen by the number that praises it."""
    choice = progress.choose()
    if choice is None:
        return tr(
            "The lowest validation loss is partly luck, and nothing corrects it here: pass rows "
            "that "
            "were not trained on as `eval_dataset`."
        )
    return tr(
        "{label} gains {gain} in {metric} over the base model on the questions that chose it. On "
        "new questions expect "
        "{corrected}: chosen on 1,000 resamples of the questions, and each time scored on the "
        "questions outside of it.",
        label=choice.label,
        metric=metric_title(choice.metric),
        gain=format_difference(choice.gain),
        corrected=format_difference(choice.corrected),
    )


def _next_steps(progress: SweepProgress) -> list[str]:
    if not progress.is_finished:
        return [tr("to go on after a restart: run the same cell; nothing is trained twice")]
    choice = progress.choose()
    best = progress.trainings.get(choice.label if choice else progress.lowest_loss)
    if best:
        name = summary.handle(best)
    else:
        name = ""
    if name:
        return [tr("to deploy it: `%qftrain deploy {name}`", name=name)]
    return []


def _summary(progress: SweepProgress, *, is_live: bool) -> list[Html]:
    """Return the header, the bar, the table of trainings and the remarks."""
    state = _state(progress, is_live=is_live)
    head = components.header(
        _title(progress),
        pill=state.pill,
        subtitle=_subtitle(progress),
        is_sandbox=progress.from_sandbox,
    )
    total = len(progress.trainings)
    ended = sum(training.finished for training in progress.trainings.values())
    ended += len(progress.problems)
    count = tr("{done} of {total} have ended", done=ended, total=total)
    bar = components.progress_bar(ended, total, count, kind=state.kind)
    return [head, bar, _table(progress), *_remarks(progress)]


def _figure(progress: SweepProgress) -> Html:
    if not any(training.points for training in progress.trainings.values()):
        return Html()
    return line_chart.figure(_chart(progress))


def _chart(progress: SweepProgress) -> line_chart.LineChart:
    """Return the curves, each named by its values where settings with their names are too long for
    a curve.
    """
    runs = {}
    for label, training in progress.trainings.items():
        if training.points:
            values = re.sub(r"\b\w+=", "", label)
            runs[values if len(label) > MAX_CURVE_NAME else label] = training
    return comparison_chart(runs)


class SweepPanel(Panel):
    """Shows a sweep while it runs: a row for each training, and a button that stops all; static
    HTML when it has ended.
    """

    poll_s = 0.5
    job: Sweep

    def _bundle(self, progress: SweepProgress) -> Bundle:
        return bundle(progress)

    def result(self) -> str:
        """Return the headline of the sweep."""
        return text(self.job.progress).split("\n")[0]

    def _go_on(self, progress: SweepProgress) -> str:
        return tr("Trainings that were started go on. To follow them, run the cell again.")

    def _is_open(self) -> bool:
        return self.job.is_running

    def _parts(self, progress: SweepProgress) -> tuple[State, list[Html], list[Html]]:
        head = _summary(progress, is_live=True)
        return _state(progress), head, [_scores(progress), _figure(progress)]

    def _create_buttons(self) -> list[Any]:
        tooltip = tr("The platform keeps the checkpoints so far")
        self._first = self._widgets.button("", self._toggle, tooltip=tooltip)
        self._confirm = self._widgets.button(tr("Yes, stop all"), self._stop, kind="risk")
        return [self._first]

    def _update_buttons(self, progress: SweepProgress) -> list[Any]:
        is_ending = progress.is_stopped or progress.is_finished
        self.is_asking = self.is_asking and not is_ending
        if self.is_asking:
            self._first.description = tr("Keep training")
        else:
            self._first.description = tr("Stop all")
        self._first.disabled = is_ending
        if self.is_asking:
            return [self._first, self._confirm]
        return [self._first]

    def _toggle(self, _button: Any) -> None:
        self.is_asking = not self.is_asking
        self.draw(self.job.progress)

    def _stop(self, _button: Any) -> None:
        """Stop all on a thread: the platform is asked for each training."""
        self._confirm.disabled = True
        event_loop.submit(asyncio.to_thread(self.job.stop))
