"""What a number of questions can show, by the test and the level with which a comparison is
decided.

Both answers suppose a truth, draw samples of it, and count in how many the test rejects.
`needed_questions`: the differences are those of the report, on more questions.
`detectable_difference`: all differences that are not zero are shifted alike; rates, and scores that
hardly ever differ, change in how often and in which direction they do. `benchmarks/intervals.py`
compares both with the test itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]

POWER: Final = 0.8
SEED: Final = 20240602
SAMPLES: Final = 2000  # samples whose share is the power
SAMPLES_OF_SIGNS: Final = 20_000  # where a sample is two numbers
SIGNS: Final = 2047  # random signs of a test
MAX_EXACT: Final = 13  # differences of which all signs are tried
MAX_SIGNS: Final = 40  # differences of which random signs are tried; more of them have a normal sum
# differences up to which samples are drawn; the share for more of them is a formula
MAX_DRAWN: Final = 400
ROUNDS: Final = 10  # of samples at most
NEAR_ENOUGH: Final = 0.02  # probits: 0.006 of the power
ALMOST_ALL: Final = 0.999  # a power that is no more than this

_NORMAL: Final = NormalDist()
_POWER_Z: Final = _NORMAL.inv_cdf(POWER)

# the sum and the number of the differences of each independent row or cluster
Units = Sequence[tuple[float, int]]


@dataclass(frozen=True)
class Truth:
    """What differences are: a share of the units differ, each by one of the values, as likely as
    the others.

    Attributes:
        flips: how likely a value has the opposite sign.
    """

    share: float
    values: Numbers
    flips: float = 0.0

    @property
    def mean(self) -> float:
        """The mean of a unit."""
        return self.share * float(self.values.mean()) * (1 - 2 * self.flips)

    @property
    def mean_square(self) -> float:
        """The mean square of a unit."""
        return self.share * float((self.values**2).mean())

    def draw(self, n: int) -> Numbers:
        """Return samples of n units: one per row, without the units that do not differ, filled up
        with zeros.
        """
        import numpy as np  # noqa: PLC0415

        generator = np.random.default_rng(SEED)
        counts = generator.binomial(n, self.share, SAMPLES)
        size = SAMPLES, max(1, int(counts.max()))
        samples = self.values[generator.integers(0, len(self.values), size)]
        if self.flips:
            samples = np.where(generator.random(size) < self.flips, -samples, samples)
        return np.where(np.arange(size[1]) < counts[:, None], samples, 0.0)


def needed_questions(units: Units, alpha: float) -> int | None:
    """Return how many questions would show the observed difference in 80 % of trials; None when it
    is 0.
    """
    truth = _observed_truth(units)
    if truth is None or abs(truth.mean) <= 1e-9 * truth.mean_square**0.5:
        return None
    z = _critical(alpha)
    deviation = math.sqrt(max(truth.mean_square - truth.mean**2, 0.0))
    fewest = fewest_differing(alpha)
    start = max((z + _POWER_Z) * deviation / abs(truth.mean), math.sqrt(fewest / truth.share))
    root = _solve(
        lambda root, exact: _power(truth, math.ceil(root**2 - 1e-9), alpha, exact=exact), start, z
    )
    n_units = max(fewest, math.ceil(root**2 - 1e-9))
    return math.ceil(n_units * sum(size for _, size in units) / len(units) - 1e-9)


def detectable_difference(units: Units, alpha: float, width: float, *, is_rate: bool) -> float:
    """Return the difference that as many questions show in 80 % of trials; NaN when they can show
    none.

    Args:
        units: the observed differences.
        alpha: the p-value below which a difference is shown.
        width: the greatest possible difference of a question.
        is_rate: whether a question can only differ by that.
    """
    n = len(units)
    z = _critical(alpha)
    rows = sum(size for _, size in units) / max(1, len(units))
    if n < fewest_differing(alpha):
        return math.nan
    observed = _observed_truth(units)
    family = _family(observed, n, alpha, width * rows, is_rate=is_rate)
    if observed:
        spread = observed.mean_square
    else:
        spread = (width * rows) ** 2 / n
    start = (z + _POWER_Z) * math.sqrt(spread / n)
    mean = _solve(lambda mean, exact: _power(family(mean), n, alpha, exact=exact), start, z)
    return min(family(mean).mean / rows, width)


def truth_of(
    difference: float, units: Units, alpha: float, width: float, *, is_rate: bool
) -> Truth:
    """Return the assumptions of `detectable_difference` for a difference; the arguments are the
    same.
    """
    rows = sum(size for _, size in units) / len(units)
    return _family(_observed_truth(units), len(units), alpha, width * rows, is_rate=is_rate)(
        difference * rows
    )


def fewest_differing(alpha: float) -> int:
    """Return how many questions must differ, all in one direction, for a p-value below alpha."""
    return 1 + math.floor(1 - math.log2(alpha) + 1e-12)


def _critical(alpha: float) -> float:
    return _NORMAL.inv_cdf(1 - alpha / 2)


def _observed_truth(units: Units) -> Truth | None:
    """Return the observed differences as the truth; None when nothing differed."""
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    values = np.asarray([total for total, _ in units if total])
    if len(values):
        return Truth(len(values) / len(units), values)
    return None


def _family(
    truth: Truth | None, n: int, alpha: float, width: float, *, is_rate: bool
) -> Callable[[float], Truth]:
    """Return the truths with a mean difference, which is not negative, as a function of it."""
    import numpy as np  # noqa: PLC0415

    if truth and not is_rate:
        share = truth.share
        centred = truth.values - truth.values.mean()
        if _power(Truth(share, centred + 1e6 * width), n, alpha, exact=True) >= POWER:
            return lambda mean: Truth(share, centred + mean / share)
    observed_share, sizes = (
        (truth.share, np.abs(truth.values)) if truth else (0.0, np.asarray([width]))
    )
    size = float(sizes.mean())

    def change_share(mean: float) -> Truth:
        share = min(1.0, max(observed_share, mean / size))
        return Truth(share, sizes, max(0.0, (1 - mean / (share * size)) / 2))

    return change_share


def _solve(power_at: Callable[[float, bool], float], start: float, z: float) -> float:
    """Return where the power is 80 %: first by the normal approximation, which costs nothing, then
    by samples.
    """
    x = _close_in(lambda value: power_at(value, False), start, z, rounds=20)
    return _close_in(lambda value: power_at(value, True), x, z, rounds=ROUNDS)


def _close_in(power_of: Callable[[float], float], x: float, z: float, rounds: int) -> float:
    """Return where the power is 80 %; it rises with x about as a normal distribution does."""
    low = (0.0, -z)  # each bound with its probit
    high = (math.inf, math.inf)
    best = (math.inf, x)
    for _ in range(rounds):
        probit = _NORMAL.inv_cdf(min(max(power_of(x), 1 - ALMOST_ALL), ALMOST_ALL))
        best = min(best, (abs(probit - _POWER_Z), x))
        if best[0] < NEAR_ENOUGH:
            break
        low, high = ((x, probit), high) if probit < _POWER_Z else (low, (x, probit))
        if math.isinf(high[0]):
            x *= min(2.0, (z + _POWER_Z) / max(z + probit, 0.1))
        else:  # between the bounds, not too near to either
            share = (_POWER_Z - low[1]) / (high[1] - low[1])
            x = low[0] + min(max(share, 0.1), 0.9) * (high[0] - low[0])
    if best[0] < 5 * NEAR_ENOUGH or math.isinf(high[0]):
        return best[1]
    return high[0]


def _power(truth: Truth, n: int, alpha: float, *, exact: bool) -> float:
    """Return in which share of samples the test rejects, and the difference has its direction.

    Args:
        truth: what differences are.
        n: units of a sample.
        alpha: the p-value below which the test rejects.
        exact: whether samples are drawn and tested; otherwise the difference is taken as a normal
            variable.
    """
    import numpy as np  # noqa: PLC0415

    z = _critical(alpha)
    step = _lattice_step(truth.values)
    if not exact or n * truth.share > MAX_DRAWN:
        spread = math.sqrt(n * max(truth.mean_square - truth.mean**2, 1e-12 * truth.mean_square))
        return _NORMAL.cdf(
            (n * abs(truth.mean) - step - z * math.sqrt(n * truth.mean_square)) / spread
        )
    if np.ptp(np.abs(truth.values)) <= 1e-9 * step:
        return _power_of_signs(truth, n, alpha)
    samples = truth.draw(n)
    counts = np.count_nonzero(samples, axis=1)
    sums = samples.sum(axis=1) * math.copysign(1.0, truth.mean)
    squares = np.sum(samples**2, axis=1)
    # the fourth cumulant of the signs
    excess = -2 * np.sum(samples**4, axis=1) / np.maximum(squares, 1e-300) ** 2
    rejected = sums - step >= np.sqrt(squares) * (z + excess / 24 * (z**3 - 3 * z))
    rejected &= counts >= fewest_differing(alpha)
    for few, many in ((0, MAX_EXACT), (MAX_EXACT, MAX_SIGNS)):
        rows = np.flatnonzero((few < counts) & (counts <= many))
        if len(rows):
            rejected[rows] = (sums[rows] > 0) & (_p_values(samples[rows, :many]) < alpha)
    return float(rejected.mean())


def _power_of_signs(truth: Truth, n: int, alpha: float) -> float:
    """Return the power where all differences have one size, as those of rates: only their number
    and signs count.
    """
    import numpy as np  # noqa: PLC0415

    generator = np.random.default_rng(SEED)
    win_share = float(np.mean(truth.values * math.copysign(1.0, truth.mean) > 0))
    counts = generator.binomial(n, truth.share, SAMPLES_OF_SIGNS)
    losses = generator.binomial(
        counts, truth.flips * win_share + (1 - truth.flips) * (1 - win_share)
    )
    sizes, index = np.unique(counts, return_inverse=True)
    return float(
        np.mean(losses <= np.asarray([_most_losses(int(size), alpha) for size in sizes])[index])
    )


@lru_cache(10_000)
def _most_losses(n: int, alpha: float) -> int:
    """Return with how many losses at most n rows that changed are significant, -1 with none."""
    losses = -1  # of any size
    term = 1
    total = 1
    while 2 * total < alpha * 2**n:
        losses += 1
        term = term * (n - losses) // (losses + 1)
        total += term
    return losses


def _p_values(samples: Numbers) -> Numbers:
    """Return the p-value of the sign flips of each sample."""
    import numpy as np  # noqa: PLC0415

    width = samples.shape[1]
    if width <= MAX_EXACT:  # a half of all signs: the others are their opposites
        signs = (np.arange(2 ** (width - 1))[:, None] >> np.arange(width) & 1) * 2.0 - 1
    else:
        signs = np.random.default_rng(SEED).integers(0, 2, (SIGNS, width)) * 2.0 - 1
    limits = np.abs(samples.sum(axis=1)) - 1e-5 * np.abs(samples).sum(axis=1)
    # half of the time, to six digits
    sums = signs.astype(np.float32) @ samples.T.astype(np.float32)
    if width <= MAX_EXACT:
        extra = 0
    else:
        extra = 1
    return np.asarray(
        (np.count_nonzero(np.abs(sums) >= limits, axis=0) + extra) / (len(signs) + extra)
    )


def _lattice_step(values: Numbers) -> float:
    """Return the number of which all values are multiples, as those of rates and of a judge; 0
    without one.
    """
    import numpy as np  # noqa: PLC0415

    sizes = np.unique(np.abs(values[values != 0]))
    for divisor in range(1, 7):
        multiples = sizes * divisor / sizes[0]
        if multiples[-1] <= MAX_DRAWN and np.all(np.abs(multiples - np.round(multiples)) < 1e-6):
            return float(sizes[0]) / divisor
    return 0.0
