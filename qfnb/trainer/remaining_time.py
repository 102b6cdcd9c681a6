"""The remaining time of a training, from the times at which its percent changed."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Mark = tuple[float, float]
"""Unix seconds, and the percent (0-100) at that time."""

RECENT_MARKS: Final = 20
"""Number of the last marks that count: the pace may change."""

MIN_PACES: Final = 3

MAX_SLOWDOWN: Final = 2.0
"""How many times slower than the others a step between two marks counts, unless there are two such
steps.
"""


@dataclass(frozen=True)
class RemainingTime:
    """Remaining seconds: the likely value, and bounds of about 95 % confidence while the pace is
    steady.
    """

    low: float
    likely: float
    high: float


def estimate_remaining(marks: Sequence[Mark], now: float) -> RemainingTime | None:
    """Return the remaining seconds, None while there are too few marks.

    Args:
        marks: in the order of time.
        now: Unix seconds.
    """
    steps = [
        (end - start, end_percent - start_percent)
        for (start, start_percent), (end, end_percent) in itertools.pairwise(marks)
        if end > start and end_percent > start_percent
    ]
    if len(steps) < MIN_PACES:
        return None
    steps = _without_pause(_later_half(steps))
    percents = [percent for _, percent in steps]
    pace = sum(percents) / sum(seconds for seconds, _ in steps)
    margin = (
        2
        * statistics.stdev(percent / seconds for seconds, percent in steps)
        / math.sqrt(len(steps))
    )
    end, last_percent = marks[-1]
    remaining_percent = 100.0 - last_percent
    # a wait beyond it is a pause, no progress
    next_step = min(statistics.median(percents), remaining_percent / 2)
    since_last_mark = min(max(0.0, now - end), next_step / pace)

    def seconds_at(rate: float) -> float:
        return max(0.0, remaining_percent / rate - since_last_mark)

    return RemainingTime(
        seconds_at(pace + margin), seconds_at(pace), seconds_at(max(pace - margin, pace / 4))
    )


def _later_half(steps: list[Mark]) -> list[Mark]:
    """Return the steps that made the later half of the percents, a few at least: a run may start
    slowly.
    """
    half = sum(percent for _, percent in steps) / 2
    count = 0
    percents = 0.0
    while percents < half and count < RECENT_MARKS:
        count += 1
        percents += steps[-count][1]
    return steps[-max(count, MIN_PACES + 1) :]


def _without_pause(steps: list[Mark]) -> list[Mark]:
    """Return seconds and percents of steps; one that has a pause is shortened, not two."""
    *others, second, _ = sorted(seconds / percent for seconds, percent in steps)
    longest = max(MAX_SLOWDOWN * statistics.median([*others, second]), second)
    return [(min(seconds, longest * percent), percent) for seconds, percent in steps]
