"""Training of the built-in model: which answers to remember and which to compose, then passes over
the data.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np

from qfnb.errors import InvalidArgumentError
from qfnb.wire.base import JsonMapping

from ..protocol import PASSES_PER_EPOCH, Observer, Step
from .features import BUCKETS, Array, F, Features, Pair, answer_length
from .fields import FieldCounts
from .model import AnswerLoss, LanguageModel
from .pointer_generator import EncodedAnswers, GeneratorTraining, PointerGenerator
from .refusal import Wording
from .router import COMPOSE, MemoryRouter, RouterTraining

DEFAULT_BATCH_SIZE = 4  # of the platform

REPORTS_PER_PASS = 3  # at least; large data have one for REPORTED_PAIRS

REPORTED_PAIRS = 1000

PREPARING_STEPS = 10  # reports of the preparation

TICK_SECONDS = 0.25  # between two questions to the observer whether to continue

MAX_VALIDATION_PAIRS = 500  # held-out pairs, evenly spread, whose loss is measured

# a composed answer ends when it is so many times as long as the longest of the training
MAX_DRAFT = 2

MIN_VALIDATIONS = 5  # of a run of so many steps, however long the interval

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
        validation_interval: steps between two validations, fewer in a short run, None for one after
            each pass; the last step has one.
        beta: of a training on preferences, above 0; a larger value keeps the model closer to the
            reference.
    """

    epochs: int = 20
    learning_rate: float = RATE
    batch_size: int = 8
    seed: int = 0
    validation_interval: int | None = None
    beta: float = 0.1

    def is_validated(self, step: int, per_pass: int) -> bool:
        """Return whether the held-out data is measured after a step, which counts from 1."""
        total_steps = self.epochs * per_pass
        interval = per_pass if self.validation_interval is None else self.validation_interval
        spacing = min(interval, max(1, total_steps // MIN_VALIDATIONS))
        return step == total_steps or (spacing > 0 and step % spacing == 0)


class TrainingStopped(Exception):
    """Raised inside a training whose observer returned False."""


def local_hyperparameters(values: JsonMapping, defaults: JsonMapping) -> Hyperparameters:
    """Return the local values for a platform's hyper-parameters: as far from the local defaults as
    they are from theirs.

    An epoch is PASSES_PER_EPOCH passes.

    Args:
        values: epoch, learningRate, batchSize, ... by the platform's names.
        defaults: the defaults of the platform's model.
    """
    batch_size = 2 * DEFAULT_BATCH_SIZE
    if key := next((key for key in ("batchSize", "globalBatchSize") if key in defaults), ""):
        batch_size = 2 * max(1, round(DEFAULT_BATCH_SIZE * values[key] / defaults[key]))
    factor = float(values["learningRate"]) / float(defaults["learningRate"])
    return Hyperparameters(
        min(int(values["epoch"]) * PASSES_PER_EPOCH, 250),
        RATE * min(max(factor, 0.01), 10.0),
        batch_size,
        seed=int(values.get("seed") or 0),
        validation_interval=values.get("validationStep"),
        beta=float(values.get("beta", Hyperparameters.beta)),
    )


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
    reports = Reports(observer, values.epochs, PREPARING_STEPS)
    training = _Training(list(pairs), values, list(validation), reports, initial_model)
    return training.run(remember_all=remember_all)


@dataclass
class Reports:
    """What an observer hears of a training.

    Attributes:
        observer: called with each step, None for nobody.
        epochs: passes over the data.
        total_steps: reports of the present phase.
        steps: those that were made.
        last_loss: the loss of the last report.
        snapshot: saves the model as it is.
    """

    observer: Observer | None
    epochs: int
    total_steps: int
    steps: int = 0
    last_loss: float = 0.0
    phase: Literal["preparing", "training"] = "preparing"
    snapshot: Callable[[], bytes] | None = None
    _last_call: float = field(default_factory=time.monotonic)

    def begin(self, total_steps: int, snapshot: Callable[[], bytes]) -> None:
        """Begin the passes."""
        self.phase = "training"
        self.steps = 0
        self.total_steps = total_steps
        self.snapshot = snapshot

    @property
    def has_learned(self) -> bool:
        """Whether a step of the passes was made."""
        return self.phase == "training" and self.steps > 0

    def report(
        self,
        epoch: float,
        loss: float,
        validation: float | None = None,
        rewards: Mapping[str, float] | None = None,
    ) -> None:
        """Report a step.

        Args:
            epoch: passes so far, with a fraction.
            loss: of the training data.
            validation: the loss of the held-out data, None if it was not measured.
            rewards: of a training on preferences.

        Raises:
            TrainingStopped: the observer returned False.
        """
        self.steps = self.steps + 1
        self.last_loss = loss
        self._call(
            Step(
                self.steps,
                self.total_steps,
                epoch,
                loss,
                validation,
                self.phase,
                rewards=rewards or {},
                snapshot=self.snapshot,
            )
        )

    def tick(self) -> None:
        """Ask the observer whether to go on, if it was not asked for a while; raise TrainingStopped
        if not.
        """
        if time.monotonic() - self._last_call > TICK_SECONDS:
            epoch = self.epochs * self.steps / max(self.total_steps, 1)
            self._call(
                Step(
                    self.steps,
                    self.total_steps,
                    epoch,
                    self.last_loss,
                    phase=self.phase,
                    quiet=True,
                )
            )

    def _call(self, step: Step) -> None:
        self._last_call = time.monotonic()
        if self.observer is not None and self.observer(step) is False:
            raise TrainingStopped


@dataclass
class _Training:
    pairs: list[Pair]
    hyperparameters: Hyperparameters
    validation: list[Pair]
    reports: Reports
    initial_model: LanguageModel | None

    def run(self, *, remember_all: bool) -> LanguageModel:
        initial = self.initial_model
        self.validation = self.validation[
            :: max(1, -(-len(self.validation) // MAX_VALIDATION_PAIRS))
        ]
        meta = {
            "pairs": len(self.pairs),
            "stopped": False,
            "hyperparameters": asdict(self.hyperparameters),
        }
        try:
            model = self._begin(remember_all)
        except TrainingStopped:
            meta |= {"stopped": True, "memories": 0}
            if initial is not None:
                return replace(initial, meta=initial.meta | {"stopped": True})
            return LanguageModel(Features(), MemoryRouter(Features(), []), None, meta)
        longest = max(answer_length(answer) for _, answer in self.pairs)
        model.meta |= meta | {"max_draft": max(MAX_DRAFT * longest, model.meta.get("max_draft", 0))}
        try:
            self._run_passes(model)
        except TrainingStopped:
            model.meta["stopped"] = True
            # it would draft an answer of full length to each held-out row
            if not self.reports.has_learned:
                return model
        model.calibrate(self.validation)
        return model

    def _begin(self, remember_all: bool) -> LanguageModel:
        """Return the model that the passes train: it can give every answer, not likely ones yet."""
        initial = self.initial_model
        features = Features().add(self.pairs)
        if initial:
            features = initial.features.extended(self.pairs)
        answers = sorted({answer for _, answer in self.pairs})
        if not remember_all:
            answers = self._choose(features)
        memories = {"memories": len(answers)}
        if initial is None:
            wording = Wording.of(prompt for prompt, _ in self.pairs)
            router = MemoryRouter(features, answers)
            fields = FieldCounts.of(pair for pair in self.pairs if pair[1] not in router.index)
            return LanguageModel(features, router, None, memories, wording=wording, fields=fields)
        new = [answer for answer in answers if answer not in initial.router.index]
        model = initial.extended(self.pairs, new)
        model.meta |= memories
        return model

    def _choose(self, features: Features) -> list[str]:
        def tick(done: float) -> None:
            while self.reports.steps < done * PREPARING_STEPS:
                self.reports.report(0.0, 0.0)
            self.reports.tick()

        return choose_memories(
            features, self.pairs, self.hyperparameters.batch_size, self.hyperparameters.seed, tick
        )

    def _run_passes(self, model: LanguageModel) -> None:
        values = self.hyperparameters
        labels = np.array([model.router.index.get(answer, COMPOSE) for _, answer in self.pairs])
        is_composed = labels == COMPOSE
        composed = [pair for pair in self.pairs if pair[1] not in model.router.index]
        per_pass = max(REPORTS_PER_PASS if composed else 1, len(self.pairs) // REPORTED_PAIRS)

        self.reports.begin(values.epochs * per_pass, partial(model.save, self.validation))
        router = RouterTraining(
            model.router,
            [prompt for prompt, _ in self.pairs],
            labels,
            values.epochs,
            rate=_ROUTER_RATE * values.learning_rate / RATE,
            seed=values.seed,
            tick=self.reports.tick,
        )
        generator = self._generator_training(model, composed) if composed else None
        generator_parts = generator.parts(per_pass) if generator else itertools.repeat(None)
        held_out = AnswerLoss(model, self.validation, self.reports.tick)
        lengths = np.array([answer_length(answer) for _, answer in self.pairs])
        for number, _ in enumerate(zip(router.parts(per_pass), generator_parts, strict=False), 1):
            losses = router.losses.copy()
            if generator:
                losses[is_composed] += generator.examples.losses
            loss = float(np.nansum(losses)) / max(int(lengths[~np.isnan(losses)].sum()), 1)
            validation = None
            if self.validation and values.is_validated(number, per_pass):
                validation = held_out.measure()
            self.reports.report(number / per_pass, loss, validation)

    def _generator_training(self, model: LanguageModel, pairs: Sequence[Pair]) -> GeneratorTraining:
        values = self.hyperparameters
        if model.lm is None:
            model.lm = PointerGenerator(
                model.features, "".join(answer for _, answer in pairs), seed=values.seed
            )
        return GeneratorTraining(
            model.lm,
            pairs,
            values.epochs,
            batch_size=values.batch_size,
            rate=values.learning_rate,
            seed=values.seed,
            tick=self.reports.tick,
            has_substitutes=True,
        )


FACT_LOSS = 2.0  # nats; a unique answer with a larger loss is a fact to remember, not a rule

FOLD_UPDATES = 200  # updates that are enough to separate facts from rules

FOLD_RATE = 4e-3

FOLD_LEARNED_LOSS = 0.03  # nats per character; a fold with a smaller loss has learned what it can

MAX_TRIED = 800  # unique pairs that the folds are made of

TRIED_CHARACTERS = 60  # of an answer: a fact shows itself in its first sentence

MIN_TRIED = 8

# the commonest characters of the answers; a rule writes no rarer ones, it copies them
TRIED_ALPHABET = 300

NEIGHBOURS = 9

Progress = Callable[[float], None]
"""Called with the share (0-1) that is done, often; it may raise."""


def choose_memories(
    features: Features, pairs: Sequence[Pair], batch_size: int, seed: int, tick: Progress
) -> list[str]:
    """Return the answers to remember.

    Args:
        features: the n-grams of the pairs.
        pairs: the training data.
        batch_size: pairs per update of the folds.
        seed: of the folds.
        tick: told how far it is.
    """
    count = Counter(answer for _, answer in pairs)
    unique = [pair for pair in pairs if count[pair[1]] == 1]
    is_explained = explained_pairs(unique, tick)
    facts = set()
    for (_, answer), is_clear in zip(unique, is_explained, strict=True):
        if not is_clear:
            facts.add(answer)
    if len(unique) >= MIN_TRIED and facts:
        facts &= _find_facts(features, unique, batch_size, seed, tick)
    return sorted(answer for answer in count if count[answer] > 1 or answer in facts)


def _find_facts(
    features: Features, unique: list[Pair], batch_size: int, seed: int, tick: Progress
) -> set[str]:
    """Return the unique answers that a model trained on the other half of the data does not
    predict.
    """
    step = math.ceil(len(unique) / MAX_TRIED)
    tried = [(prompt, answer[:TRIED_CHARACTERS]) for prompt, answer in unique[::step]]
    surprising = np.zeros(len(tried))
    counts: Counter[str] = Counter()
    for _, answer in tried:
        counts.update(dict.fromkeys(answer, 1))
    alphabet = "".join(char for char, _ in counts.most_common(TRIED_ALPHABET))
    passes = math.ceil(FOLD_UPDATES / math.ceil(len(tried) / 2 / batch_size))
    for fold in (0, 1):
        training = tried[fold::2]
        held_out = tried[1 - fold :: 2]
        lm = PointerGenerator(features, alphabet, seed=seed)
        done = fold / 2
        fit = GeneratorTraining(
            lm,
            training,
            passes,
            batch_size=batch_size,
            rate=FOLD_RATE,
            seed=seed,
            tick=partial(tick, done),
        )
        for number, _ in enumerate(fit.parts(1), 1):
            done = (fold + number / (passes + 1)) / 2
            tick(done)
            if fit.examples.mean_loss() < FOLD_LEARNED_LOSS:
                break
        answers = EncodedAnswers(lm, held_out)
        surprising[1 - fold :: 2] = answers.losses(partial(tick, done)) > FACT_LOSS
    votes = _neighbours_votes(
        features,
        [prompt for prompt, _ in unique],
        [prompt for prompt, _ in tried],
        surprising,
        tick,
    )
    return {answer for (_, answer), vote in zip(unique, votes, strict=True) if vote > 0.5}


def _neighbours_votes(
    features: Features, prompts: Sequence[str], voters: Sequence[str], values: Array, tick: Progress
) -> list[float]:
    """Return for each prompt the mean value of the voters that are most similar to it."""
    table = np.zeros((BUCKETS, len(voters)), F)
    for column, voter in enumerate(voters):
        ids, weight = features(voter)
        table[ids, column] = weight
    votes = []
    for prompt in prompts:
        ids, weight = features(prompt)
        nearest = np.argsort(-(weight @ table[ids]), kind="stable")[:NEIGHBOURS]
        votes.append(float(values[nearest].mean()))
        tick(1.0)
    return votes


GRAM_CHARS = 3  # the length of a piece of a shared pattern

# the share of the answers, but at least three answers, that make a piece part of a pattern
SHARED_SHARE = 0.05


def explained_pairs(pairs: Sequence[Pair], tick: Progress) -> list[bool]:
    """Return for each pair whether copying and a shared pattern explain all characters of its
    answer.
    """
    grams: Counter[str] = Counter()
    for _, answer in pairs:
        grams.update(set(_grams(answer)))
    min_count = max(3.0, SHARED_SHARE * len(pairs))
    explained = []
    for prompt, answer in pairs:
        explained.append(_is_explained(prompt, answer, grams, min_count))
        tick(0.0)
    return explained


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
    count = max(1, len(answer) - GRAM_CHARS + 1)
    return [answer[start : start + GRAM_CHARS] for start in range(count)]
