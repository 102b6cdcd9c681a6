"""Intervals and tests against published or hand-computed values, and their coverage and error rates."""

import math
import random

import pytest

from qfnb.evaluation.stats import intervals, significance


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals(successes, n, low, high):
    interval = intervals.wilson(successes, n)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_rates_use_mcnemars_exact_test():
    before, after = [0] * 10 + [1] * 10, [1] * 9 + [0] + [1] * 9 + [0]
    test = significance.paired_test(before, after)
    assert (test.wins, test.losses, test.ties, test.method) == (9, 1, 10, "exact McNemar")
    assert test.p_value == pytest.approx(2 * (1 + 10) / 2**10)
    assert test.difference == pytest.approx(0.4)


def test_the_interval_of_two_rates_is_agresti_and_mins():
    test = significance.paired_test([0] * 10 + [1] * 10, [1] * 9 + [0] + [1] * 9 + [0])
    half = 1.959964 * math.sqrt(11 - 64 / 22) / 22
    assert test.interval.low == pytest.approx(8 / 22 - half, abs=1e-6)
    assert test.interval.high == pytest.approx(8 / 22 + half, abs=1e-6)


def test_means_use_a_permutation_test():
    test = significance.paired_test([0.1] * 8, [0.2, 0.3, 0.25, 0.4, 0.15, 0.2, 0.35, 0.3])
    assert test.method == "paired permutation"
    assert test.p_value == pytest.approx(2 / 2**8)
    assert test.interval.low < test.difference < test.interval.high


@pytest.mark.parametrize("n", [13, 14])
def test_sampled_and_counted_permutations_agree(n):
    lot = random.Random(n)
    from scipy.stats import permutation_test

    values = [lot.gauss(0.3, 1) for _ in range(n)]
    expected = permutation_test((values,), lambda v, axis: v.mean(axis=axis), permutation_type="samples",
                             vectorized=True, n_resamples=math.inf if n == 13 else 16384)  # fmt: skip
    assert significance.sign_flip_p_value(values) == pytest.approx(expected.pvalue, abs=0.015)


def test_many_sign_flips_are_a_normal_variable(monkeypatch):
    lot = random.Random(3)
    values = [lot.gauss(0.03, 1) for _ in range(significance.MIN_NORMAL + 1)]
    quick = significance.sign_flip_p_value(values)
    monkeypatch.setattr(significance, "MIN_NORMAL", 10**6)
    assert quick == pytest.approx(significance.sign_flip_p_value(values), abs=0.015)


def test_no_difference_at_all_still_has_a_width():
    test = significance.paired_test([1, 0, 1], [1, 0, 1])
    assert (test.p_value, test.ties, test.difference, test.needed) == (1, 3, 0, None)
    assert test.interval.low < 0 < test.interval.high


def test_nothing_to_compare():
    test = significance.paired_test([], [])
    assert math.isnan(test.difference)
    assert (test.n, test.p_value) == (0, 1)
    assert intervals.mean_interval([]).method == "none"


def test_one_row_shows_nothing():
    assert math.isnan(intervals.mean_interval([0.4]).low)
    assert math.isnan(significance.paired_test([0.2], [0.9]).detectable)
    assert intervals.mean_interval([1.0]).low == pytest.approx(0.2065, abs=1e-4)


def test_five_rows_cannot_show_a_difference_and_six_can():
    assert math.isnan(significance.paired_test([0] * 5, [1] * 5).detectable)
    six = significance.paired_test([0] * 6, [1] * 6)
    assert (six.detectable, six.p_value < 0.05) == (1, True)


def test_the_number_of_rows_that_are_needed():
    lot = random.Random(8)
    noise = [lot.gauss(0.1, 0.5) for _ in range(40)]
    test = significance.paired_test([0.0] * 40, noise)
    assert test.detectable == pytest.approx(2.8016 * significance.standard_deviation(noise) / math.sqrt(40), rel=1e-4)
    assert test.needed == math.ceil(40 * (test.detectable / test.difference) ** 2)
    assert test.effect == pytest.approx(test.difference / significance.standard_deviation(noise))


