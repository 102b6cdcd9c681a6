"""Deployed services, console v2 (`/v2/service?Action=`) and v1 (`/wenxinworkshop/service/...`, see
seed 002), and billing (`/v2/charge`): quotas of preset models, compute units of services.
"""

from typing import Any

from pydantic import model_validator

from ..credentials import Secret
from .base import ConsoleRecord, EmptyBody, Id, JsonObject, PageInfo, PageRequest
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


# Deployed services and applications, console v1 (`/wenxinworkshop/service/...`); see seed 002.

DONE = "Done"
"""v1's word for SERVING; its other values of serviceStatus are those of v2."""

PUBLIC = 1  # values of poolType; the first releases of the official SDK had them swapped
PRIVATE = 2
TYPES = ("chat", "completions", "embeddings", "text2image", "image2text")  # values of apiType


class ApplyService(ConsoleRecord):
    """Deploys a model version; the platform puts a prefix before `uri`."""

    model_id: Id
    model_version_id: Id
    name: str
    uri: str
    replicas: int = 1
    pool_type: int = PRIVATE
    description: str | None = None


class ServiceApplied(ConsoleRecord):
    """`service_id` is an int here."""

    result: bool = True
    service_id: int


class ServiceDetailV1(ConsoleRecord):
    """A service; `uri` is the value for `endpoint=`."""

    id: int
    name: str = ""
    model_id: int | None = None
    model_name: str = ""
    uri: str = ""
    full_uri: str = ""
    service_status: str = ""
    description: str | None = None


class ListServices(ConsoleRecord):
    """Lists services of some kinds, or all (`apiTypefilter`, with a small f)."""

    api_typefilter: list[str] | None = None


class ServiceList(ConsoleRecord):
    """Preset services and the user's."""

    common: list[JsonObject] = []
    custom: list[JsonObject] = []


class App(ConsoleRecord):
    """An application; `ak` and `sk` are its keys for v1 inference and secret."""

    id: int
    name: str = ""
    ak: Secret | None = None
    sk: Secret | None = None
    api_ids: str = ""


class Apps(ConsoleRecord):
    """The user's applications."""

    app_list: list[App] = []


_SERVICES_V1 = EndpointGroup("service", "/wenxinworkshop/service")

CREATE_V1 = _SERVICES_V1.route("create", "apply", ApplyService, ServiceApplied, repeatable=False)
GET_V1 = _SERVICES_V1.route("get", "detail", ServiceRef, ServiceDetailV1)
LIST_V1 = _SERVICES_V1.route("list", "list", ListServices, ServiceList)
APPS = _SERVICES_V1.route("apps", "appList", EmptyBody, Apps, method="GET")


# Billing (`/v2/charge`): quotas of preset models in tokens per minute, compute units of services.

CREATING = "Creating"  # values of an instance's status
RUNNING = "Running"
PREPAID = "Prepaid"  # values of paymentTiming
POSTPAID = "Postpaid"
UNIT_TYPES = ("ComputingUnit", "TPM")  # values of instanceType


class BuyTPM(ConsoleRecord):
    """More tokens per minute for a preset model."""

    model: str
    purchase_count: int
    billing: Billing


class PurchaseResult(ConsoleRecord):
    """`instance_id` is 32 hexadecimal digits."""

    instance_id: str


class FindTPM(ConsoleRecord):
    """Lists the quotas of a model."""

    model: str
    payment_timing: str | None = None
    instance_id: str | None = None
    status: str | None = None


class TPM(ConsoleRecord):
    """A quota; `expired_time` is "-" if it has no end."""

    instance_id: str
    payment_timing: str = POSTPAID
    rpm: int | None = None
    tpm: int | None = None
    status: str = ""
    start_time: str | None = None
    expired_time: str | None = None


class TPMList(ConsoleRecord):
    """The quotas of a model."""

    instances: list[TPM] = []


class TPMRef(ConsoleRecord):
    """The ids of a quota and its model."""

    model: str
    instance_id: str


class ResizeTPM(ConsoleRecord):
    """The new size of a quota."""

    instance_id: str
    count: int | None = None


class AutoReleaseTPM(ConsoleRecord):
    """When a quota is released automatically (UTC); absent: never."""

    instance_id: str
    release_time: str | None = None


class BuyUnit(ConsoleRecord):
    """More replicas for a service."""

    service_id: Id
    billing: Billing
    replicas_count: int


class FindUnits(ConsoleRecord):
    """Lists the compute units of a service."""

    service_id: Id
    payment_timing: str | None = None


class ComputeUnitRef(ConsoleRecord):
    """The ids of a compute unit and its service."""

    service_id: Id
    instance_id: str


class ComputeUnit(ConsoleRecord):
    """A compute unit: some replicas of a service."""

    instance_id: str
    payment_timing: str = PREPAID
    replicas_count: int = 1
    status: str = ""
    start_time: str | None = None
    expired_time: str | None = None


class ComputeUnitList(ConsoleRecord):
    """The compute units of a service."""

    instances: list[ComputeUnit] = []


class ComputeUnitInfo(ConsoleRecord):
    """One compute unit."""

    instance: ComputeUnit


class AutoRenew(ConsoleRecord):
    """The time by which an instance is renewed each time it ends."""

    instance_id: str
    instance_type: str
    auto_renew_time_unit: str | None = None
    auto_renew_time: int | None = None


class ResizeUnit(ConsoleRecord):
    """The new number of replicas of a compute unit."""

    instance_id: str
    count: int


_CHARGE = EndpointGroup("charge", "/v2/charge")

BUY_TPM = _CHARGE.action("buy_tpm", "PurchaseTPMResource", BuyTPM, PurchaseResult, repeatable=False)
FIND_TPM = _CHARGE.action("find_tpm", "DescribeTPMResource", FindTPM, TPMList)
RELEASE_TPM = _CHARGE.action("release_tpm", "ReleaseTPMResource", TPMRef, bool)
RESIZE_TPM = _CHARGE.action("resize_tpm", "ResizeTPMResource", ResizeTPM, bool)
AUTO_RELEASE_TPM = _CHARGE.action(
    "auto_release_tpm", "AutoReleaseTPMResource", AutoReleaseTPM, bool
)
BUY_UNIT = _CHARGE.action(
    "buy_unit", "PurchaseServiceResource", BuyUnit, PurchaseResult, repeatable=False
)
FIND_UNITS = _CHARGE.action("find_units", "DescribeComputeUnits", FindUnits, ComputeUnitList)
DESCRIBE_UNIT = _CHARGE.action(
    "describe_unit", "DescribeComputeUnit", ComputeUnitRef, ComputeUnitInfo
)
RELEASE_UNIT = _CHARGE.action("release_unit", "ReleaseComputeUnit", ComputeUnitRef, bool)
RESIZE_UNIT = _CHARGE.action("resize_unit", "ResizeComputeUnit", ResizeUnit, bool)
AUTO_RENEW = _CHARGE.action("auto_renew", "AutoReleaseComputeUnit", AutoRenew, bool)
"""Despite the action's name, it sets how an instance is renewed."""
