"""The platform's offer of fine-tuning: models, train modes, ranges; read from the platform, and
never required.
"""

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic.alias_generators import to_snake

from .. import connect
from .._notices import warn_once
from ..base.language import tr, tr_noop
from ..base.text import clip, did_you_mean, labelled, listed, nearest_names
from ..errors import APIError, InvalidArgumentError, RequestError
from ..resources.management.finetune import FineTune
from ..wire import finetune as wire
from .configs import TrainConfig, config_of, resolve_train_type

MAX_AGE_S: Final = 3600.0
"""Seconds for which an offer is used again."""

DEFAULT_MODEL: Final = "ERNIE-4.5-Turbo-128K"
"""A model that is offered for tuning and answers today; the seeds name ERNIE-Speed-8K, which ended
on 2026-01-27.
"""

Offer = Sequence[wire.SupportedModel]
"""The platform's models with their train modes and ranges."""

log = logging.getLogger("qfnb.trainer")

_offers: dict[str, tuple[float, Offer]] = {}


def read_offer(*, max_age_s: float = MAX_AGE_S, must_answer: bool = False) -> Offer:
    """Return the models that can be tuned; () where the platform does not tell, and has not told
    before.

    Args:
        max_age_s: seconds for which an earlier answer is used, default an hour; 0 to ask again.
        must_answer: raise where the platform cannot be reached.

    Raises:
        RequestError: it cannot be reached, and `must_answer` is set.
    """
    host = connect.current_platform().host
    read_at, offer = _offers.get(host, (-MAX_AGE_S, ()))
    if offer and time.monotonic() - read_at < max_age_s:
        return offer
    try:
        offer = tuple(FineTune.V2.supported_models().data)
    except (RequestError, APIError) as error:
        if must_answer and isinstance(error, RequestError):
            raise
        reason = str(error).split("\n")[0]
        log.warning(tr("the models that can be tuned could not be read: {reason}", reason=reason))
        return offer
    _offers[host] = time.monotonic(), offer
    return offer


def default_model() -> str:
    """Return the model that is tuned where none is named: DEFAULT_MODEL, or the first one if it is
    not offered.
    """
    offer = read_offer()
    if not offer or find_supported_model(DEFAULT_MODEL, offer):
        return DEFAULT_MODEL
    return offer[0].model


def cached_model_names() -> list[str]:
    """Return the models of the offers that were read in this process; nothing is asked."""
    return list(dict.fromkeys(row.model for _, offer in _offers.values() for row in offer))


def find_supported_model(train_type: str, offer: Offer) -> wire.SupportedModel | None:
    """Return the platform's description of a model, None where it is not listed."""
    name = resolve_train_type(train_type).lower()
    return next((row for row in offer if row.model.lower() == name), None)


def supported_scales(model: wire.SupportedModel | None, mode: str) -> list[wire.SupportedScale]:
    """Return the parameter scales (LoRA, ...) of a model in a train mode; none of a model that is
    not listed.
    """
    for row in model.support_train_mode if model else ():
        if row.train_mode == mode:
            return row.support_parameter_scale
    return []


def find_scale(scales: Iterable[wire.SupportedScale], name: str) -> wire.SupportedScale | None:
    """Return the parameter scale of a name, None where it is not offered."""
    return next((row for row in scales if row.parameter_scale == name), None)


def fit_to_offer(train_type: str, config: TrainConfig, mode: str) -> TrainConfig:
    """Return a config, with the parameter scale that the offer has where none is named.

    What the offer does not have is warned of in one line, and the platform judges it; before that,
    the offer is read anew.

    Args:
        train_type: the model to tune.
        config: the hyper-parameters.
        mode: SFT, PostPretrain, DPO or KTO.

    Raises:
        InvalidArgumentError: names the hyper-parameter that has another type, and its value.
    """
    for max_age_s in (MAX_AGE_S, 0.0):
        offer = read_offer(max_age_s=max_age_s)
        fitted = _with_offered_scale(train_type, config, offer, mode)
        differences = compare_with_offer(train_type, fitted, offer, mode)
        if not differences:
            if text := describe_ignored_values(train_type, fitted, offer, mode):
                warn_once(text)
            return fitted
    text = tr("; ").join(differences)
    warn_once(tr("{differences} (sent all the same: the platform decides)", differences=text))
    return fitted


