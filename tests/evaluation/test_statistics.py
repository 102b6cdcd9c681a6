"""Intervals and tests against published or hand-computed values."""

import math

import pytest

from qfnb.evaluation import statistics


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals(successes, n, low, high):
    found = statistics.wilson(successes, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_rates_use_mcnemars_exact_test():
    before, after = [0] * 10 + [1] * 10, [1] * 9 + [0] + [1] * 9 + [0]
    test = statistics.paired(before, after)
    assert (test.wins, test.losses, test.ties, test.method) == (9, 1, 10, "exact McNemar")
    assert test.p_value == pytest.approx(2 * (1 + 10) / 2**10)
    assert test.difference == pytest.approx(0.4)


def test_means_use_a_permutation_test():
    test = statistics.paired([0.1] * 8, [0.2, 0.3, 0.25, 0.4, 0.15, 0.2, 0.35, 0.3])
    assert test.method == "paired permutation"
    assert test.p_value == pytest.approx(2 / 2**8)
    assert test.interval.low < test.difference < test.interval.high


def test_no_difference_at_all():
    test = statistics.paired([1, 0, 1], [1, 0, 1])
    assert (test.p_value, test.ties, test.difference) == (1, 3, 0)


def test_nothing_to_compare():
    test = statistics.paired([], [])
    assert math.isnan(test.difference)
    assert test.n == 0
    assert statistics.mean_interval([]).method == "none"


def test_holm():
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([]) == []


def test_the_same_numbers_give_the_same_interval():
    values = [0.1, 0.4, 0.35, 0.8, 0.2]
    assert statistics.mean_interval(values) == statistics.mean_interval(values)
