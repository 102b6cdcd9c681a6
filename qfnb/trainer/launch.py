"""The form that starts a training, as a value: what can be chosen, what is chosen, and what is wrong with it.

The choices, ranges, defaults and explanations are the platform's own (DescribeFineTuningSupportModels); the
rules are those of `configs` and `DeployConfig`, asked one field at a time.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal, Self

from pydantic import Field
from pydantic.alias_generators import to_snake

from ..errors import InvalidArgumentError
from ..model.configs import Checked
from ..wire import finetune as wire
from . import configs
from .configs import OWN, PEFT_TYPES, DeployConfig, TrainConfig
from .launch_data import Data, suits

After = Literal["train", "publish", "deploy", "evaluate"]

AFTERS: Final[tuple[After, ...]] = ("train", "publish", "deploy", "evaluate")
"""How far a launch goes; each step needs those before it."""

MODES: Final = (wire.SFT, wire.POST_PRETRAIN, wire.DPO)
"""The train modes that have a trainer."""

CHOSEN: Final = {"choice", "mult_choice"}
"""The kinds of hyper-parameters that are chosen from a list; others are typed."""

_UNLISTED = [
    wire.SupportedParameter(key=key, type=kind)
    for key, kind in (("epoch", "int"), ("batchSize", "int"), ("learningRate", "float"), ("maxSeqLen", "int"))
]
_READ = {"int": int, "float": float}
_WORDS = {"int": "须为整数 a whole number", "float": "须为数字 a number", "boolean": "true 或 or false"}


class Draft(Checked):
    """What is chosen, as it was typed: it may be wrong, and JSON can hold it.

    Attributes:
        values: hyper-parameters under the platform's keys; "" leaves one to the platform.
        dataset, eval_dataset: a variable's name, a path, or `ds-...`.
        held_out: percent of the rows.
        name: of the job.
        after: how far it goes.
        model_name: of the published model.
        suffix, replicas, hours: of the service.
    """

    model: str = "ERNIE-Speed-8K"
    mode: str = wire.SFT
    scale: str = "LoRA"
    values: dict[str, Any] = Field(default_factory=dict)
    dataset: str = ""
    held_out: str = "20"
    name: str = ""
    after: After = "publish"
    model_name: str = ""
    suffix: str = ""
    replicas: str = "1"
    hours: str = "1"
    eval_dataset: str = ""


@dataclass(frozen=True)
class Form:
    """The form with all that is known around it.

    Attributes:
        offer: the platform's description of what can be tuned, and how.
        data: what was found under the names of datasets.
        paces: seconds of a step in earlier runs here, by model.
        from_sandbox: it would train in the sandbox.
    """

    draft: Draft = field(default_factory=Draft)
    offer: tuple[wire.SupportedModel, ...] = field(default=(), repr=False)
    data: Mapping[str, Data] = field(default_factory=dict, repr=False)
    paces: Mapping[str, float] = field(default_factory=dict)
    from_sandbox: bool = False

    def choosing(self, **changes: Any) -> Self:
        """Return the form after a change; another way of tuning brings its own defaults.

        What was typed differently from the old default stays.
        """
        before = {row.key: initial(row) for row in self.parameters}
        typed = {key: value for key, value in self.draft.values.items() if value != before.get(key)}
        draft = Draft(**{**self.draft.model_dump(), **changes})
        form = replace(self, draft=draft)
        if not changes.keys() & {"model", "mode", "scale"}:
            return form
        mode = draft.mode if draft.mode in form.modes else form.modes[0]
        form = replace(form, draft=draft.model_copy(update={"mode": mode}))
        scale = next((name for name in (draft.scale, "LoRA") if name in form.scales), form.scales[0])
        form = replace(form, draft=form.draft.model_copy(update={"scale": scale}))
        values = {row.key: typed.get(row.key, initial(row)) for row in form.parameters}
        return replace(form, draft=form.draft.model_copy(update={"values": values}))

    def holding(self, draft: Draft) -> Self:
        """Return the form with another draft, without hyper-parameters that its model does not have."""
        form = replace(self, draft=draft)
        values = {row.key: draft.values.get(row.key, "") for row in form.parameters}
        return replace(form, draft=draft.model_copy(update={"values": values}))

    @property
    def listed(self) -> wire.SupportedModel | None:
        """The platform's description of the model, None when it does not list it."""
        return configs.listed(configs.platform_name(self.draft.model.strip()), self.offer)

    @property
    def modes(self) -> list[str]:
        """The train modes of the model."""
        found = self.listed
        return [row.train_mode for row in found.support_train_mode] if found else [*MODES]

    @property
    def scales(self) -> list[str]:
        """The ways of tuning that the train mode has."""
        if (found := self.listed) is None:
            return [*dict.fromkeys(PEFT_TYPES.values())]
        return [row.parameter_scale for row in configs.scales(found, self.draft.mode)] or [self.draft.scale]

    @property
    def parameters(self) -> list[wire.SupportedParameter]:
        """The hyper-parameters of the way of tuning; of a model that is not listed, those with a field."""
        if (found := self.listed) is None:
            return _UNLISTED
        rows = configs.scales(found, self.draft.mode)
        own = [row for row in rows if row.parameter_scale == self.draft.scale]
        return own[0].support_hyper_parameter_config if own else []

    @property
    def issues(self) -> dict[str, str]:
        """What is wrong, by field; a form with any cannot be launched."""
        draft = self.draft
        rules: dict[str, Callable[[], object]] = {
            "model": self._model,
            "mode": self._mode,
            "scale": lambda: self._checked({}),
            "held_out": lambda: TrainConfig(trainset_rate=number(draft.held_out, "int", "held_out")),
            "dataset": lambda: self._data(draft.dataset, draft.mode),
        }
        if draft.after in {"deploy", "evaluate"}:
            rules["suffix"] = lambda: DeployConfig(endpoint_suffix=draft.suffix.strip())
            rules["replicas"] = lambda: DeployConfig(replicas=number(draft.replicas, "int", "replicas"))
            rules["hours"] = lambda: DeployConfig(hours=number(draft.hours, "int", "hours"))
        if draft.after == "evaluate":
            rules["eval_dataset"] = lambda: self._data(draft.eval_dataset, wire.SFT)
        found = {key: flaw for key, rule in rules.items() if (flaw := _flaw(rule))}
        if found.keys() & {"model", "mode", "scale"}:
            return found
        wrong = {row.key: _flaw(partial(self._parameter, row)) for row in self.parameters}
        unknown = {key: value for key, value in draft.values.items() if key not in wrong and value}
        if flaw := _flaw(lambda: self._checked(unknown)):
            wrong["others"] = flaw
        return found | {key: flaw for key, flaw in wrong.items() if flaw}

    @property
    def warnings(self) -> dict[str, str]:
        """What is worth a second look, by field; it can be launched all the same."""
        draft, found = self.draft, {}
        if self.offer and not self.listed and draft.model.strip():
            found["model"] = (
                "不在平台可调优模型之列，将照常尝试 / not listed by the platform; it is tried all the same"
            )
        length, data = self.hyper_parameters().get("maxSeqLen"), self.data.get(draft.dataset)
        if data and isinstance(length, int) and (long := data.longer_than(length)):
            found["dataset"] = (
                f"过长 {long:,} rows have more than maxSeqLen={length:,} tokens: they are cut off"
            )
        if draft.after == "evaluate" and draft.eval_dataset == draft.dataset:
            found["eval_dataset"] = "与训练数据相同 / the rows that it is trained on: the score says little"
        return found

    def read(self, row: wire.SupportedParameter) -> dict[str, Any]:
        """Return a hyper-parameter as what the platform wants, nothing when it is left to the platform.

        Raises:
            InvalidArgumentError: it is not of its type.
        """
        raw = self.draft.values.get(row.key, "")
        if raw in ("", None, [], ()):
            return {}
        return {row.key: number(raw, row.type, to_snake(row.key)) if isinstance(raw, str) else raw}

    def hyper_parameters(self) -> dict[str, Any]:
        """Return those that can be read, under the platform's keys."""
        found: dict[str, Any] = {}
        for row in self.parameters:
            with contextlib.suppress(InvalidArgumentError):
                found |= self.read(row)
        return found

    def train_settings(self) -> dict[str, Any]:
        """Return what `TrainConfig` takes."""
        values = self.hyper_parameters()
        own = {name: values.pop(key) for name, key in _OWN.items() if key in values}
        rate = number(self.draft.held_out, "int", "held_out")
        return {
            **own, "peft_type": self.draft.scale, "trainset_rate": rate,
            **({"extras": values} if values else {}),
        }  # fmt: skip

    def _model(self) -> None:
        if not self.draft.model.strip():
            raise InvalidArgumentError("请选择模型 choose a model")

    def _mode(self) -> None:
        if self.draft.mode not in MODES:
            raise InvalidArgumentError(
                f"qfnb 无此训练方式 has no trainer for {self.draft.mode}: {', '.join(MODES)}"
            )

    def _checked(self, values: dict[str, Any]) -> None:
        """Check some hyper-parameters by themselves."""
        own = {name: values[key] for name, key in _OWN.items() if key in values}
        rest = {key: value for key, value in values.items() if key not in _OWN.values()}
        config = TrainConfig(**own, peft_type=self.draft.scale, extras=rest or None)
        if self.listed:
            configs.check(self.draft.model.strip(), config, self.offer, self.draft.mode)

    def _parameter(self, row: wire.SupportedParameter) -> None:
        self._checked(self.read(row))

    def _data(self, source: str, mode: str) -> None:
        if not source.strip():
            raise InvalidArgumentError("请选择数据集 choose a dataset: a variable, a file, or ds-...")
        if (data := self.data.get(source)) is None:
            raise InvalidArgumentError("正在读取 reading…")
        suits(data, mode)


_OWN = {name: configs.key_of(name) for name in OWN}


def number(raw: str, kind: str, name: str) -> Any:
    """Return what was typed as a value of the platform's type; a text stays one.

    Raises:
        InvalidArgumentError: it is none.
    """
    if kind == "boolean" and raw.strip().lower() in {"true", "false"}:
        return raw.strip().lower() == "true"
    if kind not in {*_READ, "boolean"}:
        return raw
    try:
        return _READ[kind](raw.strip())
    except (KeyError, ValueError):
        raise InvalidArgumentError(f"{name}={raw!r}: {_WORDS[kind]}") from None


def initial(row: wire.SupportedParameter) -> Any:
    """Return the default as it stands in its field: a text where one types, the value where one chooses."""
    if row.default is None:
        return [] if row.check_type == "mult_choice" else ""
    return row.default if row.check_type in CHOSEN else json.dumps(row.default).strip('"')


def _flaw(rule: Callable[[], object]) -> str:
    try:
        rule()
    except InvalidArgumentError as error:
        return str(error).split("\n")[0]
    return ""
