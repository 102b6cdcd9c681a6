"""Which examples a pass over the data takes: those that are learned rest for some passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .features import Ints

LEARNED_LOSS = 0.01  # nats per unit; an example with a smaller loss is learned

MAX_REST = 4  # passes that a learned example is left out at most


class Passes:
    """The examples of a training, with their last losses.

    Args:
        units: of each example, by which its loss is divided.
        random: the source of the order.

    Attributes:
        losses: nats of each example when it was last seen, NaN if it never was.
        units: those of each example.
    """

    def __init__(self, units: Ints, random: np.random.Generator) -> None:
        self.units = units
        self._random = random
        self._number = -1
        self.losses = np.full(len(units), np.nan)
        self._rests = np.zeros(len(units), np.int64)
        self._due = np.zeros(len(units), np.int64)

    def begin(self, limit: int) -> Ints:
        """Return the examples of the next pass in random order; of too many, those not seen for the
        longest time.
        """
        self._number += 1
        order = self._random.permutation(np.flatnonzero(self._due <= self._number))
        return (
            order[np.argsort(self._due[order], kind="stable")[:limit]]
            if len(order) > limit
            else order
        )

    def record(self, group: Ints, losses: NDArray[np.floating]) -> None:
        """Note the losses of some examples of the pass."""
        self.losses[group] = losses
        rests = np.where(
            losses < LEARNED_LOSS * self.units[group],
            np.minimum(2 * self._rests[group] + 1, MAX_REST),
            0,
        )
        self._due[group] = self._number + 1 + rests
        self._rests[group] = rests

    def mean_loss(self) -> float:
        """Return the mean loss per unit of all examples that were seen."""
        return float(np.nansum(self.losses)) / max(int(self.units[~np.isnan(self.losses)].sum()), 1)
