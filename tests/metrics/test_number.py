"""Numeric answers: equal values in any notation are equal, others are not."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from qfnb.metrics.exact_json import exact_match
from qfnb.metrics.number import find_number, is_equal_number


@pytest.mark.parametrize(
    ("output", "reference"),
    [
        (".5", "5"), ("105", "10⁵"), ("x²", "x2"), ("", "。"), ("。", ""), ("11/2", "1½"), ("2.3", "2·3"), ("5!", "5"), ("log28", "log₂8"),
        ("102", "10₂"), ("21", "2①"), ("5", "-5"), ("！", "？"), ("1.05", "105"), ("-5", ".5"), ("5%", "5"),
    ],
)  # fmt: skip
def test_different_values_do_not_match_exactly(output, reference):
    assert exact_match(output, reference) != 1


@pytest.mark.parametrize(
    ("output", "reference"),
    [
        ("10⁵", "10^5"), ("½", "1/2"), ("０．５", "0.5"), ("−5", "-5"), ("5。", "5"), ("5！", "5"), ("H₂O", "H2O"), ("㎡", "m²"), ("。", "。"),
        ("Hello!", "hello"), ("...Paris", "Paris"), ("1½", "1 1/2"), ("阿·甘", "阿.甘"), ("①", "1"),
    ],
)  # fmt: skip
def test_the_same_value_in_another_form_matches_exactly(output, reference):
    assert exact_match(output, reference) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", "5"), (".5", "0.5"), ("-3", "-3"), ("−3", "-3"), ("1,234,567.5", "1234567.5"), ("1e5", "100000"),
        ("1.5×10⁵", "150000"), (("1.5 \\times "
                                "10^{5}"), "150000"), ("10⁵", "100000"), ("2^10", "1024"), ("3/4", "3/4"),
        ("½", "1/2"), ("1½", "3/2"), ("\\frac{3}{4}", "3/4"), ("三", "3"), ("十二", "12"), ("二十", "20"),
        ("三百五十", "350"), ("一百零五", "105"), ("一百五", "150"), ("两万三", "23000"), ("一万零三", "10003"),
        ("三亿五千万", "350000000"), ("一万亿", "1000000000000"), ("二〇二四", "2024"), ("三点一四", "3.14"), ("负五", "-5"),
        ("壹佰贰拾", "120"), ("三分之二", "2/3"), ("百分之十二点五", "0.125"), ("百分之50", "0.5"), ("3万", "30000"), ("1.2亿", "120000000"),
        ("3万5千", "35000"), ("1亿2000万", "120000000"), ("2 million", "2000000"), ("5千克", "5"), ("负 5", "-5"),
        ("3 + 4 = 7", "7"), ("#### 42", "42"), (("So 3 and 4.\n#### 1,200\nDone "
                                                "5"), "1200"), ("\\boxed{8}，检验 9", "8"),
        (("答案是 12，因为 3 乘 "
         "4"), "12"), ("答案：3 + 4 = 7。", "7"), (("The answer is "
                                              "$1,234.50."), "1234.5"), ("共有十二个苹果", "12"),
        ("不是 5，是 6", "6"), ("<think>1</think>2", "2"), (("2024-05-01 有 3 "
                                                        "个"), "3"), ("一定是五", "5"), ("共 3 天，2024-05-01 起", "3"),
    ],
)  # fmt: skip
def test_a_number_is_read_in_any_notation(text, value):
    assert find_number(text).value == Fraction(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "不知道",
        "5 或 6",
        "5 or 6",
        "between 3-4",
        "三或四",
        "一定",
        "万一",
        "1/0",
        "9" * 5000,
        "10^99999",
        "不是 5",
    ],
)
def test_a_text_without_one_number_has_none(text):
    assert find_number(text) is None


@pytest.mark.parametrize(
    ("output", "reference", "score"),
    [
        ("50%", "0.5", 1), ("0.5", "50%", 1), ("50", "50%", 1), ("50%", "50", 0), ("百分之五十", "50%", 1), ("5‰", "0.5%", 1),
        ("1.2 km", "1200 m", 1), ("1200", "1.2 km", 0), ("1.2", "1.2 km", 1), ("1.2 公里", "1.2", 1), ("5 m", "5 kg", 0),
        ("5 mW", "5 MW", 0), ("90 分钟", "1.5 小时", 1), ("¥5", "5 元", 1), ("$5", "5 元", 0), ("36 km/h", "10 m/s", 1),
        ("3 斤", "1.5 kg", 1), ("2 ㎡", "2 平方米", 1), ("25℃", "25°C", 1), ("25℃", "25°F", 0), ("5 个", "5", 1), ("六", "6", 1),
        ("0.3333333333", "1/3", 1), ("0.33", "1/3", 0), ("10001", "10000", 0), ("五百", "500", 1), ("", "5", 0),
    ],
)  # fmt: skip
def test_numbers_are_compared_by_value_and_unit(output, reference, score):
    assert is_equal_number(output, reference) == score


def test_a_tolerance_is_relative_and_a_reference_without_a_number_has_no_score():
    assert [is_equal_number(text, "100", tolerance=0.01) for text in ("101", "99", "101.1")] == [
        1,
        1,
        0,
    ]
    assert math.isnan(is_equal_number("5", "不知道"))


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_a_printed_number_is_read_back(integer, decimals):
    value = Fraction(integer, 10**decimals)
    text = f"{integer / 10**decimals:,.{decimals}f}"
    assert find_number(f"It is {text}.").value == Fraction(text.replace(",", ""))
    assert (
        is_equal_number(
            text, str(value.numerator) if value.denominator == 1 else str(float(value)), 1e-9
        )
        == 1
    )
