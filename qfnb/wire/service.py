"""Deployed services, console v2 (`/v2/service?Action=`)."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from .base import ConsoleRecord, PageInfo, PageRequest
from .endpoints import EndpointGroup

NEW, DEPLOYING, SERVING, FAILED, STOPPED = "New", "Deploying", "Serving", "Failed", "Stopped"
"""Values of runStatus."""

TIME = "%Y-%m-%dT%H:%M:%SZ"
"""How a moment is written, in UTC."""


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

    model_set_id: int | str
    model_id: int | str
    name: str
    url_suffix: str
    resource_config: ResourceConfig
    billing: Billing
    description: str | None = None


class ServiceCreated(ConsoleRecord):
    """`service_id` is `svco-...`; `instance_id` is the compute unit that it runs on."""

    service_id: str
    instance_id: str | None = None


class ServiceRef(ConsoleRecord):
    """Which service, as an int or `svco-...`."""

    service_id: int | str


class ServiceDetail(ConsoleRecord):
    """A service of a model version (`amv-...`) of a model (`am-...`).

    The last segment of `url` is what `endpoint=` takes.
    """

    service_id: str = ""
    model_id: str = ""
    model_version_id: str = ""
    name: str = ""
    description: str | None = None
    url: str = ""
    service_type: str = "chat"
    run_status: str = ""
    charge_status: str | None = None
    resource_config: ResourceConfig | None = None
    create_time: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_older_names(cls, value: Any) -> Any:
        """Take modelSetId and modelId (documentation, 2025) as modelId and modelVersionId (official SDK)."""
        if not isinstance(value, dict) or "modelSetId" not in value or "modelVersionId" in value:
            return value
        return {**value, "modelId": value["modelSetId"], "modelVersionId": value.get("modelId", "")}

    @property
    def endpoint(self) -> str:
        """What `endpoint=` takes."""
        return self.url.rstrip("/").rsplit("/", 1)[-1]


class FindServices(PageRequest):
    """Which services to list: every filter that is given must fit.

    `charge_type` is ComputingUnit or Tokens, `pay_type` Prepay or Postpay.
    """

    name: str | None = None
    service_type: list[str] | None = None
    run_status: list[str] | None = None
    creator: list[str] | None = None
    charge_type: str | None = None
    pay_type: str | None = None


class ServicePage(ConsoleRecord):
    """One page of one's own services, the newest first."""

    service_list: list[ServiceDetail] = []
    page_info: PageInfo | None = None


class MetricQuery(ConsoleRecord):
    """Whose calls to count, from the minute of one moment to the minute of another (UTC)."""

    start_time: str
    end_time: str
    service_id: list[str] | str | None = None
    app_id: list[str] | str | None = None


class Metric(ConsoleRecord):
    """Calls and tokens of one application."""

    input_tokens_total: int = 0
    output_tokens_total: int = 0
    tokens_total: int = 0
    succeed_call_total: int = 0
    failure_call_total: int = 0
    call_total: int = 0


class AppMetric(ConsoleRecord):
    """What one application asked a service."""

    app_id: str = ""
    metric: Metric = Metric()


class ServiceMetric(ConsoleRecord):
    """What a service was asked, by application."""

    service_id: str = ""
    service_name: str = ""
    app_list: list[AppMetric] = []


class Metrics(ConsoleRecord):
    """The calls of some services between two moments."""

    start_time: str = ""
    end_time: str = ""
    service_list: list[ServiceMetric] = []


class ModifyService(ConsoleRecord):
    """Which model version a service is to run from now on."""

    service_id: int | str
    model_set_id: int | str
    model_id: int | str


class FindPresets(ConsoleRecord):
    """Which preset services to list.

    `charge_type` is TPM, Tokens, Calls or Free; `charge_status` NotOpen, Opened, Stopped or Free.
    """

    service_ids: list[str] | None = None
    service_type: list[str] | None = None
    charge_type: list[str] | str | None = None
    charge_status: list[str] | str | None = None


class Presets(ConsoleRecord):
    """Preset services; their fields are passed on as they come."""

    service_list: list[dict[str, Any]] = []


_SERVICES = EndpointGroup("service.v2", "/v2/service")

CREATE = _SERVICES.action("create", "CreateService", CreateService, ServiceCreated, repeatable=False)
FIND = _SERVICES.action("list", "DescribeServices", FindServices, ServicePage)
DESCRIBE = _SERVICES.action("describe", "DescribeService", ServiceRef, ServiceDetail)
METRIC = _SERVICES.action("metric", "DescribeServiceMetric", MetricQuery, Metrics)
MODIFY = _SERVICES.action("modify", "ModifyService", ModifyService, dict[str, Any])
PRESETS = _SERVICES.action("presets", "DescribePresetServices", FindPresets, Presets)
