"""The models that the sandbox tunes, with the platform's ranges: the table behind SupportModels.

The older models have the ranges that the official SDK carried last (0.4.0), the ERNIE models also
what the platform answered for ERNIE-Speed-8K in 2024, as a notebook of the SDK shows; those of
today have the platform's table of 2025-09-15 for ERNIE-Lite-8K-0308. Which models are tuned today,
and the hyper-parameters of DPO and KTO, were not
established: they are a guess. The platform's own list changes without notice.
"""

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qfnb.wire import finetune as wire
from qfnb.wire.base import JsonMapping, JsonObject

from ..engines.builtin.engine import IMITATED_PARAMETERS, training_seconds
from .worker import PARAMETERS, PREFERENCE_LOSSES

Parameter = JsonObject
"""A hyper-parameter as the platform handles it: key, name, type, allowed values and default."""

_TABLE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""keys: name, description and type of each; parameters: key, kind of check, allowed values and
default, by set; models: the set of each train mode and parameter scale; those with `preferences`
have DPO and KTO, with `beta`.
"""


def _to_wire(model: JsonObject) -> JsonObject:
    """Return a model as the platform lists it."""
    modes = []
    for mode in (wire.SFT, wire.POST_PRETRAIN):
        if mode in model:
            scales = _scales(model[mode], [])
            modes.append({"trainMode": mode, "supportParameterScale": scales})
    if model["preferences"]:
        for mode in (wire.DPO, wire.KTO):
            scales = _scales(model[wire.SFT], [_TABLE["beta"]])
            modes.append({"trainMode": mode, "supportParameterScale": scales})
    return {
        "model": model["model"],
        "modelType": "text2text",
        "baseModel": model["baseModel"],
        "supportTrainMode": modes,
    }


def _scales(sets: JsonMapping, further_rows: list[Any]) -> list[JsonObject]:
    """Return the parameter scales of a train mode.

    Args:
        sets: the name of each scale's set of hyper-parameters.
        further_rows: hyper-parameters that all of them have besides.
    """
    scales = []
    for scale, name in sets.items():
        rows = _TABLE["parameters"][name] + further_rows
        parameters = [_parameter(*row) for row in rows]
        scales.append({"parameterScale": scale, "supportHyperParameterConfig": parameters})
    return scales


def _parameter(key: str, check: str, allowed: list[Any], default: Any) -> Parameter:
    """Return a hyper-parameter; one that is not imitated says so, which is an extension."""
    name, description, type_ = _TABLE["keys"][key]
    row = {
        "key": key,
        "name": name,
        "description": description,
        "type": type_,
        "checkType": check,
        "checkValue": allowed,
        "default": default,
    }
    if key not in IMITATED_PARAMETERS | PARAMETERS:
        row["sandbox"] = {"hasEffect": False}
    return row


WIRE_MODELS: list[JsonObject] = [_to_wire(model) for model in _TABLE["models"]]

TODAY_MODELS = WIRE_MODELS[:3]
"""The offer of a strict sandbox."""

V1_LIMITS: dict[str, tuple[float, float]] = {
    "epoch": (1, 50),
    "learningRate": (1e-10, 0.1),
    "batchSize": (1, 960),
    "maxSeqLen": (512, 32768),
}
"""Lowest and highest values in v1: wider than v2's, which would refuse those of seed 002."""


def with_extensions(models: Iterable[JsonObject]) -> list[JsonObject]:
    """Return models whose train modes say `sandbox: {seconds: ...}`, those of a training on this
    computer.
    """
    extended = copy.deepcopy([*models])
    for model in extended:
        for mode in model["supportTrainMode"]:
            seconds = training_seconds(preferences=mode["trainMode"] in PREFERENCE_LOSSES)
            mode["sandbox"] = {"seconds": seconds}
    return extended


def find_model(model: str) -> JsonObject | None:
    """Return a model by its name or by a train type of v1, None if it cannot be tuned here."""
    name = wire.TRAIN_TYPES.get(model.lower(), model).lower()
    for row in WIRE_MODELS:
        if row["model"].lower() == name:
            return row
    return None


def find_parameters(model: str, mode: str, scale: str) -> list[Parameter] | None:
    """Return the hyper-parameters of a model in a train mode and a parameter scale, None if it has
    none.

    Args:
        model: the model's name.
        mode: the train mode, e.g. `SFT`.
        scale: the parameter scale, e.g. `LoRA`.
    """
    row = find_model(model) or {"supportTrainMode": []}
    for train_mode in row["supportTrainMode"]:
        for entry in train_mode["supportParameterScale"]:
            if (train_mode["trainMode"], entry["parameterScale"]) == (mode, scale):
                return list(entry["supportHyperParameterConfig"])
    return None


def default_values(parameters: Iterable[Parameter]) -> JsonObject:
    """Return the default of each hyper-parameter."""
    return {row["key"]: row["default"] for row in parameters}


def is_valid_value(parameter: Parameter, value: Any) -> bool:
    """Return whether a hyper-parameter may have a value."""
    allowed = parameter["checkValue"]
    is_bool = isinstance(value, bool)
    if parameter["checkType"] == "mult_choice":
        return isinstance(value, list) and bool(value) and all(item in allowed for item in value)
    if parameter["checkType"] == "choice":
        if parameter["type"] == "string" and is_bool:
            value = str(value)
            is_bool = False
        return any(value == item and is_bool == isinstance(item, bool) for item in allowed)
    if is_bool or not isinstance(value, (int, float)):
        return False
    is_whole = parameter["type"] != "int" or value == int(value)
    return is_whole and bool(allowed[0] <= value <= allowed[1])
