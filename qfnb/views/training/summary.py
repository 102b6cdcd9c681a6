"""What a training's panel says in words: title, state, steps, progress, key numbers, remarks, next
commands; and its details: checkpoints, settings, metrics, its log and ids.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from ...base.language import tr, tr_noop, trn
from ...base.text import approximate_duration, duration, format_loss
from ...trainer.consts import ActionState, FinetuneStatus, ServiceStatus
from ...trainer.loss_diagnostics import LossPoint, best_checkpoint, diagnose_loss
from ...trainer.progress import LogLine, Stage, TrainingProgress
from .. import components, formats
from ..components import MAX_TEXT, Html, Kind, State
from ..formats import dotted, escape, one_line
from ..line_chart import thin
from .loss_chart import checkpoint_name, smooth

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
    parts = [progress.job_name, progress.train_mode, progress.parameter_scale]
    epochs = progress.hyper_parameters.get("epoch")
    if epochs is not None:
        # a platform's number may be a text
        if str(epochs) == "1":
            count = 1
        else:
            count = 2
        parts.append(trn("{epochs} epoch", "{epochs} epochs", count, epochs=epochs))
    return " · ".join(one_line(part, 80) for part in parts if part)


def handle(progress: TrainingProgress) -> str:
    """Return the name of a training for a command, in quotes where it has blanks, or its id where
    the name cannot stand in a line.
    """
    for name in (progress.job_name, progress.run_id, progress.task_id):
        if re.fullmatch(r"[\w. -]{1,80}", name):
            if " " in name:
                return f'"{name}"'
            return name
    return ""


def current_stage(progress: TrainingProgress) -> Stage | None:
    """Return the step at work, None where none is."""
    return next((stage for stage in progress.stages if stage.state in _ACTIVE), None)


def is_queued(progress: TrainingProgress) -> bool:
    """Return whether the platform has accepted the run and not started it."""
    stage = current_stage(progress)
    return stage is not None and stage.name == "train" and progress.status == FinetuneStatus.Created


def state(progress: TrainingProgress, *, is_live: bool = True) -> State:  # noqa: PLR0911 - one for each state
    """Return the state; that of a saved output that is not final is dated.

    Args:
        progress: the training.
        is_live: whether the output still changes.
    """
    if progress.failed:
        return State("bad", "✕", tr("Failed"))
    if progress.stopped:
        return State("warn", "■", tr("Stopped"))
    if progress.finished:
        return State("ok", "✓", tr(ENDS.get(progress.status, tr_noop("Done"))))
    if progress.started_at is None:
        return State("idle", "○", tr("Preparing"))
    if not is_live:
        return components.state_as_of()
    if progress.offline_since is not None:
        return State("warn", "○", tr("Waiting for the platform"))
    if is_queued(progress):
        return State("idle", "○", tr("Queued"))
    stage = current_stage(progress)
    return State("run", "●", tr(WORK.get(stage.name if stage else "", tr_noop("Running"))))


def steps(progress: TrainingProgress, *, is_live: bool) -> Html:
    """Return sign, name and time of each step."""
    rows: list[tuple[Kind, str, str, str]] = []
    now = time.time()
    for stage in progress.stages:
        kind, sign = _MARKS[stage.state]
        if kind == "run" and (is_queued(progress) or not is_live):
            kind = "idle"
            if is_queued(progress):
                sign = "○"
        elapsed = ""
        if stage.since is not None and (stage.until is not None or stage.state in _ACTIVE):
            elapsed = duration((stage.until or now) - stage.since)
        label = stage_label(stage.name)
        if stage.step is not None:
            label = tr("{stage} (step {step})", stage=label, step=stage.step)
        rows.append((kind, sign, label, elapsed))
    return components.steps(*rows)


def stage_label(name: str) -> str:
    """Return the name of a step in the user's language."""
    if name in STAGE_LABELS:
        return tr(STAGE_LABELS[name])
    return one_line(name, 40)


