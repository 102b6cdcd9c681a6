"""Which remembered answer a prompt wants: softmax regression over n-grams, in blocks where the
answers are many.

Up to `MAX_COLUMNS` classes have one column of weights each. More classes share columns: class k is
column k modulo a prime in each of `BLOCKS` blocks, and its score is the sum of the blocks' scores.
Two blocks are enough to tell the classes apart; the further ones outvote chance. (Medini et al.
2019, arXiv 1910.13830, merge their blocks in this way.)
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from .features import BUCKETS, Array, F, Features, Floats, Ints, Tick, no_tick, softmax
from .pointer_generator import Passes, Weights, bags

COMPOSE = 0
"""The class of prompts whose answers are composed, not remembered."""

MAX_COLUMNS = 512
BLOCKS = (127, 113, 109)
MOMENTUM = 0.9
BATCH_SIZE = 16
"""Prompts per update."""

SETTLED_ROWS = 1024  # at a time, for the sake of memory

NEW_MEMORY_SCORE = 4.0
"""How far the score of a new memory is below the lowest bias of the old ones."""


class MemoryRouter:
    """Chooses a remembered answer.

    Class 0 is `COMPOSE`; class k is the k-th remembered answer.

    Attributes:
        columns: of each class, the columns whose scores are added, shape (classes, blocks).
        blocks: the columns of each block.
    """

    def __init__(
        self, features: Features, answers: Sequence[str], block_sizes: Sequence[int] = ()
    ) -> None:
        self.features = features
        self.answers = list(answers)
        self.index = {answer: k + 1 for k, answer in enumerate(self.answers)}
        classes = np.arange(len(self.answers) + 1)
        self.block_sizes = list(block_sizes) or (
            [len(classes)] if len(classes) <= MAX_COLUMNS else [*BLOCKS]
        )
        ends = np.cumsum(self.block_sizes).tolist()
        self.blocks = [
            slice(end - size, end) for end, size in zip(ends, self.block_sizes, strict=True)
        ]
        self.columns = np.stack(
            [block.start + classes % (block.stop - block.start) for block in self.blocks], 1
        )
        width = self.blocks[-1].stop
        self.weights: Weights = {"W": np.zeros((BUCKETS, width), F), "b": np.zeros(width, F)}

    def extended(self, features: Features, memories: Sequence[str]) -> MemoryRouter:
        """Return a copy with more answers, not likely ones yet; an untrained one if their columns
        must be shared now.

        Args:
            features: those of this router, extended.
            memories: answers that it does not have.
        """
        router = MemoryRouter(features, [*self.answers, *memories])
        old = self.weights
        if len(self.blocks) > 1 or len(router.blocks) == 1:
            width = self.blocks[-1].stop
            router.weights["W"][:, :width] = old["W"]
            router.weights["b"][:width] = old["b"]
            router.weights["b"][width:] = old["b"].min() - NEW_MEMORY_SCORE
        return router

    def probabilities(self, prompt: str) -> Array:
        """Return the probability of each class."""
        return self.class_probabilities(*self.features(prompt))

    def class_probabilities(self, ids: Ints, weight: Floats) -> Array:
        """Return the probability of each class for the buckets of a prompt and their weights."""
        return softmax(self.class_scores(weight @ self.weights["W"][ids] + self.weights["b"]))

    def class_scores(self, scores: Array) -> Array:
        """Return the score of each class from those of the columns, along the last axis."""
        if len(self.blocks) == 1:
            return scores
        return functools.reduce(np.add, (scores[..., columns] for columns in self.columns.T))

    def column_gradients(self, by_class: Array) -> Array:
        """Return derivatives by the columns' scores from those by the classes' scores, shape (rows,
        columns).
        """
        if len(self.blocks) == 1:
            return by_class
        by_column = np.zeros((self.blocks[-1].stop, len(by_class)), by_class.dtype)
        for columns in self.columns.T:
            np.add.at(by_column, columns, by_class.T)
        return by_column.T


class RouterTraining:
    """Trains a router pass by pass: gradient descent with momentum, which generalises better here
    than Adam.

    Args:
        router: its weights are changed.
        prompts: the prompts.
        labels: the class of each prompt.
        passes: passes over the data.
        rate: the learning rate; it falls linearly to 0.
        seed: of the order of the prompts.
        tick: called after each update and now and then before; it may raise.

    Attributes:
        examples: the prompts, with the losses of all blocks.
        losses: the negative logarithm of the probability of each prompt's class when it was last
            seen, NaN if never.
    """

    def __init__(
        self,
        router: MemoryRouter,
        prompts: Sequence[str],
        labels: Ints,
        passes: int,
        *,
        rate: float = 4.0,
        seed: int = 0,
        tick: Tick = no_tick,
    ) -> None:
        self._router = router
        self._labels = labels
        self._passes = passes
        self._rate = rate
        self._tick = tick
        self._data = [router.features(prompt) for prompt in prompts]
        self.examples = Passes(np.ones(len(prompts), np.int64), np.random.default_rng(seed))
        self.losses = self.examples.losses
        if len(router.blocks) > 1:
            self.losses = np.full(len(prompts), np.nan)
        used_buckets = np.unique(np.concatenate([ids for ids, _ in self._data]))
        self._momentum = _Momentum(router.weights["W"], used_buckets)
        self._bias_velocity = np.zeros_like(router.weights["b"])

    def parts(self, parts_per_pass: int) -> Iterator[None]:
        """Train; yield after each part of a pass.

        Args:
            parts_per_pass: parts of a pass, at least 1.
        """
        for number in range(self._passes):
            order = self.examples.begin(len(self._data))
            starts = range(0, len(order), BATCH_SIZE)
            groups = [order[start : start + BATCH_SIZE] for start in starts]
            rate = self._rate * (1 - number / self._passes)
            for share in np.array_split(np.arange(len(groups)), parts_per_pass):
                for index in share:
                    self._update(groups[index], rate)
                yield
            self._momentum.settle(rate)

    def _update(self, group: Ints, rate: float) -> None:
        router = self._router
        labels = self._labels[group]
        rows, data = bags([self._data[index] for index in group])
        weight, velocity = self._momentum.current(rows, rate)
        scores = data @ weight + router.weights["b"]
        delta = np.empty_like(scores)
        losses = np.zeros(len(group), F)
        for block, columns in enumerate(router.blocks):
            own_labels = router.columns[labels, block] - columns.start
            delta[:, columns], block_losses = _score_gradient(scores[:, columns], own_labels)
            losses += block_losses
        self.examples.record(group, losses)
        if len(router.blocks) > 1:
            self.losses[group] = _class_losses(router.class_scores(scores), labels)
        delta /= F(len(labels))
        velocity *= F(MOMENTUM)
        velocity += data.T @ delta
        weight -= F(rate) * velocity
        self._momentum.write(rows, weight, velocity)
        self._bias_velocity = F(MOMENTUM) * self._bias_velocity + delta.sum(0)
        router.weights["b"] -= F(rate) * self._bias_velocity
        self._tick()


class _Momentum:
    """Rows of a table with their velocities; a row is moved when it is read: its last gradients go
    on to act.
    """

    def __init__(self, table: Floats, used_rows: Ints) -> None:
        self._table = table
        self._step = 0
        self.used_rows = used_rows
        self._index = np.zeros(len(table), np.int64)
        self._settled = np.zeros(len(used_rows), np.int64)
        self._index[used_rows] = np.arange(len(used_rows))
        self._velocity = np.zeros((len(used_rows), table.shape[1]), F)

    def current(self, rows: Ints, rate: float) -> tuple[Floats, Floats]:
        """Return copies of rows and velocities as they are now; the rate must be that of the steps
        since the last.
        """
        index = self._index[rows]
        weight = self._table[rows]
        velocity = self._velocity[index]
        fading = F(MOMENTUM) ** (self._step - self._settled[index]).astype(F)[:, None]
        weight -= F(rate * MOMENTUM / (1 - MOMENTUM)) * (1 - fading) * velocity
        velocity *= fading
        return weight, velocity

    def write(self, rows: Ints, weight: Floats, velocity: Floats) -> None:
        """Store rows after a step."""
        self._step += 1
        self._store(rows, weight, velocity)

    def settle(self, rate: float) -> None:
        """Move all rows, before the rate changes."""
        for start in range(0, len(self.used_rows), SETTLED_ROWS):
            rows = self.used_rows[start : start + SETTLED_ROWS]
            self._store(rows, *self.current(rows, rate))

    def _store(self, rows: Ints, weight: Floats, velocity: Floats) -> None:
        index = self._index[rows]
        self._settled[index] = self._step
        self._table[rows] = weight
        self._velocity[index] = velocity


def _class_losses(scores: Floats, labels: Ints) -> Array:
    largest = scores.max(1)
    sums = np.log(np.exp(scores - largest[:, None]).sum(1))
    losses: Array = largest + sums - scores[np.arange(len(labels)), labels]
    return losses


def _score_gradient(scores: Floats, labels: Ints) -> tuple[Floats, Floats]:
    probability = softmax(scores).astype(F)
    rows = np.arange(len(labels))
    losses = -np.log(probability[rows, labels] + F(1e-9))
    probability[rows, labels] -= 1
    return probability, losses
