"""Quotas and compute units; here they cost nothing: units change a service's replicas, quotas are kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ...wire import charge as wire
from ...wire import service as service_wire
from ..http.call import Call, emulates, refusal_for
from ..state.store import Document
from .common import MAX_REPLICAS, add_unit, format_time, get_service, new_instance_id
from .v2 import validate_billing

QUOTA, UNIT = "quota", "unit"
RPM, TPM = 60, 10_000
"""Requests and tokens per minute of one unit; the sandbox's own numbers, and not enforced."""


@emulates(wire.BUY_TPM)
def buy_tpm(call: Call, body: wire.BuyTPM) -> dict[str, Any]:
    """Keep a quota."""
    _validate_count(call, "purchaseCount", body.purchase_count)
    validate_billing(call, body.billing)
    quota = call.world.store.add(
        QUOTA,
        new_instance_id(),
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
    rows = [_quota_to_wire(call, row) for row in call.world.store.all(QUOTA) if row["model"] == body.model]
    filters = {
        "paymentTiming": body.payment_timing,
        "instanceId": body.instance_id,
        "status": body.status,
    }
    return {"instances": [row for row in rows if all(row[k] == v for k, v in filters.items() if v)]}


@emulates(wire.RELEASE_TPM)
def release_tpm(call: Call, body: wire.TPMRef) -> bool:
    """Give a quota back."""
    quota = _get_quota(call, body.instance_id)
    if quota["model"] != body.model:
        raise refusal_for(call, f"param[model] invalid: {body.instance_id} is of {quota['model']}")
    call.world.store.update(quota["id"], status=wire.STOPPED)
    return True


@emulates(wire.RESIZE_TPM)
def resize_tpm(call: Call, body: wire.ResizeTPM) -> bool:
    """Change a quota."""
    quota = _get_quota(call, body.instance_id)
    if body.count is not None:
        _validate_count(call, "count", body.count)
        call.world.store.update(quota["id"], count=body.count)
    return True


@emulates(wire.AUTO_RELEASE_TPM)
def auto_release_tpm(call: Call, body: wire.AutoReleaseTPM) -> bool:
    """Note when a quota ends."""
    release_time = body.release_time
    if release_time is not None:
        _validate_time(call, release_time)
    call.world.store.update(_get_quota(call, body.instance_id)["id"], until=release_time)
    return True


@emulates(wire.BUY_UNIT)
def buy_unit(call: Call, body: wire.BuyUnit) -> dict[str, Any]:
    """Add replicas to a service; one that had none is deployed again."""
    service = get_service(call, body.service_id)
    validate_billing(call, body.billing)
    available = MAX_REPLICAS - service["resource"]["replicasCount"]
    _validate_count(call, "replicasCount", body.replicas_count, max_count=available)
    unit = add_unit(call.world, service["id"], body.replicas_count, body.billing.payment_timing)
    _update_replicas(call, service)
    return {"instanceId": unit}


@emulates(wire.FIND_UNITS)
def find_units(call: Call, body: wire.FindUnits) -> dict[str, Any]:
    """List the compute units that a service runs on."""
    service = get_service(call, body.service_id)
    rows = [_unit_to_wire(row) for row in _running_units(call, service["id"])]
    if body.payment_timing:
        rows = [row for row in rows if row["paymentTiming"] == body.payment_timing]
    return {"instances": rows}


@emulates(wire.DESCRIBE_UNIT)
def describe_unit(call: Call, body: wire.ComputeUnitRef) -> dict[str, Any]:
    """Describe a compute unit."""
    return {"instance": _unit_to_wire(_get_service_unit(call, body))}


@emulates(wire.RELEASE_UNIT)
def release_unit(call: Call, body: wire.ComputeUnitRef) -> bool:
    """Take a compute unit from a service; one without any stops."""
    call.world.store.update(_get_service_unit(call, body)["id"], status=wire.STOPPED)
    _update_replicas(call, get_service(call, body.service_id))
    return True


@emulates(wire.RESIZE_UNIT)
def resize_unit(call: Call, body: wire.ResizeUnit) -> bool:
    """Change the replicas of a compute unit."""
    unit = _get_unit(call, body.instance_id)
    service = get_service(call, unit["service"])
    available = MAX_REPLICAS - service["resource"]["replicasCount"] + unit["replicas"]
    _validate_count(call, "count", body.count, max_count=available)
    call.world.store.update(unit["id"], replicas=body.count)
    _update_replicas(call, service)
    return True


@emulates(wire.AUTO_RENEW)
def auto_renew(call: Call, body: wire.AutoRenew) -> bool:
    """Keep the rule by which an instance is prolonged; here none ends by itself."""
    get_document = {"ComputingUnit": _get_unit, "TPM": _get_quota}.get(body.instance_type)
    if get_document is None:
        raise refusal_for(call, f"param[instanceType] invalid: it is {' or '.join(wire.UNIT_TYPES)}")
    rule = [body.auto_renew_time, body.auto_renew_time_unit]
    call.world.store.update(get_document(call, body.instance_id)["id"], renew=rule)
    return True


def _update_replicas(call: Call, service: Document) -> None:
    """Give a service the replicas of its units; it stops with the last one and begins anew with the first."""
    old_count = service["resource"]["replicasCount"]
    count = sum(unit["replicas"] for unit in _running_units(call, service["id"]))
    changes: dict[str, Any] = {"resource": {**service["resource"], "replicasCount": count}}
    if not count:
        changes["plan"] = call.world.lifecycle.plan(final=service_wire.STOPPED)
    elif not old_count:
        deploying = (service_wire.DEPLOYING, "deploy")
        changes |= {
            "plan": call.world.lifecycle.plan(deploying, final=service_wire.SERVING),
            "before": None,
        }
    call.world.store.update(service["id"], **changes)


def _running_units(call: Call, service_id: str) -> list[Document]:
    rows = call.world.store.all(UNIT)
    return [row for row in rows if row["service"] == service_id and row["status"] == wire.RUNNING]


def _get_service_unit(call: Call, ref: wire.ComputeUnitRef) -> Document:
    service, unit = get_service(call, ref.service_id), _get_unit(call, ref.instance_id)
    if unit["service"] != service["id"]:
        raise refusal_for(call, f"param[instanceId] invalid: {unit['id']} is not of {service['id']}")
    return unit


def _get_unit(call: Call, instance_id: str) -> Document:
    unit = call.world.store.get(UNIT, instance_id)
    if unit is None or unit["status"] != wire.RUNNING:
        raise refusal_for(call, f"param[instanceId] invalid: there is no compute unit {instance_id}")
    return unit


def _get_quota(call: Call, instance_id: str) -> Document:
    quota = call.world.store.get(QUOTA, instance_id)
    if quota is None or _quota_to_wire(call, quota)["status"] != wire.RUNNING:
        raise refusal_for(call, f"param[instanceId] invalid: there is no quota {instance_id}")
    return quota


def _quota_to_wire(call: Call, quota: Document) -> dict[str, Any]:
    is_expired = quota["until"] is not None and quota["until"] <= format_time(call.world.clock.now())
    return {
        "instanceId": quota["id"],
        "paymentTiming": quota["payment"],
        "rpm": quota["count"] * RPM,
        "tpm": quota["count"] * TPM,
        "status": wire.STOPPED if is_expired else quota["status"],
        "startTime": format_time(quota["created"]),
        "expiredTime": quota["until"] or "-",
    }


def _unit_to_wire(unit: Document) -> dict[str, Any]:
    return {
        "instanceId": unit["id"],
        "paymentTiming": unit["payment"],
        "replicasCount": unit["replicas"],
        "status": unit["status"],
        "startTime": format_time(unit["created"]),
        "expiredTime": "-",
    }


def _validate_count(call: Call, field: str, count: int, *, max_count: int = MAX_REPLICAS) -> None:
    if not 1 <= count <= max_count:
        raise refusal_for(call, f"param[{field}] invalid: {count}; a service has 1 to {MAX_REPLICAS} in all")


def _validate_time(call: Call, text: str) -> None:
    try:
        datetime.strptime(text, service_wire.TIME).replace(tzinfo=UTC)
    except ValueError:
        raise refusal_for(
            call, f"param[releaseTime] invalid: {text!r} is not like 2025-03-30T16:00:00Z"
        ) from None