def progress_line(
    progress: TrainingProgress, *, is_live: bool = True
) -> tuple[float | None, str, str] | None:
    """Return the percent, the words beside the bar and those below it; None where there is nothing
    to wait for.

    Args:
        progress: the training.
        is_live: whether the output still changes; one that does not says nothing of the time left.
    """
    now = time.time()
    stage = current_stage(progress)
    percent = progress.percent
    if progress.finished or stage is None:
        if progress.failed or not progress.stopped or percent is None:
            return None
        stopped_at = time.strftime("%H:%M:%S", time.localtime(progress.ended_at))
        facts = [tr("stopped at {time}", time=stopped_at), _epoch(progress)]
    elif is_queued(progress):
        words = tr(
            "The platform has not started it yet. You may close the notebook: nothing is lost."
        )
        return None, tr("waiting for {time}", time=duration(progress.queued(now))), words
    elif stage.name != "train":
        # its event names a class; the steps say the same in words
        if stage.state is ActionState.Preceding:
            detail = ""
        else:
            detail = one_line(stage.detail, 240)
        return None, duration(now - (stage.since or now)), detail
    else:
        trained = tr("trained for {time}", time=duration(now - (progress.training_at or now)))
        facts = [_epoch(progress), trained]
        if is_live:
            facts.append(_time_left(progress))
    return percent, "…" if percent is None else f"{percent}%", dotted(*facts)


def _epoch(progress: TrainingProgress) -> str:
    """Return how many epochs are done, or steps where the platform counts those only."""
    if not progress.points:
        return ""
    point = progress.points[-1]
    total = progress.hyper_parameters.get("epoch")
    if point.epoch is None or total is None:
        return checkpoint_name(point)
    return tr("epoch {epoch} of {total}", epoch=f"{point.epoch:.3g}", total=total)


def _time_left(progress: TrainingProgress) -> str:
    """Return the remaining time with its bounds, "" at the end; before 5 % and the first epoch it
    would be a guess.
    """
    if progress.points:
        epoch = progress.points[-1].epoch
    else:
        epoch = None
    remaining = progress.remaining(time.time())
    if remaining is None or ((progress.percent or 0) < 5 and (epoch or 0) < 1):
        if progress.percent in {None, 100}:
            return ""
        return tr("estimating the time left")
    likely, low, high = map(approximate_duration, (remaining.likely, remaining.low, remaining.high))
    if low == high:
        return tr("about {time} left", time=likely)
    return tr("about {time} left ({low} to {high})", time=likely, low=low, high=high)


def key_numbers(progress: TrainingProgress) -> Html:
    """Return at most four numbers; none before the first loss."""
    points = progress.points
    if not points:
        return Html()
    numbers = [(tr("Training loss"), format_loss(smooth(points)[-1]), tr("smoothed"))]
    best = best_checkpoint(points)
    held_out = [point.validation_loss for point in points if point.validation_loss is not None]
    if held_out and best is not None:
        if held_out[-1] <= (best.validation_loss or 0):
            lowest = tr("the lowest")
        else:
            lowest = ""
        numbers.append((tr("Validation loss"), format_loss(held_out[-1]), lowest))
        remark = tr("validation loss {loss}", loss=format_loss(best.validation_loss))
        numbers.append((tr("Best checkpoint"), f"★ {checkpoint_name(best)}", remark))
    rewards = next((point.rewards for point in reversed(points) if point.rewards), {})
    if "margins" in rewards:
        accuracy = rewards.get("accuracies")
        if accuracy is None:
            remark = ""
        else:
            remark = tr("accuracy {accuracy}", accuracy=f"{accuracy:.3f}")
        numbers.append((tr("Reward margin"), f"{rewards['margins']:.3f}", remark))
    if progress.finished:
        now = time.time()
        queued = tr("{time} in the queue", time=duration(progress.queued(now)))
        if progress.queued(now) >= 1:
            remark = queued
        else:
            remark = ""
        numbers.append((tr("Took"), duration(elapsed(progress, now)), remark))
    if progress.from_sandbox:
        numbers.append((tr("Cost"), tr(formats.FREE), tr("sandbox")))
    return components.key_numbers(*numbers[:4])


def elapsed(progress: TrainingProgress, now: float) -> float:
    """Return the seconds of all steps, without the pause before one that was added after the
    end.
    """
    started = [stage for stage in progress.stages if stage.since is not None]
    end = progress.ended_at or now
    if not started:
        return progress.elapsed(now)
    return sum((stage.until or end) - (stage.since or end) for stage in started)


