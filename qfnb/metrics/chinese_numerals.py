"""Chinese numerals: 三百五十, 两万三, 二〇二四, 三点一四, 负五, 三分之二, 百分之十二, 壹佰."""

import re
from fractions import Fraction
from typing import Final

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


def parse_numeral(match: re.Match[str]) -> Fraction | None:
    """Return the value of a match of `NUMERAL`, None where its characters are no number."""
    if match["denominator"]:
        is_percent = match["denominator"] == "百"
        top = _parse_decimal(match["numerator"])
        bottom = Fraction(100) if is_percent else _parse_decimal(match["denominator"])
        if not (top is not None and bottom):
            value = None
        else:
            value = top / bottom
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
    digits = "".join(str(_ONES[digit]) for digit in decimals)
    return whole + (Fraction(int(digits), 10 ** len(digits)) if digits else 0)


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
            section = section + (digit or 1) * _TENS[character]
            last = _TENS[character]
            digit = 0
        else:
            scale = _MYRIADS[character]
            lower = (section + digit) * scale
            if total and scale > 10**4:
                total = (total + section + digit) * scale
            else:
                total = total + lower
            section = 0
            digit = 0
            last = scale
    return Fraction(
        total + section + digit * (last // 10 if last > 10 and text[-1] in _ONES else 1)
    )
