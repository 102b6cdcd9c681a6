"""A chart as shapes, drawn as inline SVG with values on hover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ..base.text import terminal_cells
from .components import Html
from .formats import escape

COLOURS: Final = ("#0072b2", "#c94f00", "#00805c", "#a8487f", "#6d6100")
"""Of the series 1 to 5 where there is no stylesheet; `look.css` has those of a light and of a dark
theme.
"""

STYLES: Final = {"g": "#ccc", "x": "#888", "e": "#222", "z": "#888"}
"""Classes of `look.css` for lines, with their colours without it: grid, axis, interval, zero."""

WIDTH: Final = 760
"""Of a picture, in pixels."""

# width of a narrow character on a narrow page, where `look.css` draws texts larger
COLUMN_PX: Final = 9.2


@dataclass(frozen=True)
class Stroke:
    """A line through points of the picture; `css` is of `look.css`, `colour` is for where there is
    none.
    """

    points: Sequence[tuple[float, float]]
    css: str
    colour: str
    width: float = 1.0
    dash: str = ""
    opacity: float = 1.0

    def svg(self) -> str:
        """Return the line as SVG."""
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in self.points)
        style = (
            f'class="{self.css}" fill="none" stroke="{self.colour}" stroke-width="{self.width:g}"'
        )
        if self.dash:
            style += f' stroke-dasharray="{self.dash}"'
        if self.opacity < 1:
            style += f' stroke-opacity="{self.opacity:g}"'
        return f'<path {style} stroke-linejoin="round" d="M{path}"/>'


@dataclass(frozen=True)
class ChartLabel:
    """A text of the picture; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str
    is_strong: bool = False

    def svg(self) -> str:
        """Return the text as SVG."""
        if self.is_strong:
            strong = ' class="k" font-weight="600"'
        else:
            strong = ""
        place = f'x="{self.x:.1f}" y="{self.y:.1f}" text-anchor="{self.anchor}"'
        return f"<text{strong} {place}>{escape(self.text)}</text>"


@dataclass(frozen=True)
class Box:
    """A rectangle in the colour of a series (from 1), with words on hover."""

    x: float
    y: float
    width: float
    height: float
    series: int
    words: str

    def svg(self) -> str:
        """Return the rectangle as SVG."""
        size = (
            f'x="{self.x:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" height="{self.height:.1f}"'
        )
        return f'<rect {_fill(self.series)} fill-opacity="0.75" {size}>{hover(self.words)}</rect>'


@dataclass(frozen=True)
class Mark:
    """A point in the colour of a series (from 1), with words on hover."""

    x: float
    y: float
    series: int
    words: str
    radius: float

    def svg(self) -> str:
        """Return the point as SVG."""
        place = f'r="{self.radius:g}" cx="{self.x:.1f}" cy="{self.y:.1f}"'
        return f"<circle {_fill(self.series)} {place}>{hover(self.words)}</circle>"


def _fill(series: int) -> str:
    return f'class="f {css(series)}" fill="{colour(series)}"'


def hover(words: str) -> str:
    """Return words on hover as SVG, "" for none."""
    if words:
        return f"<title>{escape(words)}</title>"
    return ""


def css(series: int) -> str:
    """Return the class that has a model's colour in the theme."""
    return f"s{(series - 1) % len(COLOURS) + 1}"


def colour(series: int) -> str:
    """Return a model's colour where there is no theme."""
    return COLOURS[(series - 1) % len(COLOURS)]


def linear_ticks(low: float, high: float, at_most: int = 5) -> list[float]:
    """Return about `at_most` ticks that enclose a range, in steps of 1, 2 or 5 times a power of
    ten.
    """
    span = (high - low) or abs(high) or 1.0
    least = span / at_most * (1 - 1e-9)
    power: float = 10.0 ** math.floor(math.log10(span / at_most))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(step * n, 12) for n in range(first, max(last, first + 1) + 1)]


def format_tick(value: float) -> str:
    """Return the label of a tick, with a minus that is as wide as a digit."""
    return f"{value:,.6g}".replace("-", "−", int(value < 0))


@dataclass
class Drawing:
    """Shapes on a picture of so many pixels, from the back to the front."""

    height: float = 0.0
    shapes: list[Stroke | ChartLabel | Box | Mark] = field(default_factory=list)
    width: float = WIDTH

    def line(
        self,
        points: Sequence[tuple[float, float]],
        style: str = "x",
        *,
        width: float = 1.0,
        dash: str = "",
    ) -> None:
        """Add a line; `style` is one of `STYLES`."""
        self.shapes.append(Stroke(points, style, STYLES[style], width, dash))

    def curve(
        self,
        points: Sequence[tuple[float, float]],
        series: int,
        *,
        width: float = 2.0,
        dash: str = "",
        is_pale: bool = False,
    ) -> None:
        """Add a line in the colour of a series; a pale one stands behind another line."""
        name, opacity = ("l raw", 0.4) if is_pale else ("l", 1.0)
        style = f"{name} {css(series)}"
        self.shapes.append(Stroke(points, style, colour(series), width, dash, opacity))

    def box(
        self, x: float, y: float, width: float, height: float, series: int, words: str = ""
    ) -> None:
        """Add a rectangle in the colour of a series, with words on hover."""
        self.shapes.append(Box(x, y, width, height, series, words))

    def dot(self, x: float, y: float, series: int, words: str = "", radius: float = 5.5) -> None:
        """Add a point in the colour of a series, with words on hover."""
        self.shapes.append(Mark(x, y, series, words, radius))

    def text(
        self, x: float, y: float, words: str, anchor: str = "start", *, is_strong: bool = False
    ) -> None:
        """Add a text; `y` is its middle."""
        self.shapes.append(ChartLabel(x, y + 4, words, anchor, is_strong))

    def whisker(self, low: float, high: float, y: float) -> None:
        """Add a horizontal interval."""
        self.line([(low, y), (high, y)], "e", width=1.6)
        for end in (low, high):
            self.line([(end, y - 4), (end, y + 4)], "e", width=1.6)

    def svg(self, finding: str, extra: str = "") -> Html:
        """Return the picture as SVG.

        Args:
            finding: its text for those who do not see it.
            extra: SVG behind the shapes.
        """
        width = f"{self.width:.0f}"
        size = f'viewBox="0 0 {width} {self.height:.0f}" width="{width}" height="{self.height:.0f}"'
        content = "".join(shape.svg() for shape in self.shapes)
        style = f'font-size="12" font-family="sans-serif" role="img" aria-label="{escape(finding)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>'
        return Html(f"{head}{content}{extra}</svg>")


def cut_middle(text: str, columns: int) -> str:
    """Return a text of at most this width; a longer one lacks its middle, since names differ at
    their ends.
    """
    if terminal_cells(text) <= columns:
        return text
    side = (columns - 1) // 2
    start = end = side
    while terminal_cells(text[:start]) > side:
        start -= 1
    while terminal_cells(text[-end:]) > side:
        end -= 1
    return f"{text[:start]}…{text[-end:]}"
