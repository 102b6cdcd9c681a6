"""Texts as units to count. Chinese has no blanks between words, so the choice of unit decides every
score.
"""

import functools
import importlib
import logging
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

from .. import config
from ..base.language import tr
from ..errors import InvalidArgumentError

Units = Sequence[str]

MAX_CACHED_TEXTS: Final = 4096
"""Texts whose units are cached: several metrics cut the same answer, several models share a
reference.
"""

_CJK = "\u4e00-\u9fff々〆\u3040-\u30ff\u3400-\u4dbf\uf900-\ufaff\U00020000-\U0003ffff"
_MARKS = "。，、；：？！“”‘’（）【】《》「」—…·"
_ASCII_PUNCTUATION = str.maketrans(_MARKS, '.,,;:?!""\'\'()[]<>""-..')
_UNIT = re.compile(rf"[{_CJK}]|\d+(?:\.\d+)?|[^\W\d_{_CJK}]+|[^\w\s.,;:!?\"'()\[\]<>{_MARKS}]")
_NEEDS_NFKC = re.compile(rf"[^\x00-\x7f\u4e00-\u9fff{_MARKS}]")
"""Characters that NFKC may change in a unit; most texts have none, and NFKC costs more than the
rest.
"""

_SACREBLEU_ZH = re.compile(
    "([\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u4db5\u4e00-\u9fbb"
    "\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef])"
)
_MTEVAL: Final = [
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
]
"""The punctuation rules of NIST's mteval script, as sacrebleu applies them."""


def normalize(text: str) -> str:
    """Return the normalised text whose characters the recipe `strict` compares in chrF2.

    Full-width forms become half-width (NFKC), Chinese punctuation becomes ASCII, case is folded,
    blanks and punctuation at the ends are dropped.
    """
    folded = unicodedata.normalize("NFKC", text).translate(_ASCII_PUNCTUATION).casefold()
    return " ".join(folded.split()).strip(" .,;:!?")


_DIGIT_FORM = re.compile(r"[^\x00-\x7f\u3000-\u303f\u4e00-\u9fff]")
_POWER: Final = frozenset("0123456789+-=()n")


def fold_values(text: str) -> str:
    """Return a text in NFKC whose numbers keep their values: "10⁵" becomes "10^5", "1½" "1 1/2",
    "log₂8" "log_2 8".
    """
    if not _DIGIT_FORM.search(text):
        return unicodedata.normalize("NFKC", text)
    parts = list[str]()
    form = ""
    last = ""
    for character in "".join(map(_split_square, text)):
        folded = (
            unicodedata.normalize("NFKC", character)
            .replace("\N{MINUS SIGN}", "-")
            .replace("\N{FRACTION SLASH}", "/")
        )
        tag = unicodedata.decomposition(character).partition(" ")[0]
        is_script = tag in {"<super>", "<sub>"} and folded in _POWER
        is_form = is_script or (folded[:1].isdigit() and unicodedata.category(character) == "No")
        follows_digit = last.isdigit()
        if is_script and form != tag:
            if tag == "<super>":
                parts.append("^")
            elif follows_digit:
                parts.append("_")
        elif follows_digit and folded[:1].isdigit() and not is_script and (form or is_form):
            parts.append(" ")
        parts.append(folded)
        form = tag if is_form else ""
        last = folded[-1:]
    return unicodedata.normalize("NFKC", "".join(parts))


def _split_square(character: str) -> str:
    """Return a unit that is one character as several, its power still raised: "㎡" as "m²"."""
    tag, *codes = unicodedata.decomposition(character).split() or [""]
    if tag == "<square>":
        return "".join(chr(int(code, 16)) for code in codes)
    return character


def to_ascii_marks(text: str) -> str:
    """Return a text with ASCII punctuation; the dot between two digits stays, which is a
    product.
    """
    return "·".join(
        part.translate(_ASCII_PUNCTUATION) for part in re.split(r"(?<=\d)·(?=\d)", text)
    )


@functools.lru_cache(MAX_CACHED_TEXTS)
def characters(text: str) -> tuple[str, ...]:
    """Return Chinese characters one by one, other words and numbers whole; NFKC, case folded.

    Punctuation is left out: answers that share nothing else would look alike.
    """
    if _NEEDS_NFKC.search(text):
        text = unicodedata.normalize("NFKC", text)
    return tuple(_UNIT.findall(text.casefold()))


@functools.lru_cache(MAX_CACHED_TEXTS)
def jieba_words(text: str) -> tuple[str, ...]:
    """Return jieba's words of the text as it is, without blanks.

    Raises:
        InvalidArgumentError: jieba is not installed.
    """
    return tuple(word for word in _cut_words(text) if word.strip())


@functools.lru_cache(MAX_CACHED_TEXTS)
def rouge_chinese_words(text: str) -> tuple[str, ...]:
    """Return jieba's words as rouge-chinese reads them: a blank line counts as one empty word."""
    lines = re.sub("([。！？?]) ", "\\1\n ", " ".join(_cut_words(text))).rstrip().split("\n")
    return tuple(word for line in lines if line for word in line.split() or [""])


@functools.lru_cache(MAX_CACHED_TEXTS)
def sacrebleu_zh_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of sacrebleu's `tokenize="zh"`: Chinese by character, other text by
    mteval's rules.
    """
    line = _SACREBLEU_ZH.sub(r" \1 ", text.strip())
    for pattern, replacement in _MTEVAL:
        line = pattern.sub(replacement, line)
    return tuple(line.split())


@functools.cache
def load_cutter() -> Callable[[str], list[str]] | None:
    """Return jieba's function from text to words, as the console's scores use it; None if jieba is
    not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba's own, at import, on newer Pythons
        try:
            jieba: Any = importlib.import_module("jieba")
        except ImportError:
            return None
    jieba.setLogLevel(logging.WARNING)
    # jieba's default is a fixed name in /tmp, which others can write
    cache = config.state_dir() / "words"
    cache.mkdir(mode=0o700, exist_ok=True)
    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = str(cache)
    cut: Callable[[str], list[str]] = tokenizer.lcut
    return cut


def _cut_words(text: str) -> list[str]:
    cut = load_cutter()
    if cut is None:
        raise InvalidArgumentError(
            tr("this recipe counts words: pip install 'qfnb[zh]', or recipe='strict'")
        )
    return cut(text)
