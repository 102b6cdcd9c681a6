"""Services: a published model behind an endpoint, and the list of what can be called."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from ..wire import catalog
from ..wire import service as wire
from ..wire.chat import V1_PREFIX
from .routing import Call, emulates, refuse_call
from .store import random_id


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateService) -> dict[str, Any]:
    """Deploy a model version."""
    store = call.world.store
    version = store.get("version", body.model_id)
    if version is None:
        raise refuse_call(call, f"param[modelId] invalid: {body.model_id} does not exist")
    if not re.fullmatch(r"[a-z0-9_]{1,30}", body.url_suffix):
        raise refuse_call(call, "param[urlSuffix] invalid: up to 30 lower-case letters, digits and _")
    service = store.add(
        "service",
        random_id("svco-"),
        name=body.name,
        model=version["model"],
        version=version["id"],
        task=version["task"],
        endpoint=f"{random_id('', 8)}_{body.url_suffix}",
        resource=body.resource_config.to_wire(),
        plan=call.world.lifecycle.plan((wire.NEW, "new"), (wire.DEPLOYING, "deploy"), then=wire.SERVING),
    )
    return {"serviceId": service["id"], "instanceId": random_id("", 32)}


@emulates(wire.DESCRIBE)
def describe(call: Call, body: wire.ServiceRef) -> dict[str, Any]:
    """Describe a service."""
    service = call.world.store.get("service", body.service_id)
    if service is None:
        raise refuse_call(call, f"param[serviceId] invalid: {body.service_id} does not exist")
    return {
        "serviceId": service["id"],
        "modelId": service["model"],
        "modelVersionId": service["version"],
        "name": service["name"],
        "url": f"{call.world.address.url}{V1_PREFIX}/chat/{service['endpoint']}",
        "serviceType": "chat",
        "runStatus": call.world.lifecycle.state(service["plan"]),
        "chargeStatus": "Free",
        "resourceConfig": service["resource"],
        "createTime": datetime.fromtimestamp(service["created"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


@emulates(wire.LIST)
def list_services(call: Call, body: wire.ListServices) -> dict[str, Any]:
    """List the preset chat models and the deployed services."""
    if body.api_typefilter and "chat" not in body.api_typefilter:
        return {"common": [], "custom": []}
    url = f"{call.world.address.url}{V1_PREFIX}/chat"
    preset = [
        _row(row.name, f"{url}/{row.v1}", []) for row in catalog.models() if row.kind == "chat" and row.v1
    ]
    own = [
        _row(
            row["name"],
            f"{url}/{row['endpoint']}",
            [{"aiModelVersionId": row["version"], "serviceStatus": "Done"}],
        )
        for row in call.world.store.all("service")
    ]
    return {"common": preset, "custom": own}


def _row(name: str, url: str, versions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "url": url, "apiType": "chat", "chargeStatus": "FREE", "versionList": versions}
