"""Services of one's own that a line names: by endpoint, by name, or by a variable."""

import re
from typing import Any, Final

from .._language import tr
from ..errors import InvalidArgumentError, QianfanError
from .parser import user_variables

ENDPOINT: Final = re.compile(r"[0-9a-z]{8}_\w+")
"""The endpoint of a service of one's own."""


def resolve_endpoint(shell: Any, name: str | None) -> str | None:
    """Return an endpoint from its name, its service's, or a variable that holds a service, a trainer or a string."""
    value = user_variables(shell).get(name or "", name)
    if value is None or isinstance(value, str):
        service = find_service(value) if value and not ENDPOINT.fullmatch(value) else None
        return service.endpoint if service is not None else value
    from ..evaluation.samples import trained_model  # noqa: PLC0415 - %load_ext stays fast

    attribute = getattr(trained_model(value), "endpoint", None)
    if not isinstance(attribute, str):
        raise InvalidArgumentError(
            tr("-e {name}: the variable holds a {kind}, not a service", name=name, kind=type(value).__name__)
        )
    return attribute


def find_service(name: str) -> Any:
    """Return the newest service of one's own with a name; None where there is none, or the platform does not tell."""
    from ..model import Service  # noqa: PLC0415
    from ..resources.management.service import Service as Services  # noqa: PLC0415

    try:
        rows = Services.V2.service_list(name=name, max_keys=100).data.service_list
        newest = max((row for row in rows if row.name == name), key=lambda row: row.create_time or "", default=None)
        if newest is None:
            return None
        service = Service(newest.service_id, name=name)
        service.get_res()  # reads its endpoint
    except QianfanError:
        return None
    return service
