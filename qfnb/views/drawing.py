"""A chart as shapes, drawn twice: as SVG for pages, with values on hover, and as a PNG for what
shows none.
"""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

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

TEXT_COLOR: Final = "#7a7a7a"
INCHES: Final = 7.2
DPI: Final = 110
"""Width of a picture in inches, and dots per inch: 792 pixels; texts of 9 points are legible at 560
pixels too.
"""

# width of a narrow character on a narrow page, where `look.css` draws texts larger
COLUMN_PX: Final = 9.2
LINE_HEIGHT: Final = 15
SOURCE_COLUMNS: Final = 112  # that have room below a PNG
# pixels above a PNG for its title: some programs show nothing else of an output
TITLE_HEIGHT: Final = 34

LATIN: Final = "DejaVu Sans"  # comes with matplotlib
PREFERRED_FONTS: Final = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC",
    "Microsoft YaHei", "Hiragino Sans GB", "Heiti SC", "STHeiti", "SimHei", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "SimSun",
)  # fmt: skip


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

    def paint(self, axes: Any) -> None:
        """Draw the line; an interval is dark with a white rim, visible on all colours and on both
        pages.
        """
        from matplotlib.patheffects import withStroke  # noqa: PLC0415

        style: dict[str, Any] = {"color": self.colour, "linewidth": 0.75 * self.width}
        style["alpha"] = self.opacity
        if self.dash:
            style["linestyle"] = (0, [float(length) / 2 for length in self.dash.split()])
        if self.css == "e":
            rim = withStroke(linewidth=3, foreground="white")
            style |= {"color": "#333333", "path_effects": [rim]}
        elif self.css in STYLES:
            style |= {"color": TEXT_COLOR, "alpha": 0.35 if self.css == "g" else 1.0}
        axes.plot(*zip(*self.points, strict=True), **style)


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
        strong = ' class="k" font-weight="600"' if self.is_strong else ""
        place = f'x="{self.x:.1f}" y="{self.y:.1f}" text-anchor="{self.anchor}"'
        return f"<text{strong} {place}>{escape(self.text)}</text>"

    def paint(self, axes: Any) -> None:
        """Draw the text, unless no font has its characters."""
        if not has_glyphs(self.text):
            return
        axes.text(
            self.x,
            self.y,
            self.text,
            fontsize=9,
            color=TEXT_COLOR,
            ha={"start": "left", "middle": "center", "end": "right"}[self.anchor],
            weight="bold" if self.is_strong else "normal",
        )


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

    def paint(self, axes: Any) -> None:
        """Draw the rectangle."""
        from matplotlib.patches import Rectangle  # noqa: PLC0415 - a chart is being drawn

        style: dict[str, Any] = {"facecolor": colour(self.series), "alpha": 0.75, "linewidth": 0}
        axes.add_patch(Rectangle((self.x, self.y), self.width, self.height, **style))


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

    def paint(self, axes: Any) -> None:
        """Draw the point."""
        size = 1.27 * self.radius
        axes.plot([self.x], [self.y], marker="o", markersize=size, color=colour(self.series))


def _fill(series: int) -> str:
    return f'class="f {css(series)}" fill="{colour(series)}"'


def hover(words: str) -> str:
    """Return words on hover as SVG, "" for none."""
    return f"<title>{escape(words)}</title>" if words else ""


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


def width_of(text: str) -> float:
    """Return about how many pixels a text takes."""
    return COLUMN_PX * terminal_cells(text)


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

    def png(self, title: str, source: str, words: str) -> bytes:
        """Return the picture as a PNG for white and dark pages.

        Args:
            title: stands above it.
            source: stands below it, "" for nothing.
            words: what it shows, which the file says in its metadata.
        """
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - 0.3 s that only charts pay
        from matplotlib.figure import Figure  # noqa: PLC0415
        from matplotlib.text import Text  # noqa: PLC0415

        lines = _wrap(source, SOURCE_COLUMNS) if source else []
        bottom = self.height + LINE_HEIGHT * len(lines) + 5 * bool(lines)
        inches = INCHES * (bottom + TITLE_HEIGHT + 16) / (WIDTH + 16)
        figure = Figure(figsize=(INCHES, inches), dpi=DPI, facecolor="none", edgecolor="none")
        canvas = FigureCanvasAgg(figure)
        limits: dict[str, Any] = {"xlim": (-8, WIDTH + 8), "ylim": (bottom + 8, -TITLE_HEIGHT - 8)}
        axes = figure.add_axes((0, 0, 1, 1), **limits)
        axes.axis("off")
        texts = [ChartLabel(0, 14 - TITLE_HEIGHT, cut_middle(title, 100), "start", is_strong=True)]
        for number, line in enumerate(lines, 1):
            texts.append(ChartLabel(0, self.height + LINE_HEIGHT * number, line, "start"))
        for shape in [*texts, *self.shapes]:
            shape.paint(axes)
        fonts = font_families()
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            text.set_parse_math(False)
            text.set_usetex(False)
            text.set_fontfamily(fonts)
        buffer = io.BytesIO()
        metadata = {"Software": None, "Description": words}
        canvas.print_png(buffer, metadata=metadata)  # type: ignore[no-untyped-call]
        return buffer.getvalue()


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


def _wrap(text: str, columns: int) -> list[str]:
    """Return a text as lines that are not wider than a number of columns, broken after blanks and
    punctuation.
    """
    lines = [""]
    for piece in re.split(r"(?<=[ ；，。、])", text):
        if lines[-1] and terminal_cells(f"{lines[-1]}{piece}".rstrip()) > columns:
            lines.append("")
        lines[-1] += piece
    return [cut_middle(line.rstrip(), columns) for line in lines]


def font_families() -> list[str]:
    """Return the fonts to draw with, by precedence."""
    return [*filter(None, [chinese_font()]), LATIN]


@functools.cache
def chinese_font() -> str:
    """Return an installed font that has Chinese characters, "" when none is installed."""
    from matplotlib import font_manager  # noqa: PLC0415 - 0.3 s that only charts should pay

    rank = {name: position for position, name in enumerate(PREFERRED_FONTS)}
    fonts = font_manager.fontManager.ttflist
    for font in sorted(fonts, key=lambda font: rank.get(font.name, len(rank))):
        if font.name != LATIN and _has_chinese(font.fname):
            return font.name
    return ""


def has_glyphs(text: str) -> bool:
    """Return whether the fonts have all of a text's characters."""
    from matplotlib import font_manager as fonts  # noqa: PLC0415

    faces = []
    for family in font_families():
        path = fonts.findfont(fonts.FontProperties(family=[family]))
        faces.append(fonts.get_font(path))
    return all(any(face.get_char_index(ord(char)) for face in faces) for char in text)


def _has_chinese(path: Any) -> bool:
    from matplotlib import font_manager  # noqa: PLC0415

    try:
        return bool(font_manager.get_font(path).get_char_index(ord("中")))
    except (OSError, RuntimeError):  # a broken file, or a font without outlines
        return False
