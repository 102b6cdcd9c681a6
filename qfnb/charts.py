"""Charts of evaluations: `from qfnb import charts; charts.bars(report)`.

`bars` compares the models of a report, as a figure of matplotlib that a notebook shows and
`figure.savefig("bars.png")` writes. `trend` is of all evaluations in the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .base.language import tr
from .base.text import did_you_mean
from .errors import InvalidArgumentError
from .evaluation.report.sources import with_mark
from .evaluation.report.text import format_score, metric_title, report_title, to_plain
from .views.drawing import cut_middle
from .views.evaluation.charts import Chart, ChartNotDrawn, trend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .evaluation.report import ReportData

__all__ = ["Chart", "ChartNotDrawn", "bars", "trend"]

CHINESE_FONTS: Final = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "SimHei",
)
"""Fonts for Chinese names, of which the first that the computer has is used."""

COLOR: Final = "#5b8def"
LABEL_COLUMNS: Final = 30
TITLE_COLUMNS: Final = 90
"""Columns of a model's name and of a title; a Chinese character takes two."""

WIDTH_IN: Final = 7.0
ROW_IN: Final = 0.34
HEAD_IN: Final = 0.75
"""Inches of a figure, of a model's bar, and of a metric's title and axis."""


def bars(report: ReportData, metrics: Sequence[str] | None = None) -> Figure:
    """Return the mean of each metric and model with its 95 % interval, each metric on an axis of
    its own.

    Args:
        report: the report.
        metrics: the metrics, default all.

    Raises:
        InvalidArgumentError: the report has no such metric.
    """
    import matplotlib as mpl  # noqa: PLC0415 - slow to import
    from matplotlib import font_manager, pyplot as plt  # noqa: PLC0415

    chosen = list(report.metric_names if metrics is None else metrics)
    for name in chosen:
        if name not in report.metric_names:
            hint = did_you_mean(name, report.metric_names)
            raise InvalidArgumentError(
                tr("the report has no metric {name!r}{hint}", name=name, hint=hint)
            )
    installed = set(font_manager.get_font_names())
    fonts = ["DejaVu Sans", *(font for font in CHINESE_FONTS if font in installed)]
    height = len(chosen) * (HEAD_IN + ROW_IN * len(report.models))
    with mpl.rc_context({"font.family": fonts}):
        figure, axes = plt.subplots(
            len(chosen), squeeze=False, figsize=(WIDTH_IN, height), layout="constrained"
        )
        plt.close(figure)  # shown as the value of a cell, and not once more at its end
        figure.suptitle(_literal(with_mark(report_title(report), report)), fontsize="medium")
        for axis, metric in zip(axes[:, 0], chosen, strict=True):
            axis.set_title(_literal(metric_title(metric)), loc="left", fontsize="small")
            axis.spines[["top", "right"]].set_visible(False)
            axis.invert_yaxis()
            axis.set_yticks(
                range(len(report.models)), [_literal(name, LABEL_COLUMNS) for name in report.models]
            )
            for score in report.model_scores:
                if score.metric != metric:
                    continue
                below = score.mean - score.interval.low
                above = score.interval.high - score.mean
                bar = axis.barh(
                    report.models.index(score.model),
                    score.mean,
                    xerr=[[below], [above]],
                    color=COLOR,
                    capsize=3,
                )
                axis.bar_label(bar, [f" {format_score(score.mean)}"])
    return figure


def _literal(text: str, columns: int = TITLE_COLUMNS) -> str:
    """Return a text in one line that matplotlib does not read as a formula."""
    return cut_middle(" ".join(to_plain(text).split()), columns).replace("$", r"\$")