def list_differences(train_type: str, config: TrainConfig, mode: str) -> list[str]:
    """Return what a training asks for that the offer does not have; arguments as for
    `fit_to_offer`.
    """
    offer = read_offer()
    return compare_with_offer(
        train_type, _with_offered_scale(train_type, config, offer, mode), offer, mode
    )


def _with_offered_scale(
    train_type: str, config: TrainConfig, offer: Offer, mode: str
) -> TrainConfig:
    """Return the config; one without a `peft_type` gets the first that the train mode offers, if
    LoRA is not offered.
    """
    scales = supported_scales(find_supported_model(train_type, offer), mode)
    names = [row.parameter_scale for row in scales]
    if not names and mode == wire.POST_PRETRAIN:
        names = [wire.FULL]  # the only scale of this mode, also for models that are not listed
    if config.peft_type is not None or not names or wire.LORA in names:
        return config
    return TrainConfig(**{**config.model_dump(), "peft_type": names[0]})


def compare_with_offer(train_type: str, config: TrainConfig, offer: Offer, mode: str) -> list[str]:
    """Return the parts of a config that the platform's list does not have, one sentence each; a
    list may be too old to know them.

    Args:
        train_type: the model to tune.
        config: the hyper-parameters.
        offer: the platform's list.
        mode: SFT, PostPretrain, DPO or KTO.

    Raises:
        InvalidArgumentError: a value has another type than the hyper-parameter.
    """
    if not offer:
        return []
    name = resolve_train_type(train_type)
    model = find_supported_model(name, offer)
    if model is None:
        text = tr(
            "{model} is not among the {n} models that can be tuned; "
            "the nearest names: {names} (all of them: LLMFinetune.train_type_list())",
            model=name,
            n=len(offer),
            names=listed(nearest_names(name, [row.model for row in offer])),
        )
        return [text]
    scales = supported_scales(model, mode)
    if not scales:
        modes = listed(row.train_mode for row in model.support_train_mode)
        text = tr(
            "{model} has no train mode {mode}: it has {modes}", model=name, mode=mode, modes=modes
        )
        return [text]
    scale = find_scale(scales, config.parameter_scale)
    if scale is None:
        text = tr(
            "{model} cannot be tuned with {scale}: {mode} offers {scales}",
            model=name,
            scale=config.parameter_scale,
            mode=mode,
            scales=listed(row.parameter_scale for row in scales),
        )
        return [text]
    label = f"{name} {config.parameter_scale}"
    rows = {row.key: row for row in scale.support_hyper_parameter_config}
    texts = []
    for key, value in config.hyper_parameters().items():
        if key not in rows:
            texts.append(_unknown_parameter(label, to_snake(key), [*map(to_snake, rows)]))
            continue
        field = f"{to_snake(key)}={value!r}"
        validate_type(field, value, rows[key], label)
        if text := describe_difference(value, rows[key]):
            texts.append(labelled(f"{label}, {to_snake(key)}", text))
    return texts


def _unknown_parameter(label: str, name: str, names: list[str]) -> str:
    if hint := did_you_mean(name, names):
        return tr("{model} has no hyper-parameter {name}", model=label, name=name) + hint
    return tr(
        "{model} has no hyper-parameter {name}: it has {names}",
        model=label,
        name=name,
        names=listed(names),
    )


_TYPE_WORDS: Final[Mapping[str, str]] = {
    "int": tr_noop("a whole number"),
    "float": tr_noop("a finite number"),
    "boolean": tr_noop("True or False"),
    "string": tr_noop("a text"),
}


