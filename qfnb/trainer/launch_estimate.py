"""What a launch would take: rows, tokens, steps, time and price, as far as they can be known before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from . import runs
from .launch import Form
from .progress import TrainingProgress

RULE: Final = "steps = ceil(train rows × epochs / batch size)"

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
        free: it costs nothing.
    """

    train_rows: int | None = None
    tokens: int | None = None
    exact: bool = True
    steps: int | None = None
    seconds: float | None = None
    free: bool = False

    def lines(self) -> list[tuple[str, str]]:
        """Return each quantity with its name; what is not known with the reason."""
        about = "" if self.exact else "≈ "
        return [
            ("训练行数 train rows", _count(self.train_rows)),
            ("训练 tokens", f"{about}{_count(self.tokens)}"),
            ("步数 steps", f"{_count(self.steps)}（{RULE}）"),
            ("时间 time", NO_TIME if self.seconds is None else f"≈ {_span(self.seconds)}"),
            ("价格 price", "¥0（本地沙盒 sandbox）" if self.free else NO_PRICE),
        ]


def estimate(form: Form) -> Estimate:
    """Return what a launch of a form would take; wrong fields leave what hangs on them unknown."""
    data, wrong = form.data.get(form.draft.dataset), form.issues.keys()
    if data is None or data.problem or "held_out" in wrong:
        return Estimate(free=form.from_sandbox)
    share = int(form.draft.held_out)
    train_rows = data.rows - data.rows * share // 100
    values = {} if wrong & {"model", "mode", "scale"} else form.hyper_parameters()
    epochs = None if "epoch" in wrong else values.get("epoch")
    batch = None if "batchSize" in wrong else values.get("batchSize")
    steps = math.ceil(train_rows * epochs / batch) if epochs and batch else None
    pace = form.paces.get(form.draft.model)
    return Estimate(
        train_rows,
        round(data.tokens * (100 - share) / 100 * epochs) if epochs and data.tokens is not None else None,
        data.exact,
        steps,
        steps * pace if steps is not None and pace is not None else None,
        form.from_sandbox,
    )


def paces(platform: str) -> dict[str, float]:
    """Return the seconds of a step in earlier finished runs on a platform, by model: the median."""
    found: dict[str, list[float]] = {}
    for run in runs.known():
        if run.facts.get("platform") == platform and (pace := _pace(run.facts.get("progress"))):
            found.setdefault(str(run.facts.get("train_type")), []).append(pace)
    return {model: median(values) for model, values in found.items()}


def _pace(kept: Any) -> float | None:
    try:
        progress = TrainingProgress.from_json(kept)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    end = next((stage.until for stage in progress.stages if stage.name == "train"), None)
    if not progress.points or progress.percent != 100 or end is None or progress.training_at is None:
        return None
    return max(0.0, end - progress.training_at) / max(1, progress.points[-1].step)


def _count(value: int | None) -> str:
    return "n/a" if value is None else f"{value:,}"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
