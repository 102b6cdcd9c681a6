"""Intervals and tests against published or hand-computed values, and their coverage and error
rates.
"""

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from qfnb.evaluation.stats import intervals, significance


def paired_test(a, b, clusters=None, scale=None):
    return significance.describe_pairs(significance.pair_scores(a, b, clusters, scale))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals(successes, n, low, high):
    interval = intervals.mean_interval([1.0] * successes + [0.0] * (n - successes))
    assert (interval.low, interval.high) == (
        pytest.approx(low, abs=1e-4),
        pytest.approx(high, abs=1e-4),
    )


def test_quantiles_and_bounds_equal_scipys():
    from scipy import special, stats

    for degrees, share in [(1, 0.975), (2, 0.995), (5, 0.9), (19, 0.9983), (400, 0.975), (9, 0.3)]:
        assert intervals.t_quantile(share, degrees) == pytest.approx(
            special.stdtrit(degrees, share), rel=1e-9
        )
    for wins, losses in [(9, 1), (0, 6), (40, 40), (310, 250)]:
        expected = stats.binomtest(wins, wins + losses)
        assert intervals.mcnemar_p_value(wins, losses) == pytest.approx(expected.pvalue, rel=1e-9)
        bounds = expected.proportion_ci(0.97)
        assert intervals.binomial_bounds(wins, wins + losses, 0.03) == pytest.approx(
            tuple(bounds), abs=1e-9
        )


def test_rates_use_mcnemars_exact_test():
    before = [0] * 10 + [1] * 10
    after = [1] * 9 + [0] + [1] * 9 + [0]
    test = paired_test(before, after)
    assert (test.wins, test.losses, test.ties, test.method) == (9, 1, 10, "exact McNemar")
    assert test.p_value == pytest.approx(2 * (1 + 10) / 2**10)
    assert test.difference == pytest.approx(0.4)


def test_the_interval_of_two_rates_is_agresti_and_mins():
    test = paired_test([0] * 10 + [1] * 10, [1] * 9 + [0] + [1] * 9 + [0])
    half = 1.959964 * math.sqrt(11 - 64 / 22) / 22
    assert test.interval.low == pytest.approx(8 / 22 - half, abs=1e-6)
    assert test.interval.high == pytest.approx(8 / 22 + half, abs=1e-6)


def test_means_use_a_permutation_test():
    test = paired_test([0.1] * 8, [0.2, 0.3, 0.25, 0.4, 0.15, 0.2, 0.35, 0.3])
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


def test_nothing_to_compare():
    test = paired_test([], [])
    assert math.isnan(test.difference)
    assert (test.n, math.isnan(test.p_value)) == (0, True)
    assert intervals.mean_interval([]).method == "none"


def test_five_rows_cannot_show_a_difference_and_six_can():
    assert math.isnan(paired_test([0] * 5, [1] * 5).detectable)
    six = paired_test([0] * 6, [1] * 6)
    assert (round(six.detectable, 2), six.p_value < 0.05, six.needed) == (0.93, True, 6)


def test_equal_differences_have_an_interval_too():
    five, six = (paired_test([3.0] * n, [4.0] * n, scale=(1, 5)) for n in (5, 6))
    assert five.interval.low <= 0
    assert five.interval.high > 1
    assert 0 < six.interval.low <= 1 < six.interval.high
    tie = paired_test([0.5] * 500, [0.5] * 500)
    assert (tie.interval.low, tie.interval.high) == (
        pytest.approx(-3 / 500, rel=0.05),
        pytest.approx(3 / 500, rel=0.05),
    )
    # six of 500 rows, in 80 % of trials
    assert tie.detectable == pytest.approx(7.9 / 500, abs=0.001)
    judged = intervals.mean_interval([3.0] * 8, scale=(1, 5))
    assert (1 < judged.low < 2.5, 3 < judged.high < 5) == (True, True)


def test_scores_of_a_judge_are_no_rates():
    assert intervals.mean_interval([1.0] * 10, scale=(1, 5)).high > 1.1
    assert paired_test([0.0, 1.0] * 5, [1.0, 1.0] * 5, scale=(0, 2)).method == "paired permutation"


