"""The style of a report's charts: matplotlib without pyplot, for a white and for a dark page.

Only the marks are opaque, and the colour of texts has the same contrast to white as to JupyterLab's black
(4.3 : 1 each), so that one picture is legible in both. The user's rcParams neither change it nor are changed.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...._private_files import write_atomically
from ....errors import InvalidArgumentError
from ....evaluation.report import ReportData
from ....evaluation.report.html import Picture
from . import fonts

TEXT_COLOR: Final = "#7a7a7a"
COLORS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito's, without black and yellow, which cannot be seen on one of the two pages."""

HATCHES: Final = ("", "///", "...", "xxx", "\\\\\\", "---", "++")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
DASHES: Final = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)), (0, (7, 2, 1, 2)))
"""One more of each than colours: models can be distinguished without colours, and 42 of them with."""

WIDTH: Final = 7.2
DPI: Final = 110
"""Inches, and dots per inch: 792 pixels; texts of 10 points are legible at 560 pixels too."""

SMALL_SIZE, TEXT_SIZE = 9, 10


class ChartNotDrawn(InvalidArgumentError):
    """A chart would be empty for this report; the message has the reason."""


@dataclass(frozen=True, repr=False)
class Chart(Picture):
    """A chart of a report; it shows itself in a notebook.

    Attributes:
        png: the picture, transparent.
        alt: what it shows, with the numbers.
        title: its name.
        legend: (letter, name), where the picture has letters instead of names.
        hint: how to install a font, when the letters are due to a missing one.
    """

    title: str = ""
    legend: tuple[tuple[str, str], ...] = ()
    hint: str = ""

    def captions(self) -> list[str]:
        """Return the names of its letters, and how to install a font."""
        names = "；".join(f"{short} = {name}" for short, name in self.legend)
        return [line for line in (names, self.hint) if line]

    def save(self, path: str | Path) -> Path:
        """Write the picture as a .png file; return its path.

        Raises:
            InvalidArgumentError: the path does not end in .png, or the file cannot be written.
        """
        path = Path(path).expanduser()
        if path.suffix.lower() != ".png":
            raise InvalidArgumentError(f"{path.name!r} does not end in .png (图片须为 .png)")
        with write_atomically(path) as file:
            file.write(self.png)
        return path

    def __repr__(self) -> str:
        return f"{self.title}\n{self.alt}"


@dataclass(frozen=True)
class ChartLabels:
    """The labels of a report's models and metrics."""

    models: fonts.NameLabels
    metrics: fonts.NameLabels

    def build_chart(self, figure: Any, title: str, alt: str) -> Chart:
        """Return a figure as a chart."""
        legend = (*self.models.legend, *self.metrics.legend)
        if legend:
            kinds = ["A, B, …"] * bool(self.models.legend) + ["M1, M2, …"] * bool(self.metrics.legend)
            _add_note(figure, f"{' and '.join(kinds)}: names in the order of the tables")
        return Chart(render_png(figure), alt, title, legend, self.models.hint or self.metrics.hint)


def chart_labels(report: ReportData, metrics: Sequence[str] = ()) -> ChartLabels:
    """Return the labels for some of a report's metrics, by default all."""
    metric_labels = fonts.build_labels(report.metric_names, "M")
    chosen = {name: metric_labels[name] for name in metrics or report.metric_names}
    legend = tuple((letter, name) for letter, name in metric_labels.legend if letter in chosen.values())
    return ChartLabels(
        fonts.build_labels(report.models), fonts.NameLabels(chosen, legend, metric_labels.hint if legend else "")
    )


