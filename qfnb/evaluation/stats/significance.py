"""Whether a difference of two models is real: paired tests on the same questions, as values.

| scores | test |
|---|---|
| rates, all 0 or 1 | exact McNemar |
| other means | paired sign-flip permutation |
| either, with clusters | sign-flip of whole clusters |

How several comparisons are decided is in `holm`. The interval of a difference excludes zero exactly
where
the test rejects: a bound on the wrong side of zero is replaced by that of the test, the differences
which it does not reject (Clopper-Pearson; for sign flips the means of subsets, Hartigan 1969).
Everything random is seeded; memory is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

from ...base.language import tr_noop
from . import intervals, power
from .intervals import LEVEL, Clusters, Interval, Scale, binomial_bounds, mcnemar_p_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]


# 1 - 0.95 is a little above 0.05, which is a p-value that tests give
ALPHA: Final = round(1 - LEVEL, 9)


@dataclass(frozen=True)
class Decision:
    """How a comparison is decided among others.

    Attributes:
        is_significant: whether the test rejects that the models are equal.
        alpha: the p-value below which it does, given what the tests of the others say.
        interval_alpha: the error of the interval; with those of the others they add up to 5 %.
    """

    is_significant: bool
    alpha: float = ALPHA
    interval_alpha: float = ALPHA


def correct(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for making several comparisons (Holm); NaN stands for no
    comparison, and stays.
    """
    order = sorted(
        (i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i]
    )
    corrected = [math.nan] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, p_values[index] * (len(order) - rank)))
        corrected[index] = running
    return corrected


def decide(p_values: Sequence[float]) -> list[Decision]:
    """Return how each of several comparisons is decided.

    Holm tests the smallest p-value of m at 5 % / m, the next at 5 % / (m - 1), and so on until one
    is not significant. Intervals are those of Bonferroni, 5 % / m each: together they cover with 95
    %. Only where Holm rejects and Bonferroni does not, an interval has the level at which Holm
    rejects.
    """
    corrected = correct(p_values)
    n = sum(not math.isnan(p) for p in p_values)
    is_rejected = [p < ALPHA for p in corrected]
    decisions = []
    for p_value, significant in zip(p_values, is_rejected, strict=True):
        undecided = max(1, n - sum(is_rejected) + significant)
        rank = sum(other < p_value for other in p_values)
        if not significant or p_value < ALPHA / n:
            step = n
        else:
            step = n - rank
        decisions.append(Decision(significant, ALPHA / undecided, ALPHA / max(1, step)))
    return decisions


SEED: Final = 20240601
RESAMPLES: Final = 9999
CHUNK_DRAWS: Final = 1_000_000  # numbers drawn at a time, which bounds the memory
MAX_EXACT: Final = 13  # differences up to which all 2^n signs are tried
# differences above which the sum of random signs is taken as a normal variable
MIN_NORMAL: Final = 2000


@dataclass(frozen=True)
class Pairs:
    """Two models' scores on the same questions, b minus a, with what decides which test is used.

    Attributes:
        differences: one per question.
        clusters: the cluster of each question, None for independent ones.
        is_rate: whether all scores are 0 or 1.
        width: the greatest possible difference.
    """

    differences: Sequence[float]
    clusters: Clusters
    is_rate: bool
    width: float

    @property
    def units(self) -> list[tuple[float, int]]:
        """The sum and the number of the differences of each cluster; each question is one without
        clusters.
        """
        return intervals.unit_sums(self.differences, self.clusters)

    @property
    def wins(self) -> int:
        """Questions on which b is higher."""
        return sum(difference > 0 for difference in self.differences)

    @property
    def losses(self) -> int:
        """Questions on which b is lower."""
        return sum(difference < 0 for difference in self.differences)

    @property
    def method(self) -> str:
        """The name of the test."""
        if self.clusters is not None:
            return tr_noop("clustered permutation")
        if self.is_rate:
            return tr_noop("exact McNemar")
        return tr_noop("paired permutation")

    @cached_property
    def p_value(self) -> float:
        """The two-sided p-value: 1 when no pair differs, NaN without pairs."""
        if not self.differences:
            return math.nan
        if self.is_rate and self.clusters is None:
            return mcnemar_p_value(self.wins, self.losses)
        return sign_flip_p_value([total for total, _ in self.units])


