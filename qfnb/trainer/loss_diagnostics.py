"""Problems that a loss curve shows, by plain rules; each message has the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, Literal, NamedTuple

from ..base.language import tr
from ..base.text import format_loss, listed
from ..errors import InvalidArgumentError
from ..wire.finetune import Checkpoint

MIN_POINTS: Final = 9
"""Points that a trend needs at least."""

FLAT_RATIO: Final = 0.98
"""Median loss of the last third over that of the first third, above which the loss has not
fallen.
"""

DIVERGED_RATIO: Final = 1.5
"""Last smoothed loss over the lowest one, from which the loss has diverged."""

MIN_RISE: Final = 0.05
"""Rise of the smoothed loss, as a share of its first value, below which it is noise: 0.004 to 0.008
after 3.6.
"""

OVERFITTED_RATIO: Final = 1.1
"""Last validation loss over the lowest one, from which it is overfitting while the training loss
still falls.
"""

STALE_RATIO: Final = 0.5
"""Last training loss over that at the lowest validation loss, below which a level validation loss
is overfitting.
"""

SMOOTHING_WEIGHT: Final = 0.8


CheckpointStep = int | Literal["best"] | None
"""A checkpoint by its step, or the one with the lowest validation loss; None for the last one."""


class Hint(NamedTuple):
    """What a loss curve shows, and what can be done about it."""

    problem: str
    remedy: str


@dataclass(frozen=True)
class LossPoint:
    """A point of the loss curve; losses in nats.

    Attributes:
        epoch: passes over the data so far, None where the platform counts steps only.
        rewards: of a training on preferences: chosen, rejected, margins, accuracies.
        is_kept: whether the weights are kept, so that they can be published; None where the
            platform does not say.
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
        """Return a checkpoint of the platform, or of the sandbox with its further fields, as a
        point.
        """
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
    """Return the point with the lowest validation loss of those that can be published, None without
    such a point.
    """
    candidates = [
        point
        for point in points
        if point.validation_loss is not None and point.is_kept is not False
    ]
    return min(candidates, key=lambda point: point.validation_loss or 0.0, default=None)


def checkpoint_rows(points: Sequence[LossPoint]) -> list[dict[str, Any]]:
    """Return the points as rows of a table, with a column for each reward, and which one is the
    best.
    """
    best = best_checkpoint(points)
    rows = []
    for point in points:
        row = dict(vars(point))
        for name, value in (row.pop("rewards") or {}).items():
            row[f"rewards/{name}"] = value
        rows.append({**row, "is_best": point is best})
    return rows


def resolve_step(step: CheckpointStep, points: Sequence[LossPoint]) -> int | None:
    """Return the step of a checkpoint, None for the last one.

    Raises:
        InvalidArgumentError: there is no such checkpoint, or its weights were not kept.
    """
    if step is None:
        return None
    if step == "best":
        if (best := best_checkpoint(points)) is None:
            raise InvalidArgumentError(
                tr(
                    "step='best': no checkpoint has a validation loss; hold out rows with "
                    "`trainset_rate`"
                )
            )
        step = best.step
    if isinstance(step, bool) or not isinstance(step, int):
        raise InvalidArgumentError(
            tr(
                "step={value}: pass the step of a checkpoint, a whole number, or 'best'",
                value=repr(step),
            )
        )
    kept = [point.step for point in points if point.is_kept is not False]
    if points and step not in kept:
        steps = listed(kept)
        raise InvalidArgumentError(
            tr(
                "step={step}: there is no such checkpoint; the checkpoints are {steps}",
                step=step,
                steps=steps,
            )
        )
    if points and step == points[-1].step:
        return None
    return step


def moving_average(values: Sequence[float], weight: float = SMOOTHING_WEIGHT) -> list[float]:
    """Return the exponential moving average, corrected for its start; `weight` 0-1, 0 smooths
    nothing.
    """
    import pandas as pd  # noqa: PLC0415 - slow to import

    return [*pd.Series(values, dtype=float).ewm(alpha=1 - weight).mean()]


