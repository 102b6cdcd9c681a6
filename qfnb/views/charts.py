"""Charts: the loss curve as SVG written by hand (fast enough to move), comparisons with matplotlib."""

from __future__ import annotations

import base64
import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .safety import escape, plain

if TYPE_CHECKING:
    from ..evaluation import EvaluationResult

GREY = "#808080"
"""Readable on a white and on a dark page."""

BLUE, ORANGE = "#3b82f6", "#f59e0b"
_PALETTE = ("#94a3b8", "#3b82f6", "#10b981", "#f59e0b", "#a855f7", "#ef4444")
_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Microsoft YaHei",
    "PingFang SC",
    "SimHei",
    "WenQuanYi Zen Hei",
)

FONT_HINT = "图中的汉字需要中文字体 / the labels need a Chinese font, e.g. `apt install fonts-noto-cjk`"


def loss_svg(
    epochs: Sequence[float],
    training: Sequence[float],
    validation: Sequence[float | None] = (),
    *,
    width: int = 640,
    height: int = 220,
) -> str:
    """Return a loss curve (nats over epochs) as an SVG picture; empty before the first point."""
    if not training:
        return ""
    held_out = [(x, y) for x, y in zip(epochs, validation, strict=False) if y is not None]
    right = max(epochs[-1], 1e-9)
    top = max([*training, *(y for _, y in held_out)]) * 1.08 or 1.0
    box = (52, 14, width - 14, height - 34)

    def place(x: float, y: float) -> tuple[float, float]:
        return box[0] + (box[2] - box[0]) * x / right, box[3] - (box[3] - box[1]) * y / top

    lines = _line([place(x, y) for x, y in zip(epochs, training, strict=True)], BLUE)
    lines += _line([place(x, y) for x, y in held_out], ORANGE, dash="5 3") if held_out else ""
    marks = _axes(box, right, top)
    legend = _text(box[2] - 4, box[1] + 10, "— training loss", BLUE, "end")
    legend += _text(box[2] - 4, box[1] + 26, "- - validation loss", ORANGE, "end") if held_out else ""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{marks}{lines}{legend}</svg>'


def img(content: bytes, kind: str, alt: str) -> str:
    """Return a picture as an <img> that carries its own data."""
    encoded = base64.b64encode(content).decode("ascii")
    return f'<img alt="{escape(alt)}" src="data:{kind};base64,{encoded}" style="max-width:100%">'


def comparison_chart(result: EvaluationResult, *, metrics: Sequence[str] | None = None) -> bytes:
    """Return a PNG with one group of bars per metric, one bar per model, and 95 % intervals."""
    summary = result.summary_df
    names = list(metrics or dict.fromkeys(summary["metric"]))
    models = list(dict.fromkeys(summary["model"]))
    buffer = io.BytesIO()
    with _chinese():
        figure, axes = _figure(len(names) * len(models))
        for number, model in enumerate(models):
            rows = summary[summary["model"] == model].set_index("metric").loc[names]
            _bars(axes, number, len(models), plain(model), rows)
        axes.set_xticks(range(len(names)), [plain(name) for name in names])
        axes.set_ylim(0, 1.18)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=min(len(models), 3), frameon=False)
        samples = int(summary["n"].max())
        axes.set_title(f"{samples} held-out questions, 95 % confidence intervals", fontsize=11)
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def font_hint(texts: Iterable[str]) -> str:
    """Return how to get a Chinese font when labels need one and there is none, else ""."""
    needed = any(char >= "\u2e80" for text in texts for char in text)
    return FONT_HINT if needed and not _families() else ""


def _families() -> list[str]:
    """Return the installed fonts that have Chinese characters."""
    from matplotlib import font_manager  # noqa: PLC0415 - 0.3 s that only charts should pay

    known = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in _FONTS if name in known]


@contextlib.contextmanager
def _chinese() -> Iterator[None]:
    """Draw with a Chinese font where there is one; a missing glyph is a box, and `font_hint` says so."""
    from matplotlib import rc_context  # noqa: PLC0415

    style: Any = {
        "font.family": [*_families(), "DejaVu Sans"],
        "axes.unicode_minus": False,
        "text.parse_math": False,
    }
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def _figure(bars: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - not pyplot: a notebook's own figures stay untouched

    figure = Figure(figsize=(max(5.5, 1.1 * bars), 4.0), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def _bars(axes: Any, number: int, models: int, label: str, rows: Any) -> None:
    width = 0.8 / models
    places = [index + (number - (models - 1) / 2) * width for index in range(len(rows))]
    means = rows["mean"].fillna(0).to_numpy()
    low = (rows["mean"] - rows["ci_low"]).fillna(0).clip(lower=0).to_numpy()
    high = (rows["ci_high"] - rows["mean"]).fillna(0).clip(lower=0).to_numpy()
    colour = _PALETTE[number % len(_PALETTE)]
    axes.bar(
        places, means, width * 0.92, yerr=[low, high], label=label, color=colour, capsize=4, ecolor="#444444"
    )
    for place, mean, up in zip(places, means, high, strict=True):
        axes.text(place, mean + up + 0.02, f"{mean:.2f}", ha="center", va="bottom", fontsize=9)


def _axes(box: tuple[int, int, int, int], right: float, top: float) -> str:
    left, up, far, low = box
    parts = [f'<path d="M{left} {up}V{low}H{far}" stroke="{GREY}" fill="none"/>']
    for share in (0.0, 0.5, 1.0):
        y = low - (low - up) * share
        parts += [
            f'<path d="M{left} {y:.1f}H{far}" stroke="{GREY}" stroke-opacity="0.25"/>',
            _text(left - 6, y + 4, f"{top * share:.2g}", GREY, "end"),
        ]
    parts += [
        _text(left + (far - left) * share, low + 16, f"{right * share:.2g}", GREY, "middle")
        for share in (0, 0.5, 1)
    ]
    return "".join([*parts, _text((left + far) / 2, low + 30, "epoch", GREY, "middle")])


def _line(points: Sequence[tuple[float, float]], colour: str, dash: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def _text(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}" text-anchor="{anchor}" font-family="sans-serif" '
        f'font-size="12">{escape(text)}</text>'
    )
