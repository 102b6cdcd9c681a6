"""Simulate what the statistics of reports promise: coverage, verdicts beside intervals, and the
power of 80 %.

The tests have a short form of each. An error is printed, and the exit code is 1, where a promise
fails: intervals of means cover at least 0.93 from six rows on; no interval contradicts its verdict;
`needed` and `detectable` have a power of 0.8, give or take 0.03 beyond the error of the simulation;
intervals of kappa cover at least 0.87 from six rows on.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from qfnb.evaluation.stats import intervals, power, significance

TRIALS = 2000
POWER_TRIALS = 300
# of a test whose power is measured: with 999 a p-value is hardly ever below 0.05 / 15
RESAMPLES = 4999
MAX_NEEDED = 1500  # questions of which the power is measured
MIN_COVERAGE = 0.93
POWER_TOLERANCE = 0.03
Draw = Callable[[np.random.Generator, int], np.ndarray]

SCORES: dict[str, tuple[Draw, float]] = {
    "symmetric": (lambda rng, n: rng.beta(5, 5, n), 0.5),
    "uniform": (lambda rng, n: rng.random(n), 0.5),
    "skewed low": (lambda rng, n: rng.beta(0.5, 3, n), 1 / 7),
    "skewed high": (lambda rng, n: rng.beta(8, 0.6, n), 8 / 8.6),
    "mostly 0": (lambda rng, n: rng.random(n) * (rng.random(n) < 0.2), 0.1),
    "mostly 1": (lambda rng, n: 1 - rng.random(n) * (rng.random(n) < 0.2), 0.9),
    "judge": (
        lambda rng, n: rng.choice([0, 0.25, 0.5, 0.75, 1], n, p=[0.03, 0.05, 0.12, 0.35, 0.45]),
        0.785,
    ),
}
DIFFERENCES: dict[str, Draw] = {
    "rates": lambda rng, n: rng.choice([-1.0, 0, 1], n, p=[0.1, 0.75, 0.15]),
    "normal": lambda rng, n: np.clip(rng.normal(0.08, 0.25, n), -1, 1),
    "sparse": lambda rng, n: rng.choice([0, 0.3, -0.2, 0.9], n, p=[0.8, 0.1, 0.07, 0.03]),
    "judge": lambda rng, n: rng.choice(
        [-0.5, -0.25, 0, 0.25, 0.5], n, p=[0.05, 0.2, 0.35, 0.3, 0.1]
    ),
    "skewed": lambda rng, n: np.minimum(rng.exponential(0.3, n), 1) - 0.2,
    "hardly any": lambda rng, n: rng.choice([0, 0.4, -0.5], n, p=[0.97, 0.02, 0.01]),
}
RATERS = {
    "as often": [[0.40, 0.10], [0.10, 0.40]],
    "rare": [[0.85, 0.05], [0.04, 0.06]],
    "rarer": [[0.95, 0.01], [0.01, 0.03]],
    "hardly ever differ": [[0.48, 0.02], [0.01, 0.49]],
    "by chance": [[0.36, 0.24], [0.24, 0.16]],
    "three labels": [[0.30, 0.05, 0.02], [0.05, 0.25, 0.05], [0.01, 0.07, 0.20]],
}
"""How often two raters give each pair of labels."""

MIN_KAPPA_COVERAGE = 0.87
FAMILIES = (1, 2, 15)
"""Comparisons in a report."""


def coverage(draw: Draw, mean: float, n: int, trials: int = TRIALS) -> float:
    """Return in which share of samples the interval of the mean has the true mean in it."""
    rng = np.random.default_rng(n)
    drawn = (
        intervals.mean_interval(draw(rng, n).tolist(), scale=(0.0, 1.0)) for _ in range(trials)
    )
    return sum(interval.low <= mean <= interval.high for interval in drawn) / trials


def pairs_of(name: str, differences: np.ndarray) -> significance.Pairs:
    """Return differences as two models' scores on one question each."""
    return significance.Pairs(differences.tolist(), None, name == "rates", 1.0)


