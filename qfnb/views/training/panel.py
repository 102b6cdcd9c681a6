"""The progress of a training as HTML, as text, and as a panel that follows it."""

import time
from collections.abc import Sequence
from typing import TypeVar

from ..._text import duration
from ...trainer import LLMFinetune
from ...trainer.consts import ActionState
from ...trainer.loss_diagnostics import LossPoint
from ...trainer.progress import Stage, TrainingProgress
from ...trainer.train_action import COULD_NOT_BE_STOPPED
from .. import styles
from ..display import Bundle
from ..panel import Panel
from ..text import escape, image_html, one_line
from . import details
from .controls import Controls
from .loss_chart import GREEN, ORANGE, PURPLE, Curve, curves_svg, loss_svg, smooth

T = TypeVar("T")

STARTED_MESSAGE = "训练已在后台开始 / training in the background; `%qftrain wait` shows how it ends"
NO_CURVE_MESSAGE = "该平台在训练结束后才给出 loss 曲线 / this platform gives the loss curve at the end of the run only"

MAX_POINTS, MAX_TEXT = 400, 900

_STATE_LABELS = {
    None: "· 等待 waiting",
    ActionState.Preceding: "▶ 开始 starting",
    ActionState.Running: "▶ 进行中 running",
    ActionState.Done: "✔ 完成 done",
    ActionState.Error: "✘ 失败 failed",
    ActionState.Stopped: "■ 已停止 stopped",
}


def bundle(progress: TrainingProgress) -> Bundle:
    """Return the progress in every static format."""
    return {"text/plain": text(progress), "text/html": html(progress)}


def text(progress: TrainingProgress) -> str:
    """Return the progress as a few lines of text."""
    steps = "  ".join(f"{one_line(stage.name, 40)} {_STATE_LABELS[stage.state][0]}" for stage in progress.stages)
    percent = "" if progress.percent is None or progress.finished else f"   {progress.percent}%"
    head = f"{one_line(progress.title, 80)}: {one_line(progress.status, 80)}{percent}   {steps}"
    metrics = " · ".join(f"{name} {value}" for name, value in progress.metrics.items())
    lines = [*fact_lines(progress), *_id_lines(progress), *([f"validation: {metrics}"] if metrics else [])]
    lines += [*_warning_lines(progress), *_next_steps(progress)]
    return "\n".join([head, *(one_line(line, MAX_TEXT) for line in lines)])


def html(progress: TrainingProgress, *, now: float | None = None) -> str:
    """Return the progress as static HTML; `now` in Unix seconds."""
    next_steps = _divs(_next_steps(progress), styles.DIM_WRAPPED)
    body = f"{top(progress, now=now)}{below(progress)}{details.sections(progress)}{next_steps}"
    return f"<div {styles.BODY}>{body}</div>"


def top(progress: TrainingProgress, *, now: float | None = None) -> str:
    """Return what changes every second: the status, the stages, the bar, the times and the warnings."""
    head = f"<b>微调 fine-tuning {escape(one_line(progress.title, 80))}</b> — {escape(progress.status)}"
    timestamp = time.time() if now is None else now
    stages = "".join(f"<span {styles.STEP}>{_stage_html(row, timestamp)}</span>" for row in progress.stages)
    facts = _divs(fact_lines(progress, now=now), styles.WRAPPED)
    ids = _divs(_id_lines(progress), styles.DIM_WRAPPED)
    warnings = _divs(_warning_lines(progress), styles.WRAPPED)
    return f"<div>{head}</div><div>{stages}</div>{_progress_bar(progress)}{facts}{ids}{warnings}"


def below(progress: TrainingProgress) -> str:
    """Return what changes with a new point of the loss curve: the curves, the metrics, the links."""
    is_waiting = not progress.points and progress.training_at is not None and not progress.finished
    notice = [NO_CURVE_MESSAGE] if is_waiting and not progress.from_sandbox else []
    tables = f"{details.metrics(progress.metrics)}{details.links(progress.links)}"
    return f"{_divs(notice, styles.DIM_WRAPPED)}{_curve_html(progress)}{tables}"


