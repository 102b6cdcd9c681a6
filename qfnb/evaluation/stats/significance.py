"""Whether a difference of two models is real: paired tests on the same questions, as values.

| scores | test |
|---|---|
| rates, all 0 or 1 | exact McNemar |
| other means | paired sign-flip permutation |
| either, with clusters | sign-flip of whole clusters |

P-values of several comparisons are corrected by Holm 1979. Everything random is seeded; memory is bounded.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Final

from ..._language import tr_noop
from . import intervals
from .intervals import Clusters, Interval

MIN_ROWS: Final = 6  # rows (or clusters) that a test needs: with five, even five wins out of five have p = 0.0625
MAX_EXACT: Final = 13  # differences up to which all 2^n signs are tried
MIN_NORMAL: Final = 2000  # differences above which the sum of random signs is taken as a normal variable

_POWER_Z: Final = NormalDist().inv_cdf(0.5 + intervals.LEVEL / 2) + NormalDist().inv_cdf(0.8)
"""Standard errors of a difference that 80 % of trials show."""


@dataclass(frozen=True)
class PairedTest:
    """A comparison of two models, a and b, on the same questions.

    Attributes:
        detectable: the smallest difference that n questions would show in 80 % of trials; NaN when they are
            too few to show any.
        effect: the mean of the differences over their standard deviation (Cohen's d of pairs); NaN when
            that is 0.
    """

    difference: float  # mean of b minus mean of a
    interval: Interval  # of the difference
    p_value: float  # two-sided
    method: str  # the test's name
    n: int  # questions that both answered
    wins: int  # questions on which b is better
    losses: int  # questions on which b is worse
    ties: int
    detectable: float
    effect: float = math.nan
    needed: int | None = None  # questions that would show the observed difference in 80 % of trials; None when it is 0


def paired_test(a: Sequence[float], b: Sequence[float], clusters: Clusters = None) -> PairedTest:
    """Compare two models' scores, question by question.

    Args:
        a: the first model's scores.
        b: the second model's scores on the same questions.
        clusters: the cluster of each question, None for independent ones.
    """
    differences = [y - x for x, y in zip(a, b, strict=True)]
    n = len(differences)
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    mean = sum(differences) / n if n else math.nan
    rate = intervals.is_rate(a) and intervals.is_rate(b)
    standard_error, n_units = _standard_error(differences, clusters)
    p_value, method = _p_value(differences, clusters, wins, losses, rate=rate)
    deviation = standard_deviation(differences)
    return PairedTest(
        difference=mean,
        interval=intervals.difference_interval(differences, clusters, wins, losses, rate=rate),
        p_value=p_value,
        method=method,
        n=n,
        wins=wins,
        losses=losses,
        ties=n - wins - losses,
        detectable=_detectable_difference(standard_error, n_units, rate=rate),
        effect=mean / deviation if deviation else math.nan,
        needed=math.ceil(n * (_POWER_Z * standard_error / mean) ** 2) if mean and standard_error > 0 else None,
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
    )


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for making several comparisons (Holm)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = running
    return corrected


def standard_deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample; 0 with fewer than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = sum(values) / n
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))


def mcnemar_p_value(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of the wins among the rows that changed."""
    from scipy.stats import binomtest  # noqa: PLC0415 - 0.3 s that only reports should pay

    return float(binomtest(wins, wins + losses).pvalue)


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of a mean difference when every sign is as likely as the other."""
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    data = np.asarray([d for d in differences if d], dtype=float)
    observed, tolerance = abs(data.sum()), 1e-9 * np.abs(data).sum()
    if len(data) > MIN_NORMAL:
        return math.erfc(float(observed / np.sqrt(np.sum(data**2))) / math.sqrt(2))
    if len(data) <= MAX_EXACT:
        numbers = np.arange(2 ** len(data))[:, None]
        signs = (numbers >> np.arange(len(data)) & 1) * 2.0 - 1
        return float(np.mean(np.abs(signs @ data) >= observed - tolerance))
    extreme = sum(int(np.sum(np.abs(sums) >= observed - tolerance)) for sums in _flipped_sums(data))
    return (1 + extreme) / (1 + intervals.RESAMPLES)


def clustered_sign_flip_p_value(differences: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Return the p-value of a mean difference when the signs of whole clusters are flipped."""
    return sign_flip_p_value([*intervals.cluster_sums(differences, clusters).values()])


def _flipped_sums(data: Any) -> Iterator[Any]:
    """Yield sums of the values with random signs, a chunk at a time."""
    import numpy as np  # noqa: PLC0415

    generator, remaining = np.random.default_rng(intervals.SEED), intervals.RESAMPLES
    while remaining > 0:
        rows = min(remaining, max(1, intervals.CHUNK_DRAWS // len(data)))
        yield (generator.integers(0, 2, (rows, len(data)), dtype=np.int8) * 2.0 - 1) @ data
        remaining -= rows


def _standard_error(differences: Sequence[float], clusters: Clusters) -> tuple[float, int]:
    """Return the standard error of a mean difference, and the number of independent units."""
    n = len(differences)
    if not n:
        return math.nan, 0
    if clusters is not None:
        return intervals.clustered_standard_error(differences, clusters)
    return standard_deviation(differences) / math.sqrt(n), n


def _p_value(
    differences: Sequence[float], clusters: Clusters, wins: int, losses: int, *, rate: bool
) -> tuple[float, str]:
    """Return the p-value and the name of the test; 1 when no pair differs."""
    is_changed = wins + losses > 0
    if clusters is not None:
        p_value = clustered_sign_flip_p_value(differences, clusters) if is_changed else 1.0
        return p_value, tr_noop("clustered permutation")
    if rate:
        return mcnemar_p_value(wins, losses) if is_changed else 1.0, tr_noop("exact McNemar")
    return sign_flip_p_value(differences) if is_changed else 1.0, tr_noop("paired permutation")


def _detectable_difference(standard_error: float, n_units: int, *, rate: bool) -> float:
    """Return the difference with 80 % power at 5 %, from the observed standard error."""
    if n_units < MIN_ROWS or not (standard_error or rate):
        return math.nan
    return max(_POWER_Z * standard_error, MIN_ROWS / n_units if rate else 0.0)
