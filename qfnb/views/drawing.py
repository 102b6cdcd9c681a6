"""A chart as shapes, drawn twice: as SVG for pages, with values on hover, and as a PNG for what
shows none.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from . import fonts
from .components import Html
from .text import escape

COLOURS: Final = ("#0072b2", "#c94f00", "#00805c", "#a8487f", "#6d6100")
"""Of the series 1 to 5 where there is no stylesheet; `look.css` has those of a light and of a dark
theme.
"""

WIDTH: Final = 760
"""Of a picture, in pixels."""

TEXT_COLOR: Final = "#7a7a7a"
INCHES: Final = 7.2
DPI: Final = 110
"""Width of a picture in inches, and dots per inch: 792 pixels; texts of 9 points are legible at 560
pixels too.
"""

SMALL_SIZE = 9
TEXT_SIZE = 10
# width of a narrow character on a narrow page, where `look.css` draws texts larger
COLUMN_PX: Final = 9.2
SOURCE_HEIGHT: Final = 20  # pixels below a PNG for how its numbers were counted
LINE_HEIGHT: Final = 15
SOURCE_COLUMNS: Final = 112  # that have room below a PNG
# pixels above a PNG for its title: some programs show nothing else of an output
TITLE_HEIGHT: Final = 34


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
        if self.dash:
            dash = f' stroke-dasharray="{self.dash}"'
        else:
            dash = ""
        if self.opacity < 1:
            pale = f' stroke-opacity="{self.opacity:g}"'
        else:
            pale = ""
        style = (
            f'class="{self.css}" fill="none" stroke="{self.colour}" '
            f'stroke-width="{self.width:g}"{dash}{pale}'
        )
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
        return (
            f'<text{strong} x="{self.x:.1f}" y="{self.y:.1f}" '
            f'text-anchor="{self.anchor}">{escape(self.text)}</text>'
        )


@dataclass(frozen=True)
class Box:
    """A rectangle in the colour of a model, with words on hover."""

    x: float
    y: float
    width: float
    height: float
    series: int  # from 1
    opacity: float = 0.75
    words: str = ""

    def svg(self) -> str:
        """Return the rectangle as SVG."""
        size = (
            f'x="{self.x:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" height="{self.height:.1f}"'
        )
        style = (
            f'class="f {css(self.series)}" fill="{colour(self.series)}" '
            f'fill-opacity="{self.opacity:.2f}"'
        )
        return f"<rect {style} {size}>{_title(self.words)}</rect>"


@dataclass(frozen=True)
class Mark:
    """A point in the colour of a series, with words on hover."""

    x: float
    y: float
    series: int
    words: str = ""
    radius: float = 5.5

    def svg(self) -> str:
        """Return the point as SVG."""
        style = f'class="f {css(self.series)}" fill="{colour(self.series)}"'
        place = f'r="{self.radius:g}" cx="{self.x:.1f}" cy="{self.y:.1f}"'
        return f"<circle {style} {place}>{_title(self.words)}</circle>"


Shape = Box | Mark | Stroke | ChartLabel


def _title(words: str) -> str:
    """Return words on hover."""
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
    power: float = 10.0 ** math.floor(math.log10(span / at_most))
    step = next(
        factor * power for factor in (1, 2, 5, 10) if factor * power >= span / at_most * (1 - 1e-9)
    )
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(step * n, 12) for n in range(first, max(last, first + 1) + 1)]


def format_tick(value: float) -> str:
    """Return the label of a tick, with a minus that is as wide as a digit."""
    return f"{value:,.6g}".replace("-", "−", int(value < 0))


def width_of(text: str) -> float:
    """Return about how many pixels a text takes."""
    return COLUMN_PX * fonts.display_width(text)


@dataclass
class Drawing:
    """Shapes on a picture of so many pixels, from the back to the front."""

    height: float = 0.0
    shapes: list[Shape] = field(default_factory=list)
    width: float = WIDTH

    def line(
        self,
        points: Sequence[tuple[float, float]],
        style: str = "x",
        *,
        width: float = 1.0,
        dash: str = "",
    ) -> None:
        """Add a line; `style` is a class of `look.css`: g grid, x axis, e interval."""
        self.shapes.append(
            Stroke(points, style, {"g": "#ccc", "x": "#888", "e": "#222"}[style], width, dash)
        )

    def curve(
        self, points: Sequence[tuple[float, float]], series: int, *, width: float = 2.0
    ) -> None:
        """Add a line in the colour of a model."""
        self.shapes.append(Stroke(points, f"l {css(series)}", colour(series), width))

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        series: int,
        opacity: float = 0.75,
        words: str = "",
    ) -> None:
        """Add a rectangle in the colour of a model, with words on hover."""
        self.shapes.append(Box(x, y, width, height, series, opacity, words))

    def dot(self, x: float, y: float, series: int, words: str = "") -> None:
        """Add a point in the colour of a model, with words on hover."""
        self.shapes.append(Mark(x, y, series, words))

    def text(
        self, x: float, y: float, words: str, anchor: str = "start", *, is_strong: bool = False
    ) -> None:
        """Add a text; `y` is its middle."""
        self.shapes.append(ChartLabel(x, y + 4, words, anchor, is_strong))

    def axis(
        self,
        left: float,
        right: float,
        y: float,
        low: float,
        high: float,
        *,
        top: float,
        at_most: int = 4,
    ) -> None:
        """Add a horizontal axis from `low` to `high` with labels, and its grid up to `top`."""
        for tick in linear_ticks(low, high, at_most):
            if low <= tick <= high:
                x = left + (right - left) * (tick - low) / (high - low)
                # behind what is drawn already
                self.shapes.insert(0, Stroke([(x, top), (x, y)], "g", "#ccc"))
                self.text(x, y + 12, format_tick(tick), "middle")
        self.line([(left, y), (right, y)])

    def whisker(self, low: float, high: float, y: float) -> None:
        """Add a horizontal interval."""
        for points in (
            [(low, y), (high, y)],
            [(low, y - 4), (low, y + 4)],
            [(high, y - 4), (high, y + 4)],
        ):
            self.line(points, "e", width=1.6)

    def svg(self, finding: str, extra: str = "") -> Html:
        """Return the picture as SVG.

        Args:
            finding: its text for those who do not see it.
            extra: SVG in front of the shapes.
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
        source_lines = fonts.wrap_to_width(source, SOURCE_COLUMNS)
        bottom = self.height
        if source:
            bottom += SOURCE_HEIGHT + LINE_HEIGHT * (len(source_lines) - 1)
        height = bottom + TITLE_HEIGHT
        figure = _new_figure(INCHES * (height + 16) / (WIDTH + 16))
        axes = figure.add_axes(
            (0, 0, 1, 1), xlim=(-8, WIDTH + 8), ylim=(bottom + 8, -TITLE_HEIGHT - 8)
        )
        axes.axis("off")
        if fonts.has_glyphs(title):
            bold = {"weight": "bold", "fontsize": TEXT_SIZE}
            axes.text(
                0, 14 - TITLE_HEIGHT, fonts.cut_to_width(title, 100), color=TEXT_COLOR, **bold
            )
        first_line_y = self.height + SOURCE_HEIGHT - 4
        lines = [
            ChartLabel(0, first_line_y + LINE_HEIGHT * number, line, "start")
            for number, line in enumerate(source_lines)
        ]
        for shape in [*self.shapes, *lines]:
            _draw(axes, shape)
        return _render_png(figure, words)