def reports(n: int, m: int, trials: int, seed: int) -> Iterator[list[significance.PairedTest]]:
    """Yield the m comparisons of reports on n questions, every second one without a true
    difference.
    """
    rng = np.random.default_rng(seed)
    names = list(DIFFERENCES)
    for _ in range(trials):
        pairs = []
        for number in range(m):
            name = names[rng.integers(len(names))]
            differences = DIFFERENCES[name](rng, n)
            pairs.append(
                pairs_of(name, differences * rng.choice([-1, 1], n) if number % 2 else differences)
            )
        decisions = significance.decide([pair.p_value for pair in pairs])
        yield [significance.describe_pairs(*both) for both in zip(pairs, decisions, strict=True)]


def contradictions(n: int, m: int, trials: int = 200, seed: int = 3) -> tuple[int, int]:
    """Return how many verdicts and intervals contradict each other, or have no width, of how
    many.
    """
    bad = total = 0
    for tests in reports(n, m, trials, seed):
        corrected = significance.correct([test.p_value for test in tests])
        for test, p_holm in zip(tests, corrected, strict=True):
            excludes = not test.interval.low <= 0 <= test.interval.high
            bad += (
                excludes != (p_holm < significance.ALPHA) or test.interval.low >= test.interval.high
            )
            total += 1
    return bad, total


def joint_coverage(n: int, m: int, n_true: int, trials: int = 400) -> float:
    """Return in which share of reports all intervals cover: `n_true` of m normal differences are
    great.
    """
    rng = np.random.default_rng(m)
    hits = 0
    for _ in range(trials):
        means = [0.3 if number < n_true else 0.0 for number in range(m)]
        pairs = [pairs_of("normal", np.clip(rng.normal(mean, 0.3, n), -1, 1)) for mean in means]
        decisions = significance.decide([pair.p_value for pair in pairs])
        found = [
            significance.describe_pairs(*both).interval
            for both in zip(pairs, decisions, strict=True)
        ]
        hits += all(
            interval.low <= mean <= interval.high
            for interval, mean in zip(found, means, strict=True)
        )
    return hits / trials


def share_significant(
    name: str, draw: Callable[[], np.ndarray], m: int, trials: int = POWER_TRIALS
) -> float:
    """Return in which share of samples Holm rejects, where the other m - 1 comparisons show
    nothing.
    """
    rng = np.random.default_rng(m)
    count = 0
    for _ in range(trials):
        p_values = [pairs_of(name, draw()).p_value, *rng.random(m - 1)]
        count += significance.correct(p_values)[0] < significance.ALPHA
    return count / trials


def powers(
    name: str, n: int, m: int, trials: int = POWER_TRIALS, factor: float = 1.0
) -> tuple[float, float]:
    """Return the power with the questions that are said to be needed, and at the detectable
    difference.

    With a factor both are less than what is said.
    """
    observed = DIFFERENCES[name](np.random.default_rng(n), n)
    decision = significance.Decision(is_significant=False, alpha=significance.ALPHA / m)
    rng = np.random.default_rng(1)
    test = significance.describe_pairs(pairs_of(name, observed), decision)
    needed = math.nan
    detectable = math.nan
    if test.needed and test.needed <= MAX_NEEDED:
        size = math.ceil(factor * test.needed)
        needed = share_significant(name, lambda: rng.choice(observed, size), m, trials)
    if not math.isnan(test.detectable):
        truth = power.truth_of(
            factor * test.detectable, test.pairs.units, decision.alpha, 1.0, is_rate=name == "rates"
        )

        def draw() -> np.ndarray:
            values = rng.choice(truth.values, n) * np.where(rng.random(n) < truth.flips, -1, 1)
            return np.where(rng.random(n) < truth.share, values, 0.0)

        detectable = share_significant(name, draw, m, trials)
    return needed, detectable


def is_near(share: float, less: Callable[[], float]) -> bool:
    """Return whether a power is 0.8, give or take the tolerance and three errors of the simulation.

    Where few rows differ the power jumps: then it is enough that `less`, a little before, is not
    yet there.
    """
    tolerance = POWER_TOLERANCE + 3 * math.sqrt(0.16 / POWER_TRIALS)
    if math.isnan(share) or abs(share - power.POWER) <= tolerance:
        return True
    return share > power.POWER and less() <= power.POWER + tolerance


