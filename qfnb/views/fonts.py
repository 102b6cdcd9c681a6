"""Names in a chart: a font with Chinese characters, and letters for names that cannot be drawn or
are too long.
"""

import functools
import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..base.language import tr, tr_noop
from ..evaluation.report.text import to_plain

LATIN: Final = "DejaVu Sans"  # comes with matplotlib
FONT_HINT: Final = tr_noop(
    "Chinese names in pictures need a Chinese font: `apt install fonts-noto-cjk`, "
    "or a file such as NotoSansCJKsc-Regular.otf in ~/.fonts; then restart the kernel"
)
LABEL_COLUMNS: Final = 30
"""Width of a label at most; a Chinese character takes two columns."""

_PREFERRED_FONTS: Final = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC",
    "Microsoft YaHei", "Hiragino Sans GB", "Heiti SC", "STHeiti", "SimHei", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Noto Sans CJK JP", "Noto Sans CJK TC", "PingFang HK", "Heiti TC",
    "Microsoft JhengHei", "Droid Sans Fallback", "Arial Unicode MS", "SimSun",
)  # fmt: skip


@dataclass(frozen=True)
class NameLabels:
    """Names as a chart shows them."""

    labels: Mapping[str, str]  # {name: label}
    legend: tuple[tuple[str, str], ...] = ()  # (letter, name), where labels are letters
    hint: str = ""  # how to install a font, when one is missing

    def __getitem__(self, name: str) -> str:
        return self.labels[name]


def build_labels(
    titles: Mapping[str, str], prefix: str = "", *, is_picture: bool = True
) -> NameLabels:
    """Return labels for names: their titles, shortened, or a letter for each of them when one
    cannot be shown.

    Args:
        titles: {name: title}.
        prefix: of numbers that are used instead of letters.
        is_picture: whether a font of this computer must have the characters.
    """
    cleaned = {name: " ".join(to_plain(title).split()) for name, title in titles.items()}
    shortened = {name: cut_middle(text, LABEL_COLUMNS) for name, text in cleaned.items()}
    is_drawable = not is_picture or all(map(has_glyphs, shortened.values()))
    if is_drawable and all(shortened.values()) and len(set(shortened.values())) == len(shortened):
        return NameLabels(shortened)
    letters = {
        name: f"{prefix}{index + 1}" if prefix else index_letter(index)
        for index, name in enumerate(titles)
    }
    has_chinese = any(_is_chinese(char) for text in cleaned.values() for char in text)
    return NameLabels(
        letters,
        tuple((letters[name], text) for name, text in cleaned.items()),
        tr(FONT_HINT) if is_picture and has_chinese and not chinese_font() else "",
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
    fonts = sorted(
        font_manager.fontManager.ttflist, key=lambda font: rank.get(font.name, len(rank))
    )
    return next(
        (font.name for font in fonts if font.name != LATIN and _has_chinese(font.fname)), ""
    )


def has_glyphs(text: str) -> bool:
    """Return whether the fonts have all of a text's characters."""
    faces = [_load_face(family) for family in font_families()]
    return all(any(face.get_char_index(ord(char)) for face in faces) for char in text)


def display_width(text: str) -> int:
    """Return the width of a text in columns; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def cut_middle(text: str, columns: int) -> str:
    """Return a text of at most this width; a longer one lacks its middle, since names differ at
    their ends.
    """
    if display_width(text) <= columns:
        return text
    start = end = (columns - 1) // 2
    while display_width(text[:start]) > (columns - 1) // 2:
        start -= 1
    while display_width(text[-end:]) > (columns - 1) // 2:
        end -= 1
    return f"{text[:start]}…{text[-end:]}"


def cut_to_width(text: str, columns: int) -> str:
    """Return the beginning of a text that is not wider than a number of columns."""
    while display_width(text) > columns:
        text = f"{text[:-2]}…"
    return text


def wrap_to_width(text: str, columns: int) -> list[str]:
    """Return a text as lines that are not wider than a number of columns, broken after blanks and
    punctuation.
    """
    lines = [""]
    for part in re.split(r"(?<=[ ；，。、])", text):
        if lines[-1] and display_width(f"{lines[-1]}{part}".rstrip()) > columns:
            lines.append("")
        lines[-1] += part
    return [cut_to_width(line.rstrip(), columns) for line in lines]


def _load_face(family: str) -> Any:
    from matplotlib import font_manager  # noqa: PLC0415

    return font_manager.get_font(
        font_manager.findfont(font_manager.FontProperties(family=[family]))
    )


def _has_chinese(path: Any) -> bool:
    from matplotlib import font_manager  # noqa: PLC0415

    try:
        return bool(font_manager.get_font(path).get_char_index(ord("中")))
    except (OSError, RuntimeError):  # a broken file, or a font without outlines
        return False


def _is_chinese(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uf900" <= char <= "\uffef"
