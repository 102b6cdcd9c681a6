"""Curves over one axis in one look: inline SVG for pages, a PNG for what shows none.

The SVG is right without a stylesheet; with `look.css` it has the colours of the theme, and values
on hover.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from ..base.language import tr
from ..base.text import format_loss
from .components import Html
from .drawing import (
    WIDTH,
    ChartLabel,
    Drawing,
    Mark,
    Shape,
    Stroke,
    colour,
    css,
    format_tick,
    linear_ticks,
)
from .text import escape, strip_controls

T = TypeVar("T")
Point = tuple[float, float]

HEIGHT = 232
LEFT = 46
TOP = 12
BOTTOM = 196
"""Height of the picture and edges of the plot in pixels; the names of the lines stand at the right
of it.
"""

LINE_POINTS: Final = 400
HOVER_COLUMNS: Final = 60


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
        if self.is_log:
            lowest = 0.0
        else:
            lowest = -math.inf
        return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y) and y > lowest]


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


def thin(items: Sequence[T], at_most: int) -> list[T]:
    """Return about `at_most` items, evenly chosen, with the last one."""
    if items:
        step = math.ceil(len(items) / at_most)
    else:
        step = 1
    if step > 1:
        return [*items[:-1:step], items[-1]]
    return list(items)


class Plot:
    """The ticks of a chart, and where its values lie in the picture."""

    def __init__(self, chart: LineChart, curves: Sequence[Curve]) -> None:
        self.chart = chart
        self.curves = curves
        self.named = [curve for curve in curves if not curve.is_pale]
        values = [y for curve in curves for _, y in curve.points]
        low = min(values)
        high = max(values)
        if chart.is_log:
            self.y_ticks = log_ticks(low, high)
        else:
            self.y_ticks = linear_ticks(min(0.0, low), max(high, 0.0), 4)
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

    def shapes(self) -> Iterator[Shape]:
        """Yield the shapes, from the back to the front."""
        yield from self._axes()
        for curve in self.curves:
            points = [(self.x(x), self.y(y)) for x, y in curve.points]
            yield self._stroke(curve, points) if len(points) > 1 else _dot(*points[0], curve)
        yield from self._names()
        yield from self._star()

    def _axes(self) -> Iterator[Shape]:
        heights = [self.y(tick) for tick in self.y_ticks]
        for tick, y in zip(self.y_ticks, heights, strict=True):
            yield Stroke([(LEFT, y), (self.right, y)], "g", "#ccc")
            if y not in {heights[0], heights[-1]} or not any(
                0 < abs(y - height) < 16 for height in heights
            ):
                yield ChartLabel(LEFT - 8, y + 4, format_tick(tick), "end")
        for tick in linear_ticks(0.0, self.x_end):
            if tick <= self.x_end * (1 + 1e-9):
                yield Stroke([(self.x(tick), BOTTOM), (self.x(tick), BOTTOM + 4)], "x", "#888")
                yield ChartLabel(self.x(tick), BOTTOM + 18, format_tick(tick), "middle")
        yield Stroke([(LEFT, BOTTOM), (self.right, BOTTOM)], "x", "#888")
        yield ChartLabel(self.right + 14, BOTTOM + 18, self.chart.x_label, "start")

    def _stroke(self, curve: Curve, points: Sequence[Point]) -> Stroke:
        style, width, opacity = ("l raw", 1.2, 0.4) if curve.is_pale else ("l", 2.2, 1.0)
        return Stroke(
            points, f"{style} {css(curve.series)}", colour(curve.series), width, curve.dash, opacity
        )

    def _names(self) -> Iterator[Shape]:
        """Yield the name and the last value of each line at its end, moved apart where the ends are
        near.
        """
        ends = sorted(
            ((self.y(curve.points[-1][1]), curve) for curve in self.named), key=lambda end: end[0]
        )
        heights: list[float] = []
        for y, _ in ends:
            heights.append(max(y, heights[-1] + 19) if heights else y)
        if heights:
            excess = max(0.0, heights[-1] - (BOTTOM - 11))
        else:
            excess = 0.0
        x = self.x(self.last_x)
        for height, (_, curve) in zip(heights, ends, strict=True):
            y = height - excess
            yield self._stroke(curve, [(x + 10, y), (x + 26, y)])
            yield ChartLabel(x + 31, y + 4, self._end_label(curve), "start", is_strong=True)

    def _end_label(self, curve: Curve) -> str:
        if curve is self.named[-1] and self.chart.best == curve.points[-1]:
            star = "★ "
        else:
            star = ""
        return f"{strip_controls(curve.label)} {star}{format_loss(curve.points[-1][1])}"

    def _star(self) -> Iterator[Shape]:
        """Yield the mark of the best point, unless the name at the end of its line has the star."""
        best = self.chart.best
        curve = self.named[-1]
        if best is None or best == curve.points[-1]:
            return
        x = self.x(best[0])
        y = self.y(best[1])
        yield _dot(x, y, curve)
        yield ChartLabel(
            x,
            y - 12 if y - 20 > TOP else y + 22,
            f"★ {format_loss(best[1])}",
            "middle",
            is_strong=True,
        )


def _columns(text: str) -> float:
    """Return the width of a label in narrow characters."""
    return sum(1.7 if char > "\u2e80" else 1.0 for char in text)


def _dot(x: float, y: float, curve: Curve) -> Mark:
    return Mark(x, y, curve.series, radius=4)


def figure(chart: LineChart, *, has_switch: bool = False, has_values: bool = True) -> Html:
    """Return a chart with its title as HTML, "" where no curve has a point.

    Args:
        chart: what is drawn.
        has_switch: offer a linear and a logarithmic axis; that works without a kernel.
        has_values: show the values below the pointer, which is most of the size.
    """
    if not (curves := chart.visible()):
        return Html("")
    if not has_switch or any(y <= 0 for curve in curves for _, y in curve.points):
        caption = f"<figcaption>{escape(chart.title)}</figcaption>"
        return Html(f'<figure class="qf-fig">{caption}{_view(chart, has_values)}</figure>')
    linear, logarithmic = (
        _view(replace(chart, is_log=is_log), has_values) for is_log in (False, True)
    )
    caption = f"<figcaption>{escape(chart.title)} {_switch(is_log=chart.is_log)}</figcaption>"
    views = f'<div class="qf-lin-view">{linear}</div><div class="qf-log-view">{logarithmic}</div>'
    return Html(f'<figure class="qf-fig">{caption}{views}</figure>')


def with_words(finding: str, svg_html: Html) -> Html:
    """Return an SVG in a fold that `look.css` holds open: a page that drops SVG is left with the
    words.
    """
    return Html(
        f'<details class="qf-draw"><summary>{escape(finding)}</summary>{svg_html}</details>'
    )


def _view(chart: LineChart, has_values: bool) -> Html:
    return with_words(chart.finding, svg(chart, has_values=has_values))


def _switch(*, is_log: bool) -> Html:
    """Return two radio buttons; a form, which sends nothing, keeps them apart from those of another
    output.
    """
    choices = (("lin", tr("linear"), not is_log), ("log", tr("logarithmic"), is_log))
    options = "".join(
        '<label><input type="radio" name="axis" '
        f'class="qf-{name}"{" checked" if chosen else ""}>{escape(text)}</label>'
        for name, text, chosen in choices
    )
    label = escape(tr("Vertical axis"))
    return Html(
        '<form method="dialog" class="qf-seg" role="radiogroup" '
        f'aria-label="{label}">{options}</form>'
    )


def svg(chart: LineChart, *, has_values: bool = True) -> Html:
    """Return a chart as SVG, "" where no curve has a point; `has_values` are those below the
    pointer.
    """
    if not (curves := chart.visible()):
        return Html("")
    plot = Plot(chart, curves)
    if has_values:
        columns = "".join(_hover_columns(plot))
    else:
        columns = ""
    return Drawing(HEIGHT, [*plot.shapes()]).svg(chart.finding, columns)


def _hover_columns(plot: Plot) -> Iterator[str]:
    """Yield invisible columns that show the values below the pointer."""
    columns = thin(sorted({x for curve in plot.named for x, _ in curve.points}), HOVER_COLUMNS)
    for column, before, after in zip(
        columns, [columns[0], *columns], [*columns[1:], columns[-1]], strict=False
    ):
        x = plot.x(column)
        left = plot.x((before + column) / 2)
        right = plot.x((column + after) / 2)
        values = [
            (curve, y) for curve in plot.named for point_x, y in curve.points if point_x == column
        ]
        dots = "".join(
            f'<circle class="{css(curve.series)}" fill="{colour(curve.series)}" opacity="0" r="4" '
            f'cx="{x:.1f}" cy="{plot.y(y):.1f}"/>'
            for curve, y in values
        )
        box = f'x="{left:.1f}" y="{TOP}" width="{max(right - left, 4):.1f}" height="{BOTTOM - TOP}"'
        ruler = (
            f'<line opacity="0" stroke="#888" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BOTTOM}"/>'
        )
        words = " · ".join(
            [
                plot.chart.describe_x(column),
                *(f"{curve.label} {format_loss(y)}" for curve, y in values),
            ]
        )
        area = f'<rect fill="none" pointer-events="all" {box}/>'
        yield f'<g class="pt">{area}{ruler}{dots}<title>{escape(words)}</title></g>'


def png(chart: LineChart, heading: str) -> bytes | None:
    """Return a chart as a picture for white and dark pages, None where no curve has a point.

    Args:
        chart: what is drawn.
        heading: a line above it: some programs show nothing else of an output.
    """
    if not (curves := chart.visible()):
        return None
    shapes = [ChartLabel(0, -1, chart.title, "start"), *Plot(chart, curves).shapes()]
    return Drawing(HEIGHT, shapes).png(heading, "", chart.finding)
