"""Problems that a loss curve shows, found by plain rules; each message has the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, Literal

from ..errors import InvalidArgumentError
from ..wire.finetune_v2 import Checkpoint

MIN_POINTS: Final = 9
"""Points that a trend needs at least."""

FLAT_RATIO: Final = 0.98
"""Median loss of the last third over that of the first third, above which the loss has not fallen."""

DIVERGED_RATIO: Final = 1.5
"""Last smoothed loss over the lowest one, from which the loss has diverged."""

OVERFITTED_RATIO: Final = 1.1
"""Last validation loss over the lowest one, from which it is overfitting while the training loss still falls."""

SMOOTHING_WEIGHT: Final = 0.8


CheckpointStep = int | Literal["best"] | None
"""A checkpoint by its step, or the one with the lowest validation loss; None for the last one."""


@dataclass(frozen=True)
class LossPoint:
    """A point of the loss curve; losses in nats.

    Attributes:
        epoch: passes over the data so far, None where the platform counts steps only.
        rewards: of a training on preferences: chosen, rejected, margins, accuracies.
        is_kept: whether the weights are kept, so that they can be published; None where the platform does not say.
    """

    step: int
    epoch: float | None
    training_loss: float
    validation_loss: float | None = None
    perplexity: float | None = None
    rewards: Mapping[str, float] | None = None
    is_kept: bool | None = None

    @classmethod
    def from_checkpoint(cls, row: Checkpoint) -> LossPoint:
        """Return a checkpoint of the platform, or of the sandbox with its further fields, as a point."""
        extra = row.model_extra or {}
        return cls(
            row.step,
            extra.get("epoch"),
            math.nan if row.training_loss is None else row.training_loss,
            row.validation_loss,
            row.perplexity,
            extra.get("rewards"),
            extra.get("kept"),
        )


def best_checkpoint(points: Sequence[LossPoint]) -> LossPoint | None:
    """Return the point with the lowest validation loss of those that can be published, None without such a point."""
    candidates = [point for point in points if point.validation_loss is not None and point.is_kept is not False]
    return min(candidates, key=lambda point: point.validation_loss or 0.0, default=None)


def checkpoint_rows(points: Sequence[LossPoint]) -> list[dict[str, Any]]:
    """Return the points as rows of a table, with a column for each reward, and which one is the best."""
    best = best_checkpoint(points)
    return [
        {name: value for name, value in vars(point).items() if name != "rewards"}
        | {f"rewards/{name}": value for name, value in (point.rewards or {}).items()}
        | {"is_best": point is best}
        for point in points
    ]


def resolve_step(step: CheckpointStep, points: Sequence[LossPoint]) -> int | None:
    """Return the step of a checkpoint, None for the last one.

    Raises:
        InvalidArgumentError: there is no such checkpoint, or its weights were not kept.
    """
    if step is None:
        return None
    if step == "best":
        if (best := best_checkpoint(points)) is None:
            raise InvalidArgumentError("step='best': no checkpoint has a validation loss (没有验证 loss)")
        step = best.step
    if isinstance(step, bool) or not isinstance(step, int):
        raise InvalidArgumentError(f"step={step!r}: it is the step of a checkpoint, or 'best'")
    kept = [point.step for point in points if point.is_kept is not False]
    if points and step not in kept:
        raise InvalidArgumentError(f"step={step}: the checkpoints are {', '.join(map(str, kept))} (没有此检查点)")
    return None if points and step == points[-1].step else step


def moving_average(values: Sequence[float], weight: float = SMOOTHING_WEIGHT) -> list[float]:
    """Return the exponential moving average, corrected for its start; `weight` 0-1, 0 smooths nothing."""
    averages, mean = [], 0.0
    for number, value in enumerate(values, 1):
        mean = weight * mean + (1 - weight) * value
        averages.append(mean / (1 - weight**number))
    return averages


def diagnose_loss(points: Sequence[LossPoint]) -> list[str]:
    """Return the problems of a curve, one message each."""
    losses = [point.training_loss for point in points]
    if non_finite := next((point for point in points if not math.isfinite(point.training_loss)), None):
        step, loss = non_finite.step, non_finite.training_loss
        english = f"the loss is {loss} at step {step}: the learning rate may be too high"
        return [f"loss 在第 {step} 步变为 {loss}：学习率可能过大 / {english}"]
    messages = [_describe_divergence(points, losses), _describe_plateau(losses), _describe_overfitting(points)]
    return [message for message in messages if message]


def _describe_divergence(points: Sequence[LossPoint], losses: Sequence[float]) -> str:
    if len(losses) < MIN_POINTS:
        return ""
    curve = moving_average(losses)
    lowest = min(range(len(curve)), key=curve.__getitem__)
    if curve[lowest] <= 0 or curve[-1] < DIVERGED_RATIO * curve[lowest]:
        return ""
    return (
        f"loss 发散：平滑值从 {curve[lowest]:.3f}（第 {points[lowest].step} 步）升到 {curve[-1]:.3f}，"
        f"学习率可能过大 / the smoothed loss is {curve[-1] / curve[lowest]:.1f} times its lowest value: "
        "the learning rate may be too high"
    )


def _describe_plateau(losses: Sequence[float]) -> str:
    third = len(losses) // 3
    if len(losses) < MIN_POINTS or (first_median := median(losses[:third])) <= 0:
        return ""
    last_median = median(losses[-third:])
    if not FLAT_RATIO <= last_median / first_median < DIVERGED_RATIO:
        return ""
    return (
        f"loss 未下降：前 1/3 中位数 {first_median:.3f}，后 1/3 {last_median:.3f}，学习率可能过小或数据有误"
        " / the loss does not fall: the learning rate may be too low, or the data is not what it should be"
    )


def _describe_overfitting(points: Sequence[LossPoint]) -> str:
    held_out = [(point, point.validation_loss) for point in points if point.validation_loss is not None]
    if len(held_out) < MIN_POINTS // 3:
        return ""
    best, lowest_loss = min(held_out, key=lambda pair: pair[1])
    point, last_loss = held_out[-1]
    if last_loss < OVERFITTED_RATIO * lowest_loss or point.training_loss >= best.training_loss:
        return ""
    return (
        f"可能过拟合：验证 loss 从 {lowest_loss:.3f}（第 {best.step} 步）升到 {last_loss:.3f}，而训练 loss 继续下降"
        f" / overfitting: the validation loss was lowest at step {best.step}; "
        "fewer epochs or more data may help"
    )
