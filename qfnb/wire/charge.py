"""What is paid for: a preset model's tokens per minute, a service's compute units (`/v2/charge`)."""

from __future__ import annotations

from .base import ConsoleRecord
from .endpoints import EndpointGroup
from .service import Billing

CREATING, RUNNING, STOPPED = "Creating", "Running", "Stopped"
"""Values of an instance's status."""

PREPAID, POSTPAID = "Prepaid", "Postpaid"
"""Values of paymentTiming."""

UNIT_TYPES = ("ComputingUnit", "TPM")
"""Values of instanceType."""


class BuyTPM(ConsoleRecord):
    """More tokens per minute for a preset model."""

    model: str
    purchase_count: int
    billing: Billing


class PurchaseResult(ConsoleRecord):
    """`instance_id` is 32 hexadecimal digits."""

    instance_id: str


class FindTPM(ConsoleRecord):
    """Which quotas of a model to list."""

    model: str
    payment_timing: str | None = None
    instance_id: str | None = None
    status: str | None = None


class TPM(ConsoleRecord):
    """A quota that was bought; `expired_time` is "-" when it has no end."""

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
    """Which quota of which model."""

    model: str
    instance_id: str


class ResizeTPM(ConsoleRecord):
    """How much a quota is to be."""

    instance_id: str
    count: int | None = None


class AutoReleaseTPM(ConsoleRecord):
    """When a quota is given back by itself (UTC); absent: not at all."""

    instance_id: str
    release_time: str | None = None


class BuyUnit(ConsoleRecord):
    """More replicas for a service."""

    service_id: int | str
    billing: Billing
    replicas_count: int


class FindUnits(ConsoleRecord):
    """Whose compute units to list."""

    service_id: int | str
    payment_timing: str | None = None


class ComputeUnitRef(ConsoleRecord):
    """Which compute unit of which service."""

    service_id: int | str
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
    """How long an instance is prolonged each time it ends."""

    instance_id: str
    instance_type: str
    auto_renew_time_unit: str | None = None
    auto_renew_time: int | None = None


class ResizeUnit(ConsoleRecord):
    """How many replicas a compute unit is to have."""

    instance_id: str
    count: int


_CHARGE = EndpointGroup("charge", "/v2/charge")

BUY_TPM = _CHARGE.action("buy_tpm", "PurchaseTPMResource", BuyTPM, PurchaseResult, repeatable=False)
FIND_TPM = _CHARGE.action("find_tpm", "DescribeTPMResource", FindTPM, TPMList)
RELEASE_TPM = _CHARGE.action("release_tpm", "ReleaseTPMResource", TPMRef, bool)
RESIZE_TPM = _CHARGE.action("resize_tpm", "ResizeTPMResource", ResizeTPM, bool)
AUTO_RELEASE_TPM = _CHARGE.action("auto_release_tpm", "AutoReleaseTPMResource", AutoReleaseTPM, bool)
BUY_UNIT = _CHARGE.action("buy_unit", "PurchaseServiceResource", BuyUnit, PurchaseResult, repeatable=False)
FIND_UNITS = _CHARGE.action("find_units", "DescribeComputeUnits", FindUnits, ComputeUnitList)
DESCRIBE_UNIT = _CHARGE.action("describe_unit", "DescribeComputeUnit", ComputeUnitRef, ComputeUnitInfo)
RELEASE_UNIT = _CHARGE.action("release_unit", "ReleaseComputeUnit", ComputeUnitRef, bool)
RESIZE_UNIT = _CHARGE.action("resize_unit", "ResizeComputeUnit", ResizeUnit, bool)
AUTO_RENEW = _CHARGE.action("auto_renew", "AutoReleaseComputeUnit", AutoRenew, bool)
"""The action's name notwithstanding, it says how an instance is prolonged."""