def test_holm():
    assert significance.correct([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert significance.correct([]) == []


def test_a_p_value_of_exactly_five_percent_is_not_significant():
    assert [d.is_significant for d in significance.decide([0.05])] == [False]
    assert [d.is_significant for d in significance.decide([0.05, 0.025])] == [False, False]
    assert significance.decide([0.0499])[0].is_significant


def test_questions_without_scores_are_no_comparison():
    corrected = significance.correct([0.02, math.nan, 0.03])
    assert (corrected[0], corrected[2], math.isnan(corrected[1])) == (0.04, 0.04, True)
    assert significance.decide([math.nan])[0].is_significant is False


def test_the_level_of_an_interval_is_that_of_bonferroni_or_of_the_step_of_holm():
    decisions = significance.decide([0.001, 0.02, 0.2, 0.03])
    assert [d.is_significant for d in decisions] == [True, False, False, False]
    assert [d.interval_alpha for d in decisions] == pytest.approx([0.0125] * 4)
    assert [d.alpha for d in decisions] == pytest.approx([0.0125, *[0.05 / 3] * 3])
    late = significance.decide([0.001, 0.04])
    assert (late[1].is_significant, late[1].interval_alpha) == (True, pytest.approx(0.05))


def clustered(lot, groups=30, size=10, effect=0.0):
    shared = [lot.gauss(effect, 0.3) for _ in range(groups)]
    rows = [
        (group, shared[group] + lot.gauss(0, 0.3)) for group in range(groups) for _ in range(size)
    ]
    return [value for _, value in rows], [group for group, _ in rows]


def width(interval):
    return interval.high - interval.low


def test_clustered_intervals_are_wider_than_naive_ones():
    values, groups = clustered(random.Random(1))
    naive = intervals.mean_interval(values)
    robust = intervals.mean_interval(values, groups)
    assert width(robust) > 1.5 * width(naive)
    rate = [float(value > 0) for value in values]
    assert width(intervals.mean_interval(rate, groups)) > 1.3 * width(intervals.mean_interval(rate))


def test_one_cluster_shows_nothing():
    test = paired_test([0.0] * 9, [0.5] * 9, ["same"] * 9)
    assert (test.p_value, test.interval.method) == (1, "one cluster")
    assert math.isnan(test.detectable)


TRIALS = 1000


@pytest.fixture
def quick(monkeypatch):
    """Use fewer resamples: their error is smaller than that of the trials."""
    monkeypatch.setattr(significance, "RESAMPLES", 999)


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


def clustered_p_value(values, groups):
    return significance.Pairs(values, groups, False, 2.0).p_value


def test_rows_of_a_cluster_are_not_evidence_of_their_own(quick):
    naive = share_significant(
        lambda lot: significance.sign_flip_p_value(clustered(lot, 20, 5)[0]), 13, 300
    )
    honest = share_significant(lambda lot: clustered_p_value(*clustered(lot, 20, 5)), 13)
    assert honest == pytest.approx(0.05, abs=0.025)
    assert naive > 0.15


def power_of(test, truth_of_row, n):
    """Return in which share of samples of n rows a test that is decided like this one shows a
    difference.
    """
    rng = np.random.default_rng(14)
    trials = 1000
    samples = (truth_of_row(rng, n).tolist() for _ in range(trials))
    pairs = (replace(test.pairs, differences=sample) for sample in samples)
    return sum(pair.p_value < test.alpha and sum(pair.differences) > 0 for pair in pairs) / trials


@pytest.mark.parametrize("m", [1, 2, 15])
def test_the_questions_needed_show_the_difference_in_four_trials_of_five(quick, m):
    rates_test = decided([1.0] * 12 + [-1.0] * 6 + [0.0] * 126, m, is_rate=True)
    assert rates_test.needed == pytest.approx({1: 593, 2: 707, 15: 1033}[m], rel=0.03)
    observed = np.asarray(rates_test.pairs.differences)
    power = power_of(rates_test, lambda rng, n: rng.choice(observed, n), rates_test.needed)
    assert power == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("m", [1, 15])
def test_the_detectable_difference_is_shown_in_four_trials_of_five(quick, m):
    # 6 / 144 can be significant, but hardly ever is
    one = decided([1.0] + [0.0] * 143, m, is_rate=True)
    power = power_of(one, lambda rng, n: (rng.random(n) < one.detectable).astype(float), 144)
    assert power == pytest.approx(0.8, abs=0.03)
    noise = np.random.default_rng(5).normal(0.05, 0.2, 30)
    means = decided(noise.tolist(), m)
    centred = noise - noise.mean()
    power = power_of(means, lambda rng, n: rng.choice(centred, n) + means.detectable, 30)
    assert power == pytest.approx(0.8, abs=0.045)


def decided(differences, m, is_rate=False):
    """Return the test of differences, one of m comparisons of which none is significant."""
    pairs = significance.Pairs(differences, None, is_rate, 1.0)
    return significance.describe_pairs(pairs, significance.Decision(False, 0.05 / m, 0.05 / m))


def test_a_verdict_and_its_interval_never_contradict_each_other(quick):
    lot = random.Random(4)
    total = 0
    for n, m in [(5, 1), (6, 1), (7, 2), (12, 3), (20, 2), (40, 4), (80, 2)] * 5:
        means = [[lot.gauss(0.1, 0.3) * (lot.random() < 0.6) for _ in range(n)] for _ in range(m)]
        signs = [lot.choices([-1.0, 0.0, 1.0], [1, 3, 3], k=n) for _ in range(m)]
        groups = [n // 2 for n in range(n)]
        pairs = [
            significance.Pairs(values, lot.choice([None, groups]), False, 1.0) for values in means
        ]
        pairs += [significance.Pairs(values, None, True, 1.0) for values in signs]
        for decision, pair in zip(
            significance.decide([pair.p_value for pair in pairs]), pairs, strict=True
        ):
            interval = significance.describe_pairs(pair, decision).interval
            assert (interval.low <= 0 <= interval.high) != decision.is_significant
            assert interval.low < interval.high
            total += 1
    assert total == 150


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
        (lambda lot: paired_test(*rates(lot)).interval, 0.0),
    ],
    ids=["wilson", "t", "clustered", "agresti-min"],
)
def test_intervals_cover_what_they_promise(quick, interval_of, truth):
    assert coverage(interval_of, truth, 15) == pytest.approx(0.95, abs=0.04)


def test_rows_that_balance_each_other_are_surer_than_independent_ones():
    pairs = [n // 2 for n in range(100)]  # no verdict changed with the side
    assert 0 < width(intervals.mean_interval([0.0, 1.0] * 50, pairs)) < 0.11
