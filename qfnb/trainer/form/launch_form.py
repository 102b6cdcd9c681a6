"""The form that launches a training, as a value: the choices, the draft, and what is wrong with it.

The choices, ranges, defaults and explanations are the platform's (DescribeFineTuningSupportModels); the rules
are those of `TrainConfig` and `DeployConfig`, applied to one field at a time.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal

from pydantic import Field
from pydantic.alias_generators import to_snake

from ...errors import InvalidArgumentError
from ...model.configs import ValidatedModel
from ...wire import finetune_v2 as wire
from .. import configs
from ..finetune import TRAINER_CLASSES
from ..offer import DEFAULT_MODEL
from .data import DatasetInfo, validate_dataset

FinalStep = Literal["train", "publish", "deploy", "evaluate"]
"""The last step of a launch; each includes those before it."""

CHOICE_TYPES: Final = {"choice", "mult_choice"}
"""Check types of the hyper-parameters that are chosen from a list; others are typed."""

_UNLISTED_PARAMETERS = [
    wire.SupportedParameter(key=key, type=kind)
    for key, kind in (("epoch", "int"), ("batchSize", "int"), ("learningRate", "float"), ("maxSeqLen", "int"))
]
_PARSERS = {"int": int, "float": float}
_TYPE_HINTS = {"int": "须为整数 a whole number", "float": "须为数字 a number", "boolean": "true 或 or false"}


class Draft(ValidatedModel):
    """The values of the form as they were typed; they may be wrong. The fields are stored in JSON files.

    Attributes:
        values: hyper-parameters by the platform's keys; "" stands for the platform's default.
        dataset, eval_dataset: the name of a variable, a path, or `ds-...`.
        held_out: percent of the rows, 0-100.
        name: name of the job.
        after: the last step.
        model_name: name of the published model.
        suffix, replicas, hours: settings of the service.
    """

    model: str = DEFAULT_MODEL
    mode: str = wire.SFT
    scale: str = "LoRA"
    values: dict[str, Any] = Field(default_factory=dict)
    dataset: str = ""
    held_out: str = "20"
    name: str = ""
    after: FinalStep = "publish"
    model_name: str = ""
    suffix: str = ""
    replicas: str = "1"
    hours: str = "1"
    eval_dataset: str = ""

    @property
    def sources(self) -> set[str]:
        """The datasets that are filled in."""
        return {self.dataset, self.eval_dataset} - {""}


@dataclass(frozen=True)
class LaunchForm:
    """A draft, with the facts that are needed to validate it and to estimate its cost.

    Attributes:
        draft: the values of the fields.
        supported_models: the platform's models with their train modes and ranges.
        datasets: the inspected datasets, by name.
        step_seconds: seconds of a training step in earlier runs, by model.
        from_sandbox: whether it would train in the sandbox.
    """

    draft: Draft = field(default_factory=Draft)
    supported_models: tuple[wire.SupportedModel, ...] = field(default=(), repr=False)
    datasets: Mapping[str, DatasetInfo] = field(default_factory=dict, repr=False)
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    from_sandbox: bool = False

    def with_choice(self, **changes: Any) -> LaunchForm:
        """Return the form after a change of fields of the draft.

        Another model, train mode or parameter scale brings its own defaults; a hyper-parameter that differs
        from its old default keeps its value.
        """
        defaults = {row.key: default_value(row) for row in self.parameters}
        edited = {key: value for key, value in self.draft.values.items() if value != defaults.get(key)}
        form = replace(self, draft=Draft(**{**self.draft.model_dump(), **changes}))
        if not changes.keys() & {"model", "mode", "scale"}:
            return form
        form = _with_values(form, mode=form.draft.mode if form.draft.mode in form.modes else form.modes[0])
        scales = form.scales
        form = _with_values(form, scale=next((n for n in (form.draft.scale, "LoRA") if n in scales), scales[0]))
        return _with_values(form, values={row.key: edited.get(row.key, default_value(row)) for row in form.parameters})

    def with_draft(self, draft: Draft) -> LaunchForm:
        """Return the form with another draft, without the hyper-parameters that its model does not have."""
        form = replace(self, draft=draft)
        return _with_values(form, values={row.key: draft.values.get(row.key, "") for row in form.parameters})

    @property
    def supported_model(self) -> wire.SupportedModel | None:
        """The platform's description of the model, None where it is not listed."""
        name = configs.resolve_train_type(self.draft.model.strip())
        return configs.find_supported_model(name, self.supported_models)

    @property
    def modes(self) -> list[str]:
        """The train modes of the model."""
        model = self.supported_model
        return [row.train_mode for row in model.support_train_mode] if model else [*TRAINER_CLASSES]

    @property
    def scales(self) -> list[str]:
        """The parameter scales of the model in the train mode."""
        if (model := self.supported_model) is None:
            return [*dict.fromkeys(wire.PEFT_TYPES.values())]
        rows = configs.supported_scales(model, self.draft.mode)
        return [row.parameter_scale for row in rows] or [self.draft.scale]

    @property
    def parameters(self) -> list[wire.SupportedParameter]:
        """The hyper-parameters of the parameter scale; of a model that is not listed, those of `TrainConfig`."""
        if (model := self.supported_model) is None:
            return _UNLISTED_PARAMETERS
        rows = configs.supported_scales(model, self.draft.mode)
        matches = [row for row in rows if row.parameter_scale == self.draft.scale]
        return matches[0].support_hyper_parameter_config if matches else []

    @property
    def issues(self) -> dict[str, str]:
        """Messages of what is wrong, by field; a form with issues cannot be launched."""
        draft = self.draft
        rules: dict[str, Callable[[], object]] = {
            "model": self._validate_model,
            "mode": self._validate_mode,
            "scale": lambda: self._validate_values({}),
            "held_out": lambda: configs.TrainConfig(trainset_rate=parse_value(draft.held_out, "int", "held_out")),
            "dataset": lambda: self._validate_dataset(draft.dataset, draft.mode),
        }
        if draft.after in {"deploy", "evaluate"}:
            rules["suffix"] = lambda: configs.DeployConfig(endpoint_suffix=draft.suffix.strip())
            for name in ("replicas", "hours"):
                rules[name] = partial(self._validate_count, name)
        if draft.after == "evaluate":
            rules["eval_dataset"] = lambda: self._validate_dataset(draft.eval_dataset, wire.SFT)
        messages = _failures(rules)
        if messages.keys() & {"model", "mode", "scale"}:
            return messages
        rules = {row.key: partial(self._validate_parameter, row) for row in self.parameters}
        unknown = {key: value for key, value in draft.values.items() if key not in rules and value}
        rules["others"] = partial(self._validate_values, unknown)
        return messages | _failures(rules)

    @property
    def warnings(self) -> dict[str, str]:
        """Messages of what may be wrong, by field; a form with warnings can be launched."""
        draft, messages = self.draft, {}
        if self.supported_models and not self.supported_model and draft.model.strip():
            messages["model"] = (
                "不在平台可调优模型之列，将照常尝试 / not listed by the platform; it is tried all the same"
            )
        length, data = self.hyper_parameters().get("maxSeqLen"), self.datasets.get(draft.dataset)
        if data and isinstance(length, int) and (too_long := data.longer_than(length)):
            messages["dataset"] = f"过长 {too_long:,} rows have more than maxSeqLen={length:,} tokens: they are cut off"
        if draft.after == "evaluate" and draft.eval_dataset == draft.dataset:
            messages["eval_dataset"] = "与训练数据相同 / the rows of the training: the score says little"
        return messages

    def parse_parameter(self, row: wire.SupportedParameter) -> dict[str, Any]:
        """Return a hyper-parameter by its key, as the platform's type; {} where the platform's default applies.

        Raises:
            InvalidArgumentError: the value is not of this type.
        """
        raw = self.draft.values.get(row.key, "")
        if raw in ("", None, [], ()):
            return {}
        return {row.key: parse_value(raw, row.type, to_snake(row.key)) if isinstance(raw, str) else raw}

    def hyper_parameters(self) -> dict[str, Any]:
        """Return the hyper-parameters that can be parsed, by the platform's keys."""
        values: dict[str, Any] = {}
        for row in self.parameters:
            with contextlib.suppress(InvalidArgumentError):
                values |= self.parse_parameter(row)
        return values

    def train_config(self, values: Mapping[str, Any], **settings: Any) -> configs.TrainConfig:
        """Return the config with some hyper-parameters.

        Args:
            values: by the platform's keys.
            **settings: further fields of `TrainConfig`.

        Raises:
            InvalidArgumentError: a value is wrong for any model.
        """
        fields = {name: values[key] for name, key in _PLATFORM_KEYS.items() if key in values}
        extras = {key: value for key, value in values.items() if key not in _PLATFORM_KEYS.values()}
        return configs.TrainConfig(**fields, peft_type=self.draft.scale, extras=extras or None, **settings)

    def _validate_model(self) -> None:
        if not self.draft.model.strip():
            raise InvalidArgumentError("请选择模型 choose a model")

    def _validate_mode(self) -> None:
        if self.draft.mode not in TRAINER_CLASSES:
            modes = ", ".join(TRAINER_CLASSES)
            raise InvalidArgumentError(f"qfnb 无此训练方式 has no trainer for {self.draft.mode}: {modes}")

    def _validate_values(self, values: Mapping[str, Any]) -> None:
        """Raise unless some hyper-parameters are valid, without regard to the others."""
        config = self.train_config(values)
        if self.supported_model:
            configs.validate_train_config(self.draft.model.strip(), config, self.supported_models, self.draft.mode)

    def _validate_count(self, name: str) -> None:
        configs.DeployConfig(**{name: parse_value(getattr(self.draft, name), "int", name)})

    def _validate_parameter(self, row: wire.SupportedParameter) -> None:
        self._validate_values(self.parse_parameter(row))

    def _validate_dataset(self, source: str, mode: str) -> None:
        if not source.strip():
            raise InvalidArgumentError("请选择数据集 choose a dataset: a variable, a file, or ds-...")
        if (data := self.datasets.get(source)) is None:
            raise InvalidArgumentError("正在读取 reading…")
        validate_dataset(data, mode)