def remarks(progress: TrainingProgress) -> list[tuple[Kind, str, str, str]]:
    """Return colour, sign, statement and remedy of what the reader should know."""
    rows: list[tuple[Kind, str, str, str]] = []
    if progress.error and progress.failed:
        statement, *details = progress.error.split("\n")
        if len(statement) > LONG_STATEMENT:
            statement, *sentences = re.split(r"(?<=[.;。；]) ", statement, maxsplit=1)
            details = [*sentences, *details]
        rows.append(("bad", "✕", statement, " ".join(details)))
    if progress.stopped and progress.stop_error:
        statement = tr(
            "The platform did not confirm the stop: the run may go on there and be billed."
        )
        rows.append(("bad", "✕", statement, progress.stop_error))
    if progress.offline_since is not None and not progress.finished:
        since = time.strftime("%H:%M:%S", time.localtime(progress.offline_since))
        statement = tr("The platform has not answered since {time}; it is asked again.", time=since)
        rows.append(("warn", "⚠︎", statement, progress.message))
    if progress.verdict:
        rows.append(("ok", "✓", tr("Evaluation"), progress.verdict))
    hints = diagnose_loss(progress.points, handle(progress))
    return [*rows, *(("warn", "⚠︎", hint.problem, hint.remedy) for hint in hints)]


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
    commands = []
    if progress.report_id:
        commands.append(tr("to read its evaluation: `%qfeval open {id}`", id=progress.report_id))
    if not progress.service_endpoint:
        return [*commands, tr("to deploy it: `%qftrain deploy {name}`", name=name)]
    commands.append(tr("to ask it: `%qftrain chat {name}`", name=name))
    compare = tr("to compare it with its base model: `%qftrain evaluate {name}`", name=name)
    return [*commands, compare]


def header(progress: TrainingProgress, *, is_live: bool) -> Html:
    """Return the title, the state and what is trained."""
    return components.header(
        title(progress),
        pill=state(progress, is_live=is_live).pill,
        subtitle=subtitle(progress),
        is_sandbox=progress.from_sandbox,
    )


def blocks(progress: TrainingProgress, *, is_live: bool) -> list[Html]:
    """Return the header, the steps, what the reader should know and the progress."""
    parts = [header(progress, is_live=is_live), steps(progress, is_live=is_live)]
    for kind, sign, statement, remedy in remarks(progress):
        role: components.Role = ""
        if kind == "bad":
            role = "alert"
        texts = (one_line(statement, MAX_TEXT), components.with_code(one_line(remedy, MAX_TEXT)))
        parts.append(components.note(kind, *texts, sign=sign, role=role))
    if line := progress_line(progress, is_live=is_live):
        value, label, below = line
        if is_live:
            kind = "run"
        else:
            kind = "idle"
        if progress.stopped:
            kind = "warn"
        if value is None and not is_live:
            value = 0.0
        parts.append(components.progress_bar(value, 100, label, subtitle=below, kind=kind))
    return parts


MAX_ROWS: Final = 12
"""Rows of the checkpoints, and of a live panel's log; a saved output has the whole log."""


def folds(
    progress: TrainingProgress, *, max_lines: int | None = None
) -> dict[str, tuple[str, str, Html]]:
    """Return the details by their keys; what is empty is left out.

    Args:
        progress: the training.
        max_lines: of the log, the newest; default: all.
    """
    lines = trn("{n} line", "{n} lines", len(progress.log))
    count = tr("{n}, ★ has the lowest validation loss", n=f"{len(progress.points):,}")
    metrics = _settings(_labelled_metrics(progress.metrics))
    all_folds = {
        "checkpoints": (tr("Points of the curve"), count, checkpoints(progress.points)),
        "settings": (tr("Settings"), "", _settings(progress.hyper_parameters)),
        "metrics": (tr("Metrics"), tr("on the rows held out"), metrics),
        "log": (tr("Log"), lines, _log(progress.log, max_lines)),
        "ids": (tr("Ids"), "", _ids(progress)),
    }
    return {key: fold for key, fold in all_folds.items() if fold[2]}


