"""Training on preferences, by the losses of DPO and KTO.

The reference is the model that the run goes on from. A small model cannot give an answer that it
never saw, so it first learns both answers of such rows alike, and that is the reference: the
difference between them is left to the preferences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qfnb.errors import InvalidArgumentError

from ..protocol import Observer, Preference, Step
from .features import Pair
from .generator_training import learning_rate_factor
from .model import LanguageModel
from .objectives import OBJECTIVES, Loss, Objective, Policy, judged_pairs, usable_rows
from .optimizer import Adam
from .training import (
    MAX_VALIDATION_PAIRS,
    RATE,
    REPORTED_PAIRS,
    REPORTS_PER_PASS,
    Hyperparameters,
    Reports,
    TrainingStopped,
    train,
)

# nats; an answer with a larger loss is not in the model's reach: beta times it is no small margin
UNKNOWN_LOSS = 10.0
ROUTER_RATE = 5.0  # learning rates of the two experts, relative to that of `Hyperparameters`
GENERATOR_RATE = 0.25
# passes in which the reference learns both answers of rows that it does not know
PREPARING_PASSES = 12
# of Adam: what is learned already has vanishing gradients, which must not move the weights any more
EPSILON = 1e-3


def train_preferences(
    rows: Sequence[Preference],
    loss: Loss,
    *,
    hyperparameters: Hyperparameters | None = None,
    beta: float = 0.1,
    validation: Sequence[Preference] = (),
    observer: Observer | None = None,
    initial_model: LanguageModel | None = None,
    earlier_pairs: Sequence[Pair] = (),
) -> LanguageModel:
    """Train on preferences; a training that is stopped returns the model so far.

    Args:
        rows: the preferences; DPO uses those with two different answers.
        loss: DPO or KTO.
        hyperparameters: default: those of `Hyperparameters()`.
        beta: above 0, default 0.1; a larger value keeps the model closer to the reference.
        validation: held-out preferences; their loss and rewards are reported after each pass.
        observer: called with each step; it can stop the training.
        initial_model: the model to go on from, None for the base model.
        earlier_pairs: what that model was trained on, rehearsed lest it is forgotten.

    Raises:
        InvalidArgumentError: no row is usable, or a value is not positive.
    """
    values = hyperparameters or Hyperparameters()
    examples = usable_rows(rows, loss)
    held_out = usable_rows(validation, loss)
    if (
        not examples
        or min(values.epochs, values.batch_size) < 1
        or min(values.learning_rate, beta) <= 0
    ):
        raise InvalidArgumentError(
            f"cannot train on {len(examples)} preferences with {values} and beta={beta}"
        )
    reports = Reports(observer, values.epochs, REPORTS_PER_PASS)
    held_out = held_out[:: max(1, -(-len(held_out) // MAX_VALIDATION_PAIRS))]
    try:
        model = _reference_model(
            judged_pairs(examples), earlier_pairs, values, reports, initial_model
        )
    except TrainingStopped:
        assert initial_model is not None
        return replace(initial_model, meta=initial_model.meta | {"stopped": True})
    if not model.meta["stopped"]:
        model.meta |= {"pairs": len(examples), "loss": loss, "beta": beta}
        _Training(model, OBJECTIVES[loss], examples, held_out, beta, values, reports).run()
    return model


def _reference_model(
    pairs: Sequence[Pair],
    earlier_pairs: Sequence[Pair],
    values: Hyperparameters,
    reports: Reports,
    initial_model: LanguageModel | None,
) -> LanguageModel:
    """Return the model from which the training starts; it can give every answer."""

    def observe(step: Step) -> bool | None:
        preparing = replace(step, phase="preparing", snapshot=None)
        return None if reports.observer is None else reports.observer(preparing)

    if initial_model is not None:
        pairs = _pairs_to_learn(initial_model, pairs, reports.tick)
        if not pairs:
            model = initial_model.extended([], [])
            model.meta["stopped"] = False
            return model
    preparing = replace(values, epochs=PREPARING_PASSES, learning_rate=RATE)
    return train(
        [*earlier_pairs, *pairs],
        hyperparameters=preparing,
        observer=observe,
        initial_model=initial_model,
    )


def _pairs_to_learn(
    model: LanguageModel, pairs: Sequence[Pair], tick: Callable[[], None]
) -> list[Pair]:
    """Return the pairs of prompts with an answer that the model does not give; `tick` may raise."""
    likelihoods = Policy(model, pairs, tick).all_log_likelihoods()
    prompts = {
        prompt
        for (prompt, _), value in zip(pairs, likelihoods, strict=True)
        if -value > UNKNOWN_LOSS
    }
    return [pair for pair in pairs if pair[0] in prompts]


@dataclass
class _Training:
    model: LanguageModel
    objective_class: type[Objective]
    rows: list[Preference]
    held_out: list[Preference]
    beta: float
    hyperparameters: Hyperparameters
    reports: Reports

    def run(self) -> None:
        """Make all passes, or those before the observer stops them."""
        try:
            self._run_passes()
        except TrainingStopped:
            self.model.meta["stopped"] = True
        self.model.calibrate(self._chosen_pairs())

    def _chosen_pairs(self) -> list[Pair]:
        return [(row.prompt, row.chosen) for row in self.held_out if row.chosen]

    def _run_passes(self) -> None:
        def snapshot(_: str) -> bytes:
            return self.model.save(self._chosen_pairs())

        values = self.hyperparameters
        reports = self.reports
        objective = self.objective_class(self.model, self.rows, self.beta, reports.tick)
        measured = objective
        rows = self.held_out or self.rows[:: -(-len(self.rows) // MAX_VALIDATION_PAIRS)]
        if len(rows) != len(self.rows) or self.held_out:
            measured = self.objective_class(self.model, rows, self.beta, reports.tick)
        per_pass = max(REPORTS_PER_PASS, objective.size // REPORTED_PAIRS)
        reports.begin(values.epochs * per_pass, snapshot)
        for number, loss in enumerate(self._losses(objective, per_pass), 1):
            rewards = measured.measure() if values.is_validated(number, per_pass) else {}
            measured_loss = rewards.pop("loss", None)
            reports.report(
                number / per_pass, loss, measured_loss if self.held_out else None, rewards
            )

    def _losses(self, objective: Objective, parts_per_pass: int) -> Iterator[float]:
        """Make the updates; yield the mean loss after each part of a pass."""
        values = self.hyperparameters
        updates = 0
        router = self.model.router.weights
        lm = self.model.lm
        router_adam = Adam(router, decay=0.0, epsilon=EPSILON)
        lm_adam = Adam(lm.weights, decay=0.0, epsilon=EPSILON) if lm else None
        random = np.random.default_rng(values.seed + 1)
        last_loss = math.nan
        per_pass = math.ceil(objective.size / values.batch_size)
        for _ in range(values.epochs):
            batches = np.array_split(random.permutation(objective.size), per_pass)
            for part in np.array_split(np.arange(per_pass), parts_per_pass):
                losses = []
                for batch in part:
                    loss, (by_router, by_lm) = objective.loss_gradients(batches[batch])
                    rate = values.learning_rate * learning_rate_factor(
                        updates, updates / (per_pass * values.epochs)
                    )
                    router_adam.step(by_router, ROUTER_RATE * rate)
                    if lm_adam is not None:
                        lm_adam.step(by_lm, GENERATOR_RATE * rate)
                    losses.append(loss)
                    updates += 1
                last_loss = sum(losses) / len(losses) if losses else last_loss
                yield last_loss
