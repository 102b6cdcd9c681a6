"""A chart as shapes, drawn as inline SVG with values on hover."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

Point = tuple[float, float]


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


class Drawing:
    """Shapes on a picture of so many pixels, from the back to the front."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.height = height
        self.width = width
        self._shapes: list[str] = []

    def line(
        self, points: Sequence[Point], style: str = "x", *, width: float = 1.0, dash: str = ""
    ) -> None:
        """Add a line; `style` is one of `STYLES`."""
        self._add_path(points, style, STYLES[style], width, dash)

    def curve(
        self,
        points: Sequence[Point],
        series: int,
        *,
        width: float = 2.0,
        dash: str = "",
        is_pale: bool = False,
    ) -> None:
        """Add a line in the colour of a series; a pale one stands behind another line."""
        name = "l"
        opacity = ""
        if is_pale:
            name = "l raw"
            opacity = ' stroke-opacity="0.4"'
        self._add_path(points, f"{name} {css(series)}", colour(series), width, dash, opacity)

    def _add_path(
        self,
        points: Sequence[Point],
        name: str,
        stroke: str,
        width: float,
        dash: str,
        opacity: str = "",
    ) -> None:
        """Add a line; `name` is a class of `look.css`, `stroke` its colour where there is none."""
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        style = f'class="{name}" fill="none" stroke="{stroke}" stroke-width="{width:g}"'
        if dash:
            style += f' stroke-dasharray="{dash}"'
        self._shapes.append(f'<path {style}{opacity} stroke-linejoin="round" d="M{path}"/>')

    def box(
        self, x: float, y: float, width: float, height: float, series: int, words: str = ""
    ) -> None:
        """Add a rectangle in the colour of a series (from 1), with words on hover."""
        size = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        style = f'{_fill(series)} fill-opacity="0.75"'
        self._shapes.append(f"<rect {style} {size}>{hover(words)}</rect>")

    def dot(self, x: float, y: float, series: int, radius: float = 5.5) -> None:
        """Add a point in the colour of a series (from 1)."""
        place = f'r="{radius:g}" cx="{x:.1f}" cy="{y:.1f}"'
        self._shapes.append(f"<circle {_fill(series)} {place}></circle>")

    def text(
        self, x: float, y: float, words: str, anchor: str = "start", *, is_strong: bool = False
    ) -> None:
        """Add a text whose middle is at `y`; `anchor` is start, middle or end."""
        strong = ""
        if is_strong:
            strong = ' class="k" font-weight="600"'
        place = f'x="{x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}"'
        self._shapes.append(f"<text{strong} {place}>{escape(words)}</text>")

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
        height = f"{self.height:.0f}"
        size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        style = f'font-size="12" font-family="sans-serif" role="img" aria-label="{escape(finding)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>'
        return Html(f"{head}{''.join(self._shapes)}{extra}</svg>")


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
