"""Training of the built-in model: which answers to remember and which to compose, then passes over the data.

An answer that several prompts share is remembered. A unique answer is composed if its prompt and a shared
pattern explain it, or if a model trained without it predicts it (two folds, and a vote of its neighbours);
otherwise it is remembered.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal

import numpy as np

from ....errors import InvalidArgumentError
from ..protocol import Observer, Step
from .features import Features, Pair
from .model import COMPOSE, LanguageModel, MemoryRouter, char_loss
from .optimizer import Adam
from .pointer_generator import PointerGenerator

LOCAL_PASSES = 5  # passes of the small local model that stand for one epoch of a large one

FACT_LOSS = 2.0  # nats; a unique answer with a larger loss is a fact to remember, not a rule

FOLD_UPDATES = 200  # updates that are enough to separate facts from rules

LEARNED_LOSS = 0.01  # nats per character; with a smaller loss in a pass, a fold has learned what it can

NEIGHBOURS = 9
DROPOUT = 0.2
REPORTS_PER_PASS = 3

RATE = 4e-3  # the default learning rate of the generator

_ROUTER_RATE = 4.0


@dataclass(frozen=True)
class Hyperparameters:
    """The hyper-parameters that the local optimiser uses.

    Attributes:
        epochs: passes over the data.
        learning_rate: of the generator; the router's is proportional.
        batch_size: pairs per update.
        seed: of the random numbers; the same data and values give the same model.
        validation_interval: steps between two validations, None for one after each pass; the last step has one.
    """

    epochs: int = 20
    learning_rate: float = RATE
    batch_size: int = 8
    seed: int = 0
    validation_interval: int | None = None

    def is_validated(self, step: int, per_pass: int) -> bool:
        """Return whether the held-out data is measured after a step, which counts from 1."""
        interval = per_pass if self.validation_interval is None else self.validation_interval
        return step == self.epochs * per_pass or (interval > 0 and step % interval == 0)


class TrainingStopped(Exception):
    """Raised inside a training whose observer returned False."""


def local_hyperparameters(
    epoch: int, learning_rate: float | None, batch_size: int | None, default_rate: float
) -> Hyperparameters:
    """Return the local values for a platform's hyper-parameters.

    The local rate is as many times its default as the given rate is of the model's; an epoch is LOCAL_PASSES
    passes.

    Args:
        epoch: passes of the platform.
        learning_rate: of the platform, None for its default.
        batch_size: pairs per update, None for the default.
        default_rate: the platform's default.
    """
    factor = 1.0 if learning_rate is None else min(max(learning_rate / default_rate, 0.01), 10.0)
    return Hyperparameters(min(epoch * LOCAL_PASSES, 250), RATE * factor, 2 * (batch_size or 4))


def train(
    pairs: Sequence[Pair],
    *,
    hyperparameters: Hyperparameters | None = None,
    validation: Sequence[Pair] = (),
    observer: Observer | None = None,
    remember_all: bool = False,
    initial_model: LanguageModel | None = None,
) -> LanguageModel:
    """Train a model on (prompt, answer) pairs; a training that is stopped returns the model so far.

    Args:
        pairs: the training data.
        hyperparameters: default: those of `Hyperparameters()`.
        validation: held-out pairs; their loss is reported after each pass.
        observer: called with each step; it can stop the training.
        remember_all: whether every answer is remembered.
        initial_model: a model to go on from; by default a new one is trained.

    Raises:
        InvalidArgumentError: the data is empty, or a value is not positive.
    """
    values = hyperparameters or Hyperparameters()
    if not pairs or min(values.epochs, values.batch_size) < 1 or values.learning_rate <= 0:
        raise InvalidArgumentError(f"cannot train on {len(pairs)} pairs with {values}")
    training = _Training(list(pairs), values, list(validation), observer, initial_model)
    return training.run(remember_all=remember_all)


@dataclass
class _Training:
    pairs: list[Pair]
    hyperparameters: Hyperparameters
    validation: list[Pair]
    observer: Observer | None
    initial_model: LanguageModel | None
    steps: int = 0
    total_steps: int = 0
    last_loss: float = 0.0
    snapshot: Callable[[str], bytes] | None = None

    def run(self, *, remember_all: bool) -> LanguageModel:
        initial = self.initial_model
        features = initial.features.extended(self.pairs) if initial else Features().add(self.pairs)
        meta = {"pairs": len(self.pairs), "stopped": False, "hyperparameters": asdict(self.hyperparameters)}
        try:
            answers = self._choose_memories(features, remember_all=remember_all)
        except TrainingStopped:
            stopped = meta | {"stopped": True, "memories": 0}
            return initial or LanguageModel(features, MemoryRouter(features, []), None, stopped)
        model = LanguageModel(features, MemoryRouter(features, answers), None, meta | {"memories": len(answers)})
        if initial is not None:
            model = initial.extended(self.pairs, [answer for answer in answers if answer not in initial.router.index])
            model.meta |= meta
        self.snapshot = lambda _: model.save()
        try:
            self._run_passes(model)
        except TrainingStopped:
            model.meta["stopped"] = True
        return model

    def _choose_memories(self, features: Features, *, remember_all: bool) -> list[str]:
        count = Counter(answer for _, answer in self.pairs)
        unique = [pair for pair in self.pairs if count[pair[1]] == 1]
        if remember_all:
            return sorted(count)
        unexplained = {
            pair for pair, is_explained in zip(unique, explained_pairs(unique), strict=True) if not is_explained
        }
        facts = {answer for _, answer in unexplained}
        if len(unique) >= 8 and unexplained:
            facts &= self._find_facts(features, unique)
        return sorted(answer for answer in count if count[answer] > 1 or answer in facts)

    def _find_facts(self, features: Features, unique: list[Pair]) -> set[str]:
        """Return the unique answers that a model trained on the other half of the data does not predict."""
        surprising = np.zeros(len(unique))
        epochs = math.ceil(FOLD_UPDATES / math.ceil(len(unique) / 2 / self.hyperparameters.batch_size))
        self.total_steps = 2 * epochs * REPORTS_PER_PASS
        for fold in (0, 1):
            training_pairs, held_out = unique[fold::2], unique[1 - fold :: 2]
            lm = PointerGenerator(
                features, "".join(answer for _, answer in training_pairs), seed=self.hyperparameters.seed
            )
            for loss in self._until_learned(self._train_generator(lm, training_pairs, epochs, rate=RATE)):
                self._report(epoch=0.0, loss=loss, phase="preparing")
            surprising[1 - fold :: 2] = list(self._are_surprising(lm, held_out))
        rows = features.matrix([prompt for prompt, _ in unique])
        neighbours = np.argsort(-(rows @ rows.T), axis=1, kind="stable")[:, :NEIGHBOURS]
        votes = surprising[neighbours].mean(1)
        return {answer for (_, answer), vote in zip(unique, votes, strict=True) if vote > 0.5}

    @staticmethod
    def _until_learned(parts: Iterator[tuple[float, float, int]]) -> Iterator[float]:
        """Yield the losses of the parts, and end after a pass in which nothing was left to learn."""
        for first_part in parts:
            one_pass = [first_part, *islice(parts, REPORTS_PER_PASS - 1)]
            yield from (loss for loss, _, _ in one_pass)
            if sum(nll for _, nll, _ in one_pass) < LEARNED_LOSS * sum(characters for _, _, characters in one_pass):
                return

    def _are_surprising(self, lm: PointerGenerator, pairs: list[Pair]) -> Iterator[bool]:
        for index, (prompt, answer) in enumerate(pairs):
            if index % 100 == 0:  # thousands of pairs take seconds; the observer can stop them
                self._report(epoch=0.0, loss=self.last_loss, phase="preparing")
            yield char_loss(lm, prompt, answer) * (len(answer) + 1) > FACT_LOSS

    def _run_passes(self, model: LanguageModel) -> None:
        labels = np.array([model.router.index.get(answer, COMPOSE) for _, answer in self.pairs])
        composed_pairs = [pair for pair in self.pairs if pair[1] not in model.router.index]
        rate = _ROUTER_RATE * self.hyperparameters.learning_rate / RATE
        router = model.router.fit(
            [prompt for prompt, _ in self.pairs],
            labels,
            self.hyperparameters.epochs,
            rate=rate,
            seed=self.hyperparameters.seed,
        )
        parts: Iterator[tuple[float, float, int]] = iter(())
        if composed_pairs:
            if model.lm is None:
                alphabet = "".join(text for _, text in composed_pairs)
                model.lm = PointerGenerator(model.features, alphabet, seed=self.hyperparameters.seed)
            parts = self._train_generator(model.lm, composed_pairs, self.hyperparameters.epochs)
        per_pass = REPORTS_PER_PASS if composed_pairs else 1
        self.steps, self.total_steps = 0, self.hyperparameters.epochs * per_pass
        for epoch, router_loss in enumerate(router):
            for part in range(1, per_pass + 1):
                _, nll, characters = next(parts, (0.0, 0.0, 0))
                units = len(labels) / per_pass + characters
                is_validated = self.validation and self.hyperparameters.is_validated(epoch * per_pass + part, per_pass)
                validation = model.loss(self.validation) if is_validated else None
                self.last_loss = (router_loss / per_pass + nll) / units
                self._report(epoch + part / per_pass, self.last_loss, validation)

    def _train_generator(
        self, lm: PointerGenerator, pairs: list[Pair], epochs: int, *, rate: float | None = None
    ) -> Iterator[tuple[float, float, int]]:
        """Train; yield (mean loss, summed loss, characters) REPORTS_PER_PASS times per pass."""
        examples = [lm.example(*pair) for pair in pairs]
        random, adam = np.random.default_rng(self.hyperparameters.seed + 1), Adam(lm.weights, lm.used_rows())
        steps, update = epochs * math.ceil(len(examples) / self.hyperparameters.batch_size), 0
        for _ in range(epochs):
            groups = self._random_batches(examples, random)
            for part in np.array_split(np.arange(len(groups)), REPORTS_PER_PASS):
                summed, characters = 0.0, 0
                for group_index in part:
                    batch = [examples[i] for i in groups[group_index]]
                    nll, gradients, count = lm.loss(batch, random, DROPOUT)
                    adam.step(
                        gradients, (rate or self.hyperparameters.learning_rate) * learning_rate_factor(update, steps)
                    )
                    update, summed, characters = update + 1, summed + nll * count, characters + count
                yield summed / max(characters, 1), summed, characters

    def _random_batches(self, examples: list[dict[str, object]], random: np.random.Generator) -> list[np.ndarray]:
        """Return the indexes of the examples in random batches of similar answer length."""
        order = random.permutation(len(examples))
        lengths = [len(examples[i]["target"]) // 8 for i in order]
        order = order[np.argsort(lengths, kind="stable")]
        size = self.hyperparameters.batch_size
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
        snapshot = self.snapshot if phase == "training" else None
        step = Step(self.steps, self.total_steps, epoch, loss, validation, phase, snapshot=snapshot)
        if self.observer is not None and self.observer(step) is False:
            raise TrainingStopped


def learning_rate_factor(update: int, updates: int) -> float:
    """Return the factor of the learning rate: it rises quickly, is level for half of the updates, falls to 2 %."""
    remaining = 1 - update / updates
    return min(1.0, (update + 1) / 20) * min(1.0, 0.02 + 0.98 * 2 * remaining)


GRAM_CHARS = 3  # the length of a piece of a shared pattern

SHARED_SHARE = 0.05  # the share of the answers, but at least three answers, that make a piece part of a pattern


def explained_pairs(pairs: Sequence[Pair]) -> list[bool]:
    """Return for each pair whether copying and a shared pattern explain all characters of its answer."""
    grams = Counter(gram for _, answer in pairs for gram in set(_grams(answer)))
    min_count = max(3.0, SHARED_SHARE * len(pairs))
    return [_is_explained(prompt, answer, grams, min_count) for prompt, answer in pairs]


def _is_explained(prompt: str, answer: str, grams: Counter[str], min_count: float) -> bool:
    is_covered = [char.isalnum() and char.isascii() and char in prompt for char in answer]
    for index in range(len(answer) - 1):
        if answer[index : index + 2] in prompt:
            is_covered[index : index + 2] = [True, True]
    for index, gram in enumerate(_grams(answer)):
        if grams[gram] >= min_count:
            is_covered[index : index + GRAM_CHARS] = [True] * len(gram)
    return all(is_covered)


def _grams(answer: str) -> list[str]:
    return [answer[start : start + GRAM_CHARS] for start in range(max(1, len(answer) - GRAM_CHARS + 1))]
