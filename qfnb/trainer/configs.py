"""Hyper-parameters as a validated value, and the ranges that each model allows. Source: seed 004
(TrainConfig).
"""

import json
import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel, to_snake

from ..base.language import tr, tr_noop
from ..base.text import did_you_mean, nearest_names
from ..errors import InvalidArgumentError
from ..model.service import DeployConfig as DeployConfig, ValidatedModel
from ..resources.validation import validate_record
from ..wire import finetune as wire

log = logging.getLogger("qfnb.trainer")

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

    @field_validator("corpus_config", "resource_config", mode="before")
    @classmethod
    def _to_dictionary(cls, value: object) -> object:
        if hasattr(value, "to_wire"):
            return value.to_wire()
        return value

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the config of a .json or .yaml file, one object with the fields.

        Raises:
            InvalidArgumentError: the file is neither, or a value is wrong.
        """
        text = Path(path).read_text(encoding="utf-8")
        if Path(path).suffix in {".yaml", ".yml"}:
            try:
                import yaml  # noqa: PLC0415 - JupyterLab brings it along; only such files need it
            except ImportError:
                raise InvalidArgumentError(
                    tr("a .yaml file needs the package PyYAML: save it as .json")
                ) from None
            return cls(**yaml.safe_load(text))
        try:
            return cls(**json.loads(text))
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

    def validate_config(self, train_limit: Mapping[str, Any]) -> bool:
        """Return whether the values keep limits; what does not is logged. The name is the official
        SDK's.

        Args:
            train_limit: by name (lowest, highest) for a number in an interval, or a list of the
                allowed values.
        """
        values = {to_snake(name): value for name, value in self.hyper_parameters().items()}
        wrong = []
        for name, value in values.items():
            limit = train_limit.get(name)
            is_interval = isinstance(limit, tuple)
            if limit is None or not (
                limit[0] <= value <= limit[1] if is_interval else value in limit
            ):
                wrong.append(f"{name}={value!r}")
        if wrong:
            log.warning(tr("{values}: not within the limits", values=tr(", ").join(wrong)))
        return not wrong

    @property
    def parameter_scale(self) -> str:
        """The platform's name of `peft_type`; a type that qfnb does not know passes through."""
        name = self.peft_type or wire.LORA
        return wire.PEFT_TYPES.get(name.lower(), name)

    def hyper_parameters(self) -> dict[str, Any]:
        """Return the values that are set, under the platform's keys."""
        fields = {
            name: getattr(self, name) for name in CONFIG_FIELDS if getattr(self, name) is not None
        }
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
    names = {key: to_snake(str(key)) for key in value}
    fields = {name: value[key] for key, name in names.items() if name in TrainConfig.model_fields}
    extras = {
        name: value[key] for key, name in names.items() if name not in TrainConfig.model_fields
    }
    extras |= fields.pop("extras", None) or {}
    return TrainConfig(**fields, extras=extras or None)


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


def compare_with_offer(
    train_type: str,
    config: TrainConfig,
    supported: Iterable[wire.SupportedModel],
    mode: str = wire.SFT,
) -> list[str]:
    """Return the parts of a config that the platform's list does not have, one sentence each; a
    list may be too old to know them.

    Args:
        train_type: the model to tune.
        config: the hyper-parameters.
        supported: the platform's models with their train modes and ranges.
        mode: SFT (default), PostPretrain, DPO or KTO.

    Raises:
        InvalidArgumentError: a value has another type than the hyper-parameter.
    """
    model = resolve_train_type(train_type)
    rows = list(supported)
    if not rows:
        return []
    if (supported_model := find_supported_model(model, rows)) is None:
        text = tr(
            "{model} is not among the {n} models that can be tuned; "
            "the nearest names: {names} (all of them: LLMFinetune.train_type_list())",
            model=model,
            n=len(rows),
            names=tr(", ").join(nearest_names(model, [row.model for row in rows])),
        )
        return [text]
    scales = supported_scales(supported_model, mode)
    if not scales:
        modes = tr(", ").join(row.train_mode for row in supported_model.support_train_mode)
        return [
            tr(
                "{model} has no train mode {mode}: it has {modes}",
                model=model,
                mode=mode,
                modes=modes,
            )
        ]
    scale = next((row for row in scales if row.parameter_scale == config.parameter_scale), None)
    if scale is None:
        text = tr(
            "{model} cannot be tuned with {scale}: {mode} offers {scales}",
            model=model,
            scale=config.parameter_scale,
            mode=mode,
            scales=tr(", ").join(row.parameter_scale for row in scales),
        )
        return [text]
    label = f"{model} {config.parameter_scale}"
    allowed = {row.key: row for row in scale.support_hyper_parameter_config}
    texts = [
        _compare_value(label, key, value, allowed)
        for key, value in config.hyper_parameters().items()
    ]
    return [text for text in texts if text]


