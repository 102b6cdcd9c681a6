"""A training's progress: as HTML, as text, and as a panel that follows it."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Sequence
from typing import Any

from ..trainer import LLMFinetune
from ..trainer.consts import ActionState
from ..trainer.progress import Stage, TrainingProgress
from ..transport import portal
from . import stopping
from .charts import img, loss_svg
from .chat import SANDBOX
from .display import Bundle, Live
from .safety import escape, plain

STARTED = "训练已在后台开始 / training in the background; `%qftrain wait` shows how it ends"

_NAMES = {"dataset": "数据 data", "train": "训练 train", "publish": "发布 publish", "deploy": "部署 deploy"}
_WORDS = {
    None: "· waiting",
    ActionState.Preceding: "▶ starting",
    ActionState.Running: "▶ running",
    ActionState.Done: "✔ done",
    ActionState.Error: "✘ failed",
    ActionState.Stopped: "■ stopped",
}


def bundle(progress: TrainingProgress) -> Bundle:
    """Return the progress in every format."""
    return {"text/plain": text(progress), "text/html": html(progress)}


def text(progress: TrainingProgress) -> str:
    """Return the progress as a few lines of text."""
    stages = "  ".join(f"{stage.name} {_word(stage)[0]}" for stage in progress.stages)
    lines = [
        f"{plain(progress.title)}: {progress.status}   {stages}",
        *(plain(line) for line in facts(progress)),
    ]
    return "\n".join(lines)


def html(progress: TrainingProgress, *, now: float | None = None) -> str:
    """Return the progress as static HTML."""
    head = f"<b>{escape(progress.title)}</b> — {escape(progress.status)}"
    stages = " &nbsp; ".join(
        f"{_NAMES.get(stage.name, stage.name)}: <b>{escape(_word(stage))}</b>" for stage in progress.stages
    )
    lines = "".join(f"<div>{escape(line)}</div>" for line in facts(progress, now=now))
    return f"<div><div>{head}</div><div>{stages}</div>{_bar(progress)}{_curve(progress)}{lines}</div>"


def facts(progress: TrainingProgress, *, now: float | None = None) -> list[str]:
    """Return what is worth knowing, a line each."""
    seconds = progress.elapsed(time.time() if now is None else now)
    where = f"{SANDBOX} · " if progress.from_sandbox else ""
    lines = [f"{where}{seconds:.0f} s{_losses(progress)}"]
    ids = [("run", progress.task_id), ("job", progress.job_id), ("model", progress.model_version_id)]
    shown = " · ".join(f"{name} {value}" for name, value in ids if value)
    lines += [shown] if shown else []
    if progress.metrics:
        lines.append(
            "validation: " + " · ".join(f"{name} {value}" for name, value in progress.metrics.items())
        )
    lines += [f"endpoint {progress.service_endpoint}"] if progress.service_endpoint else []
    if progress.offline_since is not None:
        since = time.strftime("%H:%M:%S", time.localtime(progress.offline_since))
        lines.append(f"⚠ 平台自 {since} 起没有应答，会继续重试 / no answer since {since}; still trying")
    lines += [f"✘ {progress.error}"] if progress.error else []
    return lines


class TrainingPanel:
    """Shows a trainer while it works; static HTML when it is over.

    `show()` displays it in the current cell, `settle()` publishes the final state from the cell that waits.
    """

    def __init__(self, trainer: LLMFinetune) -> None:
        self.trainer = trainer
        self._live: Live | None = None

    def show(self) -> None:
        """Display the panel in the current cell and follow the trainer."""
        self._live = live = Live(
            self.trainer.progress,
            widget=lambda: _widget(self.trainer),
            draw=lambda box, progress: stopping.draw(box, html(progress)),
            final=bundle,
        )
        unfollow = self.trainer.follow(self._receive)
        if self.trainer.progress.finished:
            unfollow()
            live.finish(self.trainer.progress)
        elif live.mode == "live":
            contextvars.copy_context().run(portal.submit, self._tick())
        else:
            print(STARTED)  # noqa: T201 - the panel itself comes when somebody waits for it

    def settle(self) -> None:
        """Publish the final state from the current cell; in static mode this is the one output."""
        if self._live is not None:
            self._live.finish(self.trainer.progress)
            self._live.settle()

    def _receive(self, progress: TrainingProgress) -> None:
        live = self._live
        if live is None:
            return
        if progress.finished and live.mode == "live":
            live.finish(progress)
        else:
            live.update(progress)

    async def _tick(self) -> None:
        """Let the seconds run between two events."""
        while self._live is not None and not self.trainer.progress.finished:
            await asyncio.sleep(1)
            self._live.update(self.trainer.progress)


def _bar(progress: TrainingProgress) -> str:
    if progress.percent is None:
        return "<div><progress aria-label='training'></progress></div>"
    value = progress.percent
    return f'<div><progress max="100" value="{value}" aria-label="training"></progress> <b>{value}%</b></div>'


def _curve(progress: TrainingProgress) -> str:
    points = _thinned(progress.points)
    epochs = [point.epoch if point.epoch is not None else float(point.step) for point in points]
    svg = loss_svg(epochs, [p.training_loss for p in points], [p.validation_loss for p in points])
    alt = f"loss curve, {len(progress.points)} points{_losses(progress)}"
    return f"<div>{img(svg.encode(), 'image/svg+xml', alt)}</div>" if svg else ""


def _thinned(points: Sequence[Any], most: int = 400) -> Sequence[Any]:
    """Return so many points that a curve still looks the same; the last one stays."""
    step = max(1, len(points) // most)
    return [*points[::step], points[-1]] if step > 1 else points


def _losses(progress: TrainingProgress) -> str:
    if not progress.points:
        return ""
    last = progress.points[-1]
    held_out = [point.validation_loss for point in progress.points if point.validation_loss is not None]
    shown = f", validation {held_out[-1]:.4f}" if held_out else ""
    return f" · loss {last.training_loss:.4f}{shown} (nats)"


def _word(stage: Stage) -> str:
    return _WORDS[stage.state]


def _widget(trainer: LLMFinetune) -> Any:
    return stopping.widget(lambda: _stop(trainer), tooltip="Stop this training on the platform")


def _stop(trainer: LLMFinetune) -> None:
    """Stop without blocking the thread that delivers the click, whichever that is."""

    async def stop() -> None:
        await asyncio.to_thread(trainer.stop)

    portal.submit(stop())
