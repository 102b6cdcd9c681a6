"""Names in a chart: a font with Chinese characters, and letters for names that cannot be drawn or are too long."""

import functools
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ....evaluation.report.text import to_plain

LATIN: Final = "DejaVu Sans"  # comes with matplotlib
FONT_HINT: Final = (
    "图中的汉字需要中文字体 / Chinese names need a Chinese font: `apt install fonts-noto-cjk`, "
    "or a file such as NotoSansCJKsc-Regular.otf in ~/.fonts; then restart the kernel"
)
LINE_COLUMNS: Final = 18
MAX_LINES: Final = 3
_CLOSING_MARKS: Final = "，。、；：！？）】》」』”’),.;:!?]}"
"""A label has at most MAX_LINES lines of LINE_COLUMNS columns (a Chinese character takes two)."""

_PREFERRED_FONTS: Final = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC",
    "Microsoft YaHei", "Hiragino Sans GB", "Heiti SC", "STHeiti", "SimHei", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Noto Sans CJK JP", "Noto Sans CJK TC", "PingFang HK", "Heiti TC",
    "Microsoft JhengHei", "Droid Sans Fallback", "Arial Unicode MS", "SimSun",
)  # fmt: skip


@dataclass(frozen=True)
class NameLabels:
    """Names as a chart shows them."""

    labels: dict[str, str]  # {name: label}, of a few lines each
    legend: tuple[tuple[str, str], ...] = ()  # (letter, name), where labels are letters
    hint: str = ""  # how to install a font, when one is missing

    def __getitem__(self, name: str) -> str:
        return self.labels[name]

    @property
    def lines(self) -> int:
        """Lines of the longest label."""
        return max((label.count("\n") + 1 for label in self.labels.values()), default=1)


def build_labels(names: Sequence[str], prefix: str = "") -> NameLabels:
    """Return labels for names: the names, or a letter for each of them when one cannot be shown."""
    cleaned = {name: " ".join(to_plain(name).split()) for name in names}
    wrapped = {name: "\n".join(_wrap_label(text)) for name, text in cleaned.items()}
    is_short_enough = all(label.strip() and label.count("\n") < MAX_LINES for label in wrapped.values())
    is_drawable = all(map(has_glyphs, cleaned.values()))
    if is_short_enough and is_drawable and len(set(wrapped.values())) == len(names):
        return NameLabels(wrapped)
    letters = {name: f"{prefix}{index + 1}" if prefix else index_letter(index) for index, name in enumerate(names)}
    has_chinese = any(_is_chinese(char) for text in cleaned.values() for char in text)
    return NameLabels(
        letters,
        tuple((letters[name], text) for name, text in cleaned.items()),
        FONT_HINT if has_chinese and not chinese_font() else "",
    )


def index_letter(index: int) -> str:
    """Return A, B, ... Z, A2, B2, ..."""
    round_number, letter_index = divmod(index, len(string.ascii_uppercase))
    return string.ascii_uppercase[letter_index] + (str(round_number + 1) if round_number else "")


def font_families() -> list[str]:
    """Return the fonts to draw with, by precedence."""
    return [*filter(None, [chinese_font()]), LATIN]


@functools.cache
def chinese_font() -> str:
    """Return an installed font that has Chinese characters, "" when none is installed."""
    from matplotlib import font_manager  # noqa: PLC0415 - 0.3 s that only charts should pay

    rank = {name: position for position, name in enumerate(_PREFERRED_FONTS)}
    fonts = sorted(font_manager.fontManager.ttflist, key=lambda font: rank.get(font.name, len(rank)))
    return next((font.name for font in fonts if font.name != LATIN and _has_chinese(font.fname)), "")


def has_glyphs(text: str) -> bool:
    """Return whether the fonts have all of a text's characters."""
    faces = [_load_face(family) for family in font_families()]
    return all(any(face.get_char_index(ord(char)) for face in faces) for char in text)


def display_width(text: str) -> int:
    """Return the width of a text in columns; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def bilingual(chinese_text: str, english: str) -> str:
    """Return a chart's text in both languages, or in English without a Chinese font."""
    return f"{chinese_text} {english}" if chinese_font() else english


def _load_face(family: str) -> Any:
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


def _wrap_label(text: str) -> list[str]:
    """Return lines of at most LINE_COLUMNS columns, broken at a space or after - _ / where possible."""
    lines, line = [], ""
    for char in text:
        if display_width(line + char) > LINE_COLUMNS and char not in _CLOSING_MARKS:
            cut = max(line.rfind(mark) for mark in " -_/") + 1
            cut = cut if cut > LINE_COLUMNS // 2 else len(line)
            lines.append(line[:cut])
            line = line[cut:]
        line += char
    return [*lines, line]
