"""What a training's panel says in words: title, state, steps, progress, key numbers, remarks, next
commands.
"""

from __future__ import annotations

import re
import time
from typing import Any, Final

from ...base.language import tr, tr_noop, trn
from ...base.text import approximate_duration, duration, format_loss
from ...trainer.consts import ActionState, FinetuneStatus, ServiceStatus
from ...trainer.loss_diagnostics import best_checkpoint, diagnose_loss
from ...trainer.progress import Stage, TrainingProgress
from .. import components, formats
from ..components import Html, Kind
from ..text import one_line
from .loss_chart import checkpoint_name, smooth

MAX_TEXT: Final = 900
"""Characters of a remark."""

LONG_STATEMENT: Final = 120
"""Characters of an error's first line above which its first sentence is the statement."""

STAGE_LABELS: Final = {
    "dataset": tr_noop("Data"),
    "train": tr_noop("Train"),
    "publish": tr_noop("Publish"),
    "deploy": tr_noop("Deploy"),
    "evaluate": tr_noop("Evaluate"),
}

WORK: Final = {
    "dataset": tr_noop("Uploading data"),
    "train": tr_noop("Training"),
    "publish": tr_noop("Publishing"),
    "deploy": tr_noop("Deploying"),
    "evaluate": tr_noop("Evaluating"),
}

ENDS: Final[dict[str, str]] = {
    FinetuneStatus.ModelPublished: tr_noop("Published"),
    FinetuneStatus.EvaluationFinished: tr_noop("Evaluated"),
    ServiceStatus.Deployed: tr_noop("Deployed"),
}

_MARKS: Final[dict[ActionState | None, tuple[Kind, str]]] = {
    None: ("idle", "○"),
    ActionState.Preceding: ("run", "●"),
    ActionState.Running: ("run", "●"),
    ActionState.Done: ("ok", "✓"),
    ActionState.Error: ("bad", "✕"),
    ActionState.Stopped: ("warn", "■"),
}

_ACTIVE: Final = (ActionState.Preceding, ActionState.Running)


def title(progress: TrainingProgress) -> str:
    """Return the title of a training: its model."""
    if not progress.title:
        return tr("Fine-tuning")
    return tr("Fine-tuning {model}", model=one_line(progress.title, 80))


def subtitle(progress: TrainingProgress) -> str:
    """Return the name of the training, its method and its epochs, as far as they are known."""
    epochs = progress.hyper_parameters.get("epoch")
    # a platform's number may be a text
    if str(epochs) == "1":
        count = 1
    else:
        count = 2
    if epochs is None:
        words = ""
    else:
        words = trn("{epochs} epoch", "{epochs} epochs", count, epochs=epochs)
    parts = (progress.job_name, progress.train_mode, progress.parameter_scale, words)
    return " · ".join(one_line(part, 80) for part in parts if part)


def handle(progress: TrainingProgress) -> str:
    """Return the name of a training for a command, in quotes where it has blanks, or its id where
    the name cannot stand in a line.
    """
    names = (progress.job_name, progress.run_id, progress.task_id)
    name = next((name for name in names if re.fullmatch(r"[\w. -]{1,80}", name)), "")
    if " " in name:
        return f'"{name}"'
    return name


def current_stage(progress: TrainingProgress) -> Stage | None:
    """Return the step at work, None where none is."""
    return next((stage for stage in progress.stages if stage.state in _ACTIVE), None)


def is_queued(progress: TrainingProgress) -> bool:
    """Return whether the platform has accepted the run and not started it."""
    stage = current_stage(progress)
    return stage is not None and stage.name == "train" and progress.status == FinetuneStatus.Created


def state(progress: TrainingProgress, *, is_live: bool, now: float) -> tuple[Kind, str, str]:
    """Return the colour, the sign and the words of the state; that of a saved output that is not
    final is dated.

    Args:
        progress: the training.
        is_live: whether the output still changes.
        now: Unix seconds.
    """
    if progress.finished:
        return _end_state(progress)
    if not is_live and progress.started_at is not None:
        return "idle", "○", formats.as_of(now)
    if progress.started_at is None:
        return "idle", "○", tr("Preparing")
    if progress.offline_since is not None:
        return "warn", "○", tr("Waiting for the platform")
    if is_queued(progress):
        return "idle", "○", tr("Queued")
    stage = current_stage(progress)
    return "run", "●", tr(WORK.get(stage.name if stage else "", tr_noop("Running")))


def _end_state(progress: TrainingProgress) -> tuple[Kind, str, str]:
    if progress.failed:
        return "bad", "✕", tr("Failed")
    if progress.stopped:
        return "warn", "■", tr("Stopped")
    return "ok", "✓", tr(ENDS.get(progress.status, tr_noop("Done")))


