"""Which remembered answer fits a prompt, or none: softmax regression over the prompt's n-grams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .features import BUCKETS, F, Features, Floats, softmax
from .optimizer import Weights

COMPOSE = 0
"""The class that means: write the answer instead of remembering one."""


class MemoryRouter:
    """Class 0 is "compose"; class k is the k-th remembered answer."""

    def __init__(self, features: Features, answers: Sequence[str]) -> None:
        self.features, self.answers = features, list(answers)
        self.index = {answer: k + 1 for k, answer in enumerate(self.answers)}
        classes = len(self.answers) + 1
        self.weights: Weights = {"W": np.zeros((BUCKETS, classes), F), "b": np.zeros(classes, F)}

    def probabilities(self, prompt: str) -> NDArray[np.floating]:
        """Return the probability of each class."""
        ids, weight = self.features(prompt)
        return softmax(weight @ self.weights["W"][ids] + self.weights["b"])

    def fit(
        self,
        prompts: Sequence[str],
        labels: NDArray[np.int64],
        epochs: int,
        *,
        rate: float = 4.0,
        batch: int = 16,
        seed: int = 0,
    ) -> Iterator[float]:
        """Make one pass over the data each time it is advanced, yielding the summed loss (nats).

        Gradient descent with momentum generalises better here than Adam.
        """
        random = np.random.default_rng(seed)
        data: NDArray[Any] = self.features.matrix(prompts)
        used_buckets = np.flatnonzero(data.any(0))
        weight: NDArray[Any] = self.weights["W"][used_buckets]
        bias: NDArray[Any] = self.weights["b"]
        data = data[:, used_buckets]
        weight_momentum, bias_momentum = np.zeros_like(weight), np.zeros_like(bias)
        for epoch in range(epochs):
            order, total = random.permutation(len(labels)), 0.0
            for start in range(0, len(labels), batch):
                chosen = order[start : start + batch]
                delta, nll = _score_gradient(data[chosen] @ weight + bias, labels[chosen])
                total += nll
                weight_momentum = 0.9 * weight_momentum + data[chosen].T @ delta / len(chosen)
                bias_momentum = 0.9 * bias_momentum + delta.mean(0)
                weight -= rate * (1 - epoch / epochs) * weight_momentum
                bias -= rate * (1 - epoch / epochs) * bias_momentum
            self.weights["W"][used_buckets] = weight
            yield total


def _score_gradient(scores: Floats, labels: NDArray[np.int64]) -> tuple[Floats, float]:
    probability = softmax(scores).astype(F)
    rows = np.arange(len(labels))
    nll = -float(np.log(probability[rows, labels] + 1e-9).sum())
    probability[rows, labels] -= 1
    return probability, nll
