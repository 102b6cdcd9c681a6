"""Curves over one axis in one look: inline SVG for pages, a PNG for what shows none.

The SVG is right without a stylesheet; with `look.css` it has the colours of the theme, and values
on hover.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ..base.language import tr
from .components import Html
from .plot import BOTTOM, HEIGHT, TOP, WIDTH, Dot, Label, LineChart, Plot, thin
from .text import escape

HOVER_COLUMNS: Final = 60


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
    content = "".join(
        [*(shape.svg() for shape in plot.shapes()), *(_hover_columns(plot) if has_values else ())]
    )
    size = (
        f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-size="12" '
        'font-family="sans-serif"'
    )
    label = escape(chart.finding)
    return Html(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
        f'aria-label="{label}">{content}</svg>'
    )


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
        dots = "".join(Dot(x, plot.y(y), curve).svg("", ' opacity="0"') for curve, y in values)
        box = f'x="{left:.1f}" y="{TOP}" width="{max(right - left, 4):.1f}" height="{BOTTOM - TOP}"'
        ruler = (
            f'<line opacity="0" stroke="#888" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BOTTOM}"/>'
        )
        words = " · ".join(
            [plot.chart.describe_x(column), *(f"{curve.label} {y:.3f}" for curve, y in values)]
        )
        area = f'<rect fill="none" pointer-events="all" {box}/>'
        yield f'<g class="pt">{area}{ruler}{dots}<title>{escape(words)}</title></g>'


def png(chart: LineChart, heading: str) -> bytes | None:
    """Return a chart as a picture for white and dark pages, None where no curve has a point.

    Args:
        chart: what is drawn.
        heading: a line above it: some programs show nothing else of an output.
    """
    from .evaluation.charts import drawing as style  # noqa: PLC0415 - it loads matplotlib: 0.3 s

    if not (curves := chart.visible()):
        return None
    picture = style.new_figure(style.INCHES * (HEIGHT + 40) / WIDTH)
    picture.set_layout_engine("none")
    axes = picture.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(HEIGHT, -40))
    axes.axis("off")
    axes.text(
        0, -24, heading, fontsize=style.TEXT_SIZE, color=style.TEXT_COLOR, weight="bold", ha="left"
    )
    axes.text(0, -5, chart.title, fontsize=style.SMALL_SIZE, color=style.TEXT_COLOR, ha="left")
    for shape in Plot(chart, curves).shapes():
        if isinstance(shape, Label):
            aligned = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            axes.text(
                shape.x,
                shape.y,
                shape.text,
                fontsize=style.SMALL_SIZE,
                color=style.TEXT_COLOR,
                ha=aligned,
            )
        elif isinstance(shape, Dot):
            axes.plot([shape.x], [shape.y], marker="o", markersize=5, color=shape.curve.colour)
        else:
            dash = (0, [float(part) / 2 for part in shape.dash.split()]) if shape.dash else "-"
            line = {
                "color": shape.colour,
                "linewidth": 0.75 * shape.width,
                "alpha": shape.opacity,
                "linestyle": dash,
            }
            axes.plot(*zip(*shape.points, strict=True), **line)
    return style.render_png(picture)
