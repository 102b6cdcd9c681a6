"""Curves over one axis in one look, as inline SVG.

The SVG is right without a stylesheet; with `look.css` it has the colours of the theme, and values
on hover.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from ..base.text import format_loss
from .components import Html
from .drawing import WIDTH, Drawing, Point as Point, colour, css, format_tick, hover, linear_ticks
from .formats import escape, strip_controls

T = TypeVar("T")

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
        curves = []
        for curve in self.curves:
            curves.append(replace(curve, points=thin(self._drawable(curve.points), LINE_POINTS)))
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
    powers = [10.0**exponent for exponent in exponents]
    return [first, *(power for power in powers if first < power < last), last]


def thin(items: Sequence[T], at_most: int) -> list[T]:
    """Return about `at_most` items, evenly chosen, with the last one."""
    step = math.ceil(len(items) / at_most)
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
            low, value, high = map(math.log10, (low, value, high))
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)

    def drawing(self) -> Drawing:
        """Return the picture without the values on hover."""
        drawing = Drawing(HEIGHT)
        self._add_axes(drawing)
        for curve in self.curves:
            points = [(self.x(x), self.y(y)) for x, y in curve.points]
            if len(points) > 1:
                self._add_line(drawing, curve, points)
            else:
                drawing.dot(*points[0], curve.series, radius=4)
        self._add_names(drawing)
        self._add_star(drawing)
        return drawing

    def _add_axes(self, drawing: Drawing) -> None:
        heights = [self.y(tick) for tick in self.y_ticks]
        for tick, y in zip(self.y_ticks, heights, strict=True):
            drawing.line([(LEFT, y), (self.right, y)], "g")
            is_end = y in {heights[0], heights[-1]}
            is_crowded = any(0 < abs(y - height) < 16 for height in heights)
            if not (is_end and is_crowded):
                drawing.text(LEFT - 8, y, format_tick(tick), "end")
        for tick in linear_ticks(0.0, self.x_end):
            if tick <= self.x_end * (1 + 1e-9):
                drawing.line([(self.x(tick), BOTTOM), (self.x(tick), BOTTOM + 4)])
                drawing.text(self.x(tick), BOTTOM + 14, format_tick(tick), "middle")
        drawing.line([(LEFT, BOTTOM), (self.right, BOTTOM)])
        drawing.text(self.right + 14, BOTTOM + 14, self.chart.x_label)

    def _add_line(self, drawing: Drawing, curve: Curve, points: Sequence[Point]) -> None:
        if curve.is_pale:
            width = 1.2
        else:
            width = 2.2
        drawing.curve(points, curve.series, width=width, dash=curve.dash, is_pale=curve.is_pale)

    def _add_names(self, drawing: Drawing) -> None:
        """Add the name and the last value of each line at its end, moved apart where the ends are
        near.
        """
        curves = sorted(self.named, key=lambda curve: self.y(curve.points[-1][1]))
        heights: list[float] = []
        for curve in curves:
            end = self.y(curve.points[-1][1])
            heights.append(max(end, heights[-1] + 19) if heights else end)
        if heights:
            excess = max(0.0, heights[-1] - (BOTTOM - 11))
        else:
            excess = 0.0
        x = self.x(self.last_x)
        for height, curve in zip(heights, curves, strict=True):
            y = height - excess
            self._add_line(drawing, curve, [(x + 10, y), (x + 26, y)])
            drawing.text(x + 31, y, self._end_label(curve), is_strong=True)

    def _end_label(self, curve: Curve) -> str:
        is_best = curve is self.named[-1] and self.chart.best == curve.points[-1]
        if is_best:
            star = "★ "
        else:
            star = ""
        return f"{strip_controls(curve.label)} {star}{format_loss(curve.points[-1][1])}"

    def _add_star(self, drawing: Drawing) -> None:
        """Mark the best point, unless the name at the end of its line has the star."""
        best = self.chart.best
        curve = self.named[-1]
        if best is None or best == curve.points[-1]:
            return
        x = self.x(best[0])
        y = self.y(best[1])
        drawing.dot(x, y, curve.series, radius=4)
        if y - 20 > TOP:
            beside = y - 16
        else:
            beside = y + 18
        drawing.text(x, beside, f"★ {format_loss(best[1])}", "middle", is_strong=True)


def _columns(text: str) -> float:
    """Return the width of a label in narrow characters."""
    return sum(1.7 if char > "\u2e80" else 1.0 for char in text)


def figure(chart: LineChart, *, has_values: bool = True) -> Html:
    """Return a chart with its title as HTML, and its finding as text; "" where no curve has a
    point.

    Args:
        chart: what is drawn.
        has_values: show the values below the pointer, which is most of the size.
    """
    picture = svg(chart, has_values=has_values)
    if not picture:
        return Html()
    content = with_words(chart.finding, picture)
    return Html(figure_html(escape(chart.title), content), chart.finding)


def figure_html(caption: str, content: str) -> Html:
    """Return a figure of a caption and content, both HTML."""
    return Html(f'<figure class="qf-fig"><figcaption>{caption}</figcaption>{content}</figure>')


def with_words(finding: str, svg_html: Html) -> Html:
    """Return an SVG in a fold that `look.css` holds open: a page that drops SVG is left with the
    words.
    """
    return Html(
        f'<details class="qf-draw"><summary>{escape(finding)}</summary>{svg_html}</details>'
    )


def svg(chart: LineChart, *, has_values: bool = True) -> Html:
    """Return a chart as SVG, "" where no curve has a point; `has_values` are those below the
    pointer.
    """
    curves = chart.visible()
    if not curves:
        return Html()
    plot = Plot(chart, curves)
    if has_values:
        values = "".join(_hover_columns(plot))
    else:
        values = ""
    return plot.drawing().svg(chart.finding, values)


def _hover_columns(plot: Plot) -> Iterator[str]:
    """Yield invisible columns that show the values below the pointer."""
    columns = thin(sorted({x for curve in plot.named for x, _ in curve.points}), HOVER_COLUMNS)
    for before, column, after in zip(
        [columns[0], *columns], columns, [*columns[1:], columns[-1]], strict=False
    ):
        x = f"{plot.x(column):.1f}"
        left = plot.x((before + column) / 2)
        width = max(plot.x((column + after) / 2) - left, 4)
        words = [plot.chart.describe_x(column)]
        dots = ""
        for curve in plot.named:
            for y in (y for point_x, y in curve.points if point_x == column):
                style = f'class="{css(curve.series)}" fill="{colour(curve.series)}" opacity="0"'
                dots += f'<circle {style} r="4" cx="{x}" cy="{plot.y(y):.1f}"/>'
                words.append(f"{curve.label} {format_loss(y)}")
        box = f'x="{left:.1f}" y="{TOP}" width="{width:.1f}" height="{BOTTOM - TOP}"'
        area = f'<rect fill="none" pointer-events="all" {box}/>'
        ruler = f'<line opacity="0" stroke="#888" x1="{x}" x2="{x}" y1="{TOP}" y2="{BOTTOM}"/>'
        yield f'<g class="pt">{area}{ruler}{dots}{hover(" · ".join(words))}</g>'
