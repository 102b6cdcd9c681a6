"""Curves over one axis as a value, and where their lines, ticks and names lie in a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from .text import escape, strip_controls

T = TypeVar("T")
Point = tuple[float, float]

COLOURS: Final = ("#0072b2", "#c94f00", "#00805c", "#a8487f", "#6d6100")
"""Of the series 1 to 5 where there is no stylesheet; `look.css` has those of a light and of a dark
theme.
"""

WIDTH = 760
HEIGHT = 232
LEFT = 46
TOP = 12
BOTTOM = 196
"""Size of the picture and edges of the plot in pixels; the names of the lines stand at the right of
it.
"""

LINE_POINTS: Final = 400


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes:
        label: its name, at its end.
        points: pairs of x and y in the order of x; those that are not finite are omitted.
        series: the number of its colour, from 1.
        dash: an SVG dash pattern, "" for a solid line.
        is_pale: it stands behind another line, without a name and without values on hover.
    """

    label: str
    points: Sequence[Point]
    series: int = 1
    dash: str = ""
    is_pale: bool = False

    @property
    def colour(self) -> str:
        """The colour without a stylesheet."""
        return COLOURS[(self.series - 1) % len(COLOURS)]

    @property
    def css(self) -> str:
        """The class that has the theme's colour."""
        return f"s{(self.series - 1) % len(COLOURS) + 1}"


@dataclass(frozen=True)
class LineChart:
    """Curves with what is to be said about them.

    Attributes:
        title: what the vertical axis shows.
        finding: what the curves show, in words and numbers, for those who do not see them.
        curves: the lines.
        x_label: the unit of the horizontal axis.
        x_end: where that axis ends at least: what is planned.
        best: the point of the last curve that has a star.
        is_log: whether the vertical axis is logarithmic; values of 0 and below are omitted then.
        describe_x: returns the first words of the values on hover.
    """

    title: str
    finding: str
    curves: Sequence[Curve]
    x_label: str
    x_end: float = 0.0
    best: Point | None = None
    is_log: bool = False
    describe_x: Callable[[float], str] = "{:g}".format

    def visible(self) -> list[Curve]:
        """Return the curves that have points to draw, at most LINE_POINTS of each."""
        curves = [
            replace(curve, points=thin(self._drawable(curve.points), LINE_POINTS))
            for curve in self.curves
        ]
        return [curve for curve in curves if curve.points]

    def _drawable(self, points: Sequence[Point]) -> list[Point]:
        lowest = 0.0 if self.is_log else -math.inf
        return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y) and y > lowest]


