"""The form that launches a training, as a value: the choices and the draft.

The choices, ranges and defaults are the platform's (DescribeFineTuningSupportModels). What is empty
stands for the platform's default.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from pydantic import Field

from ...base.language import tr
from ...base.text import clip
from ...dataset.near_duplicates import NearDuplicates
from ...errors import InvalidArgumentError
from ...model.service import ValidatedModel
from ...wire import finetune as wire
from .. import configs
from ..finetune import TRAINER_CLASSES
from ..offer import DEFAULT_MODEL
from .data import DatasetInfo

FinalStep = Literal["train", "publish", "deploy", "evaluate"]
"""The last step of a launch; each includes those before it."""

COUNTS: Final[Mapping[str, tuple[type[ValidatedModel], str]]] = {
    "held_out": (configs.TrainConfig, "trainset_rate"),
    "replicas": (configs.DeployConfig, "replicas"),
    "hours": (configs.DeployConfig, "hours"),
}
"""Fields that are whole numbers, with the field of the config that has their limits and default."""

CHOICE_TYPES: Final = {"choice", "mult_choice"}
"""Check types of the hyper-parameters that are chosen from a list; others are typed."""

_UNLISTED_PARAMETERS = [
    wire.SupportedParameter(key=key, type=kind)
    for key, kind in (
        ("epoch", "int"),
        ("batchSize", "int"),
        ("learningRate", "float"),
        ("maxSeqLen", "int"),
    )
]
_PARSERS = {"int": int, "float": float}


class Draft(ValidatedModel):
    """The values of the form as they were typed; they may be wrong. The fields are stored in JSON
    files.

    Attributes:
        values: hyper-parameters by the platform's keys; one that is missing or "" has the
            platform's default.
        dataset, eval_dataset: the name of a variable, a path, or `ds-...`.
        held_out: percent of the rows, 0-100; "" stands for the default.
        name: name of the job.
        after: the last step.
        model_name: name of the published model.
        suffix, replicas, hours: settings of the service; "" stands for the default.
    """

    model: str = DEFAULT_MODEL
    mode: str = wire.SFT
    scale: str = "LoRA"
    values: dict[str, Any] = Field(default_factory=dict)
    dataset: str = ""
    held_out: str = ""
    name: str = ""
    after: FinalStep = "publish"
    model_name: str = ""
    suffix: str = ""
    replicas: str = ""
    hours: str = ""
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
        variable: the variable that keeps the trainer.
        supported_models: the platform's models with their train modes and ranges.
        datasets: the inspected datasets, by name.
        overlaps: evaluation rows that nearly repeat training rows, by the names of both datasets.
        taken_names: the variables of the notebook.
        step_seconds: seconds of a training step in earlier runs, by model.
        from_sandbox: whether it would train in the sandbox.
    """

    draft: Draft = field(default_factory=Draft)
    variable: str = "trainer"
    supported_models: tuple[wire.SupportedModel, ...] = field(default=(), repr=False)
    datasets: Mapping[str, DatasetInfo] = field(default_factory=dict, repr=False)
    overlaps: Mapping[tuple[str, str], NearDuplicates] = field(default_factory=dict, repr=False)
    taken_names: frozenset[str] = field(default=frozenset(), repr=False)
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    from_sandbox: bool = False

    def with_choice(self, **changes: Any) -> LaunchForm:
        """Return the form after a change of fields of the draft, of `variable` or of `method`.

        What was typed stays with another model, train mode or parameter scale that has such a
        hyper-parameter.
        """
        form = replace(self, variable=changes.pop("variable", self.variable))
        if method := changes.pop("method", ""):
            changes["mode"], _, changes["scale"] = method.partition(" ")
        form = replace(form, draft=Draft(**{**form.draft.model_dump(), **changes}))
        if not changes.keys() & {"model", "mode", "scale"}:
            return form
        form = _with_values(
            form, mode=form.draft.mode if form.draft.mode in form.modes else form.modes[0]
        )
        scales = form.scales
        form = _with_values(
            form, scale=next((n for n in (form.draft.scale, "LoRA") if n in scales), scales[0])
        )
        return form.with_draft(form.draft)

    def with_draft(self, draft: Draft) -> LaunchForm:
        """Return the form with another draft, without the hyper-parameters that its model does not
        have.
        """
        form = replace(self, draft=draft)
        keys = {row.key for row in form.parameters}
        return _with_values(
            form, values={key: value for key, value in draft.values.items() if key in keys}
        )

    @property
    def method(self) -> str:
        """The train mode and the parameter scale, separated by a space."""
        return f"{self.draft.mode} {self.draft.scale}"

    @property
    def methods(self) -> list[str]:
        """The train modes of the model with their parameter scales."""
        return [f"{mode} {scale}" for mode in self.modes for scale in self._scales(mode)]

    @property
    def supported_model(self) -> wire.SupportedModel | None:
        """The platform's description of the model, None where it is not listed."""
        name = configs.resolve_train_type(self.draft.model.strip())
        return configs.find_supported_model(name, self.supported_models)

    @property
    def modes(self) -> list[str]:
        """The train modes of the model."""
        model = self.supported_model
        if model:
            return [row.train_mode for row in model.support_train_mode]
        return [*TRAINER_CLASSES]

    @property
    def scales(self) -> list[str]:
        """The parameter scales of the model in the train mode."""
        return self._scales(self.draft.mode) or [self.draft.scale]

    def _scales(self, mode: str) -> list[str]:
        if (model := self.supported_model) is None:
            return [*dict.fromkeys(wire.PEFT_TYPES.values())]
        return [row.parameter_scale for row in configs.supported_scales(model, mode)]

    @property
    def parameters(self) -> list[wire.SupportedParameter]:
        """The hyper-parameters of the parameter scale; of a model that is not listed, those of
        `TrainConfig`.
        """
        if (model := self.supported_model) is None:
            return _UNLISTED_PARAMETERS
        rows = configs.supported_scales(model, self.draft.mode)
        matches = [row for row in rows if row.parameter_scale == self.draft.scale]
        if matches:
            return matches[0].support_hyper_parameter_config
        return []

    def parse_parameter(self, row: wire.SupportedParameter) -> dict[str, Any]:
        """Return a hyper-parameter by its key, as the platform's type; {} where the platform's
        default applies.

        Raises:
            InvalidArgumentError: the value is not of this type.
        """
        raw = self.draft.values.get(row.key, "")
        if is_blank(raw):
            return {}
        return {row.key: parse_value(raw, row.type) if isinstance(raw, str) else raw}

    def count(self, name: str) -> int:
        """Return the value of one of `COUNTS`, its default where the field is empty.

        Raises:
            InvalidArgumentError: the value is not a whole number.
        """
        raw = str(getattr(self.draft, name))
        return parse_value(raw, "int") if raw.strip() else default_count(name)

    def typed_parameters(self) -> dict[str, Any]:
        """Return the hyper-parameters that are typed and can be parsed, by the platform's keys."""
        values: dict[str, Any] = {}
        for row in self.parameters:
            with contextlib.suppress(InvalidArgumentError):
                values |= self.parse_parameter(row)
        return values

    def hyper_parameters(self) -> dict[str, Any]:
        """Return the hyper-parameters by the platform's keys: what is typed, else the platform's
        defaults.
        """
        defaults = {row.key: row.default for row in self.parameters if not is_blank(row.default)}
        return defaults | self.typed_parameters()

    def explicit_parameters(self) -> dict[str, Any]:
        """Return the hyper-parameters that a launch sends: those that are typed, and the defaults
        of those that all models have.
        """
        defaults = {
            key: value
            for key, value in self.hyper_parameters().items()
            if key in _PLATFORM_KEYS.values()
        }
        return defaults | self.typed_parameters()

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
        return configs.TrainConfig(
            **fields, peft_type=self.draft.scale, extras=extras or None, **settings
        )


_PLATFORM_KEYS = {name: configs.platform_key(name) for name in configs.CONFIG_FIELDS}


def is_blank(value: object) -> bool:
    """Return whether a field is empty, so that the platform's default applies."""
    return value in ("", None, [], ()) or (isinstance(value, str) and not value.strip())


def default_count(name: str) -> int:
    """Return the default of one of `COUNTS`."""
    config, setting = COUNTS[name]
    return int(config.model_fields[setting].default)


def parse_value(raw: str, kind: str) -> Any:
    """Return typed text as a value of the platform's type: int, float or boolean; other types stay
    text.

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
        raise InvalidArgumentError(_type_error(clip(raw, 40), kind)) from None


def _type_error(value: str, kind: str) -> str:
    if kind == "int":
        return tr("“{value}” is not a whole number.", value=value)
    if kind == "float":
        return tr("“{value}” is not a number.", value=value)
    return tr("“{value}” is neither true nor false.", value=value)


def _with_values(form: LaunchForm, **values: Any) -> LaunchForm:
    return replace(form, draft=form.draft.model_copy(update=values))
