"""The charts of trainings: losses, rewards of preferences, and the losses of several trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...base.language import tr, trn
from ...base.text import format_loss, listed
from ...trainer.loss_diagnostics import SMOOTHING_WEIGHT, LossPoint, best_checkpoint, moving_average
from ...trainer.progress import TrainingProgress
from ..formats import one_line
from ..line_chart import Curve, LineChart, Point

LOG_RATIO: Final = 0.01
"""Last loss over the first one, below which the axis is logarithmic."""

VALIDATION_DASH: Final = "6 4"
SECOND_ROUND_DASH: Final = "2 3"


@dataclass(frozen=True)
class Axis:
    """The horizontal axis of points: epochs, or steps where one of the points has no epoch."""

    has_steps: bool

    @classmethod
    def of(cls, points: Sequence[LossPoint]) -> Axis:
        """Return the axis that all points have."""
        return cls(any(point.epoch is None for point in points))

    @property
    def label(self) -> str:
        """The unit."""
        if self.has_steps:
            return tr("step")
        return tr("epoch")

    def x(self, point: LossPoint) -> float:
        """Return where a point lies."""
        if self.has_steps or point.epoch is None:
            return float(point.step)
        return point.epoch

    def describe(self, x: float) -> str:
        """Return a position in words."""
        if self.has_steps:
            return tr("Step {step}", step=f"{x:,.0f}")
        return tr("Epoch {epoch}", epoch=f"{x:.3g}")

    def end(self, progress: TrainingProgress) -> float:
        """Return the planned end, 0 where it is unknown."""
        epochs = progress.hyper_parameters.get("epoch")
        if isinstance(epochs, int | float) and not self.has_steps:
            return float(epochs)
        return 0.0


def loss_chart(progress: TrainingProgress) -> LineChart:
    """Return the training losses, raw and smoothed, and the validation losses with a star at the
    best checkpoint.
    """
    points = _finite(progress.points)
    axis = Axis.of(points)
    best = best_checkpoint(points)
    raw = [(axis.x(point), point.training_loss) for point in points]
    training = _smoothed(points, axis)
    validation = []
    for point in points:
        if point.validation_loss is not None:
            validation.append((axis.x(point), point.validation_loss))
    return LineChart(
        tr("Loss (nats per token, lower is better)"),
        _finding(training, validation, best),
        [
            Curve("", raw, is_pale=True),
            Curve(tr("training"), training),
            *([Curve(tr("validation"), validation, 2, VALIDATION_DASH)] if validation else []),
        ],
        axis.label,
        axis.end(progress),
        None if best is None else (axis.x(best), best.validation_loss or 0.0),
        _falls_by_decades(training),
        axis.describe,
    )


def rewards_chart(progress: TrainingProgress) -> LineChart:
    """Return the margins and the accuracies of a training on preferences, without a curve where it
    has none.
    """
    points = [point for point in progress.points if point.rewards]
    axis = Axis.of(points)
    curves = []
    ends = []
    for series, name in ((3, "margins"), (4, "accuracies")):
        values = []
        for p in points:
            if p.rewards and name in p.rewards:
                values.append((axis.x(p), p.rewards[name]))
        if values:
            curves.append(Curve(name, values, series))
            ends.append(f"{name} {format_loss(values[-1][1])}")
    finding = tr("Rewards at the end: {values}.", values=listed(ends))
    title = tr("Rewards (higher is better)")
    return LineChart(
        title, finding, curves, axis.label, axis.end(progress), describe_x=axis.describe
    )


def comparison_chart(runs: Mapping[str, TrainingProgress]) -> LineChart:
    """Return the smoothed training losses of named trainings."""
    points = {name: _finite(run.points) for name, run in runs.items()}
    axis = Axis.of([point for row in points.values() for point in row])
    curves = []
    for number, (name, row) in enumerate(points.items(), 1):
        curves.append(
            Curve(
                one_line(name, 16),
                _smoothed(row, axis),
                number,
                SECOND_ROUND_DASH if number > 5 else "",
            )
        )
    ends = listed(
        f"{one_line(name, 40)} {format_loss(smooth(row)[-1])}"
        for name, row in points.items()
        if row
    )
    finding = trn(
        "Loss of {n} training; at the end: {ends}.",
        "Loss of {n} trainings; at the end: {ends}.",
        len(runs),
        ends=ends,
    )
    has_decades = any(_falls_by_decades(curve.points) for curve in curves)
    title = tr("Training loss (nats, smoothed, lower is better)")
    end = max(map(axis.end, runs.values()), default=0.0)
    return LineChart(title, finding, curves, axis.label, end, None, has_decades, axis.describe)


def smooth(points: Sequence[LossPoint]) -> list[float]:
    """Return the smoothed training losses; more points are smoothed more."""
    return moving_average(
        [p.training_loss for p in points], SMOOTHING_WEIGHT * len(points) / (len(points) + 20)
    )


def _smoothed(points: Sequence[LossPoint], axis: Axis) -> list[Point]:
    return [(axis.x(point), loss) for point, loss in zip(points, smooth(points), strict=True)]


def _finite(points: Sequence[LossPoint]) -> list[LossPoint]:
    return [point for point in points if math.isfinite(point.training_loss)]


def _falls_by_decades(curve: Sequence[Point]) -> bool:
    return len(curve) > 1 and 0 < curve[-1][1] < LOG_RATIO * curve[0][1]


def _finding(training: Sequence[Point], validation: Sequence[Point], best: LossPoint | None) -> str:
    """Return the finding of the curves as a sentence."""
    if not training:
        return ""
    first = format_loss(training[0][1])
    last = format_loss(training[-1][1])
    if not validation or best is None:
        return tr(
            "Loss over {n} points: training from {first} to {last}.",
            n=len(training),
            first=first,
            last=last,
        )
    return tr(
        "Loss over {n} points: training from {first} to {last}, validation from {start} to {end}, "
        "lowest {lowest} at {position}.",
        n=len(training),
        first=first,
        last=last,
        start=format_loss(validation[0][1]),
        end=format_loss(validation[-1][1]),
        lowest=format_loss(best.validation_loss),
        position=checkpoint_name(best),
    )


def checkpoint_name(point: LossPoint) -> str:
    """Return a checkpoint by its epoch, or by its step where it has no epoch."""
    if point.epoch is None:
        return tr("step {step}", step=f"{point.step:,}")
    return tr("epoch {epoch}", epoch=f"{point.epoch:.3g}")