def ignored_parameters(
    train_type: str, config: TrainConfig, supported: Iterable[wire.SupportedModel], mode: str
) -> list[wire.SupportedParameter]:
    """Return the hyper-parameters of a config's scale that the sandbox does not imitate; none on
    the platform.

    Args:
        train_type: the model to tune.
        config: names the scale.
        supported: the platform's models with their train modes.
        mode: SFT, PostPretrain, DPO or KTO.
    """
    scales = _offered_scales(train_type, supported, mode)
    scale = next((row for row in scales if row.parameter_scale == config.parameter_scale), None)
    if scale:
        return [row for row in scale.support_hyper_parameter_config if not row.has_effect]
    return []


def describe_ignored_values(
    train_type: str, config: TrainConfig, supported: Iterable[wire.SupportedModel], mode: str
) -> str:
    """Return a sentence about the values of a config, other than defaults, that the sandbox does
    not imitate, or "".

    The arguments are those of `ignored_parameters`.
    """
    values = config.hyper_parameters()
    rows = ignored_parameters(train_type, config, supported, mode)
    names = [to_snake(row.key) for row in rows if values.get(row.key, row.default) != row.default]
    if names:
        return describe_ignored(names)
    return ""


def describe_ignored(names: Iterable[str]) -> str:
    """Return a sentence about hyper-parameters that the sandbox does not imitate."""
    return tr("the sandbox does not imitate {names}: no effect here", names=tr(", ").join(names))


def with_offered_scale(
    train_type: str, config: TrainConfig, supported: Iterable[wire.SupportedModel], mode: str
) -> TrainConfig:
    """Return the config; one without a `peft_type` gets the first that the train mode offers, if
    LoRA is not offered.

    Args:
        train_type: the model to tune.
        config: the hyper-parameters.
        supported: the platform's models with their train modes.
        mode: SFT, PostPretrain, DPO or KTO.
    """
    names = [row.parameter_scale for row in _offered_scales(train_type, supported, mode)]
    if not names and mode == wire.POST_PRETRAIN:
        names = [wire.FULL]  # the only scale of this mode, also for models that are not listed
    if config.peft_type is not None or not names or wire.LORA in names:
        return config
    return TrainConfig(**{**config.model_dump(), "peft_type": names[0]})


def default_config(
    train_type: str, mode: str, supported: Iterable[wire.SupportedModel]
) -> TrainConfig:
    """Return the platform's defaults for a model and a train mode, those of LoRA where it is
    offered.

    Args:
        train_type: the model to tune.
        mode: SFT, PostPretrain, DPO or KTO.
        supported: the platform's models with their train modes and ranges.

    Raises:
        InvalidArgumentError: the platform does not list the model, or not with this mode.
    """
    rows = list(supported)
    available_scales = _offered_scales(train_type, rows, mode)
    if not available_scales:
        names = tr(", ").join(row.model for row in rows)
        raise InvalidArgumentError(
            tr(
                "{model} has no defaults for {mode}: the platform lists {names}",
                model=repr(train_type),
                mode=mode,
                names=names,
            )
        )
    scale = next(
        (row for row in available_scales if row.parameter_scale == "LoRA"), available_scales[0]
    )
    values = {
        row.key: row.default
        for row in scale.support_hyper_parameter_config
        if row.default is not None
    }
    fields = {
        name: values.pop(to_camel(name)) for name in CONFIG_FIELDS if to_camel(name) in values
    }
    return TrainConfig(**fields, peft_type=scale.parameter_scale, extras=values or None)


