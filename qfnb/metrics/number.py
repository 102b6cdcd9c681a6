"""Numeric answers: the number of a text as a value with its unit, in digits or Chinese numerals."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple

from .units import fold_values


class MeasureUnit(NamedTuple):
    """A unit: what it measures, and its size against the base of that kind."""

    kind: str
    scale: Fraction


_PREFIXES: Final = {"n": -9, "μ": -6, "u": -6, "m": -3, "c": -2, "k": 3, "M": 6, "G": 9, "": 0}
_SYMBOLS: Final = {
    "m": "length", "g": "mass", "L": "volume", "s": "time", "W": "power", "V": "voltage",
    "A": "current",
    "Hz": "frequency", "J": "energy", "N": "force", "Pa": "pressure",
}  # fmt: skip
_NAMES: Final = {
    "length": {"毫米": "0.001", "厘米": "0.01", "分米": "0.1", "米": "1", "千米": "1000",
    "公里": "1000"},
    "mass": {"毫克": "0.001", "克": "1", "斤": "500", "千克": "1000", "公斤": "1000",
    "吨": "1000000", "t": "1000000"},
    "volume": {"毫升": "0.001", "升": "1", "立方米": "1000", "m^3": "1000", "ml": "0.001",
    "l": "1"},
    "area": {
        "平方厘米": "0.0001", "cm^2": "0.0001", "平方米": "1", "m^2": "1", "公顷": "10000",
        "平方千米": "1000000", "平方公里": "1000000", "km^2": "1000000",
    },
    "time": {
        "秒": "1", "秒钟": "1", "分钟": "60", "小时": "3600", "天": "86400", "second": "1",
        "seconds": "1", "min": "60",
        "minute": "60", "minutes": "60", "h": "3600", "hour": "3600", "hours": "3600",
        "day": "86400", "days": "86400",
    },
    "speed": {"m/s": "1", "米/秒": "1", "米每秒": "1", "km/h": "5/18", "千米/时": "5/18",
    "公里/小时": "5/18"},
    "share": {"%": "0.01", "‰": "0.001", "percent": "0.01", "per cent": "0.01"},
    "CNY": {"元": "1", "块钱": "1", "角": "0.1", "¥": "1", "人民币": "1", "RMB": "1", "CNY": "1",
    "yuan": "1"},
    "USD": {"美元": "1", "$": "1", "USD": "1", "dollars": "1", "dollar": "1"},
    "EUR": {"欧元": "1", "€": "1", "EUR": "1", "euros": "1", "euro": "1"},
    "GBP": {"英镑": "1", "£": "1", "GBP": "1", "pounds": "1"},
    "temperature in °C": {"°C": "1", "摄氏度": "1"},
    "temperature in °F": {"°F": "1", "华氏度": "1"},
    "angle": {"°": "1", "度": "1"},
}  # fmt: skip


def _all_units() -> Iterator[tuple[str, MeasureUnit]]:
    for symbol, kind in _SYMBOLS.items():
        for prefix, exponent in _PREFIXES.items():
            yield prefix + symbol, MeasureUnit(kind, Fraction(10) ** exponent)
    for kind, names in _NAMES.items():
        yield from ((name, MeasureUnit(kind, Fraction(scale))) for name, scale in names.items())


UNITS: Final[Mapping[str, MeasureUnit]] = dict(_all_units())
"""Units by name; capitals count: mW and MW."""


_FORMAL: Final = str.maketrans(
    "壹贰叁肆伍陆柒捌玖拾佰仟萬億两〇", "一二三四五六七八九十百千万亿二零"
)
_ONES: Final = {digit: value for value, digit in enumerate("零一二三四五六七八九")}
_TENS: Final = {"十": 10, "百": 100, "千": 1000}
_MYRIADS: Final = {"万": 10**4, "亿": 10**8}

_NUMERALS = "零一二三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟萬億两〇"
_DECIMAL = rf"[{_NUMERALS}]+(?:点[零〇一二三四五六七八九]+)?"
_COUNTED = (
    r"[个只条本人元块米天年月日岁次倍种名位件张台辆斤克吨升页题头匹棵朵支双度层户家公厘毫小分秒%]"
)
NUMERAL: Final = re.compile(
    rf"(?P<negative>负)?(?:(?P<denominator>百|[{_NUMERALS}]+)分之(?P<numerator>{_DECIMAL})"
    rf"|(?P<decimal>{_DECIMAL})(?={_COUNTED}|[或到至]|\W|\Z))"
)
"""A numeral; without a fraction only before what is counted, a mark or the end: 一定 and 万一 are
none.
"""


def _to_numeral(match: re.Match[str]) -> Fraction | None:
    """Return the value of a match of `NUMERAL`, None where its characters are no number."""
    if match["denominator"]:
        value = _parse_decimal(match["numerator"])
        whole = Fraction(100)
        if match["denominator"] != "百":
            whole = _parse_decimal(match["denominator"]) or Fraction(0)
        value = value / whole if value is not None and whole else None
    else:
        value = _parse_decimal(match["decimal"])
    if value is not None and match["negative"]:
        return -value
    return value


def _parse_decimal(text: str) -> Fraction | None:
    integer, _, decimals = text.translate(_FORMAL).partition("点")
    whole = _parse_integer(integer)
    if whole is None:
        return None
    for place, digit in enumerate(decimals, 1):
        whole += Fraction(_ONES[digit], 10**place)
    return whole


def _parse_integer(text: str) -> Fraction | None:
    if all(digit in _ONES for digit in text):
        return Fraction(int("".join(str(_ONES[digit]) for digit in text)))
    if text[0] in "百千万亿":
        return None
    total = 0
    section = 0
    digit = 0
    last = 1
    for character in text:
        if character in _ONES:
            digit = _ONES[character]
            if digit == 0:
                last = 1
        elif character in _TENS:
            section += (digit or 1) * _TENS[character]
            last = _TENS[character]
            digit = 0
        else:
            last = _MYRIADS[character]
            if last > 10**4:
                total += section + digit
                total *= last
            else:
                total += (section + digit) * last
            section = 0
            digit = 0
    if last > 10 and text[-1] in _ONES:
        digit *= last // 10
    return Fraction(total + section + digit)


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
    quantities = [*_find_quantities(answer, _NUMBER, _to_value)] or [
        *_find_quantities(answer, NUMERAL, _to_numeral)
    ]
    if not quantities:
        return None
    index = len(quantities) - 1
    for cue in _CUES:
        stated = _find_stated(answer, cue, quantities)
        if stated is not None:
            index = stated
            break
    for first, second in pairwise(quantities[max(0, index - 1) : index + 2]):
        if _CHOICE.fullmatch(answer, first.end, second.start):
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
    cues = [*cue.finditer(text)]
    if not cues:
        return None
    start = cues[-1].end()
    end = start + len(text[start:].partition("\n")[0])
    for number, quantity in enumerate(quantities):
        if start <= quantity.start < end and not _OPERATOR.match(text, quantity.end):
            return number
    return None


_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_SCALES: Final = {
    "百": 10**2, "千": 10**3, "万": 10**4, "亿": 10**8, "万亿": 10**12,
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
_SCALE = (
    r"(?:万亿|亿|万|千(?![克米瓦卡帕赫焦伏字])|百(?!分)|thousand\b|million\b|billion\b|trillion\b)"
)
_COMPOUND = re.compile(rf"({_DIGITS})[ ]?({_SCALE})?", re.IGNORECASE)
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


def _find_quantities(
    text: str, pattern: re.Pattern[str], to_value: Callable[[re.Match[str]], Fraction | None]
) -> Iterator[Quantity]:
    for match in pattern.finditer(text):
        is_denied = _DENIAL.search(text, max(0, match.start() - 12), match.start())
        if len(match[0]) <= MAX_LENGTH and not is_denied:
            value = to_value(match)
            if value is not None:
                yield _with_unit(text, value, match)


def _to_value(match: re.Match[str]) -> Fraction | None:
    """Return the value of a match of `_NUMBER`; None for dates and times, and where it cannot be
    read.
    """
    if match["skip"]:
        return None
    try:
        value = _to_fraction(match)
    except (ZeroDivisionError, OverflowError):
        return None
    if match["percent"]:
        value /= 100
    return -value if match["sign"] else value


def _to_fraction(match: re.Match[str]) -> Fraction:
    if match["top"]:
        return Fraction(int(match["top"]), int(match["bottom"]))
    if match["numerator"]:
        part = Fraction(int(match["numerator"]), int(match["denominator"]))
        return int(match["whole"] or 0) + part
    if match["compound"]:
        total = Fraction(0)
        for digits, scale in _COMPOUND.findall(match["compound"]):
            total += _plain(digits) * _SCALES.get(scale.lower(), 1)
        return total
    base = _plain(match["digits"])
    exponent = int(match["ten"] or match["e"] or 0)
    power = int(match["power"] or 1)
    if max(abs(exponent), power * len(match["digits"])) > MAX_LENGTH:
        raise OverflowError
    return base**power * Fraction(10) ** exponent


def _plain(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))


_UNIT = re.compile(
    r"\s*(" + "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True)) + r")(?![A-Za-z])"
)


def _with_unit(text: str, value: Fraction, match: re.Match[str]) -> Quantity:
    found = _UNIT.match(text, match.end())
    if found:
        return Quantity(value, UNITS[found[1]], match.start(), found.end())
    sign = UNITS.get(text[max(0, match.start() - 1) : match.start()])
    is_currency = sign is not None and sign.kind in {"CNY", "USD", "EUR", "GBP"}
    return Quantity(value, sign if is_currency else None, match.start(), match.end())
