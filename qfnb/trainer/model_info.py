"""Which models can be tuned and within which limits, as the official SDK says it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic.alias_generators import to_snake

from ..wire import finetune as wire
from .configs import TrainConfig, default_config, resolve_train_type, supported_scales
from .offer import read_offer


class TrainLimit(dict[str, Any]):
    """The limits of hyper-parameters by name: [lowest, highest], or the values that are offered;
    also attributes.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __or__(self, other: Mapping[str, Any]) -> Self:  # type: ignore[override] # values of the first one win
        return type(self)(
            {**other, **{name: limit for name, limit in self.items() if limit is not None}}
        )


@dataclass(frozen=True)
class ModelInfo:
    """A model that can be tuned.

    Attributes:
        short_name: at most 15 characters, for names of jobs.
        base_model_type: the platform's name of its family.
        support_peft_types: LoRA, FullFineTuning, ...
        specific_peft_types_params_limit: the limits of each of these.
    """

    model: str
    short_name: str = ""
    base_model_type: str = ""
    support_peft_types: tuple[str, ...] = ()
    common_params_limit: TrainLimit = field(default_factory=TrainLimit)
    specific_peft_types_params_limit: Mapping[str, TrainLimit] = field(default_factory=dict)
    model_type: str = "Text2Text"
    deprecated: bool = False


def get_trainer_model_list(train_mode: str) -> dict[str, ModelInfo]:
    """Return the models that the platform tunes in a mode (SFT, PostPretrain, DPO or KTO), by
    name.
    """
    infos = (_to_info(row, str(train_mode)) for row in read_offer())
    return {info.model: info for info in infos if info.support_peft_types}


def get_model_info(train_mode: str, model: str) -> ModelInfo | None:
    """Return the limits of a mode for a model, None where the platform does not tune it so."""
    return get_trainer_model_list(train_mode).get(resolve_train_type(model))


def get_default_train_config(train_mode: str) -> dict[str, dict[str, TrainConfig]]:
    """Return the platform's defaults of each model in a mode, by model and kind of tuning."""
    models = get_trainer_model_list(train_mode)
    return {
        name: {str(config.peft_type): config}
        for name in models
        for config in [default_config(name, str(train_mode), read_offer())]
    }


def _to_info(row: wire.SupportedModel, mode: str) -> ModelInfo:
    scales = supported_scales(row, mode)
    limits = {
        scale.parameter_scale: TrainLimit(
            {to_snake(one.key): one.check_value for one in scale.support_hyper_parameter_config}
        )
        for scale in scales
    }
    digest = hashlib.sha256(row.model.encode()).hexdigest()[:8]
    return ModelInfo(
        row.model,
        f"model{digest}",
        row.base_model or "",
        tuple(limits),
        specific_peft_types_params_limit=limits,
        model_type=row.model_type or "Text2Text",
    )
