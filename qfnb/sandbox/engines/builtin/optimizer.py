"""Adam with decoupled weight decay and gradient clipping; gradients of the rows of a table."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .features import Floats

Weights = dict[str, Floats]


class Adam:
    """Updates weights in place.

    Args:
        weights: the weights by name.
        rows: the rows of the large tables that are updated; the others have no gradient.
        decay: weight decay, relative to the learning rate.
        clip: the largest norm of the gradients.
        epsilon: gradients much smaller than it make smaller updates; by default all make updates of one size.
    """

    def __init__(
        self,
        weights: Weights,
        rows: Mapping[str, NDArray[np.int64]] | None = None,
        *,
        decay: float = 0.05,
        clip: float = 1.0,
        epsilon: float = 1e-8,
    ) -> None:
        self._weights, self._decay, self._clip, self._epsilon, self._steps = weights, decay, clip, epsilon, 0
        self._rows = {name: (rows or {}).get(name, slice(None)) for name in weights}
        self._mean = {name: np.zeros_like(value[self._rows[name]]) for name, value in weights.items()}
        self._variance = {name: np.zeros_like(value) for name, value in self._mean.items()}

    def step(self, gradients: Mapping[str, Floats], rate: float, *, b1: float = 0.9, b2: float = 0.99) -> None:
        """Update the weights once.

        Args:
            gradients: of each weight.
            rate: the learning rate.
            b1: the decay of the mean of the gradients.
            b2: the decay of their variance.
        """
        self._steps += 1
        used_gradients = {name: gradient[self._rows[name]] for name, gradient in gradients.items()}
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in used_gradients.values()))
        scale = min(1.0, self._clip / (norm + 1e-9))
        mean_correction, variance_correction = 1 - b1**self._steps, 1 - b2**self._steps
        for name, gradient in used_gradients.items():
            mean, variance = self._mean[name], self._variance[name]
            weight = self._weights[name][self._rows[name]]
            mean += (1 - b1) * (gradient * scale - mean)
            variance += (1 - b2) * ((gradient * scale) ** 2 - variance)
            deviation = np.sqrt(variance / variance_correction) + self._epsilon
            update = mean / mean_correction / deviation + self._decay * weight
            self._weights[name][self._rows[name]] = weight - rate * update


def sum_rows_by_id(ids: NDArray[np.int64], rows: Floats, size: int) -> Floats:
    """Sum rows by id; sorting first is several times faster than np.add.at."""
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    start = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    out: NDArray[Any] = np.zeros((size, rows.shape[1]), np.float32)
    out[ids[start]] = np.add.reduceat(rows[order], start, 0)
    return out
