"""Services of one's own that a line names: by endpoint, by name, or by a variable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from .._language import tr
from .._text import clip, did_you_mean
from ..errors import InvalidArgumentError, QianfanError
from ..wire import catalog
from .parser import user_variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..wire.service_v2 import ServiceDetail

ENDPOINT: Final = re.compile(r"[0-9a-z]{8}_\w+")
"""The endpoint of a service of one's own."""


MAX_NAMES_CHARS: Final = 300
MAX_SERVICES: Final = 100  # of which a name is looked for, and what a list has at most


def resolve_endpoint(shell: Any, name: str | None) -> str | None:
    """Return an endpoint from its name, its service's, or a variable that holds a service, a trainer or a string.

    Raises:
        InvalidArgumentError: the variable holds something else, or no service of the account has the name.
    """
    value = user_variables(shell).get(name or "", name)
    if value is None:
        return None
    if isinstance(value, str):
        return value if ENDPOINT.fullmatch(value) or catalog.find_model(None, value) else _find_endpoint(value)
    from ..evaluation.samples import trained_model  # noqa: PLC0415 - %load_ext stays fast

    attribute = getattr(trained_model(value), "endpoint", None)
    if not isinstance(attribute, str):
        raise InvalidArgumentError(
            tr("-e {name}: the variable holds a {kind}, not a service", name=name, kind=type(value).__name__)
        )
    return attribute


def _find_endpoint(name: str) -> str:
    """Return the endpoint of the newest service of the account with a name; the name where the platform does not tell.

    Raises:
        InvalidArgumentError: the account has no such service; names those it has.
    """
    from ..resources.management.service import Service  # noqa: PLC0415

    try:
        page = Service.V2.service_list(max_keys=MAX_SERVICES).data
        rows = page.service_list
        if not any(name in {row.name, row.endpoint} for row in rows) and page.page_info and page.page_info.is_truncated:
            return _newest(Service.V2.service_list(name=name, max_keys=MAX_SERVICES).data.service_list, name) or name
    except QianfanError:
        return name
    if endpoint := _newest(rows, name):
        return endpoint
    names = list(dict.fromkeys(row.name for row in rows))
    if not names:
        raise InvalidArgumentError(tr("-e {name}: this account has no service; -m asks a model", name=name))
    raise InvalidArgumentError(
        tr(
            "-e {name}: no service of this account has this name{hint}\nIts services: {names}",
            name=name,
            hint=did_you_mean(name, names),
            names=clip(tr(", ").join(names), MAX_NAMES_CHARS),
        )
    )


def _newest(rows: Sequence[ServiceDetail], name: str) -> str:
    """Return the endpoint of the newest of the services with a name or an endpoint, "" where there is none."""
    matches = [row for row in rows if name in {row.name, row.endpoint}]
    return max(matches, key=lambda row: row.create_time or "").endpoint if matches else ""
