"""A training's progress: as HTML, as text, and as a panel that follows it."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, TypeVar

from ..trainer import LLMFinetune
from ..trainer.consts import ActionState
from ..trainer.hints import LossPoint
from ..trainer.progress import Stage, TrainingProgress
from ..trainer.train import UNSTOPPED
from ..transport import portal
from . import training_details as details
from .charts import PURPLE, Curve, curves_svg, img, loss_svg, smooth
from .chat import SANDBOX
from .display import Bundle, Live, publish
from .safety import escape
from .training_controls import Controls
from .wording import clipped, span

T = TypeVar("T")

STARTED = "训练已在后台开始 / training in the background; `%qftrain wait` shows how it ends"
NO_CURVE = (
    "该平台在训练结束后才给出 loss 曲线 / this platform gives the loss curve at the end of the run only"
)

TICK: Final = 0.5
"""Seconds between two looks at a training: the seconds run, and nobody reads faster."""

MOST_POINTS, MOST_TEXT = 400, 900

_WORDS = {
    None: "· 等待 waiting",
    ActionState.Preceding: "▶ 开始 starting",
    ActionState.Running: "▶ 进行中 running",
    ActionState.Done: "✔ 完成 done",
    ActionState.Error: "✘ 失败 failed",
    ActionState.Stopped: "■ 已停止 stopped",
}

_BODY = 'style="line-height:1.6;font-variant-numeric:tabular-nums"'
_DIM = 'style="font-size:90%;opacity:0.8;overflow-wrap:anywhere"'
_LINE = 'style="overflow-wrap:anywhere"'
_STEP = 'style="display:inline-block;margin-right:18px"'
_BAR = 'style="width:50%;height:14px;vertical-align:middle"'


def bundle(progress: TrainingProgress) -> Bundle:
    """Return the progress in every format, as something that does not move."""
    return {"text/plain": text(progress), "text/html": html(progress)}


def text(progress: TrainingProgress) -> str:
    """Return the progress as a few lines of text."""
    steps = "  ".join(f"{clipped(stage.name, 40)} {_WORDS[stage.state][0]}" for stage in progress.stages)
    percent = "" if progress.percent is None or progress.finished else f"   {progress.percent}%"
    head = f"{clipped(progress.title, 80)}: {clipped(progress.status, 80)}{percent}   {steps}"
    lines = [*facts(progress), *_ids(progress), *_metrics(progress), *_warnings(progress), *_next(progress)]
    return "\n".join([head, *(clipped(line, MOST_TEXT) for line in lines)])


def html(progress: TrainingProgress, *, now: float | None = None) -> str:
    """Return the progress as HTML that does not move."""
    after = "".join(f"<div {_DIM}>{escape(line)}</div>" for line in _next(progress))
    return f"<div {_BODY}>{top(progress, now=now)}{below(progress)}{details.sections(progress)}{after}</div>"


def top(progress: TrainingProgress, *, now: float | None = None) -> str:
    """Return what changes every second: the state, the steps, the bar, the times, and what is wrong."""
    head = f"<b>微调 fine-tuning {escape(clipped(progress.title, 80))}</b> — {escape(progress.status)}"
    at = time.time() if now is None else now
    steps = "".join(f"<span {_STEP}>{_step(stage, at)}</span>" for stage in progress.stages)
    lines = [f"<div {_LINE}>{escape(clipped(line, MOST_TEXT))}</div>" for line in facts(progress, now=now)]
    ids = [f"<div {_DIM}>{escape(clipped(line, MOST_TEXT))}</div>" for line in _ids(progress)]
    wrong = [f"<div {_LINE}>{escape(clipped(line, MOST_TEXT))}</div>" for line in _warnings(progress)]
    return "".join([f"<div>{head}</div><div>{steps}</div>{_bar(progress)}", *lines, *ids, *wrong])


def below(progress: TrainingProgress) -> str:
    """Return what changes with a new point of the curve: the curves, the metrics, the links."""
    waiting = not progress.points and progress.training_at is not None and not progress.finished
    said = f"<div {_DIM}>{NO_CURVE}</div>" if waiting and not progress.from_sandbox else ""
    return f"{said}{_curve(progress)}{details.metrics(progress.metrics)}{details.links(progress.links)}"


def facts(progress: TrainingProgress, *, now: float | None = None) -> list[str]:
    """Return the times and the losses, a line each."""
    at = time.time() if now is None else now
    pace = [SANDBOX] if progress.from_sandbox else []
    accepted = progress.queued_at is not None or progress.training_at is not None
    pace += [f"排队 queued {span(progress.queued(at))}"] if accepted else []
    pace += [f"用时 elapsed {span(_elapsed(progress, at))}"]
    if left := progress.remaining(at):
        pace.append(f"剩余 left ≈ {span(left.likely)}（{span(left.low)} – {span(left.high)}）")
    return [" · ".join(pace), *_losses(progress.points)]


class TrainingPanel:
    """Shows a trainer while it works; static HTML when it is over.

    `show()` displays it in the current cell, `settle()` publishes the final state from the cell that waits. A
    training that is not at work is shown with what can be done about it, until the panel is closed.
    """

    def __init__(self, trainer: LLMFinetune) -> None:
        self.trainer = trainer
        self._live: Live | None = None
        self._kept = False

    def show(self) -> None:
        """Display the panel in the current cell and follow the trainer; where nobody watches, its state."""
        PANELS.append(self)
        self._kept = not self.trainer.running
        controls = Controls(self.trainer, top, below, close=self._close)
        draw = lambda _, progress: controls.draw(progress, kept=self._kept)  # noqa: E731 - one expression
        self._live = live = Live(self.trainer.progress, widget=controls.build, draw=draw, final=bundle)
        if live.mode == "live":
            contextvars.copy_context().run(portal.submit, self._follow(live))
        elif self.trainer.running:
            print(STARTED)  # noqa: T201 - the panel itself comes when somebody waits for it
        else:
            live.finish(self.trainer.progress)

    def settle(self) -> None:
        """Publish the final state from the current cell; in static mode this is the one output."""
        progress = self.trainer.progress
        if self._live is None or self._live.mode != "live":
            publish(bundle(progress))
        else:
            self._live.finish(progress)
            self._live.settle()

    def _close(self) -> None:
        self._kept = False

    async def _follow(self, live: Live) -> None:
        while self._kept or self.trainer.running:
            self._kept = self._kept and not self.trainer.running
            live.update(self.trainer.progress)
            await asyncio.sleep(TICK)
        live.finish(self.trainer.progress)


PANELS: Final[deque[TrainingPanel]] = deque(maxlen=20)
"""The panels that were shown in this kernel, the newest last."""


def _step(stage: Stage, now: float) -> str:
    name = escape(details.STAGES.get(stage.name, stage.name))
    took = "" if stage.since is None else f" {span((stage.until or now) - stage.since)}"
    over = stage.until is not None or stage.state in {ActionState.Preceding, ActionState.Running}
    return f"{name}: <b>{_WORDS[stage.state]}</b>{took if over else ''}"


def _bar(progress: TrainingProgress) -> str:
    label = 'aria-label="训练 training"'
    if progress.percent is None:
        known = 'max="100" value="0"' if progress.finished or progress.training_at is None else ""
        return f"<div><progress {known} {label} {_BAR}></progress></div>"
    value = f'max="100" value="{progress.percent}"'
    return f"<div><progress {value} {label} {_BAR}></progress> <b>{progress.percent}%</b></div>"


def _elapsed(progress: TrainingProgress, now: float) -> float:
    """Return the seconds at work; those between the end and a step that was added later do not count."""
    began = [stage for stage in progress.stages if stage.since is not None]
    end = progress.ended_at or now
    worked = sum((stage.until or end) - (stage.since or end) for stage in began)
    return worked if began else progress.elapsed(now)


def _curve(progress: TrainingProgress) -> str:
    points = _thinned(progress.points)
    losses = [point.training_loss for point in points]
    axis = "step" if any(point.epoch is None for point in points) else "epoch"
    places = [float(point.step if axis == "step" else point.epoch or 0) for point in points]
    curve = _thinned(smooth([point.training_loss for point in progress.points]))
    svg = loss_svg(places, losses, [p.validation_loss for p in points], smooth=curve, axis=axis)
    alt = f"loss curve, {len(progress.points)} points · {' · '.join(_losses(progress.points))}"
    chart = f"<div>{img(svg.encode(), 'image/svg+xml', alt)}</div>" if svg else ""
    perplexity = Curve("perplexity", places, [point.perplexity for point in points], PURPLE)
    drawn = curves_svg([perplexity], height=130, axis=axis)
    alt = f"perplexity, {len(perplexity.points)} points"
    return chart + (f"<div>{img(drawn.encode(), 'image/svg+xml', alt)}</div>" if drawn else "")


def _thinned(points: Sequence[T]) -> Sequence[T]:
    """Return so many points that a curve still looks the same; the last one stays."""
    step = max(1, len(points) // MOST_POINTS)
    return [*points[::step], points[-1]] if step > 1 else points


def _losses(points: Sequence[LossPoint]) -> list[str]:
    if not points:
        return []
    held_out = [point.validation_loss for point in points if point.validation_loss is not None]
    perplexities = [point.perplexity for point in points if point.perplexity is not None]
    mean = smooth([point.training_loss for point in points])[-1]
    shown = f", validation {held_out[-1]:.4f}" if held_out else ""
    perplexity = f" · 困惑度 perplexity {perplexities[-1]:.3f}" if perplexities else ""
    return [f"loss {points[-1].training_loss:.4f}{shown}, 平滑 smoothed {mean:.4f} (nats){perplexity}"]


def _ids(progress: TrainingProgress) -> list[str]:
    ids = [("run", progress.task_id), ("job", progress.job_id), ("model", progress.model_version_id)]
    shown = " · ".join(f"{name} {value}" for name, value in ids if value)
    service = f"endpoint {progress.service_endpoint}" if progress.service_endpoint else ""
    return [line for line in (shown, service) if line]


def _metrics(progress: TrainingProgress) -> list[str]:
    shown = " · ".join(f"{name} {value}" for name, value in progress.metrics.items())
    return [f"validation: {shown}"] if shown else []


def _warnings(progress: TrainingProgress) -> list[str]:
    lines = [f"⚠ {hint}" for hint in progress.hints]
    if progress.offline_since is not None and not progress.finished:
        since = time.strftime("%H:%M:%S", time.localtime(progress.offline_since))
        why = progress.message or ""
        lines.append(
            f"⚠ 平台自 {since} 起没有应答，会继续重试 / no answer since {since}, still trying: {why}"
        )
    if progress.stopped and (unstopped := [line.text for line in progress.log if UNSTOPPED in line.text]):
        lines.append(f"⚠ 平台上的训练可能仍在进行（计费） / it may still run and be billed: {unstopped[-1]}")
    if progress.error:
        first, *more = progress.error.splitlines()
        lines += [f"✘ {first}", *more]
    return lines


def _next(progress: TrainingProgress) -> list[str]:
    """Return how to go on from a saved picture."""
    known = progress.run_id or progress.task_id
    if not progress.finished:
        return [f"此为快照 a snapshot: `%qftrain attach {known}` follows it"] if progress.started_at else []
    if progress.failed or progress.stopped:
        return [f"继续 to go on: `%qftrain resume {known}`"]
    if progress.service_endpoint:
        return [f"对话 to talk to it: `%qftrain chat {known}`"]
    return [f"部署 to deploy it: `%qftrain deploy {known}`"]
