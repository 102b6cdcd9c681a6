"""Adam with decoupled weight decay and gradient clipping; gradients of some rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .features import F, Floats, Ints

Weights = dict[str, Floats]


class RowGradient(NamedTuple):
    """The gradient of a table whose other rows have none."""

    rows: Ints  # each row once
    values: Floats

    @classmethod
    def sum_by_id(cls, ids: Ints, rows: Floats) -> RowGradient:
        """Sum rows by id; sorting first is several times faster than np.add.at."""
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        start = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        return cls(ids[start], np.add.reduceat(rows[order], start, 0))


Gradients = Mapping[str, Floats | RowGradient]


class Adam:
    """Updates weights in place; of a table only the rows that have a gradient, and their means, are
    changed.

    Args:
        weights: the weights by name.
        decay: weight decay, relative to the learning rate.
        clip: the largest norm of the gradients.
        epsilon: gradients much smaller than it make smaller updates; by default all make updates of
            one size.
    """

    def __init__(
        self, weights: Weights, *, decay: float = 0.05, clip: float = 1.0, epsilon: float = 1e-8
    ) -> None:
        self._weights = weights
        self._decay = decay
        self._clip = clip
        self._epsilon = epsilon
        self._steps = 0
        self._mean = {name: np.zeros_like(value) for name, value in weights.items()}
        self._variance = {name: np.zeros_like(value) for name, value in weights.items()}

    def step(self, gradients: Gradients, rate: float, *, b1: float = 0.9, b2: float = 0.99) -> None:
        """Update the weights once.

        Args:
            gradients: of each weight.
            rate: the learning rate.
            b1: the decay of the mean of the gradients.
            b2: the decay of their variance.
        """
        self._steps += 1
        rows = {
            name: g.rows if isinstance(g, RowGradient) else slice(None)
            for name, g in gradients.items()
        }
        values = {
            name: g.values if isinstance(g, RowGradient) else g for name, g in gradients.items()
        }
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in values.values()))
        scale = F(min(1.0, self._clip / (norm + 1e-9)))
        mean_correction = F(1 - b1**self._steps)
        variance_correction = F(1 - b2**self._steps)
        for name, gradient in values.items():
            part = rows[name]
            scaled = gradient * scale
            mean = self._mean[name][part]
            variance = self._variance[name][part]
            weight = self._weights[name][part]
            mean += F(1 - b1) * (scaled - mean)
            scaled *= scaled
            variance += F(1 - b2) * (scaled - variance)
            deviation = np.sqrt(variance / variance_correction)
            deviation += F(self._epsilon)
            update = mean / (deviation * mean_correction)
            update += F(self._decay) * weight
            weight -= F(rate) * update
            if isinstance(part, np.ndarray):  # what was taken by index is a copy
                self._mean[name][part] = mean
                self._variance[name][part] = variance
                self._weights[name][part] = weight
