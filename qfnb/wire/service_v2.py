"""Deployed services, console v2 (`/v2/service?Action=`)."""

from typing import Any

from pydantic import model_validator

from .base import ConsoleRecord, Id, JsonObject, PageInfo, PageRequest
from .endpoints import EndpointGroup

NEW = "New"  # values of runStatus
DEPLOYING = "Deploying"
SERVING = "Serving"
FAILED = "Failed"
STOPPED = "Stopped"
TIME = "%Y-%m-%dT%H:%M:%SZ"  # the format of times, in UTC


class ResourceSettings(ConsoleRecord):
    """The resources of a service; replicas decide the queries per second that it can serve."""

    type: str = "GPU-I-2"
    replicas_count: int = 1
    qps: float | None = None


class Reservation(ConsoleRecord):
    """The time that is paid in advance."""

    reservation_time_unit: str = "Hour"
    reservation_length: int = 1


class Billing(ConsoleRecord):
    """Prepaid (with a reservation) or Postpaid."""

    payment_timing: str = "Prepaid"
    reservation: Reservation | None = None


class CreateService(ConsoleRecord):
    """Deploys a model version; the callable endpoint ends with `url_suffix`."""

    model_set_id: Id
    model_id: Id
    name: str
    url_suffix: str
    resource_config: ResourceSettings
    billing: Billing
    description: str | None = None


class ServiceCreated(ConsoleRecord):
    """`service_id` is `svco-...`; `instance_id` is its compute unit."""

    service_id: str
    instance_id: str | None = None


class ServiceRef(ConsoleRecord):
    """The id of a service, an int or `svco-...`."""

    service_id: Id


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
    run_status: str
    charge_status: str | None = None
    resource_config: ResourceSettings | None = None
    create_time: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_older_names(cls, value: Any) -> Any:
        """Read modelSetId and modelId (documentation, 2025) as modelId and modelVersionId (official
        SDK).
        """
        if not isinstance(value, dict) or "modelSetId" not in value or "modelVersionId" in value:
            return value
        return {**value, "modelId": value["modelSetId"], "modelVersionId": value.get("modelId", "")}

    @property
    def endpoint(self) -> str:
        """The value for `endpoint=`: the API name, which is the `model` of v2's calls."""
        named = (self.model_extra or {}).get("endpoint")
        return str(named or self.url.rstrip("/").rsplit("/", 1)[-1])

    @property
    def is_v1(self) -> bool:
        """Whether it is of the v1 kind, which ended on 2026-08-31; one of the v2 kind has no
        address under /rpc/2.0.
        """
        version = (self.model_extra or {}).get("apiVersion")
        return version == "v1" if version else "/rpc/2.0/" in self.url


class FindServices(PageRequest):
    """Lists the services that match all filters.

    `charge_type` is ComputingUnit or Tokens, `pay_type` Prepay or Postpay.
    """

    name: str | None = None
    service_type: list[str] | None = None
    run_status: list[str] | None = None
    creator: list[str] | None = None
    charge_type: str | None = None
    pay_type: str | None = None


class ServicePage(ConsoleRecord):
    """One page of the user's services, the newest first."""

    service_list: list[ServiceDetail] = []
    page_info: PageInfo | None = None


class MetricQuery(ConsoleRecord):
    """Counts calls between two times, to the minute (UTC)."""

    start_time: str
    end_time: str
    service_id: list[str] | str | None = None
    app_id: list[str] | str | None = None


class ApplicationUsage(ConsoleRecord):
    """Numbers of calls and tokens of one application."""

    input_tokens_total: int = 0
    output_tokens_total: int = 0
    tokens_total: int = 0
    succeed_call_total: int = 0
    failure_call_total: int = 0
    call_total: int = 0


class AppMetric(ConsoleRecord):
    """The calls of one application to a service."""

    app_id: str = ""
    metric: ApplicationUsage = ApplicationUsage()


class ServiceMetric(ConsoleRecord):
    """The calls of a service by application."""

    service_id: str = ""
    service_name: str = ""
    app_list: list[AppMetric] = []


class Metrics(ConsoleRecord):
    """The calls of services between two times."""

    start_time: str = ""
    end_time: str = ""
    service_list: list[ServiceMetric] = []


class ModifyService(ConsoleRecord):
    """Changes the model version of a service."""

    service_id: Id
    model_set_id: Id
    model_id: Id


class FindPresets(ConsoleRecord):
    """Lists preset services.

    `charge_type` is TPM, Tokens, Calls or Free; `charge_status` NotOpen, Opened, Stopped or Free.
    """

    service_ids: list[str] | None = None
    service_type: list[str] | None = None
    charge_type: list[str] | str | None = None
    charge_status: list[str] | str | None = None


class Presets(ConsoleRecord):
    """Preset services; their fields are returned as received."""

    service_list: list[JsonObject] = []


_SERVICES = EndpointGroup("service.v2", "/v2/service")

CREATE = _SERVICES.action(
    "create", "CreateService", CreateService, ServiceCreated, repeatable=False
)
FIND = _SERVICES.action("list", "DescribeServices", FindServices, ServicePage)
DESCRIBE = _SERVICES.action("describe", "DescribeService", ServiceRef, ServiceDetail)
METRIC = _SERVICES.action("metric", "DescribeServiceMetric", MetricQuery, Metrics)
MODIFY = _SERVICES.action("modify", "ModifyService", ModifyService, JsonObject)
PRESETS = _SERVICES.action("presets", "DescribePresetServices", FindPresets, Presets)
