"""Services, v2: a published model behind an endpoint, what it was asked, and the preset ones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from ..wire import catalog, charge
from ..wire import service as wire
from ..wire.chat import V1_PREFIX
from . import metering
from .paging import by_marker
from .routing import Call, emulates, refuse_call
from .serving import (
    MOST_REPLICAS,
    check_naming,
    deploy,
    moment,
    ready_version,
    running,
    service_of,
    services,
    state_of,
    url_of,
)
from .store import Document

CREATOR = "sandbox"
RESOURCES = ("GPU-I-2", "GPU-I-4", "CPU-I-2")
FASTEST = 50
"""Queries per second of one replica, at most."""

PATHS: dict[str, tuple[str, str]] = {
    "chat": ("chat", "chat"),
    "completion": ("completions", "completions"),
    "embedding": ("embeddings", "embeddings"),
    "text2image": ("text2image", "text2image"),
    "image2text": ("image2text", "image2text"),
}
"""For each kind of preset model: the serviceType, and the segment of the address."""


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateService) -> dict[str, Any]:
    """Deploy a model version."""
    version = ready_version(call, body.model_set_id, body.model_id, ("modelSetId", "modelId"))
    check_naming(call, version["model"], body.name, body.url_suffix, "urlSuffix")
    resource = body.resource_config
    _check_one_of(call, "resourceConfig.type", resource.type, RESOURCES)
    if not 1 <= resource.replicas_count <= MOST_REPLICAS:
        raise refuse_call(call, f"param[resourceConfig.replicasCount] invalid: 1 to {MOST_REPLICAS}")
    if resource.qps is not None and not 0 < resource.qps <= FASTEST:
        raise refuse_call(call, f"param[resourceConfig.qps] invalid: above 0, to {FASTEST}")
    check_billing(call, body.billing)
    service, unit = deploy(
        call,
        version,
        name=body.name,
        suffix=body.url_suffix,
        description=body.description or "",
        resource=resource.to_wire(),
        payment=body.billing.payment_timing,
    )
    return {"serviceId": service["id"], "instanceId": unit}


@emulates(wire.DESCRIBE)
def describe(call: Call, body: wire.ServiceRef) -> dict[str, Any]:
    """Describe a service."""
    return _row(call, service_of(call, body.service_id))


@emulates(wire.FIND)
def find(call: Call, body: wire.FindServices) -> dict[str, Any]:
    """List the services that fit every filter."""
    rows = [
        row
        for row in (_row(call, service) for service in services(call.world))
        if (not body.name or body.name in row["name"])
        and _fits(row["serviceType"], body.service_type)
        and _fits(row["runStatus"], body.run_status)
        and _fits(row["creator"], body.creator)
        and _fits(row["chargeType"], body.charge_type)
        and _fits(row["payType"], body.pay_type)
    ]
    page, info = by_marker(call, rows, "serviceId", body)
    return {"serviceList": page, "pageInfo": info}


@emulates(wire.METRIC)
def metric(call: Call, body: wire.AskMetric) -> dict[str, Any]:
    """Count the calls of one's own services; those of preset ones are not kept."""
    start, end = (metering.parsed(call, name, body) for name in ("start_time", "end_time"))
    wanted = [body.service_id] if isinstance(body.service_id, str) else body.service_id
    found = [service_of(call, key) for key in wanted] if wanted else services(call.world)
    rows = [
        {
            "serviceId": service["id"],
            "serviceName": service["name"],
            "appList": metering.counted(call.world, service["id"], start, end, body.app_id),
        }
        for service in found
    ]
    return {"startTime": body.start_time, "endTime": body.end_time, "serviceList": rows}


@emulates(wire.MODIFY)
def modify(call: Call, body: wire.ModifyService) -> dict[str, Any]:
    """Let a service run another version; meanwhile the one before answers."""
    service = service_of(call, body.service_id)
    if (state := state_of(call.world, service)) != wire.SERVING:
        raise refuse_call(call, f"param[serviceId] invalid: {service['id']} is {state}, not {wire.SERVING}")
    version = ready_version(call, body.model_set_id, body.model_id, ("modelSetId", "modelId"))
    before = {key: service[key] for key in ("model", "version", "task")}
    plan = call.world.lifecycle.plan((wire.DEPLOYING, "deploy"), then=wire.SERVING)
    call.world.store.update(service["id"], before=before, plan=plan, **running(version))
    return {"serviceId": service["id"]}


@emulates(wire.PRESETS)
def presets(call: Call, body: wire.FindPresets) -> dict[str, Any]:
    """List the preset models; in the sandbox all of them are free."""
    rows = [
        row
        for row in preset_services(call)
        if _fits(row["serviceId"], body.service_ids)
        and _fits(row["serviceType"], body.service_type)
        and _fits(row["chargeType"], body.charge_type)
        and _fits(row["chargeStatus"], body.charge_status)
    ]
    return {"serviceList": rows}


def preset_services(call: Call) -> list[dict[str, Any]]:
    """Return the preset models that v1 serves, as v2 shows them."""
    prefix = f"{call.world.address.url}{V1_PREFIX}"
    return [
        {
            "serviceId": f"svcp-{hashlib.sha256(f'{row.kind}/{row.name}'.encode()).hexdigest()[:12]}",
            "name": row.name,
            "url": f"{prefix}/{PATHS[row.kind][1]}/{row.v1}",
            "serviceType": PATHS[row.kind][0],
            "chargeType": "Free",
            "chargeStatus": "Free",
            "runStatus": wire.SERVING,
        }
        for row in catalog.models()
        if row.kind in PATHS and row.v1
    ]


def check_billing(call: Call, billing: wire.Billing) -> None:
    """Return when something can be paid for in this way, or refuse."""
    _check_one_of(call, "billing.paymentTiming", billing.payment_timing, (charge.PREPAID, charge.POSTPAID))
    if billing.payment_timing == charge.PREPAID and billing.reservation is None:
        raise refuse_call(call, "param[billing.reservation] invalid: Prepaid needs one")
    if (reserved := billing.reservation) is None:
        return
    _check_one_of(
        call, "billing.reservation.reservationTimeUnit", reserved.reservation_time_unit, ("Hour", "Month")
    )
    if reserved.reservation_length < 1:
        raise refuse_call(call, "param[billing.reservation.reservationLength] invalid: from 1")


def _row(call: Call, service: Document) -> dict[str, Any]:
    changing = service["before"] and state_of(call.world, service) == wire.DEPLOYING
    return {
        "serviceId": service["id"],
        "modelSetId": service["model"],
        "modelId": service["model"],
        "modelVersionId": service["version"],
        "name": service["name"],
        "description": service["description"],
        "url": url_of(call.world, service),
        "endpoint": service["endpoint"],
        "serviceType": service["serviceType"],
        "runStatus": state_of(call.world, service),
        "updateStatus": "Updating" if changing else "None",
        "chargeType": "ComputingUnit",
        "payType": "Prepay" if service["payment"] == charge.PREPAID else "Postpay",
        "chargeStatus": "Free",
        "resourceConfig": service["resource"],
        "creator": CREATOR,
        "createTime": moment(service["created"]),
    }


def _fits(value: str, wanted: Collection[str] | str | None) -> bool:
    return not wanted or value in ([wanted] if isinstance(wanted, str) else wanted)


def _check_one_of(call: Call, field: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise refuse_call(call, f"param[{field}] invalid: {value!r} is none of {', '.join(allowed)}")