@dataclass(frozen=True)
class PairedTest:
    """A comparison of two models, a and b, on the same questions.

    Attributes:
        effect: the mean of the differences over their standard deviation (Cohen's d of pairs); NaN
            when that is 0.
    """

    difference: float  # mean of b minus mean of a
    interval: Interval  # of the difference
    p_value: float  # two-sided; NaN without a question that both answered
    method: str  # the test's name
    n: int  # questions that both answered
    wins: int  # questions on which b is better
    losses: int  # questions on which b is worse
    ties: int
    effect: float
    pairs: Pairs = field(repr=False, compare=False)
    alpha: float = ALPHA  # the p-value below which the difference counts as beyond chance

    @cached_property
    def detectable(self) -> float:
        """The smallest difference that n questions show in 80 % of trials; NaN when they are too
        few to show any.
        """
        pairs = self.pairs
        return power.detectable_difference(
            pairs.units, self.alpha, pairs.width, is_rate=pairs.is_rate
        )

    @cached_property
    def needed(self) -> int | None:
        """Questions that would show the observed difference in 80 % of trials; None when it is
        0.
        """
        return power.needed_questions(self.pairs.units, self.alpha)


def pair_scores(
    a: Sequence[float], b: Sequence[float], clusters: Clusters = None, scale: Scale | None = None
) -> Pairs:
    """Return two models' scores, question by question.

    Args:
        a: the first model's scores.
        b: the second model's scores on the same questions.
        clusters: the cluster of each question, None for independent ones.
        scale: the lowest and the highest possible score, default what `intervals.infer_scale` says.
    """
    low, high = scale or intervals.infer_scale([*a, *b])
    is_rate = intervals.is_rate([*a, *b]) and (low, high) == intervals.UNIT_SCALE
    differences = [y - x for x, y in zip(a, b, strict=True)]
    return Pairs(differences, clusters, is_rate, max([high - low, *map(abs, differences)]))


def describe_pairs(pairs: Pairs, decision: Decision | None = None) -> PairedTest:
    """Return everything on two models' scores; without a decision they are compared alone."""
    decision = decision or Decision(pairs.p_value < ALPHA)
    n = len(pairs.differences)
    if n:
        mean = sum(pairs.differences) / n
    else:
        mean = math.nan
    deviation = standard_deviation(pairs.differences)
    return PairedTest(
        difference=mean,
        interval=_difference_interval(pairs, decision),
        p_value=pairs.p_value,
        method=pairs.method,
        n=n,
        wins=pairs.wins,
        losses=pairs.losses,
        ties=n - pairs.wins - pairs.losses,
        effect=mean / deviation if deviation else math.nan,
        pairs=pairs,
        alpha=decision.alpha,
    )


def swap_test(test: PairedTest) -> PairedTest:
    """Return the comparison of a with b as that of b with a."""
    interval = test.interval
    return replace(
        test,
        difference=-test.difference,
        interval=replace(interval, low=-interval.high, high=-interval.low),
        wins=test.losses,
        losses=test.wins,
        effect=-test.effect,
        pairs=replace(test.pairs, differences=[-each for each in test.pairs.differences]),
    )


