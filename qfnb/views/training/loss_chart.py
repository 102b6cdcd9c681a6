"""Loss curves as SVG, quick enough to be drawn again at each poll."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...trainer.loss_diagnostics import SMOOTHING_WEIGHT, moving_average
from ..text import escape

GREY = "#808080"
"""Readable on a light and on a dark page."""

WIDTH: Final = 640
"""Pixels."""

BLUE, ORANGE, PURPLE, GREEN = "#3b82f6", "#f59e0b", "#a855f7", "#10b981"


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        label: in the legend.
        x, y: the points; those that are not finite numbers are omitted.
        colour: of CSS.
        dash: an SVG dash pattern, "" for a solid line.
        opacity: 0-1.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: str = BLUE
    dash: str = ""
    opacity: float = 1.0

    @property
    def points(self) -> list[tuple[float, float]]:
        """The points with finite coordinates."""
        pairs = ((x, y) for x, y in zip(self.x, self.y, strict=False) if y is not None)
        return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def loss_svg(
    epochs: Sequence[float],
    training: Sequence[float],
    validation: Sequence[float | None] = (),
    *,
    smooth: Sequence[float] = (),
    axis: str = "epoch",
) -> str:
    """Return a loss curve (nats over epochs) as SVG, "" before the first point.

    Args:
        epochs: epochs or steps of the losses, see `axis`.
        training: training losses, drawn pale where `smooth` is given.
        validation: validation losses, None where not measured.
        smooth: smoothed training losses.
        axis: label of the horizontal axis, epoch or step.
    """
    curves = [Curve("training loss", epochs, training, opacity=0.4 if smooth else 1.0)]
    curves += [Curve("smoothed", epochs, smooth)] if smooth else []
    curves += [Curve("validation loss", epochs, validation, ORANGE, "5 3")]
    return curves_svg(curves, axis=axis)


def curves_svg(curves: Sequence[Curve], *, height: int = 220, axis: str = "epoch") -> str:
    """Return curves over one axis as SVG, "" where none of them has a point.

    Args:
        curves: the lines.
        height: in pixels; the axis begins at 0, or below it at the lowest value.
        axis: label of the horizontal axis, epoch or step.
    """
    visible = [(curve, points) for curve in curves if (points := curve.points)]
    if not visible:
        return ""
    right = max(1e-9, *(x for _, points in visible for x, _ in points))
    top = max(y for _, points in visible for _, y in points) * 1.08
    top = top if top > 0 else 1.0
    bottom = min(0.0, min(y for _, points in visible for _, y in points) * 1.08)
    box = (52, 14, WIDTH - 14, height - 34)

    def to_pixels(x: float, y: float) -> tuple[float, float]:
        return box[0] + (box[2] - box[0]) * x / right, box[3] - (box[3] - box[1]) * (y - bottom) / (top - bottom)

    lines = "".join(_line([to_pixels(*point) for point in points], curve) for curve, points in visible)
    legend = "".join(_legend(curve, box[2] - 4, box[1] + 10 + 16 * n) for n, (curve, _) in enumerate(visible))
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    marks = _axes(box, right, (bottom, top), axis)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{marks}{lines}{legend}</svg>'


def smooth(losses: Sequence[float]) -> list[float]:
    """Return smoothed losses; more points are smoothed more."""
    return moving_average(losses, SMOOTHING_WEIGHT * len(losses) / (len(losses) + 20))


def _axes(box: tuple[int, int, int, int], right: float, heights: tuple[float, float], axis: str) -> str:
    bottom, top = heights
    left_edge, top_edge, right_edge, bottom_edge = box
    parts = [f'<path d="M{left_edge} {top_edge}V{bottom_edge}H{right_edge}" stroke="{GREY}" fill="none"/>']
    for fraction in (0.0, 0.5, 1.0):
        y = bottom_edge - (bottom_edge - top_edge) * fraction
        parts += [
            f'<path d="M{left_edge} {y:.1f}H{right_edge}" stroke="{GREY}" stroke-opacity="0.25"/>',
            _text(left_edge - 6, y + 4, _tick(bottom + (top - bottom) * fraction), GREY, "end"),
            _text(
                left_edge + (right_edge - left_edge) * fraction,
                bottom_edge + 16,
                _tick(right * fraction),
                GREY,
                "middle",
            ),
        ]
    return "".join([*parts, _text((left_edge + right_edge) / 2, bottom_edge + 30, axis, GREY, "middle")])


def _tick(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 100 or abs(value) >= 1e7 else f"{value:,.0f}"


def _line(points: Sequence[tuple[float, float]], curve: Curve) -> str:
    if len(points) == 1:
        x, y = points[0]
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{curve.colour}"/>'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{curve.dash}"' if curve.dash else ""
    opacity = f' stroke-opacity="{curve.opacity}"' if curve.opacity < 1 else ""
    return f'<polyline points="{path}" fill="none" stroke="{curve.colour}" stroke-width="2"{dashes}{opacity}/>'


def _legend(curve: Curve, x: float, y: float) -> str:
    dash_mark = "- - " if curve.dash else "— "
    return _text(x, y, dash_mark + curve.label, curve.colour, "end", curve.opacity)


def _text(x: float, y: float, text: str, colour: str, anchor: str, opacity: float = 1.0) -> str:
    fill_opacity = f' fill-opacity="{max(opacity, 0.7)}"' if opacity < 1 else ""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}"{fill_opacity} text-anchor="{anchor}" '
        f'font-family="sans-serif" font-size="12">{escape(text)}</text>'
    )