def checkpoints(points: Sequence[LossPoint]) -> Html:
    """Return points of the curve as a table, "" without one; the best one that can be published has
    a star.
    """
    if not points:
        return Html()
    best = best_checkpoint(points)
    regular = {id(point) for point in thin(points, MAX_ROWS - 2)}
    selected = [point for point in points if id(point) in regular or point.is_kept or point is best]
    has_perplexity = any(point.perplexity for point in points)
    has_kept = any(point.is_kept for point in points)
    heads = [tr("Step"), tr("Epoch"), tr("Training loss"), tr("Validation loss")]
    if has_perplexity:
        heads.append(tr("Perplexity"))
    rows = []
    for point in selected:
        row = [f"{'★ ' * (point is best)}{point.step:,}", _number(point.epoch, ".2f")]
        row += [_number(point.training_loss), _number(point.validation_loss)]
        if has_perplexity:
            row.append(_number(point.perplexity))
        if has_kept:
            row.append(tr("yes") if point.is_kept else "")
        rows.append(row)
    caption = ""
    if len(selected) < len(points):
        total = f"{len(points):,}"
        caption = tr("{n} of {total} points of the curve", n=len(selected), total=total)
    numeric = range(len(heads))
    if has_kept:
        heads.append(tr("Can be published"))
    return components.table(heads, rows, numeric=numeric, caption=caption)


def is_safe(url: object) -> bool:
    """Return whether an address may be a link: https, with a host, without user name and odd
    characters.
    """
    if not isinstance(url, str) or any(char.isspace() or not char.isprintable() for char in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and not parts.username
    except ValueError:
        return False


def links(urls: Mapping[str, str]) -> Html:
    """Return pages of the console as links; addresses that are not safe are omitted."""
    anchors = []
    for name, url in urls.items():
        if is_safe(url):
            target = f'href="{escape(url)}" target="_blank" rel="noopener noreferrer"'
            anchors.append(f"<a {target}>{escape(one_line(name, 40))} ↗</a>")
    return Html(dotted(*anchors))


_METRIC_LABELS = {
    "minConfidence": tr_noop("lowest confidence of an answer (minConfidence)"),
    "falseAnswers": tr_noop("questions from elsewhere that it answers (falseAnswers)"),
    "falseRefusals": tr_noop("right answers that it keeps back (falseRefusals)"),
    "wrongAnswers": tr_noop("wrong answers (wrongAnswers)"),
    "heldOutRows": tr_noop("rows held out (heldOutRows)"),
}
"""What the metrics of the sandbox's model mean; the platform's have names that are known."""


def _labelled_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        tr(_METRIC_LABELS[name]) if name in _METRIC_LABELS else name: value
        for name, value in metrics.items()
    }


def _settings(values: Mapping[str, Any]) -> Html:
    return _names_and_values((one_line(k, 80), one_line(v, 240)) for k, v in values.items())


def _names_and_values(pairs: Iterable[Sequence[object]]) -> Html:
    return components.table((tr("Name"), tr("Value")), pairs)


def _log(lines: Sequence[LogLine], max_lines: int | None) -> Html:
    newest = lines[-(max_lines or len(lines)) :]
    rows = []
    for line in reversed(newest):
        at = time.strftime("%m-%d %H:%M:%S", time.localtime(line.at))
        sign = "✕ " * line.is_problem
        rows.append((at, stage_label(line.stage), f"{sign}{one_line(line.text, 240)}"))
    heads = (tr("Time"), tr("Stage"), tr("What happened"))
    caption = ""
    if len(newest) < len(lines):
        caption = tr("The latest lines")
    return components.table(heads, rows, caption=caption, is_wide=True)


def _ids(progress: TrainingProgress) -> Html:
    """Return the ids, the endpoint and the pages of the console."""
    ids = (
        (tr("run"), progress.run_id),
        (tr("platform task"), progress.task_id),
        (tr("platform job"), progress.job_id),
        (tr("model version"), progress.model_version_id),
        (tr("service"), progress.service_id),
        (tr("endpoint"), progress.service_endpoint),
    )
    rows = [(label, components.code(one_line(value, 120))) for label, value in ids if value]
    if pages := links(progress.links):
        rows.append((tr("console"), pages))
    return _names_and_values(rows)


def _number(value: float | None, format_spec: str = ".4f") -> str:
    if value is None:
        return ""
    return f"{value:{format_spec}}"
