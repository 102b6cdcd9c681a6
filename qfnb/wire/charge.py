"""Billing (`/v2/charge`): quotas of preset models in tokens per minute, compute units of
services.
"""

from .base import ConsoleRecord, Id
from .endpoints import EndpointGroup
from .service_v2 import Billing

CREATING = "Creating"  # values of an instance's status
RUNNING = "Running"
STOPPED = "Stopped"
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