def steps(
    progress: TrainingProgress, *, is_live: bool, now: float
) -> list[tuple[Kind, str, str, str]]:
    """Return colour, sign, name and time of each step; arguments as for `state`."""
    rows: list[tuple[Kind, str, str, str]] = []
    for stage in progress.stages:
        kind, sign = _MARKS[stage.state]
        if kind == "run" and (is_queued(progress) or not is_live):
            kind = "idle"
            if is_queued(progress):
                sign = "○"
        is_timed = stage.since is not None and (stage.until is not None or stage.state in _ACTIVE)
        if is_timed:
            elapsed = duration((stage.until or now) - (stage.since or now))
        else:
            elapsed = ""
        label = stage_label(stage.name)
        if stage.step is not None:
            label = tr("{stage} (step {step})", stage=label, step=stage.step)
        rows.append((kind, sign, label, elapsed))
    return rows


def stage_label(name: str) -> str:
    """Return the name of a step in the user's language."""
    if name in STAGE_LABELS:
        return tr(STAGE_LABELS[name])
    return one_line(name, 40)


def progress_line(
    progress: TrainingProgress, *, now: float, is_live: bool = True
) -> tuple[float | None, str, str] | None:
    """Return the percent, the words beside the bar and those below it; None where there is nothing
    to wait for.

    Args:
        progress: the training.
        now: Unix seconds.
        is_live: whether the output still changes; one that does not says nothing of the time left.
    """
    stage = current_stage(progress)
    if progress.finished or stage is None:
        is_partial = progress.stopped and not progress.failed and progress.percent is not None
        if is_partial:
            return (progress.percent, f"{progress.percent}%", _stop_facts(progress))
        return None
    if is_queued(progress):
        words = tr(
            "The platform has not started it yet. You may close the notebook: nothing is lost."
        )
        return None, tr("waiting for {time}", time=duration(progress.queued(now))), words
    if stage.name != "train":
        # its event names a class; the steps say the same in words
        is_beginning = stage.state is ActionState.Preceding
        return (
            None,
            duration(now - (stage.since or now)),
            "" if is_beginning else one_line(stage.detail, 240),
        )
    if progress.percent is None:
        percent = "…"
    else:
        percent = f"{progress.percent}%"
    trained = tr("trained for {time}", time=duration(now - (progress.training_at or now)))
    if is_live:
        time_left = _time_left(progress, now)
    else:
        time_left = ""
    return progress.percent, percent, _joined(_epoch(progress), trained, time_left)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _stop_facts(progress: TrainingProgress) -> str:
    stopped_at = time.strftime("%H:%M:%S", time.localtime(progress.ended_at))
    return _joined(tr("stopped at {time}", time=stopped_at), _epoch(progress))


def _epoch(progress: TrainingProgress) -> str:
    """Return how many epochs are done, or steps where the platform counts those only."""
    if not progress.points:
        return ""
    point = progress.points[-1]
    total = progress.hyper_parameters.get("epoch")
    if point.epoch is None:
        return tr("step {step}", step=f"{point.step:,}")
    if total is None:
        return tr("epoch {epoch}", epoch=f"{point.epoch:.3g}")
    return tr("epoch {epoch} of {total}", epoch=f"{point.epoch:.3g}", total=total)


def _time_left(progress: TrainingProgress, now: float) -> str:
    """Return the remaining time with its bounds, "" at the end; before 5 % and the first epoch it
    would be a guess.
    """
    if not progress.points:
        epoch = None
    else:
        epoch = progress.points[-1].epoch
    remaining = progress.remaining(now)
    if remaining is None or ((progress.percent or 0) < 5 and (epoch or 0) < 1):
        if progress.percent in {None, 100}:
            return ""
        return tr("estimating the time left")
    likely, low, high = map(approximate_duration, (remaining.likely, remaining.low, remaining.high))
    if low == high:
        return tr("about {time} left", time=likely)
    return tr("about {time} left ({low} to {high})", time=likely, low=low, high=high)


def key_numbers(progress: TrainingProgress, *, now: float) -> list[tuple[str, str, str]]:
    """Return label, value and remark of at most four numbers; none before the first loss.

    Args:
        progress: the training.
        now: Unix seconds.
    """
    if not progress.points:
        return []
    numbers = [*_losses(progress), *_scores(progress)]
    if progress.finished:
        queued = tr("{time} in the queue", time=duration(progress.queued(now)))
        numbers.append(
            (
                tr("Took"),
                duration(elapsed(progress, now)),
                queued if progress.queued(now) >= 1 else "",
            )
        )
    if progress.from_sandbox:
        numbers.append((tr("Cost"), tr(formats.FREE), tr("sandbox")))
    return numbers[:4]


def _losses(progress: TrainingProgress) -> list[tuple[str, str, str]]:
    points = progress.points
    best = best_checkpoint(progress.points)
    smoothed = smooth(points)[-1]
    numbers = [(tr("Training loss"), format_loss(smoothed), tr("smoothed"))]
    held_out = [point.validation_loss for point in points if point.validation_loss is not None]
    if held_out and best is not None:
        if held_out[-1] <= (best.validation_loss or 0):
            lowest = tr("the lowest")
        else:
            lowest = ""
        numbers.append((tr("Validation loss"), format_loss(held_out[-1]), lowest))
        remark = tr("validation loss {loss}", loss=format_loss(best.validation_loss))
        numbers.append((tr("Best checkpoint"), f"★ {checkpoint_name(best)}", remark))
    return numbers