def _draw(axes: Any, shape: Shape) -> None:
    if isinstance(shape, ChartLabel):
        if fonts.has_glyphs(shape.text):
            aligned = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            if shape.is_strong:
                weight = "bold"
            else:
                weight = "normal"
            axes.text(
                shape.x,
                shape.y,
                shape.text,
                fontsize=SMALL_SIZE,
                color=TEXT_COLOR,
                ha=aligned,
                weight=weight,
            )
    elif isinstance(shape, Box):
        from matplotlib.patches import Rectangle  # noqa: PLC0415 - a chart is being drawn

        style: dict[str, Any] = {
            "facecolor": colour(shape.series),
            "alpha": shape.opacity,
            "linewidth": 0,
        }
        axes.add_patch(Rectangle((shape.x, shape.y), shape.width, shape.height, **style))
    elif isinstance(shape, Mark):
        size = 1.27 * shape.radius
        axes.plot([shape.x], [shape.y], marker="o", markersize=size, color=colour(shape.series))
    else:
        _draw_stroke(axes, shape)


def _draw_stroke(axes: Any, stroke: Stroke) -> None:
    """Draw a line; an interval is dark with a white rim, visible on all colours and on both
    pages.
    """
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    style: dict[str, Any] = {"color": stroke.colour, "linewidth": 0.75 * stroke.width}
    style["alpha"] = stroke.opacity
    if stroke.dash:
        style["linestyle"] = (0, [float(length) / 2 for length in stroke.dash.split()])
    if stroke.css == "e":
        style |= {"color": "#333333", "path_effects": [withStroke(linewidth=3, foreground="white")]}
    elif stroke.css in {"g", "x"}:
        style |= {"color": TEXT_COLOR, "alpha": 0.35 if stroke.css == "g" else 1.0}
    axes.plot(*zip(*stroke.points, strict=True), **style)


def _new_figure(height: float) -> Any:
    """Return an empty figure; `height` is in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - 0.3 s that only charts pay
    from matplotlib.figure import Figure  # noqa: PLC0415

    fig = Figure(figsize=(INCHES, height), dpi=DPI, facecolor="none", edgecolor="none")
    FigureCanvasAgg(fig)
    return fig


def _render_png(figure: Any, words: str) -> bytes:
    """Return a figure as a PNG with words in its metadata; texts are drawn literally, in fonts that
    have them.
    """
    from matplotlib.text import Text  # noqa: PLC0415

    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_usetex(False)
        text.set_fontfamily(fonts.font_families())
    buffer = io.BytesIO()
    figure.canvas.print_png(buffer, metadata={"Software": None, "Description": words})
    return buffer.getvalue()
