"""What a loss curve says: plain rules, each told with its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

ENOUGH: Final = 9
"""Points without which nothing is said about a trend."""

FLAT: Final = 0.98
"""The last third's median loss, as a share of the first third's, above which it has not fallen."""

RISEN: Final = 1.5
"""Times its lowest smoothed value by which a loss has diverged."""

APART: Final = 1.1
"""Times its lowest value by which a validation loss has risen while the training loss went on falling."""

WEIGHT: Final = 0.8


@dataclass(frozen=True)
class LossPoint:
    """A point of the loss curve; losses in nats.

    Attributes:
        epoch: passes over the data so far, None where the platform counts steps only.
    """

    step: int
    epoch: float | None
    training_loss: float
    validation_loss: float | None = None
    perplexity: float | None = None


def smoothed(values: Sequence[float], weight: float = WEIGHT) -> list[float]:
    """Return the exponential moving average, corrected for its start."""
    out, mean = [], 0.0
    for number, value in enumerate(values, 1):
        mean = weight * mean + (1 - weight) * value
        out.append(mean / (1 - weight**number))
    return out


def hints(points: Sequence[LossPoint]) -> list[str]:
    """Return what is worth saying about a curve, nothing when all is well."""
    losses = [point.training_loss for point in points]
    if broken := next((point for point in points if not math.isfinite(point.training_loss)), None):
        return [_broken(broken)]
    found = [_diverged(points, losses), _flat(losses), _overfitted(points)]
    return [hint for hint in found if hint]


def _broken(point: LossPoint) -> str:
    return (
        f"loss 在第 {point.step} 步变为 {point.training_loss}：学习率可能过大"
        f" / the loss is {point.training_loss} at step {point.step}: the learning rate may be too high"
    )


def _diverged(points: Sequence[LossPoint], losses: Sequence[float]) -> str:
    if len(losses) < ENOUGH:
        return ""
    curve = smoothed(losses)
    lowest = min(range(len(curve)), key=curve.__getitem__)
    if curve[lowest] <= 0 or curve[-1] < RISEN * curve[lowest]:
        return ""
    return (
        f"loss 发散：平滑值从 {curve[lowest]:.3f}（第 {points[lowest].step} 步）升到 {curve[-1]:.3f}，"
        f"学习率可能过大 / the smoothed loss is {curve[-1] / curve[lowest]:.1f} times its lowest value: "
        "the learning rate may be too high"
    )


def _flat(losses: Sequence[float]) -> str:
    third = len(losses) // 3
    if len(losses) < ENOUGH or (first := median(losses[:third])) <= 0:
        return ""
    last = median(losses[-third:])
    if not FLAT <= last / first < RISEN:
        return ""
    return (
        f"loss 未下降：前 1/3 中位数 {first:.3f}，后 1/3 {last:.3f}，学习率可能过小或数据有误"
        " / the loss does not fall: the learning rate may be too low, or the data is not what it should be"
    )


def _overfitted(points: Sequence[LossPoint]) -> str:
    held_out = [(point, point.validation_loss) for point in points if point.validation_loss is not None]
    if len(held_out) < ENOUGH // 3:
        return ""
    best, lowest = min(held_out, key=lambda pair: pair[1])
    point, last = held_out[-1]
    if last < APART * lowest or point.training_loss >= best.training_loss:
        return ""
    return (
        f"可能过拟合：验证 loss 从 {lowest:.3f}（第 {best.step} 步）升到 {last:.3f}，而训练 loss 继续下降"
        f" / overfitting: the validation loss was lowest at step {best.step}; "
        "fewer epochs or more data may help"
    )