def fact_lines(progress: TrainingProgress, *, now: float | None = None) -> list[str]:
    """Return the times and the losses, one line each; `now` in Unix seconds."""
    timestamp = time.time() if now is None else now
    times = [styles.SANDBOX_LABEL] if progress.from_sandbox else []
    accepted = progress.queued_at is not None or progress.training_at is not None
    times += [f"排队 queued {duration(progress.queued(timestamp))}"] if accepted else []
    times += [f"用时 elapsed {duration(_elapsed(progress, timestamp))}"]
    if remaining := progress.remaining(timestamp):
        times.append(
            f"剩余 left ≈ {duration(remaining.likely)}（{duration(remaining.low)} – {duration(remaining.high)}）"
        )
    return [" · ".join(times), *_loss_lines(progress.points)]


class TrainingPanel(Panel):
    """Shows a trainer while it runs; static HTML when it has ended.

    A training that is not running is shown with buttons for the next steps, until the panel is closed.
    """

    poll_s = 0.5
    job: LLMFinetune

    def __init__(self, trainer: LLMFinetune) -> None:
        super().__init__(trainer)
        self._stays_open = False

    def show(self, notice: str = "") -> None:
        """Display the panel in the current cell; where outputs cannot move, a line, or the state at the end."""
        self._stays_open = not self.job.is_running
        super().show(notice or (STARTED_MESSAGE if self.job.is_running else ""))

    def publish_final(self) -> None:
        """Publish the final state from the current cell, once the training has ended."""
        if self._has_ended():
            super().publish_final()

    def _create_controls(self) -> Controls:
        return Controls(self.job, top, below, close=self._close)

    def _draw(self, controls: Controls, progress: TrainingProgress) -> None:
        controls.draw(progress, stays_open=self._stays_open)

    def _bundle(self, progress: TrainingProgress) -> Bundle:
        return bundle(progress)

    def _has_ended(self) -> bool:
        return not self.job.is_running

    def _is_open(self) -> bool:
        self._stays_open = self._stays_open and not self.job.is_running
        return self._stays_open or self.job.is_running

    def _close(self) -> None:
        self._stays_open = False


def _divs(lines: Sequence[str], style: str) -> str:
    return "".join(f"<div {style}>{escape(one_line(line, MAX_TEXT))}</div>" for line in lines)


def _stage_html(stage: Stage, now: float) -> str:
    name = escape(details.STAGE_LABELS.get(stage.name, stage.name))
    elapsed = "" if stage.since is None else f" {duration((stage.until or now) - stage.since)}"
    is_timed = stage.until is not None or stage.state in {ActionState.Preceding, ActionState.Running}
    return f"{name}: <b>{_STATE_LABELS[stage.state]}</b>{elapsed if is_timed else ''}"


def _progress_bar(progress: TrainingProgress) -> str:
    label = 'aria-label="训练 training"'
    if progress.percent is None:
        attributes = 'max="100" value="0"' if progress.finished or progress.training_at is None else ""
        return f"<div><progress {attributes} {label} {styles.BAR}></progress></div>"
    value = f'max="100" value="{progress.percent}"'
    return f"<div><progress {value} {label} {styles.BAR}></progress> <b>{progress.percent}%</b></div>"


def _elapsed(progress: TrainingProgress, now: float) -> float:
    """Return the seconds of all stages, without the pause before a step that was added after the end."""
    started = [stage for stage in progress.stages if stage.since is not None]
    end = progress.ended_at or now
    elapsed = sum((stage.until or end) - (stage.since or end) for stage in started)
    return elapsed if started else progress.elapsed(now)


