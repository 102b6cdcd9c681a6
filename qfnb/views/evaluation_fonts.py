"""Names in a chart: a font that has Chinese, and letters for what cannot be drawn or is too long."""

from __future__ import annotations

import functools
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..evaluation.inert import plain

LATIN: Final = "DejaVu Sans"
"""Comes with matplotlib."""

FONT_HINT: Final = (
    "图中的汉字需要中文字体 / Chinese names need a Chinese font: `apt install fonts-noto-cjk`, "
    "or a file such as NotoSansCJKsc-Regular.otf in ~/.fonts; then restart the kernel"
)
LINE: Final = 18
LINES: Final = 3
_CLOSING: Final = "，。、；：！？）】》」』”’),.;:!?]}"
"""A name gets so many lines of so many columns, a Chinese character being two; a longer one a letter."""

_KNOWN: Final = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "Microsoft YaHei",
    "Hiragino Sans GB",
    "Heiti SC",
    "STHeiti",
    "SimHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Sans CJK JP",
    "Noto Sans CJK TC",
    "PingFang HK",
    "Heiti TC",
    "Microsoft JhengHei",
    "Droid Sans Fallback",
    "Arial Unicode MS",
    "SimSun",
)


@dataclass(frozen=True)
class Labels:
    """Names as a chart shows them.

    Attributes:
        shown: a label for each name, of a few lines.
        legend: letter and name, where labels are letters.
        hint: how to get a font, when that is what is missing.
    """

    shown: dict[str, str]
    legend: tuple[tuple[str, str], ...] = ()
    hint: str = ""

    def __getitem__(self, name: str) -> str:
        return self.shown[name]

    @property
    def lines(self) -> int:
        """Lines of the longest label."""
        return max((label.count("\n") + 1 for label in self.shown.values()), default=1)


def labels(names: Sequence[str], prefix: str = "") -> Labels:
    """Return labels for names: the names themselves, or a letter for each when one cannot be shown.

    Args:
        names: in the order of the report's tables.
        prefix: before a number; "" for A, B, C.
    """
    cleaned = {name: " ".join(plain(name).split()) for name in names}
    wrapped = {name: "\n".join(_wrapped(text)) for name, text in cleaned.items()}
    fit = all(label.strip() and label.count("\n") < LINES for label in wrapped.values())
    can = all(map(drawable, cleaned.values()))
    if fit and can and len(set(wrapped.values())) == len(names):
        return Labels(wrapped)
    letters = {name: f"{prefix}{place + 1}" if prefix else letter(place) for place, name in enumerate(names)}
    needed = any(_is_chinese(char) for text in cleaned.values() for char in text)
    return Labels(
        letters,
        tuple((letters[name], text) for name, text in cleaned.items()),
        FONT_HINT if needed and not chinese() else "",
    )


def letter(place: int) -> str:
    """Return A, B, ... Z, A2, B2, ..."""
    again, rest = divmod(place, len(string.ascii_uppercase))
    return string.ascii_uppercase[rest] + (str(again + 1) if again else "")


def families() -> list[str]:
    """Return the fonts to draw with, in the order in which they are tried."""
    return [*filter(None, [chinese()]), LATIN]


@functools.cache
def chinese() -> str:
    """Return an installed font that has Chinese characters, "" when there is none."""
    from matplotlib import font_manager  # noqa: PLC0415 - 0.3 s that only charts should pay

    rank = {name: place for place, name in enumerate(_KNOWN)}
    fonts = sorted(font_manager.fontManager.ttflist, key=lambda font: rank.get(font.name, len(rank)))
    return next((font.name for font in fonts if font.name != LATIN and _has_chinese(font.fname)), "")


def drawable(text: str) -> bool:
    """Tell whether the fonts have all of a text's characters."""
    faces = [_face(family) for family in families()]
    return all(any(face.get_char_index(ord(char)) for face in faces) for char in text)


def columns(text: str) -> int:
    """Return how wide a text is, a Chinese character being two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def said(words: str, english: str) -> str:
    """Return words of the chart's own in both languages, or in English where there is no Chinese font."""
    return f"{words} {english}" if chinese() else english


def _face(family: str) -> Any:
    from matplotlib import font_manager  # noqa: PLC0415

    return font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[family])))


def _has_chinese(path: Any) -> bool:
    from matplotlib import font_manager  # noqa: PLC0415

    try:
        return bool(font_manager.get_font(path).get_char_index(ord("中")))
    except (OSError, RuntimeError):  # a broken file, or a font without outlines
        return False


def _is_chinese(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uf900" <= char <= "\uffef"


def _wrapped(text: str) -> list[str]:
    """Return lines of at most LINE columns, broken at a space or after a - _ / where there is one."""
    lines, line = [], ""
    for char in text:
        if columns(line + char) > LINE and char not in _CLOSING:
            cut = max(line.rfind(mark) for mark in " -_/") + 1
            cut = cut if cut > LINE // 2 else len(line)
            lines.append(line[:cut])
            line = line[cut:]
        line += char
    return [*lines, line]
