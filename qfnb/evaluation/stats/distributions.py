"""Student's t and the binomial distribution, as far as intervals and tests need them.

scipy has both, in 143 MB and 1.5 s of import; the tests compare these functions with it.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

_NODES: Final = 48  # of the Gauss-Legendre rule; the integrand is a power of a cosine
_MAX_STEPS: Final = 60
_NORMAL: Final = NormalDist()


@lru_cache(1000)
def t_quantile(share: float, degrees_of_freedom: float) -> float:
    """Return a quantile of Student's t; `share` is in (0, 1).

    With t = sqrt(df) tan(u) the density is that of a power of a cosine, whose integral is found by
    Newton's method.
    """
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    if share < 0.5:
        return -t_quantile(1 - share, degrees_of_freedom)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    power = degrees_of_freedom - 1
    root = math.sqrt(degrees_of_freedom)
    log_scale = math.lgamma((degrees_of_freedom + 1) / 2) - math.lgamma(degrees_of_freedom / 2)
    scale = math.exp(log_scale) / math.sqrt(math.pi)
    angle = math.atan(_NORMAL.inv_cdf(share) / root)
    for _ in range(_MAX_STEPS):  # from below, on a concave function: every step stays below
        below = scale * angle / 2 * float(weights @ np.cos(angle * (nodes + 1) / 2) ** power)
        step = (share - 0.5 - below) / (scale * math.cos(angle) ** power)
        angle += step
        if abs(step) < 1e-14 * (1 + angle):
            break
    return root * math.tan(angle)


def mcnemar_p_value(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of the wins among the rows that changed: of a fair
    coin.
    """
    n = int(wins + losses)  # of any size: not numpy's
    fewer = int(min(wins, losses))
    term = 1
    total = 0
    for k in range(fewer + 1):
        total += term
        term = term * (n - k) // (k + 1)
    p_value: float = 2 * total / 2**n
    return min(1.0, p_value)


def binomial_bounds(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """Return the exact bounds of a rate, each with an error of alpha / 2 (Clopper and Pearson)."""
    return _lowest_rate(successes, n, alpha / 2), 1 - _lowest_rate(n - successes, n, alpha / 2)


def _lowest_rate(successes: int, n: int, error: float) -> float:
    """Return the rate with which `successes` or more have the probability `error`."""
    import numpy as np  # noqa: PLC0415

    if not successes:
        return 0.0
    counts = np.arange(successes, n + 1)
    logs = np.cumsum(np.log(np.arange(1, n + 1)))
    log_factorial = np.concatenate([[0.0], logs])
    log_ways = log_factorial[n] - log_factorial[counts] - log_factorial[n - counts]
    low = 0.0
    high = 1.0
    for _ in range(_MAX_STEPS):
        rate = (low + high) / 2
        tail = np.exp(log_ways + counts * math.log(rate) + (n - counts) * math.log1p(-rate)).sum()
        low, high = (rate, high) if tail < error else (low, rate)
    return low