def _curve_html(progress: TrainingProgress) -> str:
    points = _downsample(progress.points)
    losses = [point.training_loss for point in points]
    axis = "step" if any(point.epoch is None for point in points) else "epoch"
    positions = [float(point.step if axis == "step" else point.epoch or 0) for point in points]
    curve = _downsample(smooth([point.training_loss for point in progress.points]))
    svg = loss_svg(positions, losses, [p.validation_loss for p in points], smooth=curve, axis=axis)
    alt = f"loss curve, {len(progress.points)} points · {' · '.join(_loss_lines(progress.points))}"
    perplexity = Curve("perplexity", positions, [point.perplexity for point in points], PURPLE)
    perplexity_svg = curves_svg([perplexity], height=130, axis=axis)
    rewards_svg = curves_svg(_reward_curves(points, positions), height=160, axis=axis)
    pictures = (
        (svg, alt),
        (perplexity_svg, f"perplexity, {len(perplexity.points)} points"),
        (rewards_svg, "rewards: margins and accuracies of the preferences"),
    )
    images = (image_html(svg.encode(), "image/svg+xml", alt) for svg, alt in pictures if svg)
    return "".join(f"<div>{image}</div>" for image in images)


def _reward_curves(points: Sequence[LossPoint], positions: Sequence[float]) -> list[Curve]:
    """Return the margins and the accuracies of a training on preferences."""
    styles_by_name = (("margins", GREEN, ""), ("accuracies", ORANGE, "5 3"))
    return [
        Curve(f"rewards/{name}", positions, [(point.rewards or {}).get(name) for point in points], colour, dash)
        for name, colour, dash in styles_by_name
    ]


def _downsample(points: Sequence[T]) -> Sequence[T]:
    """Return at most about `MAX_POINTS` points, evenly chosen, with the last one."""
    step = max(1, len(points) // MAX_POINTS)
    return [*points[::step], points[-1]] if step > 1 else points


def _loss_lines(points: Sequence[LossPoint]) -> list[str]:
    if not points:
        return []
    held_out = [point.validation_loss for point in points if point.validation_loss is not None]
    perplexities = [point.perplexity for point in points if point.perplexity is not None]
    mean = smooth([point.training_loss for point in points])[-1]
    validation = f", validation {held_out[-1]:.4f}" if held_out else ""
    perplexity = f" · 困惑度 perplexity {perplexities[-1]:.3f}" if perplexities else ""
    lines = [f"loss {points[-1].training_loss:.4f}{validation}, 平滑 smoothed {mean:.4f} (nats){perplexity}"]
    rewards = next((point.rewards for point in reversed(points) if point.rewards), {})
    return lines + ([" · ".join(f"rewards/{name} {value:.3f}" for name, value in rewards.items())] if rewards else [])


def _id_lines(progress: TrainingProgress) -> list[str]:
    ids = [("run", progress.task_id), ("job", progress.job_id), ("model", progress.model_version_id)]
    id_line = " · ".join(f"{name} {value}" for name, value in ids if value)
    service = f"endpoint {progress.service_endpoint}" if progress.service_endpoint else ""
    return [line for line in (id_line, service) if line]


def _warning_lines(progress: TrainingProgress) -> list[str]:
    lines = [f"⚠ {hint}" for hint in progress.hints]
    if progress.offline_since is not None and not progress.finished:
        since = time.strftime("%H:%M:%S", time.localtime(progress.offline_since))
        message = f"平台自 {since} 起没有应答，会继续重试 / no answer since {since}, still trying"
        lines.append(f"⚠ {message}: {progress.message}")
    unstopped = [line.text for line in progress.log if COULD_NOT_BE_STOPPED in line.text]
    if progress.stopped and unstopped:
        lines.append(f"⚠ 平台上的训练可能仍在进行（计费） / it may still run and be billed: {unstopped[-1]}")
    if progress.error:
        lines += f"✘ {progress.error}".splitlines()
    return lines


def _next_steps(progress: TrainingProgress) -> list[str]:
    """Return the command that continues from a static output."""
    run_id = progress.run_id or progress.task_id
    if not progress.finished:
        return [f"此为快照 a snapshot: `%qftrain attach {run_id}` follows it"] if progress.started_at else []
    if progress.failed or progress.stopped:
        return [f"继续 to go on: `%qftrain resume {run_id}`"]
    if progress.service_endpoint:
        return [f"对话 to talk to it: `%qftrain chat {run_id}`"]
    return [f"部署 to deploy it: `%qftrain deploy {run_id}`"]
