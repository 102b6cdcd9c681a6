"""Quotas and compute units; here they cost nothing: units change a service's replicas, quotas are kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..wire import charge as wire
from ..wire import service as service_wire
from .routing import Call, emulates, refuse_call
from .services import check_billing
from .serving import MOST_REPLICAS, add_unit, instance_id, moment, service_of
from .store import Document

KIND, UNIT = "quota", "unit"
RPM, TPM = 60, 10_000
"""Requests and tokens per minute of one unit; the sandbox's own numbers, and not enforced."""


@emulates(wire.BUY_TPM)
def buy_tpm(call: Call, body: wire.BuyTPM) -> dict[str, Any]:
    """Keep a quota."""
    _check_count(call, "purchaseCount", body.purchase_count)
    check_billing(call, body.billing)
    quota = call.world.store.add(
        KIND,
        instance_id(),
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
    rows = [_quota_row(call, row) for row in call.world.store.all(KIND) if row["model"] == body.model]
    asked = {
        "paymentTiming": body.payment_timing,
        "instanceId": body.instance_id,
        "status": body.status,
    }
    return {"instances": [row for row in rows if all(row[k] == v for k, v in asked.items() if v)]}


@emulates(wire.RELEASE_TPM)
def release_tpm(call: Call, body: wire.TPMRef) -> bool:
    """Give a quota back."""
    quota = _quota(call, body.instance_id)
    if quota["model"] != body.model:
        raise refuse_call(call, f"param[model] invalid: {body.instance_id} is of {quota['model']}")
    call.world.store.update(quota["id"], status=wire.STOPPED)
    return True


@emulates(wire.RESIZE_TPM)
def resize_tpm(call: Call, body: wire.ResizeTPM) -> bool:
    """Change a quota."""
    quota = _quota(call, body.instance_id)
    if body.count is not None:
        _check_count(call, "count", body.count)
        call.world.store.update(quota["id"], count=body.count)
    return True


@emulates(wire.AUTO_RELEASE_TPM)
def auto_release_tpm(call: Call, body: wire.AutoReleaseTPM) -> bool:
    """Note when a quota ends."""
    until = body.release_time
    if until is not None:
        _check_time(call, until)
    call.world.store.update(_quota(call, body.instance_id)["id"], until=until)
    return True


@emulates(wire.BUY_UNIT)
def buy_unit(call: Call, body: wire.BuyUnit) -> dict[str, Any]:
    """Add replicas to a service; one that had none is deployed again."""
    service = service_of(call, body.service_id)
    check_billing(call, body.billing)
    room = MOST_REPLICAS - service["resource"]["replicasCount"]
    _check_count(call, "replicasCount", body.replicas_count, most=room)
    unit = add_unit(call.world, service["id"], body.replicas_count, body.billing.payment_timing)
    _recount(call, service)
    return {"instanceId": unit}


@emulates(wire.FIND_UNITS)
def find_units(call: Call, body: wire.FindUnits) -> dict[str, Any]:
    """List the compute units that a service runs on."""
    service = service_of(call, body.service_id)
    rows = [_unit_row(row) for row in _units(call, service["id"])]
    if body.payment_timing:
        rows = [row for row in rows if row["paymentTiming"] == body.payment_timing]
    return {"instances": rows}


@emulates(wire.DESCRIBE_UNIT)
def describe_unit(call: Call, body: wire.UnitRef) -> dict[str, Any]:
    """Describe a compute unit."""
    return {"instance": _unit_row(_unit_of(call, body))}


@emulates(wire.RELEASE_UNIT)
def release_unit(call: Call, body: wire.UnitRef) -> bool:
    """Take a compute unit from a service; one without any stops."""
    call.world.store.update(_unit_of(call, body)["id"], status=wire.STOPPED)
    _recount(call, service_of(call, body.service_id))
    return True


@emulates(wire.RESIZE_UNIT)
def resize_unit(call: Call, body: wire.ResizeUnit) -> bool:
    """Change the replicas of a compute unit."""
    unit = _unit(call, body.instance_id)
    service = service_of(call, unit["service"])
    room = MOST_REPLICAS - service["resource"]["replicasCount"] + unit["replicas"]
    _check_count(call, "count", body.count, most=room)
    call.world.store.update(unit["id"], replicas=body.count)
    _recount(call, service)
    return True


@emulates(wire.AUTO_RENEW)
def auto_renew(call: Call, body: wire.AutoRenew) -> bool:
    """Keep the rule by which an instance is prolonged; here none ends by itself."""
    found = {"ComputingUnit": _unit, "TPM": _quota}.get(body.instance_type)
    if found is None:
        raise refuse_call(call, f"param[instanceType] invalid: it is {' or '.join(wire.UNIT_TYPES)}")
    rule = [body.auto_renew_time, body.auto_renew_time_unit]
    call.world.store.update(found(call, body.instance_id)["id"], renew=rule)
    return True


def _recount(call: Call, service: Document) -> None:
    """Give a service the replicas of its units; it stops with the last one and begins anew with the first."""
    had = service["resource"]["replicasCount"]
    count = sum(unit["replicas"] for unit in _units(call, service["id"]))
    changes: dict[str, Any] = {"resource": {**service["resource"], "replicasCount": count}}
    if not count:
        changes["plan"] = call.world.lifecycle.plan(then=service_wire.STOPPED)
    elif not had:
        deploying = (service_wire.DEPLOYING, "deploy")
        changes |= {
            "plan": call.world.lifecycle.plan(deploying, then=service_wire.SERVING),
            "before": None,
        }
    call.world.store.update(service["id"], **changes)


def _units(call: Call, service_id: str) -> list[Document]:
    rows = call.world.store.all(UNIT)
    return [row for row in rows if row["service"] == service_id and row["status"] == wire.RUNNING]


def _unit_of(call: Call, ref: wire.UnitRef) -> Document:
    service, unit = service_of(call, ref.service_id), _unit(call, ref.instance_id)
    if unit["service"] != service["id"]:
        raise refuse_call(call, f"param[instanceId] invalid: {unit['id']} is not of {service['id']}")
    return unit


def _unit(call: Call, instance_id: str) -> Document:
    found = call.world.store.get(UNIT, instance_id)
    if found is None or found["status"] != wire.RUNNING:
        raise refuse_call(call, f"param[instanceId] invalid: there is no compute unit {instance_id}")
    return found


def _quota(call: Call, instance_id: str) -> Document:
    found = call.world.store.get(KIND, instance_id)
    if found is None or _quota_row(call, found)["status"] != wire.RUNNING:
        raise refuse_call(call, f"param[instanceId] invalid: there is no quota {instance_id}")
    return found


def _quota_row(call: Call, quota: Document) -> dict[str, Any]:
    ended = quota["until"] is not None and quota["until"] <= moment(call.world.clock.now())
    return {
        "instanceId": quota["id"],
        "paymentTiming": quota["payment"],
        "rpm": quota["count"] * RPM,
        "tpm": quota["count"] * TPM,
        "status": wire.STOPPED if ended else quota["status"],
        "startTime": moment(quota["created"]),
        "expiredTime": quota["until"] or "-",
    }


def _unit_row(unit: Document) -> dict[str, Any]:
    return {
        "instanceId": unit["id"],
        "paymentTiming": unit["payment"],
        "replicasCount": unit["replicas"],
        "status": unit["status"],
        "startTime": moment(unit["created"]),
        "expiredTime": "-",
    }


def _check_count(call: Call, field: str, count: int, *, most: int = MOST_REPLICAS) -> None:
    if not 1 <= count <= most:
        raise refuse_call(call, f"param[{field}] invalid: {count}; a service has 1 to {MOST_REPLICAS} in all")


def _check_time(call: Call, text: str) -> None:
    try:
        datetime.strptime(text, service_wire.TIME).replace(tzinfo=UTC)
    except ValueError:
        raise refuse_call(
            call, f"param[releaseTime] invalid: {text!r} is not like 2025-03-30T16:00:00Z"
        ) from None
