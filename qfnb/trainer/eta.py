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

RECENT: Final = 20
"""Marks that are looked at: the pace may change."""

LEAST: Final = 3


@dataclass(frozen=True)
class Remaining:
    """Seconds that are left: likely, and between what bounds (about 95 % when the pace is steady)."""

    low: float
    likely: float
    high: float


def remaining(marks: Sequence[Mark], now: float) -> Remaining | None:
    """Return the seconds that are left, None while the pace is not known."""
    recent = list(marks)[-RECENT:]
    paces = [
        (after - before) / (end - start)
        for (start, before), (end, after) in itertools.pairwise(recent)
        if end > start and after > before
    ]
    if len(paces) < LEAST:
        return None
    (start, first), (end, last) = recent[0], recent[-1]
    pace = (last - first) / (end - start)
    doubt = 2 * statistics.stdev(paces) / math.sqrt(len(paces))
    left, passed = 100.0 - last, max(0.0, now - end)

    def seconds(at: float) -> float:
        return max(0.0, left / at - passed)

    return Remaining(seconds(pace + doubt), seconds(pace), seconds(max(pace - doubt, pace / 4)))