def _scores(progress: TrainingProgress) -> list[tuple[str, str, str]]:
    """Return the last margin of a training on preferences."""
    rewards = next((point.rewards for point in reversed(progress.points) if point.rewards), {})
    if "accuracies" in rewards:
        remark = tr("accuracy {accuracy}", accuracy=f"{rewards['accuracies']:.3f}")
    else:
        remark = ""
    if "margins" in rewards:
        return [(tr("Reward margin"), f"{rewards['margins']:.3f}", remark)]
    return []


def elapsed(progress: TrainingProgress, now: float) -> float:
    """Return the seconds of all steps, without the pause before one that was added after the
    end.
    """
    started = [stage for stage in progress.stages if stage.since is not None]
    end = progress.ended_at or now
    seconds = sum((stage.until or end) - (stage.since or end) for stage in started)
    if started:
        return seconds
    return progress.elapsed(now)


def remarks(progress: TrainingProgress) -> list[tuple[Kind, str, str, str]]:
    """Return colour, sign, statement and remedy of what the reader should know."""
    rows: list[tuple[Kind, str, str, str]] = []
    if progress.error and progress.failed:
        statement, *details = progress.error.split("\n")
        if len(statement) > LONG_STATEMENT:
            statement, *sentences = re.split(r"(?<=[.;。；]) ", statement, maxsplit=1)
            details = [*sentences, *details]
        rows.append(
            ("bad", "✕", one_line(statement, MAX_TEXT), one_line(" ".join(details), MAX_TEXT))
        )
    if progress.stopped and progress.stop_error:
        statement = tr(
            "The platform did not confirm the stop: the run may go on there and be billed."
        )
        rows.append(("bad", "✕", statement, one_line(progress.stop_error, MAX_TEXT)))
    if progress.offline_since is not None and not progress.finished:
        since = time.strftime("%H:%M:%S", time.localtime(progress.offline_since))
        statement = tr("The platform has not answered since {time}; it is asked again.", time=since)
        rows.append(("warn", "⚠︎", statement, one_line(progress.message, MAX_TEXT)))
    hints = diagnose_loss(progress.points, handle(progress))
    if progress.verdict:
        rows.append(("ok", "✓", tr("Evaluation"), one_line(progress.verdict, MAX_TEXT)))
    return rows + [("warn", "⚠︎", hint.problem, hint.remedy) for hint in hints]


def waiting_for_curve(progress: TrainingProgress) -> str:
    """Return why there is no loss curve while the platform trains, "" where there is one or will
    be.
    """
    is_waiting = not progress.points and progress.training_at is not None and not progress.finished
    if not is_waiting or progress.from_sandbox:
        return ""
    return tr("This platform shows the loss curve when the training has ended.")


def next_steps(progress: TrainingProgress) -> list[str]:
    """Return the commands that go on from a saved output."""
    name = handle(progress)
    if not name or progress.started_at is None:
        return []
    if not progress.finished:
        return [tr("to follow it: `%qftrain attach {name}`", name=name)]
    if progress.failed and not progress.task_id:  # to resume would send the same once more
        return [tr("to go on: correct it, and run the cell again")]
    if progress.failed or progress.stopped:
        return [tr("to go on: `%qftrain resume {name}`", name=name)]
    report = []
    if progress.report_id:
        report = [tr("to read its evaluation: `%qfeval open {id}`", id=progress.report_id)]
    if progress.service_endpoint:
        ask = tr("to ask it: `%qftrain chat {name}`", name=name)
        compare = tr("to compare it with its base model: `%qftrain evaluate {name}`", name=name)
        return [*report, ask, compare]
    return [*report, tr("to deploy it: `%qftrain deploy {name}`", name=name)]


def blocks(progress: TrainingProgress, *, is_live: bool, now: float) -> list[Html]:
    """Return the header, the steps, what the reader should know and the progress; arguments as for
    `state`.
    """
    kind, sign, words = state(progress, is_live=is_live, now=now)
    pill = components.pill(kind, words, sign)
    head = components.header(
        title(progress), pill=pill, subtitle=subtitle(progress), is_sandbox=progress.from_sandbox
    )
    parts = [head, components.steps(*steps(progress, is_live=is_live, now=now))]
    parts += [
        components.note(
            kind,
            statement,
            components.with_code(remedy),
            sign=sign,
            role="alert" if kind == "bad" else "",
        )
        for kind, sign, statement, remedy in remarks(progress)
    ]
    if line := progress_line(progress, now=now, is_live=is_live):
        value, label, below = line
        if progress.stopped:
            ending = "warn"
        else:
            ending = "idle"
        bar: dict[str, Any] = {
            "subtitle": below,
            "kind": "run" if is_live and not progress.stopped else ending,
        }
        parts.append(
            components.progress_bar(
                0.0 if value is None and not is_live else value, 100, label, **bar
            )
        )
    return parts
