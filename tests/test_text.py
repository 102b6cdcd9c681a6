"""Suggestions, clipping, durations and missing values."""

import numpy as np
import pandas as pd
import pytest

from qfnb import get_config
from qfnb.base import text as texts


def test_a_likely_name_is_suggested():
    assert (
        texts.did_you_mean("temprature", ["temperature", "top_p"]) == "; did you mean temperature?"
    )
    assert texts.did_you_mean("revew", ["review"], "{{{}}}") == "; did you mean {review}?"
    assert not texts.did_you_mean("x", ["temperature"])


def test_clipped_text_fits_its_limit():
    assert texts.clip("abcdef", 6) == "abcdef"
    assert texts.clip("abcdefg", 6) == "abcde…"
    assert texts.clip_start("/home/data.csv", 9) == "…data.csv"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (65, "1 min 05 s"), (7800, "2 h 10 min")]
)
def test_a_duration_has_at_most_two_units(seconds, text):
    assert texts.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (180, "3 min"), (7920, "2.2 h")]
)
def test_an_estimate_has_one_unit(seconds, text):
    assert texts.approximate_duration(seconds) == text


def test_missing_values_are_recognised_without_pandas():
    assert all(
        texts.is_missing(value) for value in (None, float("nan"), np.float64("nan"), pd.NA, pd.NaT)
    )
    assert not any(texts.is_missing(value) for value in ("", 0, [], "nan", False))


def test_a_label_has_the_punctuation_of_the_language():
    assert texts.labelled("cost", 0, "free") == "cost: 0 (free)"
    get_config().lang = "zh"
    assert texts.labelled("费用", 0, "免费") == "费用：0（免费）"
    get_config().lang = None
