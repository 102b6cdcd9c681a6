"""Hyper-parameters as a validated value, and the ranges that each model allows. Source: seed 004
(TrainConfig).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel, to_snake

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..model.service import DeployConfig as DeployConfig, ValidatedModel
from ..resources.validation import validate_record
from ..wire import finetune as wire

CONFIG_FIELDS = ("epoch", "batch_size", "learning_rate", "max_seq_len")
"""Hyper-parameters that are fields of a `TrainConfig`; others are in `extras`."""


class TrainConfig(ValidatedModel):
    """Hyper-parameters of a training; None stands for the model's default.

    Every other hyper-parameter of a model is a keyword too, `TrainConfig(epoch=1,
    logging_steps=10)`; it goes to `extras` and to the platform as it is. What the platform's list
    of a model does not have is warned of when the training is made, and sent.

    Attributes:
        epoch: passes over the data.
        learning_rate: e.g. 3e-4 for LoRA, 3e-5 for full tuning.
        max_seq_len: tokens of one example.
        peft_type: LoRA, LoRA-GA, ALL (full) or P-tuning; default: LoRA, or what the train mode
            offers instead.
        trainset_rate: percent of the data that is held out for validation, 0-100, default 20.
        extras: further hyper-parameters of a model, e.g. {"warmup_ratio": 0.1}.
        sampling_rate: the share of the rows that is used, above 0; 2.0 uses each row twice.
        corpus_config: data that the platform mixes in: {"copyData", "config": [{"proportion",
            "corpusType"}]}.
        resource_config: machines of your own: {"resourceId", "nodeNum"}.
    """

    model_config = ConfigDict(frozen=False)

    epoch: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_seq_len: int | None = Field(default=None, ge=1)
    peft_type: str | None = None
    trainset_rate: int = Field(default=20, ge=0, le=100)
    extras: dict[str, Any] | None = None
    sampling_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    corpus_config: dict[str, Any] | None = None
    resource_config: dict[str, Any] | None = None

    def __init__(self, **values: Any) -> None:
        fields = {name: value for name, value in values.items() if name in type(self).model_fields}
        unknown = {name: value for name, value in values.items() if name not in fields}
        if unknown:
            fields["extras"] = {**unknown, **(fields.get("extras") or {})}
        super().__init__(**fields)
        if self.corpus_config is not None:
            validate_record("TrainConfig.corpus_config", wire.CorpusSettings, self.corpus_config)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the config of a .json file, one object with the fields.

        Raises:
            InvalidArgumentError: the file is none, or a value is wrong.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except ValueError as error:
            raise InvalidArgumentError(
                tr("{path} is not JSON: {error}", path=path, error=error)
            ) from None

    def __getattr__(self, name: str) -> Any:
        """Return a hyper-parameter that is no field."""
        extras = self.__dict__.get("extras") or {}
        if name in extras:
            return extras[name]
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: object) -> None:
        """Change a value; a wrong one is refused as in the constructor."""
        values = {field: getattr(self, field) for field in type(self).model_fields} | {name: value}
        self.__dict__.update(type(self)(**values).__dict__)

    @property
    def parameter_scale(self) -> str:
        """The platform's name of `peft_type`; a type that qfnb does not know passes through."""
        name = self.peft_type or wire.LORA
        return wire.PEFT_TYPES.get(name.lower(), name)

    def hyper_parameters(self) -> dict[str, Any]:
        """Return the values that are set, under the platform's keys."""
        fields = {}
        for name in CONFIG_FIELDS:
            if getattr(self, name) is not None:
                fields[name] = getattr(self, name)
        return {platform_key(name): value for name, value in (fields | (self.extras or {})).items()}


def to_train_config(value: TrainConfig | Mapping[str, Any] | str | None) -> TrainConfig:
    """Return a config; a dictionary has its fields, or hyper-parameters under either kind of name;
    a text is a file.

    Raises:
        InvalidArgumentError: it is neither, or a value is wrong.
    """
    if value is None or isinstance(value, TrainConfig):
        return value or TrainConfig()
    if isinstance(value, str):
        return TrainConfig.load(value)
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise InvalidArgumentError(
            tr("train_config is a {kind}: pass a TrainConfig or a dictionary", kind=kind)
        )
    values = {to_snake(str(key)): item for key, item in value.items()}
    return TrainConfig(**values)


def config_of(values: Mapping[str, Any], **settings: Any) -> TrainConfig:
    """Return the config of hyper-parameters under the platform's keys, with further fields.

    Raises:
        InvalidArgumentError: a value is wrong.
    """
    extras = dict(values)
    for name in CONFIG_FIELDS:
        if to_camel(name) in extras:
            settings[name] = extras.pop(to_camel(name))
    return TrainConfig(**settings, extras=extras or None)


def platform_key(name: str) -> str:
    """Return the platform's key (camelCase) of a hyper-parameter, written as snake_case or as the
    key.
    """
    if name == name.lower():
        return to_camel(name)
    return name


def resolve_train_type(train_type: str) -> str:
    """Return the platform's present name of a model; an unknown name passes through."""
    return wire.TRAIN_TYPES.get(train_type.lower(), train_type)
