"""The space of a search, the trials so far, and what suggests the next."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError

Config = dict[str, Any]
ConfigList = list[Config]
Metrics = dict[str, Any]


class Space:
    """The values of one option."""

    def sample(self) -> Any:
        """Return one of them at random."""
        raise NotImplementedError


@dataclass
class Categorical(Space):
    """One of several values."""

    choices: Sequence[Any]

    def sample(self) -> Any:
        """Return one of them at random."""
        return random.choice(self.choices)  # noqa: S311 - no secret


@dataclass
class Uniform(Space):
    """A number between two ends."""

    low: float
    high: float

    def sample(self) -> float:
        """Return one of them at random."""
        return random.uniform(self.low, self.high)  # noqa: S311


@dataclass
class TrialResult:
    """What one configuration scored; `custom_results` has the answers."""

    turn: int
    config: Config
    metrics: Metrics
    custom_results: Any = None


@dataclass
class Context:
    """The state of a search.

    Attributes:
        current_turn: from 0.
        history: the trials of each turn.
        best: the best configuration, after the end.
    """

    current_turn: int = 0
    history: list[list[TrialResult]] = field(default_factory=lambda: [[]])
    best: Config | None = None

    def set_best_result(self, config: Config) -> None:
        """Set the best configuration."""
        self.best = config

    def next_turn(self) -> None:
        """Begin the next turn."""
        self.current_turn += 1
        self.history.append([])

    def report_result(self, config: Config, metrics: Metrics, custom_results: Any = None) -> None:
        """Add a trial to the present turn."""
        self.history[-1].append(TrialResult(self.current_turn, config, metrics, custom_results))

    @property
    def trials(self) -> list[TrialResult]:
        """The trials of all turns."""
        return [trial for turn in self.history for trial in turn]


class Suggestor:
    """Suggests configurations.

    Args:
        search_space: {option: its values}.
        metrics: the metric that counts.
        mode: "max" or "min" of it is the best.
    """

    def __init__(
        self, search_space: Mapping[str, Space], metrics: str = "score", mode: str = "max"
    ) -> None:
        if mode not in {"max", "min"}:
            raise InvalidArgumentError(tr("mode={mode!r}: must be 'max' or 'min'", mode=mode))
        self.search_space = dict(search_space)
        self.metrics = metrics
        self.mode = mode

    async def next(self, context: Context) -> tuple[bool, ConfigList]:
        """Return whether the search ends, and the configurations to try next."""
        raise NotImplementedError

    async def best(self, context: Context) -> Config:
        """Return the configuration with the best metric.

        Raises:
            InvalidArgumentError: there is no trial with that metric.
        """
        scored = [trial for trial in context.trials if self.metrics in trial.metrics]
        if not scored:
            raise InvalidArgumentError(tr("no trial has the metric {name!r}", name=self.metrics))
        return (max if self.mode == "max" else min)(
            scored, key=lambda trial: trial.metrics[self.metrics]
        ).config


class RandomSuggestor(Suggestor):
    """Suggests one random configuration at a time.

    Args:
        search_space: {option: its values}.
        metrics: the metric that counts.
        mode: "max" or "min" of it is the best.
        cost_budget: the search ends when the trials cost more.
        cost_key: the metric with the cost of a trial.
    """

    def __init__(
        self,
        search_space: Mapping[str, Space],
        metrics: str = "accuracy",
        mode: str = "max",
        cost_budget: float | None = None,
        cost_key: str = "total_cost",
    ) -> None:
        super().__init__(search_space, metrics, mode)
        self.cost_budget = cost_budget
        self.cost_key = cost_key

    async def next(self, context: Context) -> tuple[bool, ConfigList]:
        """Return whether the budget is spent, and one configuration."""
        cost = sum(trial.metrics.get(self.cost_key, 0) for trial in context.trials)
        if self.cost_budget is not None and cost > self.cost_budget:
            return True, []
        return False, [{name: space.sample() for name, space in self.search_space.items()}]
