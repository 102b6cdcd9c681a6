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

from ...base.language import tr, tr_noop
from ...base.text import clip
from ...errors import InvalidArgumentError
from ...model.service import ValidatedModel
from ...wire import finetune as wire
from .. import configs
from ..finetune import TRAINER_CLASSES
from ..offer import DEFAULT_MODEL, Offer, find_scale, find_supported_model, supported_scales
from .inspection import DatasetInfo, inspect_dataset

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
    wire.SupportedParameter(key="epoch", type="int"),
    wire.SupportedParameter(key="batchSize", type="int"),
    wire.SupportedParameter(key="learningRate", type="float"),
    wire.SupportedParameter(key="maxSeqLen", type="int"),
]

_COMMON_KEYS = [row.key for row in _UNLISTED_PARAMETERS]
"""Hyper-parameters that all models have."""


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
        taken_names: the variables of the notebook.
        from_sandbox: whether it would train in the sandbox.
    """

    draft: Draft = field(default_factory=Draft)
    variable: str = "trainer"
    supported_models: Offer = field(default=(), repr=False)
    datasets: Mapping[str, DatasetInfo] = field(default_factory=dict, repr=False)
    taken_names: frozenset[str] = field(default=frozenset(), repr=False)
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
        if form.draft.mode not in form.modes:
            form = _with_values(form, mode=form.modes[0])
        if form.draft.scale not in form.scales:
            scale = wire.LORA if wire.LORA in form.scales else form.scales[0]
            form = _with_values(form, scale=scale)
        return form.with_draft(form.draft)

    def with_draft(self, draft: Draft) -> LaunchForm:
        """Return the form with another draft, without the hyper-parameters that its model does not
        have.
        """
        form = replace(self, draft=draft)
        values = {}
        for row in form.parameters:
            if row.key in draft.values:
                values[row.key] = draft.values[row.key]
        return _with_values(form, values=values)

    @property
    def method(self) -> str:
        """The train mode and the parameter scale, separated by a space."""
        return f"{self.draft.mode} {self.draft.scale}"

    @property
    def methods(self) -> list[str]:
        """The train modes of the model with their parameter scales."""
        methods = []
        for mode in self.modes:
            for scale in self._scales(mode):
                methods.append(f"{mode} {scale}")
        return methods

    @property
    def supported_model(self) -> wire.SupportedModel | None:
        """The platform's description of the model, None where it is not listed."""
        return find_supported_model(self.draft.model.strip(), self.supported_models)

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
        return [row.parameter_scale for row in supported_scales(model, mode)]

    @property
    def parameters(self) -> list[wire.SupportedParameter]:
        """The hyper-parameters of the parameter scale; of a model that is not listed, those of
        `TrainConfig`.
        """
        if (model := self.supported_model) is None:
            return _UNLISTED_PARAMETERS
        scale = find_scale(supported_scales(model, self.draft.mode), self.draft.scale)
        return scale.support_hyper_parameter_config if scale else []

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

    def hyper_parameters(self, *, explicit: bool = False) -> dict[str, Any]:
        """Return the hyper-parameters by the platform's keys: what is typed, as far as it can be
        parsed, else the platform's defaults.

        Args:
            explicit: only those that a launch sends: of the defaults those that all models have.
        """
        values: dict[str, Any] = {}
        for row in self.parameters:
            is_sent = not explicit or row.key in _COMMON_KEYS
            if is_sent and not is_blank(row.default):
                values[row.key] = row.default
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
        return configs.config_of(values, peft_type=self.draft.scale, **settings)


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
    text = raw.strip()
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "boolean":
            return {"true": True, "false": False}[text.lower()]
    except (KeyError, ValueError):
        raise InvalidArgumentError(tr(_TYPE_ERRORS[kind], value=clip(raw, 40))) from None
    return raw


_TYPE_ERRORS: Final = {
    "int": tr_noop("“{value}” is not a whole number."),
    "float": tr_noop("“{value}” is not a number."),
    "boolean": tr_noop("“{value}” is neither true nor false."),
}


def _with_values(form: LaunchForm, **values: Any) -> LaunchForm:
    return replace(form, draft=form.draft.model_copy(update=values))


def inspect_sources(
    form: LaunchForm, variables: Mapping[str, Any], *, again: bool = False
) -> dict[str, DatasetInfo]:
    """Return the datasets of a form, and those that were inspected before, by name.

    Args:
        form: the form.
        variables: the notebook's datasets and DataFrames by name.
        again: look up everything again, since it may have changed.
    """
    datasets = dict(form.datasets)
    for source in form.draft.sources:
        info = datasets.get(source)
        value = variables.get(source.strip())
        is_current = (
            info is not None and not info.problem and (value is None or info.dataset is value)
        )
        if again or not is_current:
            datasets[source] = inspect_dataset(source, variables)
    return datasets
