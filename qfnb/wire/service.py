"""Deployed services, console v2 (`/v2/service?Action=`), and the list of what can be called (console v1)."""

from __future__ import annotations

from typing import Any

from .base import ConsoleRecord, Endpoint

NEW, DEPLOYING, SERVING, FAILED, STOPPED = "New", "Deploying", "Serving", "Failed", "Stopped"
"""Values of runStatus."""


class ResourceConfig(ConsoleRecord):
    """Replicas decide the queries per second that a service carries."""

    type: str = "GPU-I-2"
    replicas_count: int = 1
    qps: float | None = None


class Reservation(ConsoleRecord):
    """How long is paid for in advance."""

    reservation_time_unit: str = "Hour"
    reservation_length: int = 1


class Billing(ConsoleRecord):
    """Prepaid (with a reservation) or Postpaid."""

    payment_timing: str = "Prepaid"
    reservation: Reservation | None = None


class CreateService(ConsoleRecord):
    """Deploy a model version; the callable endpoint ends in `url_suffix`."""

    model_set_id: str
    model_id: str
    name: str
    url_suffix: str
    resource_config: ResourceConfig
    billing: Billing
    description: str | None = None


class ServiceCreated(ConsoleRecord):
    """`service_id` is `svco-...`."""

    service_id: str
    instance_id: str | None = None


class ServiceRef(ConsoleRecord):
    """Which service."""

    service_id: str


class ServiceDetail(ConsoleRecord):
    """A service; the last segment of `url` is what `endpoint=` takes."""

    service_id: str = ""
    model_id: str = ""
    model_version_id: str = ""
    name: str = ""
    url: str = ""
    service_type: str = "chat"
    run_status: str = ""
    create_time: str | None = None

    @property
    def endpoint(self) -> str:
        """What `endpoint=` takes."""
        return self.url.rstrip("/").rsplit("/", 1)[-1]


class ListServices(ConsoleRecord):
    """Which kinds of service to list; all when absent."""

    api_typefilter: list[str] | None = None


class ServiceList(ConsoleRecord):
    """Preset services and the user's own."""

    common: list[dict[str, Any]] = []
    custom: list[dict[str, Any]] = []


CREATE = Endpoint(
    "service.create",
    "/v2/service",
    CreateService,
    ServiceCreated,
    plane="console",
    action="CreateService",
    repeatable=False,
)
DESCRIBE = Endpoint(
    "service.describe", "/v2/service", ServiceRef, ServiceDetail, plane="console", action="DescribeService"
)
LIST = Endpoint("service.list", "/wenxinworkshop/service/list", ListServices, ServiceList, plane="console")
