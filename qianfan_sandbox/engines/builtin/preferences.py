"""Training on preferences, by the losses of DPO and KTO.

The reference is the model that the run goes on from. A small model cannot give an answer that it
never saw, so it first learns both answers of such rows alike, and that is the reference: the
difference between them is left to the preferences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from qfnb.errors import InvalidArgumentError

from ..protocol import Observer, Preference, Step
from .features import Array, Bools, F, Ints, Pair, Tick, no_tick
from .model import LanguageModel
from .pointer_generator import Adam, Gradients, RowGradient, bags, learning_rate_factor
from .router import COMPOSE
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
        or min(values.learning_rate, values.beta) <= 0
    ):
        raise InvalidArgumentError(f"cannot train on {len(examples)} preferences with {values}")
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
        model.meta |= {"pairs": len(examples), "loss": loss, "beta": values.beta}
        _Training(model, OBJECTIVES[loss], examples, held_out, values, reports).run()
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
        if reports.observer is None:
            return None
        return reports.observer(preparing)

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


def _pairs_to_learn(model: LanguageModel, pairs: Sequence[Pair], tick: Tick) -> list[Pair]:
    """Return the pairs of prompts with an answer that the model does not give; `tick` may raise."""
    likelihoods = Policy(model, pairs, tick).all_log_likelihoods()
    prompts = set()
    for (prompt, _), value in zip(pairs, likelihoods, strict=True):
        if -value > UNKNOWN_LOSS:
            prompts.add(prompt)
    return [pair for pair in pairs if pair[0] in prompts]


@dataclass
class _Training:
    model: LanguageModel
    objective_class: type[Objective]
    rows: list[Preference]
    held_out: list[Preference]
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
        def snapshot() -> bytes:
            return self.model.save(self._chosen_pairs())

        values = self.hyperparameters
        reports = self.reports
        objective = self.objective_class(self.model, self.rows, values.beta, reports.tick)
        measured = objective
        rows = self.held_out or self.rows[:: -(-len(self.rows) // MAX_VALIDATION_PAIRS)]
        if rows != self.rows:
            measured = self.objective_class(self.model, rows, values.beta, reports.tick)
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
                if losses:
                    last_loss = sum(losses) / len(losses)
                yield last_loss


Loss = Literal["DPO", "KTO"]
Values = Array
Indexes = Ints
BothGradients = tuple[Gradients, Gradients]  # of the router's weights and of the generator's

# of the chosen answers' own loss in DPO, as in Llama 3 (arXiv 2407.21783, section 4.1.4)
NLL_WEIGHT = 0.2
CHUNK = 64  # pairs whose likelihoods are computed at a time


def usable_rows(rows: Sequence[Preference], loss: Loss) -> list[Preference]:
    """Return the rows that a loss learns from: DPO needs two different answers, KTO at least
    one.
    """
    if loss == "DPO":
        return [row for row in rows if row.chosen and row.rejected and row.chosen != row.rejected]
    return [row for row in rows if row.chosen or row.rejected]


def judged_pairs(rows: Sequence[Preference]) -> list[Pair]:
    """Return the chosen answers with their prompts, then the rejected ones."""
    chosen = [(row.prompt, row.chosen) for row in rows if row.chosen]
    return chosen + [(row.prompt, row.rejected) for row in rows if row.rejected]


class Policy:
    """log p(answer | prompt) of a model for batches of pairs, with gradients of all weights.

    Args:
        model: its weights are read at each call.
        pairs: the pairs; a batch is an array of indexes into them.
        tick: called now and then, also later; it may raise.
    """

    def __init__(self, model: LanguageModel, pairs: Sequence[Pair], tick: Tick = no_tick) -> None:
        self._router = model.router
        self._lm = model.lm
        self._tick = tick
        self._classes = np.array(
            [self._router.index.get(answer, COMPOSE) for _, answer in pairs], np.int64
        )
        self._grams = [model.features(prompt) for prompt, _ in pairs]
        self._examples = [model.lm.example(*pair) for pair in pairs] if model.lm else []

    def log_likelihoods(self, indexes: Indexes) -> tuple[Values, Callable[[Values], BothGradients]]:
        """Return log p of some pairs, and a function from a loss's derivatives by them to its
        gradients.
        """
        self._tick()
        classes = self._classes[indexes]
        rows = np.arange(len(indexes))
        buckets, data = bags([self._grams[index] for index in indexes])
        weights = self._router.weights
        scores = self._router.class_scores(
            (data @ weights["W"][buckets] + weights["b"]).astype(np.float64)
        )
        log_p = scores - np.logaddexp.reduce(scores, axis=1)[:, None]
        remembered = np.where(classes == COMPOSE, -np.inf, log_p[rows, classes])
        composed = np.full(len(indexes), -np.inf)
        lm_gradients = None
        if self._lm is not None:
            written, lm_gradients = self._lm.log_likelihoods(
                [self._examples[index] for index in indexes]
            )
            composed = log_p[:, COMPOSE] + written
        total = np.logaddexp(remembered, composed)

        def gradients(derivatives: Values) -> BothGradients:
            shares = np.zeros_like(log_p)
            shares[rows, classes] = np.exp(remembered - total)
            shares[:, COMPOSE] = np.exp(composed - total)
            by_class = derivatives[:, None] * (shares - np.exp(log_p))
            by_column = self._router.column_gradients(by_class).astype(F)
            by_lm: Gradients = {}
            if lm_gradients:
                by_lm = lm_gradients((derivatives * shares[:, COMPOSE]).astype(F))
            return {"W": RowGradient(buckets, data.T @ by_column), "b": by_column.sum(0)}, by_lm

        return total, gradients

    def all_log_likelihoods(self) -> Values:
        """Return log p of all pairs."""
        starts = range(0, len(self._classes), CHUNK)
        chunks = [np.arange(start, min(start + CHUNK, len(self._classes))) for start in starts]
        return np.concatenate([np.empty(0), *(self.log_likelihoods(chunk)[0] for chunk in chunks)])


def dpo_loss(chosen: Values, rejected: Values) -> tuple[Values, Values]:
    """Return -log sigmoid(chosen - rejected) of pairs of rewards, and its derivative by the chosen
    one.
    """
    margins = chosen - rejected
    return np.logaddexp(0.0, -margins), -_sigmoid(-margins)


def kto_loss(rewards: Values, is_desirable: Bools, offset: float) -> tuple[Values, Values]:
    """Return 1 - sigmoid(+-(reward - offset)) of each reward, and its derivative by the reward.

    Args:
        rewards: beta times the log-ratio of each answer to the reference.
        is_desirable: the sign of each.
        offset: beta times the estimated KL divergence from the reference.
    """
    sign = np.where(is_desirable, 1.0, -1.0)
    value = _sigmoid(sign * (rewards - offset))
    return 1 - value, -sign * value * (1 - value)


def _sigmoid(x: Values) -> Values:
    sigmoid: Values = 0.5 * (1 + np.tanh(0.5 * x))
    return sigmoid


class DpoObjective:
    """-log sigmoid(beta * (log-ratio of the chosen answer - log-ratio of the rejected one)).

    The gradients, not the reported loss, include that of NLL_WEIGHT times the chosen answer's loss
    per character. Without it both answers become less likely, and the end of an answer, which both
    have, is unlearned first.
    """

    def __init__(
        self, model: LanguageModel, rows: Sequence[Preference], beta: float, tick: Tick = no_tick
    ) -> None:
        self.policy = Policy(model, judged_pairs(rows), tick)
        self.size = len(rows)
        self._beta = beta
        self._reference = self.policy.all_log_likelihoods()
        self._nll_weights = np.array([NLL_WEIGHT / (len(row.chosen) + 1) for row in rows])

    def loss_gradients(self, batch: Indexes) -> tuple[float, BothGradients]:
        """Return the mean loss of a batch of rows, and its gradients."""
        indexes = np.concatenate([batch, batch + self.size])
        likelihoods, gradients = self.policy.log_likelihoods(indexes)
        losses, derivatives = dpo_loss(
            *np.split(self._beta * (likelihoods - self._reference[indexes]), 2)
        )
        by_chosen = self._beta * derivatives - self._nll_weights[batch]
        return float(losses.mean()), gradients(
            np.concatenate([by_chosen, -self._beta * derivatives]) / len(batch)
        )

    def measure(self) -> dict[str, float]:
        """Return the loss and the rewards; a row is accurate where the chosen answer has the larger
        reward.
        """
        chosen, rejected = np.split(
            self._beta * (self.policy.all_log_likelihoods() - self._reference), 2
        )
        loss = float(dpo_loss(chosen, rejected)[0].mean())
        return {"loss": loss, **_reward_means(chosen, rejected, chosen > rejected)}


class KtoObjective:
    """1 - sigmoid(+-(beta * log-ratio - offset)) of single answers.

    The offset, the KL divergence from the reference, is estimated from each prompt with the answer
    of another one. The rarer kind of answer counts as much in all as the other one (section 4.2 of
    the paper).
    """

    def __init__(
        self, model: LanguageModel, rows: Sequence[Preference], beta: float, tick: Tick = no_tick
    ) -> None:
        pairs = judged_pairs(rows)
        self.size = len(pairs)
        self._beta = beta
        others = np.roll(np.arange(self.size), max(1, self.size // 3))
        mismatched = []
        for (prompt, _), other in zip(pairs, others, strict=True):
            mismatched.append((prompt, pairs[other][1]))
        self.policy = Policy(model, [*pairs, *mismatched], tick)
        self._reference = self.policy.all_log_likelihoods()
        desirable = sum(bool(row.chosen) for row in rows)
        self._is_desirable = np.arange(self.size) < desirable
        larger = max(desirable, self.size - desirable)
        counts = (max(desirable, 1), max(self.size - desirable, 1))
        self._weights = np.where(self._is_desirable, larger / counts[0], larger / counts[1])

    def loss_gradients(self, batch: Indexes) -> tuple[float, BothGradients]:
        """Return the mean loss of a batch of answers, and its gradients; the offset has none."""
        mismatched = batch + self.size
        drift = self.policy.log_likelihoods(mismatched)[0] - self._reference[mismatched]
        likelihoods, gradients = self.policy.log_likelihoods(batch)
        rewards = self._beta * (likelihoods - self._reference[batch])
        offset = self._beta * max(0.0, drift.mean())
        losses, derivatives = kto_loss(rewards, self._is_desirable[batch], offset)
        weights = self._weights[batch]
        return float((weights * losses).mean()), gradients(
            self._beta * weights * derivatives / len(batch)
        )

    def measure(self) -> dict[str, float]:
        """Return the loss and the rewards; an answer is accurate where its reward has its sign."""
        rewards, drift = np.split(
            self._beta * (self.policy.all_log_likelihoods() - self._reference), 2
        )
        offset = max(0.0, float(drift.mean()))
        desirable = self._is_desirable
        loss = float((self._weights * kto_loss(rewards, desirable, offset)[0]).mean())
        return {
            "loss": loss,
            **_reward_means(rewards[desirable], rewards[~desirable], (rewards > 0) == desirable),
        }


def _reward_means(chosen: Values, rejected: Values, is_accurate: Bools) -> dict[str, float]:
    means: dict[str, float] = {}
    if len(chosen):
        means["chosen"] = float(chosen.mean())
    if len(rejected):
        means["rejected"] = float(rejected.mean())
    if len(means) == 2:
        means["margins"] = means["chosen"] - means["rejected"]
    return means | {"accuracies": float(is_accurate.mean())}


Objective = DpoObjective | KtoObjective
OBJECTIVES: dict[Loss, type[Objective]] = {"DPO": DpoObjective, "KTO": KtoObjective}
