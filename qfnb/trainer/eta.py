"""How long a training will still take: from the pace so far, and how sure that is."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Mark = tuple[float, float]
"""Unix seconds, and the percent that was shown then."""

RECENT_MARKS: Final = 20
"""Marks that are looked at: the pace may change."""

MIN_PACES: Final = 3


@dataclass(frozen=True)
class RemainingTime:
    """Seconds that are left: likely, and between what bounds (about 95 % when the pace is steady)."""

    low: float
    likely: float
    high: float


def estimate_remaining(marks: Sequence[Mark], now: float) -> RemainingTime | None:
    """Return the seconds that are left, None while the pace is not known."""
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

    return RemainingTime(
        seconds_at(pace + margin), seconds_at(pace), seconds_at(max(pace - margin, pace / 4))
    )
