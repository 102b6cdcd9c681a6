"""Services of one's own that a line names: by endpoint, by name, or by a variable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..base.language import tr
from ..base.text import clip, did_you_mean
from ..errors import InvalidArgumentError, QianfanError
from ..wire import catalog
from .parser import quote_word, user_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..wire.service_v2 import ServiceDetail

ENDPOINT: Final = re.compile(r"[0-9a-z]{8}_\w+")
"""The endpoint of a service of one's own."""


MAX_NAMES_CHARS: Final = 300
MAX_SERVICES: Final = 100  # of which a name is looked for, and what a list has at most


def resolve_endpoint(shell: Any, name: str | None) -> str | None:
    """Return the endpoint that a word names.

    Args:
        shell: whose variables are looked at; None on the command line.
        name: an endpoint, its suffix, a service's name or id, a training's name or id, or a
            variable that holds a service, a trainer or one of these words.

    Raises:
        InvalidArgumentError: the variable holds something else, the training has no service, or
            nothing has the name.
    """
    value = user_variables(shell).get(name or "", name)
    if value is None:
        return None
    if isinstance(value, str):
        is_known = ENDPOINT.fullmatch(value) or catalog.find_model(None, value)
        if is_known:
            return value
        return _find_of_training(shell, value) or _find_endpoint(value)
    from ..trainer.progress import TrainingProgress  # noqa: PLC0415 - %load_ext stays fast

    if isinstance(progress := getattr(value, "progress", None), TrainingProgress):
        return progress.service_endpoint or _refuse_undeployed(str(name))
    attribute = getattr(value, "endpoint", None)
    if not isinstance(attribute, str):
        raise InvalidArgumentError(
            tr(
                "-e {name}: the variable holds a {kind}, not a service",
                name=name,
                kind=type(value).__name__,
            )
        )
    return attribute


def find_service(shell: Any, name: str) -> str:
    """Return the endpoint of the service that a word in the place of a model names: a variable's or
    a training's; "" for a model's name.

    Raises:
        InvalidArgumentError: the training has no service; ends in the cell that deploys it.
    """
    value = user_variables(shell).get(name)
    if hasattr(value, "progress") or isinstance(getattr(value, "endpoint", None), str):
        return resolve_endpoint(shell, name) or ""
    if catalog.find_model(None, name):
        return ""
    return _find_of_training(shell, name) or ""


def _find_of_training(shell: Any, name: str) -> str | None:
    """Return the endpoint of the service of a training, None where no training has the name.

    Raises:
        InvalidArgumentError: it has none, and no service has this name; ends in the cell that
            deploys it.
    """
    from .trainings import find_endpoint  # noqa: PLC0415 - %load_ext stays fast

    endpoint = find_endpoint(shell, name)
    if endpoint == "":
        return _refuse_undeployed(name)
    return endpoint


def _refuse_undeployed(name: str) -> NoReturn:
    text = tr("-e {name}: this training's model is not deployed yet", name=name)
    raise InvalidArgumentError(f"{text}\n%qftrain deploy {quote_word(name)}")


def _find_endpoint(name: str) -> str:
    """Return the endpoint of the newest service that a word names; the word where the platform does
    not tell.

    Raises:
        InvalidArgumentError: the account has no such service; names those it has.
    """
    from ..resources.management.service import Service  # noqa: PLC0415

    try:
        page = Service.V2.service_list(max_keys=MAX_SERVICES).data
    except QianfanError:
        return name
    rows = page.service_list
    is_cut = page.page_info and page.page_info.is_truncated
    if endpoint := _newest(rows, name):
        return endpoint
    if is_cut:
        return name
    names = list(dict.fromkeys(row.name for row in rows))
    if not names:
        raise InvalidArgumentError(
            tr("-e {name}: this account has no service; -m asks a model", name=name)
        )
    raise InvalidArgumentError(
        tr(
            "-e {name}: no service of this account has this name{hint}\nIts services: {names}",
            name=name,
            hint=did_you_mean(name, names),
            names=clip(tr(", ").join(names), MAX_NAMES_CHARS),
        )
    )


def _newest(rows: Sequence[ServiceDetail], name: str) -> str:
    """Return the endpoint of the newest of the services that a word names, "" where there is
    none.
    """
    matches = [
        row for row in rows if name in {row.name, row.endpoint, row.service_id, _suffix(row)}
    ]
    if matches:
        return max(matches, key=lambda row: row.create_time or "").endpoint
    return ""


def _suffix(row: ServiceDetail) -> str:
    """Return the part of an endpoint that a person chose, `bike1` of `ab12cd34_bike1`."""
    if ENDPOINT.fullmatch(row.endpoint):
        return row.endpoint.partition("_")[2]
    return ""
