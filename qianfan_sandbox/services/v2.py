"""Services, v2: deployed model versions, their usage, and the preset services."""

from collections.abc import Collection
from typing import Any

from qfnb.wire import charge, service_v2 as wire

from ..http import timestamps
from ..http.call import CREATOR, Call, emulates
from ..http.paging import page_by_marker
from ..state.store import Document
from . import common, metering

RESOURCES = ("GPU-I-2", "GPU-I-4", "CPU-I-2")
MAX_QPS_PER_REPLICA = 50
"""Queries per second of one replica, at most."""


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateService) -> dict[str, Any]:
    """Deploy a model version."""
    version = common.get_ready_version(
        call, body.model_set_id, body.model_id, ("modelSetId", "modelId")
    )
    common.validate_naming(call, version["model"], body.name, body.url_suffix, "urlSuffix")
    resource = body.resource_config
    call.validate_choice("resourceConfig.type", resource.type, RESOURCES)
    call.validate_range(
        "resourceConfig.replicasCount", resource.replicas_count, 1, common.MAX_REPLICAS
    )
    if resource.qps is not None and not 0 < resource.qps <= MAX_QPS_PER_REPLICA:
        raise call.invalid("resourceConfig.qps", f"above 0, to {MAX_QPS_PER_REPLICA}")
    common.validate_billing(call, body.billing)
    service, unit = common.deploy(
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
    return _service_to_wire(call, common.get_service(call, body.service_id))


@emulates(wire.FIND)
def find_services(call: Call, body: wire.FindServices) -> dict[str, Any]:
    """List the services that match all filters."""
    rows = [
        row
        for row in (_service_to_wire(call, service) for service in common.all_services(call.world))
        if (not body.name or body.name in row["name"])
        and _matches_filter(row["serviceType"], body.service_type)
        and _matches_filter(row["runStatus"], body.run_status)
        and _matches_filter(row["creator"], body.creator)
        and _matches_filter(row["chargeType"], body.charge_type)
        and _matches_filter(row["payType"], body.pay_type)
    ]
    return page_by_marker(call, rows, "serviceId", body, "serviceList")


@emulates(wire.METRIC)
def metric(call: Call, body: wire.MetricQuery) -> dict[str, Any]:
    """Return the usage of the user's services; that of preset services is not recorded."""
    start, end = (metering.parse_time(call, name, body) for name in ("start_time", "end_time"))
    service_ids = [body.service_id] if isinstance(body.service_id, str) else body.service_id
    matches = (
        [common.get_service(call, key) for key in service_ids]
        if service_ids
        else common.all_services(call.world)
    )
    rows = [
        {
            "serviceId": service["id"],
            "serviceName": service["name"],
            "appList": metering.usage_by_app(call.world, service["id"], start, end, body.app_id),
        }
        for service in matches
    ]
    return {"startTime": body.start_time, "endTime": body.end_time, "serviceList": rows}


@emulates(wire.MODIFY)
def modify(call: Call, body: wire.ModifyService) -> dict[str, Any]:
    """Deploy another version on a service; until it is ready the previous one answers."""
    service = common.get_service(call, body.service_id)
    if (state := common.service_state(call.world, service)) != wire.SERVING:
        raise call.invalid("serviceId", f"{service['id']} is {state}, not {wire.SERVING}")
    version = common.get_ready_version(
        call, body.model_set_id, body.model_id, ("modelSetId", "modelId")
    )
    previous = {key: service[key] for key in ("model", "version", "task")}
    plan = call.world.lifecycle.plan((wire.DEPLOYING, "deploy"), final=wire.SERVING)
    call.world.store.update(
        service["id"], before=previous, plan=plan, **common.version_fields(version)
    )
    return {"serviceId": service["id"]}


@emulates(wire.PRESETS)
def find_presets(call: Call, body: wire.FindPresets) -> dict[str, Any]:
    """List the preset models; in the sandbox all of them are free."""
    rows = [
        row
        for row in common.preset_services(call)
        if _matches_filter(row["serviceId"], body.service_ids)
        and _matches_filter(row["serviceType"], body.service_type)
        and _matches_filter(row["chargeType"], body.charge_type)
        and _matches_filter(row["chargeStatus"], body.charge_status)
    ]
    return {"serviceList": rows}


def _service_to_wire(call: Call, service: Document) -> dict[str, Any]:
    changing = service["before"] and common.service_state(call.world, service) == wire.DEPLOYING
    return {
        "serviceId": service["id"],
        "modelSetId": service["model"],
        "modelId": service["model"],
        "modelVersionId": service["version"],
        "name": service["name"],
        "description": service["description"],
        "url": common.service_url(call.world, service),
        "endpoint": service["endpoint"],
        "apiVersion": service["plane"],
        "serviceType": service["serviceType"],
        "runStatus": common.service_state(call.world, service),
        "updateStatus": "Updating" if changing else "None",
        "chargeType": "ComputingUnit",
        "payType": "Prepay" if service["payment"] == charge.PREPAID else "Postpay",
        "chargeStatus": "Free",
        "resourceConfig": service["resource"],
        "creator": CREATOR,
        "createTime": timestamps.utc(service["created"]),
    }


def _matches_filter(value: str, allowed: Collection[str] | str | None) -> bool:
    return not allowed or value in ([allowed] if isinstance(allowed, str) else allowed)
