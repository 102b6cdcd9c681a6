"""The platform's offer of fine-tuning: models, train modes, ranges; read from the platform, and
never required.
"""

import logging
import time
from typing import Final

from .. import connect
from .._notices import warn_once
from ..base.language import tr
from ..errors import APIError, RequestError
from ..resources.management.finetune import FineTune
from ..wire import finetune as wire
from .configs import (
    TrainConfig,
    compare_with_offer,
    describe_ignored_values,
    find_supported_model,
    with_offered_scale,
)

MAX_AGE_S: Final = 3600.0
"""Seconds for which an offer is used again."""

DEFAULT_MODEL: Final = "ERNIE-4.5-Turbo-128K"
"""A model that is offered for tuning and answers today; the seeds name ERNIE-Speed-8K, which ended
on 2026-01-27.
"""

Offer = tuple[wire.SupportedModel, ...]

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
        fitted = with_offered_scale(train_type, config, offer, mode)
        differences = compare_with_offer(train_type, fitted, offer, mode)
        if not differences:
            if text := describe_ignored_values(train_type, fitted, offer, mode):
                warn_once(text)
            return fitted
    text = tr("; ").join(differences)
    warn_once(tr("{differences} (sent all the same: the platform decides)", differences=text))
    return fitted