def report_coverage() -> list[str]:
    """Print the coverage of means; return what fails."""
    sizes = (4, 6, 10, 20, 50, 200)
    print(f"{'coverage of 95 % intervals, n =':32}" + "".join(f"{n:>8}" for n in sizes))
    table = {
        name: [coverage(draw, mean, n) for n in sizes] for name, (draw, mean) in SCORES.items()
    }
    for name, shares in table.items():
        print(f"{name:32}" + "".join(f"{share:8.3f}" for share in shares))
    return [f"coverage of {name}" for name, shares in table.items() if min(shares) < MIN_COVERAGE]


def report_verdicts() -> list[str]:
    """Print contradictions and joint coverage; return what fails."""
    failures = []
    for m in FAMILIES:
        counts = [contradictions(n, m, trials=600 // m + 20) for n in (5, 6, 8, 12, 20, 60, 150)]
        bad, total = (sum(column) for column in zip(*counts, strict=True))
        print(
            f"{m:>2} comparisons: {bad} of {total} intervals contradict their verdict or have no "
            "width"
        )
        failures += [f"{bad} contradictions"] if bad else []
    for m, n_true in ((1, 0), (2, 0), (2, 1), (2, 2), (15, 0), (15, 7), (15, 14)):
        share = joint_coverage(60, m, n_true)
        print(
            f"{m:>2} comparisons, {n_true} of them with a great difference: all intervals cover "
            f"in {share:.3f}"
        )
    return failures


def report_power(sizes: Sequence[int] = (12, 30, 60, 144, 500)) -> list[str]:
    """Print the power behind `needed` and `detectable`; return what fails."""
    significance.RESAMPLES = RESAMPLES
    failures = []
    for m in FAMILIES:
        for name in DIFFERENCES:
            found = [powers(name, n, m) for n in sizes]
            print(
                f"{m:>2} comparisons, {name:11}" + "".join(f"{a:8.3f}{b:8.3f}" for a, b in found),
                flush=True,
            )
            failures += [
                f"power of {name}, {n} rows, {m} comparisons: {share:.3f}"
                for n, both in zip(sizes, found, strict=True)
                for kind, share in enumerate(both)
                if not is_near(
                    share,
                    lambda name=name, n=n, m=m, kind=kind: powers(name, n, m, factor=0.95)[kind],
                )
            ]
    return failures


def kappa_coverage(shares: np.ndarray, n: int, trials: int = TRIALS // 2) -> float:
    """Return in which share of the samples that have two labels the interval of kappa has the true
    one in it.
    """
    rng = np.random.default_rng(n)
    labels = len(shares)
    hits = 0
    intervals_ = 0
    truth = 1 - (1 - np.trace(shares)) / (1 - shares.sum(0) @ shares.sum(1))
    for drawn in rng.choice(labels**2, (trials, n), p=shares.ravel()):
        kappa = intervals.measure_kappa(*(part.tolist() for part in divmod(drawn, labels)))
        intervals_ += not math.isnan(kappa.value)
        hits += kappa.interval.low <= truth <= kappa.interval.high
    return hits / intervals_


def report_kappa() -> list[str]:
    """Print the coverage of kappa; return what fails."""
    sizes = (6, 10, 20, 50, 200)
    failures = []
    print(f"{'coverage of kappa, n =':32}" + "".join(f"{n:>8}" for n in sizes))
    for name, table in RATERS.items():
        shares = [kappa_coverage(np.array(table), n) for n in sizes]
        print(f"{name:32}" + "".join(f"{share:8.3f}" for share in shares), flush=True)
        failures += [f"coverage of kappa, {name}"] if min(shares) < MIN_KAPPA_COVERAGE else []
    return failures


def main() -> None:
    """Print everything; exit with an error where a promise fails."""
    failures = [*report_coverage(), *report_kappa(), *report_verdicts()]
    print(
        "power with the questions `needed`, and at the `detectable` difference, from 12, 30, 60, "
        "144 and 500 rows"
    )
    failures += report_power()
    sys.exit("\n".join(failures) if failures else 0)


if __name__ == "__main__":
    main()
