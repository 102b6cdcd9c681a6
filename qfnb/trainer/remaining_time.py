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


@dataclass(frozen=True)
class RemainingTime:
    """Remaining seconds: the likely value, and bounds of about 95 % confidence while the pace is steady."""

    low: float
    likely: float
    high: float


def estimate_remaining(marks: Sequence[Mark], now: float) -> RemainingTime | None:
    """Return the remaining seconds, None while there are too few marks.

    Args:
        marks: in the order of time.
        now: Unix seconds.
    """
    recent = list(marks)[-RECENT_MARKS:]
    paces = [
        (end_percent - start_percent) / (end - start)
        for (start, start_percent), (end, end_percent) in itertools.pairwise(recent)
        if end > start and end_percent > start_percent
    ]
    if len(paces) < MIN_PACES:
        return None
    (start, first_percent), (end, last_percent) = recent[0], recent[-1]
    pace = (last_percent - first_percent) / (end - start)
    margin = 2 * statistics.stdev(paces) / math.sqrt(len(paces))
    remaining_percent, since_last_mark = 100.0 - last_percent, max(0.0, now - end)

    def seconds_at(rate: float) -> float:
        return max(0.0, remaining_percent / rate - since_last_mark)

    return RemainingTime(seconds_at(pace + margin), seconds_at(pace), seconds_at(max(pace - margin, pace / 4)))