def find_supported_model(
    model: str, supported: Iterable[wire.SupportedModel]
) -> wire.SupportedModel | None:
    """Return the platform's description of a model, by its present name; None where it is not
    listed.
    """
    return next((row for row in supported if row.model.lower() == model.lower()), None)


def _offered_scales(
    train_type: str, supported: Iterable[wire.SupportedModel], mode: str
) -> list[wire.SupportedScale]:
    """Return the parameter scales of a model in a train mode; none where the platform does not list
    it.
    """
    model = find_supported_model(resolve_train_type(train_type), supported)
    if model:
        return supported_scales(model, mode)
    return []


def supported_scales(model: wire.SupportedModel, mode: str) -> list[wire.SupportedScale]:
    """Return the parameter scales (LoRA, ...) of a model in a train mode."""
    modes = (row for row in model.support_train_mode if row.train_mode == mode)
    return [scale for row in modes for scale in row.support_parameter_scale]


_TYPE_WORDS = {
    "int": tr_noop("a whole number"),
    "float": tr_noop("a finite number"),
    "boolean": tr_noop("True or False"),
    "string": tr_noop("a text"),
}


def _has_type(value: Any, row: wire.SupportedParameter) -> bool:
    """Return whether a value has the type of a hyper-parameter; a type that is not known has
    any.
    """
    if row.check_type == "mult_choice" or row.type not in _TYPE_WORDS:
        return True
    if row.type == "string":
        # the choices "True" and "False" are written as booleans, too
        return isinstance(value, (str, bool))
    if row.type == "boolean":
        return isinstance(value, bool) or value in {"True", "False", "true", "false"}
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and (row.type == "float" or value % 1 == 0)


def _compare_value(
    label: str, key: str, value: Any, allowed: dict[str, wire.SupportedParameter]
) -> str:
    """Return how a hyper-parameter differs from the platform's list, "" where it does not.

    Raises:
        InvalidArgumentError: the value has another type.
    """
    name = to_snake(key)
    if key not in allowed:
        if hint := did_you_mean(name, map(to_snake, allowed)):
            return tr("{model} has no hyper-parameter {name}", model=label, name=name) + hint
        names = tr(", ").join(map(to_snake, allowed))
        return tr(
            "{model} has no hyper-parameter {name}: it has {names}",
            model=label,
            name=name,
            names=names,
        )
    row = allowed[key]
    field = f"{name}={value!r}"
    if not _has_type(value, row):
        kind = tr(_TYPE_WORDS[row.type])
        raise InvalidArgumentError(
            tr(
                "{field} has the wrong type for {model}: it is {kind}",
                field=field,
                model=label,
                kind=kind,
            )
        )
    if row.check_type == "range" and len(row.check_value) == 2:
        low, high = row.check_value
        text = tr(
            "{field} is out of range for {model}: it is {low} to {high}",
            field=field,
            model=label,
            low=low,
            high=high,
        )
        if low <= value <= high:
            return ""
        return text
    is_list = isinstance(value, list)
    is_valid = all(item in row.check_value for item in (value if is_list and value else [value]))
    if not row.check_value or (is_valid and is_list == (row.check_type == "mult_choice")):
        return ""
    offered = tr(", ").join(map(str, row.check_value))
    return tr(
        "{field} is not offered by {model}: choose {offered}",
        field=field,
        model=label,
        offered=offered,
    )