def diagnose_loss(points: Sequence[LossPoint], name: str = "") -> list[Hint]:
    """Return the problems of a curve, with commands where the training has a name."""
    losses = [point.training_loss for point in points]
    for point in points:
        if not math.isfinite(point.training_loss):
            problem = tr(
                "The loss is {loss} at step {step}.", loss=point.training_loss, step=point.step
            )
            return [Hint(problem, tr("The learning rate may be too high."))]
    hints = (
        _describe_divergence(points, losses),
        _describe_plateau(losses),
        _describe_overfitting(points, name),
    )
    return [hint for hint in hints if hint is not None]


def _describe_divergence(points: Sequence[LossPoint], losses: Sequence[float]) -> Hint | None:
    if len(losses) < MIN_POINTS:
        return None
    curve = moving_average(losses)
    lowest = min(range(len(curve)), key=curve.__getitem__)
    if curve[lowest] <= 0 or curve[-1] < max(
        DIVERGED_RATIO * curve[lowest], curve[lowest] + MIN_RISE * curve[0]
    ):
        return None
    problem = tr(
        "The loss diverges: smoothed, it rose from {lowest} at step {step} to {last}.",
        lowest=format_loss(curve[lowest]),
        step=points[lowest].step,
        last=format_loss(curve[-1]),
    )
    return Hint(problem, tr("The learning rate may be too high."))


def _describe_plateau(losses: Sequence[float]) -> Hint | None:
    third = len(losses) // 3
    if len(losses) < MIN_POINTS or (first_median := median(losses[:third])) <= 0:
        return None
    last_median = median(losses[-third:])
    if not FLAT_RATIO <= last_median / first_median < DIVERGED_RATIO:
        return None
    problem = tr(
        "The loss does not fall: its median is {first} in the first third and {last} in the last.",
        first=format_loss(first_median),
        last=format_loss(last_median),
    )
    return Hint(
        problem, tr("The learning rate may be too low, or the data may not be what you expect.")
    )


def _describe_overfitting(points: Sequence[LossPoint], name: str) -> Hint | None:
    held_out = []
    for point in points:
        if point.validation_loss is not None:
            held_out.append((point, point.validation_loss))
    if len(held_out) < MIN_POINTS // 3:
        return None
    best, lowest_loss = min(held_out, key=lambda pair: pair[1])
    point, last_loss = held_out[-1]
    remedy = tr("Train for fewer epochs or on more data, or publish checkpoint ★.")
    star = best_checkpoint(points)
    if is_untrained(best):
        remedy = tr(
            "An earlier checkpoint has learned less and would not help: the rows held out are "
            "unlike those trained on. Add rows of their kind."
        )
    elif name and star is not None:
        remedy = tr(
            "Train for fewer epochs or on more data, or publish checkpoint ★: "
            "`%qftrain publish {name} --step {step}`",
            name=name,
            step=star.step,
        )
    if _is_stale(points, best, point, last_loss):
        problem = tr(
            "It overfits: the validation loss is {last} and has not fallen since step {step}, "
            "while the training loss "
            "fell to {training}.",
            last=format_loss(last_loss),
            step=best.step,
            training=format_loss(point.training_loss),
        )
        return Hint(problem, remedy)
    if last_loss < OVERFITTED_RATIO * lowest_loss or point.training_loss >= best.training_loss:
        return None
    problem = tr(
        "It overfits: the validation loss rose from {lowest} at step {step} to {last}, while the "
        "training loss fell.",
        lowest=format_loss(lowest_loss),
        step=best.step,
        last=format_loss(last_loss),
    )
    return Hint(problem, remedy)


def is_untrained(point: LossPoint) -> bool:
    """Return whether a checkpoint is of the first pass, which has not read all rows yet."""
    return point.epoch is not None and point.epoch < 1


def _is_stale(
    points: Sequence[LossPoint], best: LossPoint, last: LossPoint, validation_loss: float
) -> bool:
    """Return whether the validation loss is level, well above the training loss, which fell to less
    than half since.
    """
    is_level = (
        validation_loss < OVERFITTED_RATIO * (best.validation_loss or 0.0)
        and 2 * best.step < last.step
    )
    gap = validation_loss - last.training_loss
    has_learned = last.training_loss < STALE_RATIO * best.training_loss
    return is_level and has_learned and gap > MIN_RISE * points[0].training_loss
