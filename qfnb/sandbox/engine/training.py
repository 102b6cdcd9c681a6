"""Learning: which pairs to remember and which to compose, then passes over the data, with reports.

An answer that several prompts share is a memory. A unique answer follows a rule that the composing model can
learn when its prompt and a pattern explain it, or when a model trained without it predicts it (two folds, and
a vote of its neighbours); otherwise it is a memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal

import numpy as np

from ...errors import InvalidArgumentError
from ..engines.protocol import Observer, Step
from .features import Features, Pair
from .model import Model, char_loss
from .optimizer import Adam
from .pointer import PointerLM
from .router import COMPOSE, Router
from .rules import explained

LOCAL_PASSES = 5
"""Passes of the small local model that stand for one epoch of a large one."""

SURPRISE = 2.0
"""Nats; a unique answer harder to predict than this is a fact to remember, not a rule."""

FOLD_UPDATES = 200
"""Updates that are enough to tell a fact from a rule."""

LEARNED = 0.01
"""Nats per character, with which a model that is asked what it was not shown has learned all that it will."""

NEIGHBOURS = 9
DROP = 0.2
REPORTS_PER_PASS = 3

_RATE = 4e-3
_ROUTER_RATE = 4.0


@dataclass(frozen=True)
class Hyperparameters:
    """What the local optimiser really uses.

    Attributes:
        epochs: passes over the data.
        learning_rate: of the composing model; the router's follows it.
        batch_size: pairs per update.
        seed: the same data and values give the same model.
    """

    epochs: int = 20
    learning_rate: float = _RATE
    batch_size: int = 8
    seed: int = 0


class Stopped(Exception):
    """Raised inside a training whose observer returned False."""


def effective(
    epoch: int, learning_rate: float | None, batch_size: int | None, default_rate: float
) -> Hyperparameters:
    """Return the local values for a platform's hyper-parameters.

    A rate is scaled by how far it is from the model's default, so that ten times more or less matters here
    too; an epoch is LOCAL_PASSES passes.
    """
    factor = 1.0 if learning_rate is None else min(max(learning_rate / default_rate, 0.01), 10.0)
    return Hyperparameters(min(epoch * LOCAL_PASSES, 250), _RATE * factor, 2 * (batch_size or 4))


def train(
    pairs: Sequence[Pair],
    *,
    hyperparameters: Hyperparameters | None = None,
    validation: Sequence[Pair] = (),
    observer: Observer | None = None,
    remember_all: bool = False,
) -> Model:
    """Train a model on (prompt, answer) pairs; stopped early it is returned as far as it got.

    Args:
        pairs: what to learn.
        hyperparameters: how.
        validation: held-out pairs; their loss is reported after each pass.
        observer: hears of the steps, and may stop.
        remember_all: treat every answer as a memory.

    Raises:
        InvalidArgumentError: there is nothing to learn from, or a value is not positive.
    """
    values = hyperparameters or Hyperparameters()
    if not pairs or min(values.epochs, values.batch_size) < 1 or values.learning_rate <= 0:
        raise InvalidArgumentError(f"cannot train on {len(pairs)} pairs with {values}")
    return _Training(list(pairs), values, list(validation), observer).run(remember_all=remember_all)


@dataclass
class _Training:
    pairs: list[Pair]
    values: Hyperparameters
    validation: list[Pair]
    observer: Observer | None
    steps: int = 0
    total: int = 0
    last_loss: float = 0.0

    def run(self, *, remember_all: bool) -> Model:
        features = Features().add(self.pairs)
        meta = {"pairs": len(self.pairs), "stopped": False, "hyperparameters": asdict(self.values)}
        try:
            answers = self._memories(features, remember_all=remember_all)
        except Stopped:
            return Model(features, Router(features, []), None, meta | {"stopped": True, "memories": 0})
        model = Model(features, Router(features, answers), None, meta | {"memories": len(answers)})
        try:
            self._passes(model)
        except Stopped:
            model.meta["stopped"] = True
        return model

    def _memories(self, features: Features, *, remember_all: bool) -> list[str]:
        count = Counter(answer for _, answer in self.pairs)
        unique = [pair for pair in self.pairs if count[pair[1]] == 1]
        if remember_all:
            return sorted(count)
        doubtful = {pair for pair, clear in zip(unique, explained(unique), strict=True) if not clear}
        facts = {answer for _, answer in doubtful}
        if len(unique) >= 8 and doubtful:
            facts &= self._facts(features, unique)
        return sorted(answer for answer in count if count[answer] > 1 or answer in facts)

    def _facts(self, features: Features, unique: list[Pair]) -> set[str]:
        """Return the unique answers that a model trained on the other half of the data cannot predict."""
        hard = np.zeros(len(unique))
        epochs = math.ceil(FOLD_UPDATES / math.ceil(len(unique) / 2 / self.values.batch_size))
        self.total = 2 * epochs * REPORTS_PER_PASS
        for fold in (0, 1):
            known, asked = unique[fold::2], unique[1 - fold :: 2]
            lm = PointerLM(features, "".join(answer for _, answer in known), seed=self.values.seed)
            for loss in self._until_learned(self._lm_parts(lm, known, epochs, rate=_RATE)):
                self._report(epoch=0.0, loss=loss, phase="preparing")
            hard[1 - fold :: 2] = list(self._surprises(lm, asked))
        rows = features.matrix([prompt for prompt, _ in unique])
        near = np.argsort(-(rows @ rows.T), axis=1, kind="stable")[:, :NEIGHBOURS]
        votes = hard[near].mean(1)
        return {answer for (_, answer), vote in zip(unique, votes, strict=True) if vote > 0.5}

    @staticmethod
    def _until_learned(parts: Iterator[tuple[float, float, int]]) -> Iterator[float]:
        """Yield the losses of parts, and stop after a pass that had nothing more to learn."""
        for first in parts:
            whole = [first, *islice(parts, REPORTS_PER_PASS - 1)]
            yield from (loss for loss, _, _ in whole)
            if sum(nll for _, nll, _ in whole) < LEARNED * sum(characters for _, _, characters in whole):
                return

    def _surprises(self, lm: PointerLM, asked: list[Pair]) -> Iterator[bool]:
        for number, (prompt, answer) in enumerate(asked):
            if number % 100 == 0:  # asking thousands takes seconds, and an observer may want to stop
                self._report(epoch=0.0, loss=self.last_loss, phase="preparing")
            yield char_loss(lm, prompt, answer) * (len(answer) + 1) > SURPRISE

    def _passes(self, model: Model) -> None:
        labels = np.array([model.router.index.get(answer, COMPOSE) for _, answer in self.pairs])
        compose = [pair for pair in self.pairs if pair[1] not in model.router.index]
        rate = _ROUTER_RATE * self.values.learning_rate / _RATE
        router = model.router.fit(
            [prompt for prompt, _ in self.pairs], labels, self.values.epochs, rate=rate, seed=self.values.seed
        )
        parts: Iterator[tuple[float, float, int]] = iter(())
        if compose:
            model.lm = PointerLM(model.features, "".join(a for _, a in compose), seed=self.values.seed)
            parts = self._lm_parts(model.lm, compose, self.values.epochs)
        per_pass = REPORTS_PER_PASS if compose else 1
        self.steps, self.total = 0, self.values.epochs * per_pass
        for done, router_loss in enumerate(router):
            for part in range(1, per_pass + 1):
                _, nll, characters = next(parts, (0.0, 0.0, 0))
                units = len(labels) / per_pass + characters
                validation = model.loss(self.validation) if part == per_pass and self.validation else None
                self.last_loss = (router_loss / per_pass + nll) / units
                self._report(done + part / per_pass, self.last_loss, validation)

    def _lm_parts(
        self, lm: PointerLM, pairs: list[Pair], epochs: int, *, rate: float | None = None
    ) -> Iterator[tuple[float, float, int]]:
        """Train; yield (mean loss, summed loss, characters) REPORTS_PER_PASS times per pass."""
        examples = [lm.example(*pair) for pair in pairs]
        random, adam = np.random.default_rng(self.values.seed + 1), Adam(lm.weights, lm.used_rows())
        steps, k = epochs * math.ceil(len(examples) / self.values.batch_size), 0
        for _ in range(epochs):
            groups = self._batches(examples, random)
            for part in np.array_split(np.arange(len(groups)), REPORTS_PER_PASS):
                summed, characters = 0.0, 0
                for number in part:
                    batch = [examples[i] for i in groups[number]]
                    nll, gradients, count = lm.loss(batch, random, DROP)
                    adam.step(gradients, (rate or self.values.learning_rate) * _schedule(k, steps))
                    k, summed, characters = k + 1, summed + nll * count, characters + count
                yield summed / max(characters, 1), summed, characters

    def _batches(self, examples: list[dict[str, object]], random: np.random.Generator) -> list[np.ndarray]:
        """Return the examples' numbers in random batches of similar answer length."""
        order = random.permutation(len(examples))
        lengths = [len(examples[i]["target"]) // 8 for i in order]
        order = order[np.argsort(lengths, kind="stable")]
        size = self.values.batch_size
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        return [groups[i] for i in random.permutation(len(groups))]

    def _report(
        self,
        epoch: float,
        loss: float,
        validation: float | None = None,
        *,
        phase: Literal["preparing", "training"] = "training",
    ) -> None:
        self.steps += 1
        step = Step(self.steps, self.total, epoch, loss, validation, phase)
        if self.observer is not None and self.observer(step) is False:
            raise Stopped


def _schedule(update: int, updates: int) -> float:
    """Return the factor of the learning rate: up quickly, level for half of the way, down to 2 %."""
    left = 1 - update / updates
    return min(1.0, (update + 1) / 20) * min(1.0, 0.02 + 0.98 * 2 * left)