def test_holm():
    assert significance.holm_correction([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert significance.holm_correction([]) == []


def test_the_same_numbers_give_the_same_interval():
    values = [0.1, 0.4, 0.35, 0.8, 0.2]
    assert intervals.mean_interval(values) == intervals.mean_interval(values)


def test_bca_equals_scipys():
    from scipy.stats import bootstrap

    lot = random.Random(5)
    values = [lot.expovariate(1) for _ in range(60)]
    import numpy as np

    expected = bootstrap((values,), np.mean, n_resamples=9999, method="BCa", rng=1).confidence_interval
    interval = intervals.mean_interval(values)
    assert (interval.low, interval.high) == (
        pytest.approx(expected.low, abs=0.02),
        pytest.approx(expected.high, abs=0.02),
    )


def clustered(lot, groups=30, size=10, effect=0.0):
    shared = [lot.gauss(effect, 0.3) for _ in range(groups)]
    rows = [(group, shared[group] + lot.gauss(0, 0.3)) for group in range(groups) for _ in range(size)]
    return [value for _, value in rows], [group for group, _ in rows]


def width(interval):
    return interval.high - interval.low


def test_clustered_intervals_are_wider_than_naive_ones():
    values, groups = clustered(random.Random(1))
    naive, robust = intervals.mean_interval(values), intervals.mean_interval(values, groups)
    assert width(robust) > 1.5 * width(naive)
    rate = [float(value > 0) for value in values]
    assert width(intervals.mean_interval(rate, groups)) > 1.3 * width(intervals.mean_interval(rate))


def test_the_clustered_error_is_that_of_the_sandwich():
    values, groups = [1.0, 2.0, 4.0, 5.0, 9.0], ["a", "a", "b", "b", "c"]
    mean = sum(values) / 5
    sums = [3 - 2 * mean, 9 - 2 * mean, 9 - mean]
    assert intervals.clustered_standard_error(values, groups) == (
        pytest.approx(math.sqrt(3 / 2 * sum(s * s for s in sums)) / 5), 3,
    )  # fmt: skip


def test_clusters_of_one_row_change_little():
    lot = random.Random(6)
    values = [lot.random() for _ in range(200)]
    naive, robust = intervals.mean_interval(values), intervals.mean_interval(values, range(200))
    assert width(robust) == pytest.approx(width(naive), rel=0.03)


def test_one_cluster_shows_nothing():
    test = significance.paired_test([0.0] * 9, [0.5] * 9, ["same"] * 9)
    assert (test.p_value, test.interval.method) == (1, "one cluster")
    assert math.isnan(test.detectable)


TRIALS = 1000


@pytest.fixture
def quick(monkeypatch):
    """Use fewer resamples: their error is smaller than that of the trials."""
    monkeypatch.setattr(intervals, "RESAMPLES", 999)


def share_significant(p_value, seed, trials=TRIALS):
    """Return the share of trials that find a difference."""
    lot = random.Random(seed)
    return sum(p_value(lot) < 0.05 for _ in range(trials)) / trials


def gains(lot, effect=0.0, n=30):
    return [lot.gauss(effect, 0.2) for _ in range(n)]


def rates(lot, gain=0.0, n=100):
    before = [float(lot.random() < 0.5) for _ in range(n)]
    return before, [
        float(lot.random() < 0.5 + gain) if lot.random() < 0.5 else value for value in before
    ]  # fmt: skip


def test_under_the_null_p_values_of_means_are_uniform(quick):
    from scipy.stats import kstest

    lot = random.Random(11)
    p_values = [significance.sign_flip_p_value(gains(lot)) for _ in range(TRIALS)]
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert sum(p < 0.05 for p in p_values) / TRIALS == pytest.approx(0.05, abs=0.025)


def test_under_the_null_rates_differ_in_a_twentieth_of_trials_at_most():
    assert share_significant(lambda lot: significance.paired_test(*rates(lot)).p_value, 12) < 0.06
    assert share_significant(lambda lot: significance.paired_test(*rates(lot, 0.35)).p_value, 12, 200) > 0.6


def test_rows_of_a_cluster_are_not_evidence_of_their_own(quick):
    naive = share_significant(lambda lot: significance.sign_flip_p_value(clustered(lot, 20, 5)[0]), 13, 300)
    honest = share_significant(lambda lot: significance.clustered_sign_flip_p_value(*clustered(lot, 20, 5)), 13)
    assert honest == pytest.approx(0.05, abs=0.025)
    assert naive > 0.15


def test_the_detectable_difference_is_found_in_four_trials_of_five(quick):
    effect = 2.8016 * 0.2 / math.sqrt(30)
    power = share_significant(lambda lot: significance.sign_flip_p_value(gains(lot, effect)), 14)
    assert power == pytest.approx(0.78, abs=0.06)


def coverage(interval_of, truth, seed):
    lot = random.Random(seed)
    intervals = [interval_of(lot) for _ in range(400)]
    return sum(interval.low <= truth <= interval.high for interval in intervals) / len(intervals)


@pytest.mark.parametrize(
    ("interval_of", "truth"),
    [
        (lambda lot: intervals.mean_interval([float(lot.random() < 0.9) for _ in range(30)]), 0.9),
        (lambda lot: intervals.mean_interval(gains(lot)), 0.0),
        (lambda lot: intervals.mean_interval(*clustered(lot, 15, 5)), 0.0),
        (lambda lot: significance.paired_test(*rates(lot)).interval, 0.0),
    ],
    ids=["wilson", "bca", "clustered", "agresti-min"],
)
def test_intervals_cover_what_they_promise(quick, interval_of, truth):
    assert coverage(interval_of, truth, 15) == pytest.approx(0.95, abs=0.04)