def standard_deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample; 0 with fewer than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = sum(values) / n
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of a mean difference when every sign is as likely as the
    other.
    """
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    data = np.asarray([d for d in differences if d], dtype=float)
    if not len(data):
        return 1.0
    observed = abs(data.sum())
    tolerance = 1e-9 * np.abs(data).sum()
    if len(data) > MIN_NORMAL:
        return math.erfc(float(observed) / math.sqrt(2 * float(np.sum(data**2))))
    extreme = sum(
        int(np.sum(np.abs(signs @ data) >= observed - tolerance)) for signs in _signs(len(data))
    )
    if len(data) <= MAX_EXACT:
        return extreme / float(2 ** len(data))
    return (1 + extreme) / (1 + RESAMPLES)


def _signs(n: int) -> Iterator[Numbers]:
    """Yield all signs of a few differences, or random signs of many, a chunk at a time."""
    import numpy as np  # noqa: PLC0415

    if n <= MAX_EXACT:
        yield (np.arange(2**n)[:, None] >> np.arange(n) & 1) * 2.0 - 1
        return
    generator = np.random.default_rng(SEED)
    remaining = RESAMPLES
    while remaining > 0:
        rows = min(remaining, max(1, CHUNK_DRAWS // n))
        yield generator.integers(0, 2, (rows, n), dtype=np.int8) * 2.0 - 1
        remaining -= rows


def _difference_interval(pairs: Pairs, decision: Decision) -> Interval:
    """Return the interval of a mean difference: zero is in it if and only if the difference is not
    significant.
    """
    if not pairs.differences:
        return intervals.NO_INTERVAL
    level = 1 - decision.interval_alpha
    clusters = pairs.clusters
    if pairs.is_rate and clusters is None:
        interval = intervals.agresti_min(pairs.wins, pairs.losses, len(pairs.differences), level)
    else:
        scale = (-pairs.width, pairs.width)
        interval = intervals.interval_with_ends(pairs.differences, clusters, scale, level)
    if math.isnan(interval.low) or (interval.low <= 0 <= interval.high) != decision.is_significant:
        return interval
    bound = _bound_of_test(pairs, decision)
    if sum(pairs.differences) > 0:
        return replace(interval, low=bound)
    return replace(interval, high=bound)


def _bound_of_test(pairs: Pairs, decision: Decision) -> float:
    """Return the difference nearest to zero, or beyond it, that the test does not reject."""
    alpha = decision.interval_alpha
    sign = math.copysign(1.0, sum(pairs.differences))
    units = [(sign * value, size) for value, size in pairs.units]
    sizes = [abs(value) for value, _ in units if value]
    # as those of rates: only the signs count
    if sizes and max(sizes) - min(sizes) <= 1e-9 * max(sizes):
        lowest_share, _ = binomial_bounds(sum(value > 0 for value, _ in units), len(sizes), alpha)
        bound = (2 * lowest_share - 1) * sum(sizes) / len(pairs.differences)
    else:
        bound = _lowest_mean(units, alpha)
    # sampled signs can be on the other side of zero where the p-value nearly is alpha: the test
    # decides
    return sign * (max(bound, math.ulp(0.0)) if decision.is_significant else min(bound, 0.0))


def _lowest_mean(units: Sequence[tuple[float, int]], alpha: float) -> float:
    """Return the lowest mean difference that the sign flips do not reject; 0 when they can reject
    none.

    A difference d is rejected when few subsets of the units have a mean below d.
    """
    import numpy as np  # noqa: PLC0415

    values = np.asarray([total for total, _ in units])
    sizes = np.asarray([float(size) for _, size in units])
    if len(units) > MIN_NORMAL:
        return _lowest_normal_mean(values, sizes, NormalDist().inv_cdf(1 - alpha / 2))
    means = []
    for signs in _signs(len(units)):
        for flipped in (signs < 0, signs > 0):
            counts = flipped @ sizes
            means.append((flipped @ values)[counts > 0] / counts[counts > 0])
    ordered = np.sort(np.concatenate(means))
    # all signs: p(d) = 2 (1 + subsets below d) / 2^n, each subset is here twice; random ones: (1 +
    # below) / (1 + n)
    if len(units) <= MAX_EXACT:
        limit = alpha * 2 ** len(units) - 2
    else:
        limit = alpha * (RESAMPLES + 1) - 1
    rank = math.ceil(limit - 1e-9)
    if rank >= 1:
        return float(ordered[rank - 1])
    return 0.0


def _lowest_normal_mean(values: Numbers, sizes: Numbers, quantile: float) -> float:
    """Return the lowest d at which the sum of values - sizes d is `quantile` of its standard
    errors, by bisection.
    """
    mean = float(values.sum() / sizes.sum())
    low = mean - 1.0 - 2 * abs(mean)
    high = mean
    for _ in range(60):
        middle = (low + high) / 2
        shifted = values - sizes * middle
        if shifted.sum() > quantile * math.sqrt(float(shifted @ shifted)):
            low = middle
        else:
            high = middle
    return high
