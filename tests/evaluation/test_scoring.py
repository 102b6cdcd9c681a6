"""Scores of single answers: golden values, computed by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qfnb.evaluation import scoring


@pytest.mark.parametrize(
    ("output", "reference", "score"),
    [
        ("九点开门。", "九点开门", 1),
        ("ＡＢＣ，１２３", "abc,123", 1),
        ("  九点 开门！ ", "九点 开门", 1),
        ("“你好”", '"你好"', 1),
        ("九点开门", "十点开门", 0),
        ("", "", 1),
        ("", "x", 0),
    ],
)
def test_exact_match_ignores_form_not_content(output, reference, score):
    assert scoring.exact_match(output, reference) == score


@pytest.mark.parametrize(
    ("output", "reference", "f1", "rouge"),
    [
        ("abcd", "abcd", 1, 1),
        ("abcd", "dcba", 1, 0.25),
        ("ab", "abcd", 2 * 2 / 6, 2 * 2 / 6),
        ("九点开门", "早上九点开门", 2 * 4 / 10, 2 * 4 / 10),
        ("xy", "ab", 0, 0),
        ("", "ab", 0, 0),
        ("", "", 1, 1),
    ],
)
def test_character_scores(output, reference, f1, rouge):
    assert scoring.char_f1(output, reference) == pytest.approx(f1)
    assert scoring.rouge_l(output, reference) == pytest.approx(rouge)


@given(st.text(max_size=40), st.text(max_size=40))
def test_scores_are_symmetric_and_bounded(a, b):
    for score in (scoring.char_f1, scoring.rouge_l, scoring.exact_match):
        assert 0 <= score(a, b) <= 1
        assert score(a, b) == pytest.approx(score(b, a))
        assert score(a, a) == 1
    assert scoring.rouge_l(a, b) <= scoring.char_f1(a, b) + 1e-9
