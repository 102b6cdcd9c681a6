"""Token quotas and compute units: recorded and priced at nothing; services run without them."""

from typing import Any

from qfnb.wire import charge as wire

from ..http import timestamps
from ..http.call import Call, emulates
from ..state.store import Document
from . import common

QUOTA = "quota"  # kinds of documents
UNIT = "unit"
# requests and tokens per minute of one purchased unit; the sandbox's own numbers, not enforced
RPM = 60
TPM = 10_000


@emulates(wire.BUY_TPM)
def buy_tpm(call: Call, body: wire.BuyTPM) -> dict[str, Any]:
    """Record a quota."""
    call.validate_range("purchaseCount", body.purchase_count, 1, common.MAX_REPLICAS)
    common.validate_billing(call, body.billing)
    quota = call.world.store.add(
        QUOTA,
        common.new_instance_id(),
        model=body.model,
        count=body.purchase_count,
        payment=body.billing.payment_timing,
        status=wire.RUNNING,
        until=None,
    )
    return {"instanceId": quota["id"]}


@emulates(wire.FIND_TPM)
def find_tpm(call: Call, body: wire.FindTPM) -> dict[str, Any]:
    """List the quotas of a model."""
    quotas = [row for row in call.world.store.all(QUOTA) if row["model"] == body.model]
    filters = {
        "paymentTiming": body.payment_timing,
        "instanceId": body.instance_id,
        "status": body.status,
    }
    return _list_matching(call, quotas, filters)


@emulates(wire.RELEASE_TPM)
def release_tpm(call: Call, body: wire.TPMRef) -> bool:
    """End a quota."""
    quota = _get_running(call, QUOTA, body.instance_id)
    if quota["model"] != body.model:
        raise call.invalid("model", f"{body.instance_id} is of {quota['model']}")
    return _update(call, quota, status=wire.STOPPED)


@emulates(wire.RESIZE_TPM)
def resize_tpm(call: Call, body: wire.ResizeTPM) -> bool:
    """Change the number of units of a quota."""
    quota = _get_running(call, QUOTA, body.instance_id)
    count = quota["count"] if body.count is None else body.count
    call.validate_range("count", count, 1, common.MAX_REPLICAS)
    return _update(call, quota, count=count)


@emulates(wire.AUTO_RELEASE_TPM)
def auto_release_tpm(call: Call, body: wire.AutoReleaseTPM) -> bool:
    """Set the time at which a quota ends, or none."""
    try:
        timestamps.parse_utc(body.release_time or "2000-01-01T00:00:00Z")
    except ValueError:
        reason = f"{body.release_time!r} is not like 2025-03-30T16:00:00Z"
        raise call.invalid("releaseTime", reason) from None
    return _update(call, _get_running(call, QUOTA, body.instance_id), until=body.release_time)


@emulates(wire.BUY_UNIT)
def buy_unit(call: Call, body: wire.BuyUnit) -> dict[str, Any]:
    """Add a compute unit to a service."""
    service = common.get_service(call, body.service_id)
    common.validate_billing(call, body.billing)
    call.validate_range("replicasCount", body.replicas_count, 1, common.MAX_REPLICAS)
    return {
        "instanceId": common.add_unit(
            call.world, service["id"], body.replicas_count, body.billing.payment_timing
        )
    }


@emulates(wire.FIND_UNITS)
def find_units(call: Call, body: wire.FindUnits) -> dict[str, Any]:
    """List the compute units of a service."""
    service_id = common.get_service(call, body.service_id)["id"]
    units = [
        row
        for row in call.world.store.all(UNIT)
        if (row["service"], row["status"]) == (service_id, wire.RUNNING)
    ]
    return _list_matching(call, units, {"paymentTiming": body.payment_timing})


@emulates(wire.DESCRIBE_UNIT)
def describe_unit(call: Call, body: wire.ComputeUnitRef) -> dict[str, Any]:
    """Describe a compute unit."""
    return {"instance": _to_wire(call, _get_service_unit(call, body))}


@emulates(wire.RELEASE_UNIT)
def release_unit(call: Call, body: wire.ComputeUnitRef) -> bool:
    """End a compute unit."""
    return _update(call, _get_service_unit(call, body), status=wire.STOPPED)


@emulates(wire.RESIZE_UNIT)
def resize_unit(call: Call, body: wire.ResizeUnit) -> bool:
    """Change the replicas of a compute unit."""
    unit = _get_running(call, UNIT, body.instance_id)
    call.validate_range("count", body.count, 1, common.MAX_REPLICAS)
    return _update(call, unit, replicas=body.count)


@emulates(wire.AUTO_RENEW)
def auto_renew(call: Call, body: wire.AutoRenew) -> bool:
    """Record the rule by which an instance is renewed; here no instance ends by itself."""
    call.validate_choice("instanceType", body.instance_type, wire.UNIT_TYPES)
    instance = _get_running(
        call, UNIT if body.instance_type == wire.UNIT_TYPES[0] else QUOTA, body.instance_id
    )
    return _update(call, instance, renew=[body.auto_renew_time, body.auto_renew_time_unit])


def _update(call: Call, instance: Document, **changes: Any) -> bool:
    call.world.store.update(instance["id"], **changes)
    return True


def _get_service_unit(call: Call, ref: wire.ComputeUnitRef) -> Document:
    service = common.get_service(call, ref.service_id)
    unit = _get_running(call, UNIT, ref.instance_id)
    if unit["service"] != service["id"]:
        raise call.invalid("instanceId", f"{unit['id']} is not of {service['id']}")
    return unit


def _get_running(call: Call, kind: str, instance_id: str) -> Document:
    """Return a quota or a compute unit that has not ended."""
    instance = call.world.store.get(kind, instance_id)
    if instance is None or _to_wire(call, instance)["status"] != wire.RUNNING:
        noun = "quota" if kind == QUOTA else "compute unit"
        raise call.invalid("instanceId", f"there is no {noun} {instance_id}")
    return instance


def _list_matching(
    call: Call, instances: list[Document], filters: dict[str, str | None]
) -> dict[str, Any]:
    rows = [_to_wire(call, instance) for instance in instances]
    return {"instances": [row for row in rows if all(row[k] == v for k, v in filters.items() if v)]}


def _to_wire(call: Call, instance: Document) -> dict[str, Any]:
    """Return a quota or a compute unit as the platform shows it; only a quota has an end."""
    end = instance.get("until")
    has_ended = end is not None and end <= timestamps.utc(call.world.clock.now())
    if "replicas" in instance:
        size = {"replicasCount": instance["replicas"]}
    else:
        size = {"rpm": instance["count"] * RPM, "tpm": instance["count"] * TPM}
    return {
        "instanceId": instance["id"],
        "paymentTiming": instance["payment"],
        **size,
        "status": wire.STOPPED if has_ended else instance["status"],
        "startTime": timestamps.utc(instance["created"]),
        "expiredTime": end or "-",
    }
