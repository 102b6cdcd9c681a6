"""Services and applications, v1: integer ids, and the state Done for v2's Serving."""

from typing import Any

from qfnb.wire import service_v1 as wire, service_v2 as wire_v2
from qfnb.wire.base import EmptyBody

from ..http.call import CREATOR, Call, emulates
from ..state.store import Document
from . import common
from .metering import APP_ID

RESOURCE = "GPU-I-2"


@emulates(wire.CREATE)
def create(call: Call, body: wire.ApplyService) -> dict[str, Any]:
    """Deploy a model version."""
    version = common.get_ready_version(
        call, body.model_id, body.model_version_id, ("modelId", "modelVersionId")
    )
    common.validate_naming(call, version["model"], body.name, body.uri, "uri")
    call.validate_range("replicas", body.replicas, 1, common.MAX_REPLICAS)
    call.validate_choice("poolType", body.pool_type, (wire.PUBLIC, wire.PRIVATE))
    service, _ = common.deploy(
        call,
        version,
        name=body.name,
        suffix=body.uri,
        description=body.description or "",
        resource={"type": RESOURCE, "replicasCount": body.replicas},
        pool=body.pool_type,
        plane="v1",
    )
    return {"result": True, "serviceId": service["number"]}


@emulates(wire.GET)
def get(call: Call, body: wire.ServiceRef) -> dict[str, Any]:
    """Describe a service."""
    service = common.get_service(call, body.service_id)
    store = call.world.store
    version = store.get("version", service["version"]) or {}
    model = store.get("model", service["model"]) or {}
    task = _run_of(call, version)
    status = _service_status(call, service)
    return {
        "id": service["number"],
        "serviceIdStr": service["id"],
        "modelId": model.get("number"),
        "modelName": model.get("name", ""),
        "modelType": 0,
        "templateType": 0,
        "iterationId": task.get("number"),
        "modelVersion": version.get("number"),
        "version": version.get("version", "1"),
        "name": service["name"],
        "uri": service["endpoint"],
        "fullUri": common.service_url(call.world, service),
        "serviceStatus": status,
        "sourceType": "Train",
        "onlineTime": int(call.world.lifecycle.final_since(service["plan"]) or 0),
        "description": service["description"],
        "devApiId": service["number"],
        "vmConfig": {**service["resource"], "poolType": service["pool"]},
        "timeout": 60,
        "qps": service["resource"].get("qps") or 0,
        "payType": 1 if service["payment"] == "Prepaid" else 2,
        "creator": CREATOR,
        "createTime": int(service["created"]),
        "modifyTime": int(service["created"]),
    }


@emulates(wire.LIST)
def list_services(call: Call, body: wire.ListServices) -> dict[str, Any]:
    """List the preset models and the deployed services."""
    service_types = body.api_typefilter or wire.TYPES
    presets = [
        _row_to_wire(row["name"], row["url"], row["serviceType"], [])
        for row in common.preset_services(call)
        if row["serviceType"] in service_types
    ]
    deployed = [
        _row_to_wire(
            row["name"],
            common.service_url(call.world, row),
            row["serviceType"],
            [_version_to_wire(call, row)],
        )
        for row in common.all_services(call.world)
        if row["serviceType"] in service_types
    ]
    return {"common": presets, "custom": deployed}


@emulates(wire.APPS)
def apps(call: Call, body: EmptyBody) -> dict[str, Any]:
    """List the sandbox's application, with the sandbox's own keys."""
    service_numbers = ",".join(str(row["number"]) for row in call.world.store.all("service"))
    address = call.world.address
    row = {
        "id": APP_ID,
        "name": "sandbox",
        "ak": address.ak,
        "sk": address.sk,
        "apiIds": service_numbers,
    }
    return {"appList": [row]}


def _service_status(call: Call, service: Document) -> str:
    state = common.service_state(call.world, service)
    return wire.DONE if state == wire_v2.SERVING else state


def _row_to_wire(name: str, url: str, kind: str, versions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "url": url,
        "apiType": kind,
        "chargeStatus": "FREE",
        "versionList": versions,
    }


def _run_of(call: Call, version: Document) -> Document:
    """Return the run that a version was published from, {} if there is none any more."""
    return call.world.store.get("task", version.get("origin", {}).get("runIdStr", "")) or {}


def _version_to_wire(call: Call, service: Document) -> dict[str, Any]:
    store = call.world.store
    run = _run_of(call, store.get("version", service["version"]) or {})
    job = store.get("job", run.get("job", "")) or {}
    return {
        "aiModelId": service["model"],
        "aiModelVersionId": service["version"],
        "trainType": job.get("model", ""),
        "serviceStatus": _service_status(call, service),
    }