def validate_type(field: str, value: Any, row: wire.SupportedParameter, label: str) -> None:
    """Raise unless a value has the type of a hyper-parameter; a type that is not known has any."""
    if row.check_type == "mult_choice" or row.type not in _TYPE_WORDS:
        return
    if row.type == "string":
        # the choices "True" and "False" are written as booleans, too
        is_right = isinstance(value, (str, bool))
    elif row.type == "boolean":
        is_right = isinstance(value, bool) or value in {"True", "False", "true", "false"}
    else:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        is_right = is_number and math.isfinite(value) and (row.type == "float" or value % 1 == 0)
    if not is_right:
        raise InvalidArgumentError(
            tr(
                "{field} has the wrong type for {model}: it is {kind}",
                field=field,
                model=label,
                kind=tr(_TYPE_WORDS[row.type]),
            )
        )


def describe_difference(value: Any, row: wire.SupportedParameter) -> str:
    """Return how a hyper-parameter leaves the platform's list, "" where it does not."""
    if row.check_type == "range" and len(row.check_value) == 2 and isinstance(value, (int, float)):
        return describe_range(value, *row.check_value)
    values = value if isinstance(value, list) else [value]
    if not row.check_value or all(item in row.check_value for item in values):
        return ""
    return tr(
        "{value} is not offered: choose one of {allowed}.",
        value=clip(listed(values), 40),
        allowed=listed(map(plain_number, row.check_value)),
    )


def describe_range(value: float, low: float, high: float | None) -> str:
    """Return how a number leaves a range, "" where it does not; NaN is below everything."""
    texts = {"value": plain_number(value), "low": plain_number(low), "high": plain_number(high)}
    if high is not None and value > high:
        return tr("{value} is too large: {low} to {high} is allowed.", **texts)
    if value >= low:
        return ""
    if high is None:
        return tr("{value} is too small: {low} or more is allowed.", **texts)
    return tr("{value} is too small: {low} to {high} is allowed.", **texts)


def plain_number(value: object) -> str:
    """Return a number without an exponent: 0.00003."""
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".")
    return str(value)


def ignored_parameters(
    train_type: str, config: TrainConfig, offer: Offer, mode: str
) -> list[wire.SupportedParameter]:
    """Return the hyper-parameters of a config's scale that the sandbox does not imitate; none on
    the platform.

    The arguments are those of `compare_with_offer`.
    """
    scales = supported_scales(find_supported_model(train_type, offer), mode)
    scale = find_scale(scales, config.parameter_scale)
    if scale is None:
        return []
    return [row for row in scale.support_hyper_parameter_config if not row.has_effect]


def describe_ignored_values(train_type: str, config: TrainConfig, offer: Offer, mode: str) -> str:
    """Return a sentence about the values of a config, other than defaults, that the sandbox does
    not imitate, or "".

    The arguments are those of `compare_with_offer`.
    """
    values = config.hyper_parameters()
    rows = ignored_parameters(train_type, config, offer, mode)
    names = [to_snake(row.key) for row in rows if values.get(row.key, row.default) != row.default]
    if names:
        return describe_ignored(names)
    return ""


def describe_ignored(names: Iterable[str]) -> str:
    """Return a sentence about hyper-parameters that the sandbox does not imitate."""
    return tr("the sandbox does not imitate {names}: no effect here", names=listed(names))


def default_config(train_type: str, mode: str) -> TrainConfig:
    """Return the platform's defaults for a model and a train mode, those of LoRA where it is
    offered.

    Args:
        train_type: the model to tune.
        mode: SFT, PostPretrain, DPO or KTO.

    Raises:
        InvalidArgumentError: the platform does not list the model, or not with this mode.
    """
    offer = read_offer()
    scales = supported_scales(find_supported_model(train_type, offer), mode)
    if not scales:
        raise InvalidArgumentError(
            tr(
                "{model} has no defaults for {mode}: the platform lists {names}",
                model=repr(train_type),
                mode=mode,
                names=listed(row.model for row in offer),
            )
        )
    scale = find_scale(scales, wire.LORA) or scales[0]
    rows = scale.support_hyper_parameter_config
    values = {row.key: row.default for row in rows if row.default is not None}
    return config_of(values, peft_type=scale.parameter_scale)
