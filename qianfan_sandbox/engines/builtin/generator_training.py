"""Passes of the pointer-generator over pairs; those that it has learned are left out of some
passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .features import MAX_PROMPT, Ints, Pair
from .fields import substitute
from .pointer_generator import Adam, Example, PointerGenerator

DROPOUT = 0.2

# of a training: more data teach a model of this size no more, and a pass takes a part of them
MAX_UPDATES = 3000

SUBSTITUTED_SHARE = 0.2  # of the updates, whose rows have other values in their fields

WARM_UP_UPDATES = 20

CHUNK = 32  # answers whose losses are computed at a time

# nats, of an answer with a character that the model can neither write nor copy
IMPOSSIBLE_LOSS = 20.0


def learning_rate_factor(update: int, done: float) -> float:
    """Return the factor of the learning rate: it rises quickly, is level for half of the updates,
    falls to 2 %.

    Args:
        update: the number of the update, from 0.
        done: the share (0-1) of the training that is done.
    """
    return min(1.0, (update + 1) / WARM_UP_UPDATES) * min(1.0, 0.02 + 0.98 * 2 * (1 - done))


class GeneratorTraining:
    """Trains a generator pass by pass.

    Args:
        lm: its weights are changed.
        pairs: the training data.
        passes: passes over the data.
        batch_size: pairs per update.
        rate: the learning rate.
        seed: of the order and of the dropout.
        tick: called after each update and now and then before; it may raise.
        has_substitutes: whether the rows of some updates have other values in their fields.

    Attributes:
        examples: the losses of the pairs.
    """

    def __init__(
        self,
        lm: PointerGenerator,
        pairs: Sequence[Pair],
        passes: int,
        *,
        batch_size: int,
        rate: float,
        seed: int,
        tick: Callable[[], None],
        has_substitutes: bool = False,
    ) -> None:
        self._lm = lm
        self._passes = passes
        self._batch_size = batch_size
        self._rate = rate
        self._tick = tick
        self._encoded: list[Example] = []
        self._substitutes: dict[int, Example] = {}
        self._chance = np.random.default_rng(seed + 2)
        for index, pair in enumerate(pairs):
            self._encoded.append(lm.example(*pair))
            if has_substitutes and (substitute_pair := substitute(pair, self._chance)) != pair:
                self._substitutes[index] = lm.example(*substitute_pair)
            tick()
        self._random = np.random.default_rng(seed + 1)
        self.examples = Passes(
            np.array([len(example.target) for example in self._encoded]), self._random
        )

    def parts(self, parts_per_pass: int) -> Iterator[None]:
        """Train; yield after each part of a pass.

        Args:
            parts_per_pass: parts of a pass, at least 1.
        """
        adam = Adam(self._lm.weights)
        updates = 0
        limit = self._batch_size * math.ceil(MAX_UPDATES / self._passes)
        for number in range(self._passes):
            groups = self._random_groups(self.examples.begin(limit))
            for part, share in enumerate(np.array_split(np.arange(len(groups)), parts_per_pass)):
                done = (number + part / parts_per_pass) / self._passes
                for index in share:
                    self._update(
                        groups[index], adam, self._rate * learning_rate_factor(updates, done)
                    )
                    updates += 1
                yield

    def _update(self, group: Ints, adam: Adam, rate: float) -> None:
        if self._substitutes and self._chance.random() < SUBSTITUTED_SHARE:
            examples = [self._substitutes.get(index, self._encoded[index]) for index in group]
            _, gradients = self._lm.loss(examples, self._random, DROPOUT)
        else:
            losses, gradients = self._lm.loss(
                [self._encoded[index] for index in group], self._random, DROPOUT
            )
            self.examples.record(group, losses)
        adam.step(gradients, rate)
        self._tick()

    def _random_groups(self, order: Ints) -> list[Ints]:
        """Return random batches of examples of similar length."""
        order = order[np.argsort(self.examples.units[order] // 8, kind="stable")]
        groups = [
            order[start : start + self._batch_size]
            for start in range(0, len(order), self._batch_size)
        ]
        return [groups[index] for index in self._random.permutation(len(groups))]


class EncodedAnswers:
    """Answers whose losses are measured, perhaps several times.

    Args:
        lm: the model.
        pairs: the prompts and answers.
        examples: the same as examples of the model.
    """

    def __init__(
        self, lm: PointerGenerator, pairs: Sequence[Pair], examples: Sequence[Example]
    ) -> None:
        self._lm = lm
        self._examples = examples
        impossible = [_is_impossible(lm, prompt[:MAX_PROMPT], answer) for prompt, answer in pairs]
        self._extra = IMPOSSIBLE_LOSS * np.array(impossible, np.float64)
        self._order = sorted(range(len(examples)), key=lambda index: len(examples[index].target))

    def losses(self, tick: Callable[[], None] = lambda: None) -> NDArray[np.float64]:
        """Return the loss (nats) of each answer, at least IMPOSSIBLE_LOSS if it cannot be produced.

        `tick` is called after each batch; it may raise.
        """
        losses = np.zeros(len(self._examples))
        for start in range(0, len(self._order), CHUNK):
            chunk = self._order[start : start + CHUNK]
            losses[chunk] = -self._lm.log_likelihoods([self._examples[index] for index in chunk])[0]
            tick()
        total: NDArray[np.float64] = losses + self._extra
        return total


def _is_impossible(lm: PointerGenerator, prompt: str, answer: str) -> bool:
    return any(char not in lm.index and char not in prompt for char in answer)


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
        if len(order) > limit:
            return order[np.argsort(self._due[order], kind="stable")[:limit]]
        return order

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
