"""Deployed services on the platform (the API group; the object with a life is `qfnb.model.Service`)."""

from __future__ import annotations

from collections.abc import Sequence

from ..wire import service as wire
from .operation import operation


class Service:
    """Deploy models and look at services. Source: API pages of /v2/service; seed 002 for `list`."""

    @operation(wire.LIST)
    def list(api_types: Sequence[str] | None = None) -> wire.ListServices:
        """Return preset services and the user's own."""
        return wire.ListServices(api_typefilter=[*api_types] if api_types else None)

    class V2:
        """Deploy and describe services. Source: API pages of /v2/service."""

        @operation(wire.CREATE)
        def create_service(
            model_set_id: str,
            model_id: str,
            name: str,
            url_suffix: str,
            *,
            replicas: int = 1,
            resource_type: str = "GPU-I-2",
            hours: int = 1,
            description: str | None = None,
        ) -> wire.CreateService:
            """Deploy a model version, paid for `hours` in advance; returns `service_id`."""
            reservation = wire.Reservation(reservation_length=hours)
            return wire.CreateService(
                model_set_id=model_set_id,
                model_id=model_id,
                name=name,
                url_suffix=url_suffix,
                resource_config=wire.ResourceConfig(type=resource_type, replicas_count=replicas),
                billing=wire.Billing(reservation=reservation),
                description=description,
            )

        @operation(wire.DESCRIBE)
        def service_detail(service_id: str) -> wire.ServiceRef:
            """Return a service's state and address."""
            return wire.ServiceRef(service_id=service_id)
