"""What a launch would take: rows, tokens, steps, time and price, as far as they can be known before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from ..._text import approximate_duration
from .. import run_store
from ..progress import TrainingProgress
from .value import LaunchForm

STEPS_FORMULA: Final = "steps = ceil(train rows × epochs / batch size)"

NO_PRICE: Final = "n/a（平台不公布微调价格接口，以控制台为准 the platform's API tells none: see its console）"
NO_TIME: Final = "n/a（此模型在此平台还没有完成的训练 no earlier run of this model here）"


@dataclass(frozen=True)
class Estimate:
    """What can be told; None is not known.

    Attributes:
        train_rows: rows that are learned from, without those held out.
        tokens: that are read, all passes together.
        steps: updates of the weights.
        seconds: of the training itself, at the pace of earlier runs.
        is_free: it costs nothing.
    """

    train_rows: int | None = None
    tokens: int | None = None
    exact: bool = True
    steps: int | None = None
    seconds: float | None = None
    is_free: bool = False

    def lines(self) -> list[tuple[str, str]]:
        """Return each quantity with its name; what is not known with the reason."""
        prefix = "" if self.exact else "≈ "
        return [
            ("训练行数 train rows", _format_count(self.train_rows)),
            ("训练 tokens", f"{prefix}{_format_count(self.tokens)}"),
            ("步数 steps", f"{_format_count(self.steps)}（{STEPS_FORMULA}）"),
            ("时间 time", NO_TIME if self.seconds is None else f"≈ {approximate_duration(self.seconds)}"),
            ("价格 price", "¥0（本地沙盒 sandbox）" if self.is_free else NO_PRICE),
        ]


def estimate_launch(form: LaunchForm) -> Estimate:
    """Return what a launch of a form would take; wrong fields leave what hangs on them unknown."""
    data, invalid_fields = form.datasets.get(form.draft.dataset), form.issues.keys()
    if data is None or data.problem or "held_out" in invalid_fields:
        return Estimate(is_free=form.from_sandbox)
    held_out_percent = int(form.draft.held_out)
    train_rows = data.rows - data.rows * held_out_percent // 100
    values = {} if invalid_fields & {"model", "mode", "scale"} else form.hyper_parameters()
    epochs = None if "epoch" in invalid_fields else values.get("epoch")
    batch = None if "batchSize" in invalid_fields else values.get("batchSize")
    steps = math.ceil(train_rows * epochs / batch) if epochs and batch else None
    step_seconds = form.step_seconds.get(form.draft.model)
    return Estimate(
        train_rows,
        round(data.tokens * (100 - held_out_percent) / 100 * epochs)
        if epochs and data.tokens is not None
        else None,
        data.exact,
        steps,
        steps * step_seconds if steps is not None and step_seconds is not None else None,
        form.from_sandbox,
    )


def measure_step_seconds(platform: str) -> dict[str, float]:
    """Return the seconds of a step in earlier finished runs on a platform, by model: the median."""
    samples: dict[str, list[float]] = {}
    for run in run_store.list_runs():
        if run.facts.get("platform") == platform and (pace := _step_seconds(run.facts.get("progress"))):
            samples.setdefault(str(run.facts.get("train_type")), []).append(pace)
    return {model: median(values) for model, values in samples.items()}


def _step_seconds(saved: Any) -> float | None:
    try:
        progress = TrainingProgress.from_json(saved)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    end = next((stage.until for stage in progress.stages if stage.name == "train"), None)
    if not progress.points or progress.percent != 100 or end is None or progress.training_at is None:
        return None
    return max(0.0, end - progress.training_at) / max(1, progress.points[-1].step)


def _format_count(value: int | None) -> str:
    return "n/a" if value is None else f"{value:,}"
