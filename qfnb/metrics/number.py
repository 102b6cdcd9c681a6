"""Numeric answers: the number of a text as a value with its unit, in digits or Chinese numerals."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from .chinese_numerals import NUMERAL, parse_numeral
from .unit_names import UNITS, MeasureUnit
from .units import fold_values

ROUNDING: Final = Fraction(1, 10**9)
"""The relative difference of numbers that are equal without a tolerance: that of a computer's last
digits.
"""

MAX_LENGTH: Final = 400
"""Numbers with more digits, or with a higher power, are not read."""


@dataclass(frozen=True)
class Quantity:
    """A number of a text, its unit (None where none is known), and where it stands."""

    value: Fraction
    unit: MeasureUnit | None
    start: int
    end: int


def is_equal_number(output: str, reference: str, tolerance: float = 0.0) -> float:
    r"""Return 1 when the number of an answer is the reference's, else 0; NaN when the reference has
    no number.

    "1,200" is 1200, "三百五十" 350, "50%" 0.5 and "1.2 km" 1200 m. A number without a unit is in
    the other one's; units of two kinds are never equal, and an answer that leaves a choice
    ("5 or 6") is none.

    Args:
        output: free text; the result that it states counts ("#### 5", "\boxed{5}", "答案是 5"),
            else its last number.
        reference: likewise.
        tolerance: the largest relative difference, from 0; 0.01 is one percent.
    """
    expected = find_number(reference)
    actual = find_number(output)
    if expected is None:
        return math.nan
    if actual is None:
        return 0.0
    limit = max(ROUNDING, Fraction(tolerance))
    return float(any(abs(a - b) <= limit * abs(b) for a, b in _to_same_unit(actual, expected)))


def _to_same_unit(actual: Quantity, expected: Quantity) -> list[tuple[Fraction, Fraction]]:
    """Return the values to compare; a share without its sign is either the share or its
    hundredfold.
    """
    a = actual.unit
    b = expected.unit
    if a and b:
        if a.kind == b.kind:
            return [(actual.value * a.scale, expected.value * b.scale)]
        return []
    if a and a.kind == "share":
        return [(actual.value * a.scale, expected.value)]
    if b and b.kind == "share":
        return [(actual.value, expected.value), (actual.value, expected.value * b.scale)]
    return [(actual.value, expected.value)]


def find_number(text: str) -> Quantity | None:
    """Return the number that a text states as its result, else its last one; None without one, or
    with a choice.
    """
    answer = fold_values(re.sub(r"\A\s*<think>.*?</think>", "", text, flags=re.DOTALL))
    quantities = [*_read_digits(answer)] or [*_read_numerals(answer)]
    if not quantities:
        return None
    index = next(
        (n for cue in _CUES if (n := _find_stated(answer, cue, quantities)) is not None),
        len(quantities) - 1,
    )
    neighbours = zip(
        quantities[max(0, index - 1) : index + 1],
        quantities[max(1, index) : index + 2],
        strict=False,
    )
    if any(_CHOICE.fullmatch(answer, first.end, second.start) for first, second in neighbours):
        return None
    return quantities[index]


_CUES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\\boxed\s*\{",
        r"####",
        r"(?:答案|结果|得数|\banswer|\bresult)[^\d\n]{0,20}?(?:是|为|等于|:|=|\bis\b)\s*",
    )
)
_CHOICE = re.compile(r"\s*(?:或者?|还是|到|至|~|–|—|-|\bor\b|\bto\b)\s*", re.IGNORECASE)
_OPERATOR = re.compile(r"\s*[)\]}]*\s*(?:[+*×÷=≈]|[-/](?=\s*\d)|\\times|\\div)")
_DENIAL = re.compile(r"(?:不是|不为|并非|\bnot|n't)\s*(?:be\s*)?\Z", re.IGNORECASE)


def _find_stated(text: str, cue: re.Pattern[str], quantities: Sequence[Quantity]) -> int | None:
    """Return the index of the result behind the last cue of a kind, None where none follows on its
    line.
    """
    if not (cues := [*cue.finditer(text)]):
        return None
    start = cues[-1].end()
    if "\n" in text[start:]:
        end = text.find("\n", start)
    else:
        end = len(text)
    on_line = [n for n, quantity in enumerate(quantities) if start <= quantity.start < end]
    results = [n for n in on_line if not _OPERATOR.match(text, quantities[n].end)]
    if results:
        return results[0]
    return None


_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_SCALES: Final = {
    "百": 10**2, "千": 10**3, "万": 10**4, "亿": 10**8, "万亿": 10**12,
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
_SCALE = (
    r"(?:万亿|亿|万|千(?![克米瓦卡帕赫焦伏字])|百(?!分)|thousand\b|million\b|billion\b|trillion\b)"
)
_NUMBER = re.compile(
    rf"""(?P<skip>\d{{4}}[-/]\d{{1,2}}[-/]\d{{1,2}}|(?<!\d)\d{{1,2}}:\d\d(?::\d\d)?)|
    (?P<percent>百分之)?(?P<sign>(?<![\w.)^])-\s?|负\s?)?(?:
    \\[dt]?frac\s*\{{(?P<top>\d+)\}}\s*\{{(?P<bottom>\d+)\}}|
    (?:(?P<whole>\d+)[ ]+)?(?P<numerator>\d+)[ ]*/[ ]*(?P<denominator>\d+)(?![\d/.])|
    (?P<compound>(?:{_DIGITS}[ ]?{_SCALE})+(?:\d+(?![\d.,]))?)|
    (?P<digits>{_DIGITS})(?:\s*(?:[×x*]|\\times)\s*10\s*\^\s*\{{?(?P<ten>[-+]?\d+)\}}?|e(?P<e>[-+]?\d+)(?!\w)|
    \s*\^\s*\{{?(?P<power>\d+)\}}?)?)""",
    re.VERBOSE | re.IGNORECASE,
)


def _read_digits(text: str) -> Iterator[Quantity]:
    for match in _NUMBER.finditer(text):
        if (
            match["skip"]
            or len(match[0]) > MAX_LENGTH
            or _DENIAL.search(text, max(0, match.start() - 12), match.start())
        ):
            continue
        try:
            value = _to_value(match)
        except (ZeroDivisionError, OverflowError):
            continue
        if match["sign"]:
            value = -value
        yield _with_unit(text, value / 100 if match["percent"] else value, match)


def _to_value(match: re.Match[str]) -> Fraction:
    if match["top"]:
        return Fraction(int(match["top"]), int(match["bottom"]))
    if match["numerator"]:
        return int(match["whole"] or 0) + Fraction(
            int(match["numerator"]), int(match["denominator"])
        )
    if match["compound"]:
        pairs = re.findall(rf"({_DIGITS})[ ]?({_SCALE})?", match["compound"], re.IGNORECASE)
        return sum(
            (_plain(digits) * _SCALES.get(scale.lower(), 1) for digits, scale in pairs), Fraction(0)
        )
    base = _plain(match["digits"])
    exponent = int(match["ten"] or match["e"] or 0)
    power = int(match["power"] or 1)
    if max(abs(exponent), power * len(match["digits"])) > MAX_LENGTH:
        raise OverflowError
    return base**power * Fraction(10) ** exponent


def _plain(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))


def _read_numerals(text: str) -> Iterator[Quantity]:
    for match in NUMERAL.finditer(text):
        is_denied = _DENIAL.search(text, max(0, match.start() - 12), match.start())
        if (
            len(match[0]) <= MAX_LENGTH
            and not is_denied
            and (value := parse_numeral(match)) is not None
        ):
            yield _with_unit(text, value, match)


_UNIT = re.compile(
    r"\s*(" + "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True)) + r")(?![A-Za-z])"
)


def _with_unit(text: str, value: Fraction, match: re.Match[str]) -> Quantity:
    unit = _UNIT.match(text, match.end())
    if unit:
        sign = None
    else:
        sign = UNITS.get(text[max(0, match.start() - 1) : match.start()])
    is_currency = sign is not None and sign.kind in {"CNY", "USD", "EUR", "GBP"}
    return Quantity(
        value,
        UNITS[unit[1]] if unit else sign if is_currency else None,
        match.start(),
        unit.end() if unit else match.end(),
    )