def linear_ticks(low: float, high: float, at_most: int = 5) -> list[float]:
    """Return about `at_most` ticks that enclose a range, in steps of 1, 2 or 5 times a power of
    ten.
    """
    span = (high - low) or abs(high) or 1.0
    power: float = 10.0 ** math.floor(math.log10(span / at_most))
    step = next(
        factor * power for factor in (1, 2, 5, 10) if factor * power >= span / at_most * (1 - 1e-9)
    )
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(step * n, 12) for n in range(first, max(last, first + 1) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten in a range above 0, and at or outside of each end 1, 2 or 5 times
    one.
    """
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    steps = [factor * 10.0**exponent for exponent in exponents for factor in (1, 2, 5)]
    first = max(step for step in steps if step <= low * (1 + 1e-9))
    last = min(step for step in steps if step >= high * (1 - 1e-9) and step > first)
    return [
        first,
        *(10.0**exponent for exponent in exponents if first < 10.0**exponent < last),
        last,
    ]


def format_tick(value: float) -> str:
    """Return the label of a tick, with a minus that is as wide as a digit."""
    return f"{value:,.6g}".replace("-", "−", int(value < 0))


def thin(items: Sequence[T], at_most: int) -> list[T]:
    """Return about `at_most` items, evenly chosen, with the last one."""
    step = math.ceil(len(items) / at_most) if items else 1
    return [*items[:-1:step], items[-1]] if step > 1 else list(items)


@dataclass(frozen=True)
class Stroke:
    """A line through points of the picture; `css` is of `look.css`, `colour` is for where there is
    none.
    """

    points: Sequence[Point]
    css: str
    colour: str
    width: float = 1.0
    dash: str = ""
    opacity: float = 1.0

    def svg(self) -> str:
        """Return the line as SVG."""
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in self.points)
        dash = f' stroke-dasharray="{self.dash}"' if self.dash else ""
        pale = f' stroke-opacity="{self.opacity:g}"' if self.opacity < 1 else ""
        style = (
            f'class="{self.css}" fill="none" stroke="{self.colour}" '
            f'stroke-width="{self.width:g}"{dash}{pale}'
        )
        return f'<path {style} stroke-linejoin="round" d="M{path}"/>'


@dataclass(frozen=True)
class Label:
    """A text of the picture; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str
    is_strong: bool = False

    def svg(self) -> str:
        """Return the text as SVG."""
        strong = ' class="k" font-weight="600"' if self.is_strong else ""
        return (
            f'<text{strong} x="{self.x:.1f}" y="{self.y:.1f}" '
            f'text-anchor="{self.anchor}">{escape(self.text)}</text>'
        )


@dataclass(frozen=True)
class Dot:
    """A point of a curve."""

    x: float
    y: float
    curve: Curve

    def svg(self, css: str = "f ", attributes: str = "") -> str:
        """Return the point as SVG."""
        style = f'class="{css}{self.curve.css}" fill="{self.curve.colour}"{attributes}'
        return f'<circle {style} r="4" cx="{self.x:.1f}" cy="{self.y:.1f}"/>'


class Plot:
    """The ticks of a chart, and where its values lie in the picture."""

    def __init__(self, chart: LineChart, curves: Sequence[Curve]) -> None:
        self.chart = chart
        self.curves = curves
        self.named = [curve for curve in curves if not curve.is_pale]
        values = [y for curve in curves for _, y in curve.points]
        low = min(values)
        high = max(values)
        self.y_ticks = (
            log_ticks(low, high) if chart.is_log else linear_ticks(min(0.0, low), max(high, 0.0), 4)
        )
        self.last_x = max(x for curve in curves for x, _ in curve.points)
        self.x_end = max(chart.x_end, self.last_x) or 1.0
        longest = max((_columns(self._end_label(curve)) for curve in self.named), default=0.0)
        self.right = max(360.0, WIDTH - 36 - 8.5 * longest)

    def x(self, value: float) -> float:
        """Return the horizontal position of a value."""
        return LEFT + (self.right - LEFT) * value / self.x_end

    def y(self, value: float) -> float:
        """Return the vertical position of a value."""
        low = self.y_ticks[0]
        high = self.y_ticks[-1]
        if self.chart.is_log:
            low = math.log10(low)
            value = math.log10(value)
            high = math.log10(high)
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)

    def shapes(self) -> Iterator[Stroke | Label | Dot]:
        """Yield what is drawn, from the back to the front."""
        yield from self._axes()
        for curve in self.curves:
            points = [(self.x(x), self.y(y)) for x, y in curve.points]
            yield self._stroke(curve, points) if len(points) > 1 else Dot(*points[0], curve)
        yield from self._names()
        yield from self._star()

    def _axes(self) -> Iterator[Stroke | Label]:
        heights = [self.y(tick) for tick in self.y_ticks]
        for tick, y in zip(self.y_ticks, heights, strict=True):
            yield Stroke([(LEFT, y), (self.right, y)], "g", "#ccc")
            if y not in {heights[0], heights[-1]} or not any(
                0 < abs(y - height) < 16 for height in heights
            ):
                yield Label(LEFT - 8, y + 4, format_tick(tick), "end")
        for tick in linear_ticks(0.0, self.x_end):
            if tick <= self.x_end * (1 + 1e-9):
                yield Stroke([(self.x(tick), BOTTOM), (self.x(tick), BOTTOM + 4)], "x", "#888")
                yield Label(self.x(tick), BOTTOM + 18, format_tick(tick), "middle")
        yield Stroke([(LEFT, BOTTOM), (self.right, BOTTOM)], "x", "#888")
        yield Label(self.right + 14, BOTTOM + 18, self.chart.x_label, "start")

    def _stroke(self, curve: Curve, points: Sequence[Point]) -> Stroke:
        css, width, opacity = ("l raw", 1.2, 0.4) if curve.is_pale else ("l", 2.2, 1.0)
        return Stroke(points, f"{css} {curve.css}", curve.colour, width, curve.dash, opacity)

    def _names(self) -> Iterator[Stroke | Label]:
        """Yield the name and the last value of each line at its end, moved apart where the ends are
        near.
        """
        ends = sorted(
            ((self.y(curve.points[-1][1]), curve) for curve in self.named), key=lambda end: end[0]
        )
        heights: list[float] = []
        for y, _ in ends:
            heights.append(max(y, heights[-1] + 19) if heights else y)
        excess = max(0.0, heights[-1] - (BOTTOM - 11)) if heights else 0.0
        x = self.x(self.last_x)
        for height, (_, curve) in zip(heights, ends, strict=True):
            y = height - excess
            yield self._stroke(curve, [(x + 10, y), (x + 26, y)])
            yield Label(x + 31, y + 4, self._end_label(curve), "start", is_strong=True)

    def _end_label(self, curve: Curve) -> str:
        star = "★ " if curve is self.named[-1] and self.chart.best == curve.points[-1] else ""
        return f"{strip_controls(curve.label)} {star}{curve.points[-1][1]:.3f}"

    def _star(self) -> Iterator[Label | Dot]:
        """Yield the mark of the best point, unless the name at the end of its line has the star."""
        best = self.chart.best
        curve = self.named[-1]
        if best is None or best == curve.points[-1]:
            return
        x = self.x(best[0])
        y = self.y(best[1])
        yield Dot(x, y, curve)
        yield Label(
            x, y - 12 if y - 20 > TOP else y + 22, f"★ {best[1]:.3f}", "middle", is_strong=True
        )


def _columns(text: str) -> float:
    """Return the width of a label in narrow characters."""
    return sum(1.7 if char > "\u2e80" else 1.0 for char in text)
