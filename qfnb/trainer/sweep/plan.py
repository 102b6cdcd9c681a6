"""What a sweep trains: the configs of a grid with their labels, and what they take."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic.alias_generators import to_snake

from ... import connect
from ...base.language import tr, trn
from ...base.text import approximate_duration
from ...dataset.quality import estimate_tokens
from ...dataset.typed_dataset import Dataset
from ...errors import InvalidArgumentError
from ..configs import (
    TrainConfig,
    default_config,
    describe_ignored,
    find_supported_model,
    ignored_parameters,
    resolve_train_type,
    to_train_config,
)  # fmt: skip
from ..finetune import LLMFinetune
from ..form.code_estimate import measure_step_seconds, sandbox_seconds
from ..offer import read_offer
from ..train_action import TrainAction

MAX_TRAININGS: Final = 100
"""Trainings of a sweep: more are a typing error in a grid rather than a wish."""

Grid = Sequence[TrainConfig | Mapping[str, Any]] | Mapping[str, Sequence[Any]]
"""Configs, or what each hyper-parameter is to be: {"learning_rate": [1e-4, 3e-4], "epoch": [1,
3]}.
"""


def expand_grid(grid: Grid, base: TrainConfig) -> dict[str, TrainConfig]:
    """Return the configs of a grid by label, such as "learning_rate=0.0003, epoch=1".

    Args:
        grid: configs, dictionaries over `base`, or lists of values by hyper-parameter: every
            combination is a config.
        base: what the grid does not say.

    Raises:
        InvalidArgumentError: it is no grid, has fewer than two configs or more than
            `MAX_TRAININGS`, or one twice.
    """
    rows = _combine(grid) if isinstance(grid, Mapping) else grid
    if isinstance(rows, str) or not isinstance(rows, Sequence):
        raise InvalidArgumentError(
            tr(
                "a sweep takes a list of TrainConfigs or a grid such as {example}, not a {kind}",
                example='{"learning_rate": [1e-4, 3e-4]}',
                kind=type(grid).__name__,
            )
        )
    if not 2 <= len(rows) <= MAX_TRAININGS:
        raise InvalidArgumentError(
            tr(
                "the grid has {n} trainings: a sweep has 2 to {limit}",
                n=f"{len(rows):,}",
                limit=MAX_TRAININGS,
            )
        )
    configs = [_over(base, row) for row in rows]
    settings = [_settings(config) for config in configs]
    differing = _differing(settings)
    labels = [
        ", ".join(f"{name}={_value(row[name])}" for name in differing if name in row)
        or tr("defaults")
        for row in settings
    ]
    if repeated := next((label for label, count in Counter(labels).items() if count > 1), None):
        raise InvalidArgumentError(
            tr("the grid has {label} twice: each training once", label=repeated)
        )
    return dict(zip(labels, configs, strict=True))


def validate_axes(configs: Iterable[TrainConfig], train_type: str, mode: str) -> None:
    """Raise if the configs differ in a hyper-parameter that the sandbox does not imitate.

    Args:
        configs: of the trainings.
        train_type: the model to tune.
        mode: SFT, PostPretrain, DPO or KTO.

    Raises:
        InvalidArgumentError: names the hyper-parameters; trainings that differ in nothing else
            would be the same.
    """
    configs = list(configs)
    offer = read_offer()
    ignored = {
        to_snake(row.key)
        for config in configs
        for row in ignored_parameters(train_type, config, offer, mode)
    }
    axes = [
        name for name in _differing([_settings(config) for config in configs]) if name in ignored
    ]
    if axes:
        raise InvalidArgumentError(
            tr(
                "{problem}. A sweep over it compares a model with itself: leave it out, or sweep "
                "on the platform.",
                problem=describe_ignored(axes),
            )
        )


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        name
        for name in dict.fromkeys(itertools.chain(*settings))
        if len(_values(settings, name)) > 1
    ]


def _combine(grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    for name, values in grid.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InvalidArgumentError(
                tr(
                    "{name}={value}: a grid has a list of values for each name",
                    name=name,
                    value=repr(values),
                )
            )
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _over(base: TrainConfig, row: Any) -> TrainConfig:
    """Return the config of a row; a dictionary changes the base."""
    if not isinstance(row, Mapping):
        return to_train_config(row)
    names = {to_snake(str(key)): value for key, value in row.items()}
    fields = {name: value for name, value in names.items() if name in TrainConfig.model_fields}
    extras = {to_snake(name): value for name, value in (base.extras or {}).items()}
    extras |= {name: value for name, value in names.items() if name not in fields}
    return TrainConfig(
        **{
            **base.model_dump(),
            **fields,
            "extras": {**extras, **(fields.get("extras") or {})} or None,
        }
    )


def _settings(config: TrainConfig) -> dict[str, Any]:
    settings = {to_snake(name): value for name, value in config.hyper_parameters().items()}
    names = ("peft_type", "trainset_rate", "sampling_rate", "corpus_config", "resource_config")
    return settings | {
        name: value for name in names if (value := getattr(config, name)) is not None
    }


def _values(settings: Sequence[Mapping[str, Any]], name: str) -> set[str]:
    return {json.dumps(row.get(name), sort_keys=True, default=str) for row in settings}


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


@dataclass(frozen=True)
class SweepEstimate:
    """What the trainings of a sweep take, if none of them exists yet; None where unknown.

    Attributes:
        trainings: their number.
        parallel: how many are trained at a time.
        tokens: that are trained on in all of them.
        is_exact: whether the tokens were counted.
        seconds: until the last one has ended, as the sandbox measured itself, or at the speed of
            earlier runs.
        is_free: whether they cost nothing.
    """

    trainings: int
    parallel: int
    tokens: int | None
    is_exact: bool
    seconds: float | None
    is_free: bool

    def __str__(self) -> str:
        """Return the estimate as a line."""
        if self.tokens is None:
            tokens = ""
        else:
            tokens = tr("{n} tokens to train on", n=f"{self.tokens:,}")
        if self.seconds is None:
            time = ""
        else:
            time = tr("about {time}", time=approximate_duration(self.seconds))
        if self.is_free:
            price = tr("free in the sandbox")
        else:
            price = tr("the price is on the platform's console")
        count = trn("{n} training", "{n} trainings", self.trainings)
        at_a_time = tr("{n} at a time", n=self.parallel)
        return " · ".join(
            part
            for part in (
                count,
                at_a_time,
                tokens,
                time or tr("time unknown before a first run"),
                price,
            )
            if part
        )


def estimate_sweep(trainers: Sequence[LLMFinetune], dataset: Any, parallel: int) -> SweepEstimate:
    """Return what trainings on a dataset take; the offer of the platform is asked for what the
    configs leave open.
    """
    platform = connect.current_platform().name
    actions = [
        action
        for trainer in trainers
        for action in trainer.actions
        if isinstance(action, TrainAction)
    ]
    is_local = isinstance(dataset, Dataset) and dataset.is_fetched
    tokens, is_exact = estimate_tokens(dataset.rows, dataset.schema) if is_local else (None, True)
    pace = measure_step_seconds(platform)
    seconds = list[float]()
    total = 0.0
    for action in actions:
        values = _complete(action)
        share = 1 - action.train_config.trainset_rate / 100
        epochs = values.get("epoch")
        batch = values.get("batchSize") or values.get("globalBatchSize")
        total += (tokens or 0) * share * (epochs or 1)
        if not is_local:
            continue
        rows = round(len(dataset) * share)
        model = find_supported_model(resolve_train_type(action.train_type), read_offer())
        if (measured := sandbox_seconds(model, action.train_mode, rows, epochs)) is not None:
            seconds.append(measured)
        elif epochs and batch and action.train_type in pace:
            seconds.append(max(1, rows * epochs / batch) * pace[action.train_type])
    is_timed = len(seconds) == len(actions)
    is_sandbox = platform == "sandbox"
    return SweepEstimate(
        len(actions),
        parallel,
        None if tokens is None else round(total),
        is_exact,
        # the sandbox trains one at a time
        _makespan(seconds, 1 if is_sandbox else parallel) if is_timed else None,
        is_sandbox,
    )


def _complete(action: TrainAction) -> dict[str, Any]:
    """Return the hyper-parameters of a training, with the platform's defaults."""
    try:
        defaults = default_config(
            action.train_type, action.train_mode, read_offer()
        ).hyper_parameters()
    except InvalidArgumentError:  # the platform does not list the model
        defaults = {}
    return defaults | action.train_config.hyper_parameters()


def _makespan(seconds: Sequence[float], parallel: int) -> float:
    """Return when the last of several jobs ends, each started as soon as one of `parallel` slots is
    free.
    """
    slots = [0.0] * max(1, parallel)
    for duration in seconds:
        heapq.heapreplace(slots, slots[0] + duration)
    return max(slots)