def new_figure(height: float) -> Any:
    """Return an empty figure; `height` is in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - 0.3 s that only charts pay
    from matplotlib.figure import Figure  # noqa: PLC0415

    fig = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor="none", edgecolor="none")
    FigureCanvasAgg(fig)
    return fig


def build_panels(titles: Sequence[str], labels: Sequence[str], line_count: int) -> tuple[Any, list[Any]]:
    """Return a figure with a panel for each title; rows are labelled, the first one on top."""
    columns = 1 if len(titles) == 1 else 2
    rows = math.ceil(len(titles) / columns)
    row_height = max(0.42, 0.17 * line_count + 0.08)
    fig = new_figure(rows * (row_height * len(labels) + 0.75 + 0.16 * max(t.count("\n") for t in titles)) + 0.3)
    grid = fig.subplots(rows, columns, squeeze=False).flatten().tolist()
    for index, axes in enumerate(grid):
        if index >= len(titles):
            axes.set_visible(False)
            continue
        axes.set_title(titles[index], fontsize=TEXT_SIZE, color=TEXT_COLOR, loc="left")
        axes.set_ylim(-0.1, len(labels))
        row_labels = labels if index % columns == 0 else [""] * len(labels)
        axes.set_yticks([row_base(number, len(labels)) + 0.4 for number in range(len(labels))], row_labels)
        style_axes(axes)
    return fig, grid[: len(titles)]


def row_base(index: int, rows: int) -> float:
    """Return the lower end of a row."""
    return float(rows - 1 - index)


def style_axes(axes: Any, *, polar: bool = False) -> None:
    """Draw axes in the text colour, with a transparent background."""
    axes.patch.set_visible(False)
    ticks: dict[str, Any] = {"colors": TEXT_COLOR, "labelcolor": TEXT_COLOR, "labelsize": TEXT_SIZE}
    if polar:
        axes.spines[:].set_visible(False)
        axes.grid(visible=True, color=TEXT_COLOR, alpha=0.4, linewidth=0.8)
        ticks["pad"] = 8
    else:
        axes.grid(visible=False)
        axes.spines[:].set_color(TEXT_COLOR)
        axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelfontfamily=fonts.font_families(), **ticks)


def bar_style(index: int) -> dict[str, Any]:
    """Return the keyword arguments of a model's bars."""
    color, hatch = COLORS[index % len(COLORS)], HATCHES[index % len(HATCHES)]
    return {"facecolor": color, "edgecolor": TEXT_COLOR, "hatch": hatch, "linewidth": 0.8}


def marker_style(index: int) -> dict[str, Any]:
    """Return the keyword arguments of a model's points and lines."""
    color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
    line = {"color": color, "linestyle": DASHES[index % len(DASHES)], "linewidth": 1.8}
    return line | {"marker": marker, "markersize": 8, "markeredgecolor": TEXT_COLOR, "markeredgewidth": 0.8}


def add_legend(figure: Any, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Add a legend below the axes."""
    longest = max(fonts.display_width(label) for label in labels)
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=max(1, min(len(labels), int(WIDTH / (0.085 * longest + 0.75)))),
        frameon=False,
        fontsize=TEXT_SIZE,
        labelcolor=TEXT_COLOR,
    )


def draw_whisker(axes: Any, low: float, high: float, y: float) -> None:
    """Draw an interval on a bar: dark with a white rim, visible on all colours and on both pages."""
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    rim = [withStroke(linewidth=3.6, foreground="white")]
    line = {"linewidth": 1.6, "marker": "|", "markersize": 9, "markeredgewidth": 1.6}
    axes.plot([low, high], [y, y], color="#333333", path_effects=rim, **line)


def _add_note(figure: Any, note: str) -> None:
    """Write a line below the axes; with a legend, as its title."""
    if figure.legends:
        figure.legends[0].set_title(note, {"size": SMALL_SIZE})
        figure.legends[0].get_title().set_color(TEXT_COLOR)
    else:
        figure.supxlabel(note, fontsize=SMALL_SIZE, color=TEXT_COLOR)


def render_png(figure: Any) -> bytes:
    """Return a figure as a PNG; texts are drawn literally, in fonts that have their characters."""
    from matplotlib.text import Text  # noqa: PLC0415

    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_usetex(False)
        text.set_fontfamily(fonts.font_families())
    buffer = io.BytesIO()
    figure.canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