_PLATFORM_KEYS = {name: configs.platform_key(name) for name in configs.CONFIG_FIELDS}


def parse_value(raw: str, kind: str, name: str) -> Any:
    """Return typed text as a value of the platform's type.

    Args:
        raw: the text.
        kind: int, float or boolean; other types stay text.
        name: the field's name in the message.

    Raises:
        InvalidArgumentError: the text is not of this type.
    """
    if kind == "boolean" and raw.strip().lower() in {"true", "false"}:
        return raw.strip().lower() == "true"
    if kind not in {*_PARSERS, "boolean"}:
        return raw
    try:
        return _PARSERS[kind](raw.strip())
    except (KeyError, ValueError):
        raise InvalidArgumentError(f"{name}={raw!r}: {_TYPE_HINTS[kind]}") from None


def default_value(row: wire.SupportedParameter) -> Any:
    """Return the default as the value of its field: text where one types, the value where one chooses."""
    if row.default is None:
        return [] if row.check_type == "mult_choice" else ""
    return row.default if row.check_type in CHOICE_TYPES else json.dumps(row.default).strip('"')


def _with_values(form: LaunchForm, **values: Any) -> LaunchForm:
    return replace(form, draft=form.draft.model_copy(update=values))


def _failures(rules: Mapping[str, Callable[[], object]]) -> dict[str, str]:
    """Return the first line of the error of each rule that raises InvalidArgumentError, by its key."""
    messages = {}
    for key, rule in rules.items():
        try:
            rule()
        except InvalidArgumentError as error:
            messages[key] = str(error).split("\n")[0]
    return messages
