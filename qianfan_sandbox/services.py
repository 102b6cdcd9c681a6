"""Services in both versions of the interface: deployed, described, called, and their usage by
minute.
"""

import functools
import hashlib
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from qfnb.wire import catalog, model, service as wire
from qfnb.wire.base import EmptyBody, Id, JsonMapping, JsonObject, Record
from qfnb.wire.chat import V1_PREFIX

from .http.call import (
    CREATOR,
    Call,
    Refusal,
    Stream,
    emulates,
    fields_of,
    page_by_marker,
    parse_utc,
    utc,
    v1_refusal,
    v2_refusal,
)
from .state.store import Document, random_id
from .state.world import World

PRESET_PATHS = {
    "chat": "chat",
    "completion": "completions",
    "embedding": "embeddings",
    "text2image": "text2image",
    "image2text": "image2text",
}
"""Kind of preset model -> the serviceType, which is also the segment of the address."""

DEFAULT_FIELDS: Document = {
    "description": "",
    "serviceType": "chat",
    "pool": 2,
    "payment": wire.PREPAID,
    "before": None,
    "plane": "v2",
}
"""Fields that services of older versions of the sandbox do not have."""

SUFFIX_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,48}[a-z0-9]")
MAX_NAME_LENGTH = 50
"""Characters of a name or a suffix: 2 to 20 in the documentation, but the official SDK's defaults
have 35.
"""

MAX_REPLICAS = 100


def all_services(world: World) -> list[Document]:
    """Return all services, the newest first."""
    return [DEFAULT_FIELDS | row for row in reversed(world.store.all("service"))]


def preset_services(call: Call) -> list[JsonObject]:
    """Return the preset models that v1 serves, in v2's form."""
    prefix = f"{call.world.address.url}{V1_PREFIX}"
    services = []
    for row in catalog.load_models():
        if row.kind in PRESET_PATHS and row.v1:
            digest = hashlib.sha256(f"{row.kind}/{row.name}".encode()).hexdigest()
            service_type = PRESET_PATHS[row.kind]
            service = {
                "serviceId": f"svcp-{digest[:12]}",
                "name": row.name,
                "url": f"{prefix}/{service_type}/{row.v1}",
                "serviceType": service_type,
                "chargeType": "Free",
                "chargeStatus": "Free",
                "runStatus": wire.SERVING,
            }
            services.append(service)
    return services


def find_service(call: Call, endpoint: str) -> Document | None:
    """Return the service with an endpoint, or the model version (`amv-...`) where a call can use
    one without.
    """
    store = call.store
    if call.allows_undeployed and (version := store.get("version", endpoint)):
        return version
    services = store.all("service", endpoint=endpoint)
    if services:
        return services[0]
    return None


def get_service(call: Call, key: Id) -> Document:
    """Return the service with an id or number."""
    return DEFAULT_FIELDS | call.find("service", key, "serviceId")


def service_state(world: World, service: Document) -> str:
    """Return a service's runStatus."""
    return str(world.lifecycle.state(service["plan"]))


def service_url(world: World, service: Document) -> str:
    """Return the address of a service."""
    return f"{world.address.url}{V1_PREFIX}/chat/{service['endpoint']}"


def get_ready_version(
    call: Call, set_id: Id, version_id: Id, set_field: str, version_field: str
) -> Document:
    """Return a model version that can be deployed."""
    version = call.find("version", version_id, version_field)
    owner = call.store.get("model", set_id)
    if owner is None or owner["id"] != version["model"]:
        raise call.invalid(set_field, f"{version_id} is not a version of {set_id}")
    state = call.lifecycle.state(version["plan"])
    if state != model.READY:
        raise call.invalid(version_field, f"{version_id} is {state}, not {model.READY}")
    if not version.get("task"):
        raise call.invalid(version_field, f"the sandbox has no weights of {version_id}")
    return version


def validate_naming(call: Call, owner: str, name: str, suffix: str, field: str) -> None:
    """Raise a refusal unless the name and the suffix of a service are valid.

    A name is unique among the services of a model only: a notebook that is run again trains another
    model.
    """
    if not 2 <= len(name.strip()) <= MAX_NAME_LENGTH:
        raise call.invalid("name", f"2 to {MAX_NAME_LENGTH} characters")
    if not SUFFIX_PATTERN.fullmatch(suffix):
        raise call.invalid(
            field,
            f"2 to {MAX_NAME_LENGTH} lower-case letters, digits, _ and -, a letter or a digit "
            "first and last",
        )
    if call.store.all("service", model=owner, name=name):
        raise call.invalid("name", f"this model has a service {name!r} already")


def validate_billing(call: Call, billing: wire.Billing) -> None:
    """Raise a refusal unless a way of payment is valid."""
    payments = (wire.PREPAID, wire.POSTPAID)
    call.validate_choice("billing.paymentTiming", billing.payment_timing, payments)
    reservation = billing.reservation
    if reservation is None and billing.payment_timing == wire.PREPAID:
        raise call.invalid("billing.reservation", "Prepaid needs one")
    if reservation and reservation.reservation_length < 1:
        raise call.invalid("billing.reservation.reservationLength", "from 1")


def deploy(
    call: Call, version: Document, *, name: str, suffix: str, **fields: Any
) -> tuple[Document, str]:
    """Begin to deploy a version; return the service and the id of its compute unit."""
    world = call.world
    service = world.store.add(
        "service",
        random_id("svco-"),
        name=name,
        endpoint=f"{random_id('', 8)}_{suffix}",
        plan=world.lifecycle.plan(
            (wire.NEW, "new"), (wire.DEPLOYING, "deploy"), final=wire.SERVING
        ),
        **version_fields(version),
        **(DEFAULT_FIELDS | fields),
    )
    unit = world.store.add(
        "unit",
        random_id("a-", 16),
        serviceId=service["id"],
        replicasCount=fields["resource"]["replicasCount"],
        billing={"paymentTiming": service["payment"]},
        status=wire.RUNNING,
    )
    return service, str(unit["id"])


def version_fields(version: Document) -> JsonObject:
    """Return the fields of a service that name its version."""
    return fields_of(version, "model", "task", version="id")


def active_deployment(call: Call, service: Document) -> Document:
    """Return the service with the version that answers now: during an update the previous one.

    Raises:
        Refusal: it does not answer, or it is of the v1 kind and the sandbox is strict.
    """
    if call.is_strict and service.get("plane") == "v1":
        message = (
            "No permission to use the model: services of the v1 kind ended on 2026-08-31, "
            "deploy it again"
        )
        raise v2_refusal("invalid_model", message, status=401)
    state = service_state(call.world, service)
    if state in {wire.SERVING, model.READY}:
        return service
    previous: Document | None = service.get("before")
    if state == wire.DEPLOYING and previous:
        return service | previous
    reason = (
        f"the service {service.get('endpoint', service['id'])} is {state}, it answers when "
        "it is Serving"
    )
    if call.endpoint.plane == "v1":
        raise v1_refusal(336005, f"no such endpoint: {reason}")
    raise v2_refusal("invalid_model", f"No permission to use the model: {reason}", status=401)


RESOURCES = ("GPU-I-2", "GPU-I-4", "CPU-I-2")
MAX_QPS_PER_REPLICA = 50
"""Queries per second of one replica, at most."""


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateService) -> JsonObject:
    """Deploy a model version."""
    version = get_ready_version(call, body.model_set_id, body.model_id, "modelSetId", "modelId")
    validate_naming(call, version["model"], body.name, body.url_suffix, "urlSuffix")
    resource = body.resource_config
    call.validate_choice("resourceConfig.type", resource.type, RESOURCES)
    call.validate_range("resourceConfig.replicasCount", resource.replicas_count, 1, MAX_REPLICAS)
    if resource.qps is not None and not 0 < resource.qps <= MAX_QPS_PER_REPLICA:
        raise call.invalid("resourceConfig.qps", f"above 0, to {MAX_QPS_PER_REPLICA}")
    validate_billing(call, body.billing)
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
def describe(call: Call, body: wire.ServiceRef) -> JsonObject:
    """Describe a service."""
    return _service_to_wire(call, get_service(call, body.service_id))


@emulates(wire.FIND)
def find_services(call: Call, body: wire.FindServices) -> JsonObject:
    """List the services that match all filters."""
    filters = {
        "serviceType": body.service_type,
        "runStatus": body.run_status,
        "creator": body.creator,
        "chargeType": body.charge_type,
        "payType": body.pay_type,
    }
    services = []
    for service in all_services(call.world):
        row = _service_to_wire(call, service)
        if (body.name or "") in row["name"] and _matches(row, filters):
            services.append(service)
    return page_by_marker(call, services, body, _service_to_wire, "serviceList")


@emulates(wire.METRIC)
def metric(call: Call, body: wire.MetricQuery) -> JsonObject:
    """Return the usage of the user's services; that of preset services is not recorded."""
    start = parse_time(call, "startTime", body.start_time)
    end = parse_time(call, "endTime", body.end_time)
    services = [get_service(call, key) for key in _as_list(body.service_id)]
    if not services:
        services = all_services(call.world)
    app_ids = _as_list(body.app_id)
    rows = []
    for service in services:
        row = fields_of(service, serviceId="id", serviceName="name")
        row["appList"] = usage_by_app(call.world, service["id"], start, end, app_ids)
        rows.append(row)
    return {"startTime": body.start_time, "endTime": body.end_time, "serviceList": rows}


def _as_list(value: list[str] | str | None) -> list[str]:
    if isinstance(value, str):
        return [value]
    return value or []


@emulates(wire.MODIFY)
def modify(call: Call, body: wire.ModifyService) -> JsonObject:
    """Deploy another version on a service; until it is ready the previous one answers."""
    service = get_service(call, body.service_id)
    if (state := service_state(call.world, service)) != wire.SERVING:
        raise call.invalid("serviceId", f"{service['id']} is {state}, not {wire.SERVING}")
    version = get_ready_version(call, body.model_set_id, body.model_id, "modelSetId", "modelId")
    previous = fields_of(service, "model", "version", "task")
    plan = call.lifecycle.plan((wire.DEPLOYING, "deploy"), final=wire.SERVING)
    call.store.update(service["id"], before=previous, plan=plan, **version_fields(version))
    return {"serviceId": service["id"]}


@emulates(wire.PRESETS)
def find_presets(call: Call, body: wire.FindPresets) -> JsonObject:
    """List the preset models; in the sandbox all of them are free."""
    filters = {
        "serviceId": body.service_ids,
        "serviceType": body.service_type,
        "chargeType": body.charge_type,
        "chargeStatus": body.charge_status,
    }
    rows = []
    for row in preset_services(call):
        if _matches(row, filters):
            rows.append(row)
    return {"serviceList": rows}


def _service_to_wire(call: Call, service: Document) -> JsonObject:
    state = service_state(call.world, service)
    is_updating = service["before"] and state == wire.DEPLOYING
    return {
        **fields_of(service, "name", "description", "endpoint", "serviceType", serviceId="id"),
        **fields_of(service, modelSetId="model", modelId="model", modelVersionId="version"),
        **fields_of(service, apiVersion="plane", resourceConfig="resource"),
        "url": service_url(call.world, service),
        "runStatus": state,
        "updateStatus": "Updating" if is_updating else "None",
        "chargeType": "ComputingUnit",
        "payType": "Prepay" if service["payment"] == wire.PREPAID else "Postpay",
        "chargeStatus": "Free",
        "creator": CREATOR,
        "createTime": utc(service["created"]),
    }


def _matches(row: JsonObject, filters: Mapping[str, list[str] | str | None]) -> bool:
    """Return whether a row has one of the values that each filter allows; one without any allows
    all.
    """
    return all(not allowed or row[name] in _as_list(allowed) for name, allowed in filters.items())


@emulates(wire.CREATE_V1)
def create_v1(call: Call, body: wire.ApplyService) -> JsonObject:
    """Deploy a model version."""
    version = get_ready_version(
        call, body.model_id, body.model_version_id, "modelId", "modelVersionId"
    )
    validate_naming(call, version["model"], body.name, body.uri, "uri")
    call.validate_range("replicas", body.replicas, 1, MAX_REPLICAS)
    call.validate_choice("poolType", body.pool_type, (wire.PUBLIC, wire.PRIVATE))
    service, _ = deploy(
        call,
        version,
        name=body.name,
        suffix=body.uri,
        description=body.description or "",
        resource={"type": RESOURCES[0], "replicasCount": body.replicas},
        pool=body.pool_type,
        plane="v1",
    )
    return {"result": True, "serviceId": service["number"]}


@emulates(wire.GET_V1)
def get(call: Call, body: wire.ServiceRef) -> JsonObject:
    """Describe a service."""
    service = get_service(call, body.service_id)
    version = call.store.get("version", service["version"]) or {}
    model = call.store.get("model", service["model"]) or {}
    return {
        **fields_of(service, "name", "description", id="number", devApiId="number"),
        **fields_of(service, serviceIdStr="id", uri="endpoint"),
        "modelId": model.get("number"),
        "modelName": model.get("name", ""),
        "modelType": 0,
        "templateType": 0,
        "iterationId": _run_of(call, version).get("number"),
        "modelVersion": version.get("number"),
        "version": version.get("version", "1"),
        "fullUri": service_url(call.world, service),
        "serviceStatus": _service_status(call, service),
        "sourceType": "Train",
        "onlineTime": int(call.lifecycle.final_since(service["plan"]) or 0),
        "vmConfig": {**service["resource"], "poolType": service["pool"]},
        "timeout": 60,
        "qps": service["resource"].get("qps") or 0,
        "payType": 1 if service["payment"] == wire.PREPAID else 2,
        "creator": CREATOR,
        "createTime": int(service["created"]),
        "modifyTime": int(service["created"]),
    }


@emulates(wire.LIST_V1)
def list_services(call: Call, body: wire.ListServices) -> JsonObject:
    """List the preset models and the deployed services."""
    types = body.api_typefilter or wire.TYPES
    presets = []
    for row in preset_services(call):
        if row["serviceType"] in types:
            presets.append(_row_to_wire(row, []))
    deployed = []
    for service in all_services(call.world):
        if service["serviceType"] in types:
            row = service | {"url": service_url(call.world, service)}
            deployed.append(_row_to_wire(row, [_version_to_wire(call, service)]))
    return {"common": presets, "custom": deployed}


@emulates(wire.APPS)
def apps(call: Call, body: EmptyBody) -> JsonObject:
    """List the sandbox's application, with the sandbox's own keys."""
    numbers = [str(row["number"]) for row in call.store.all("service")]
    address = call.world.address
    row = {
        "id": APP_ID,
        "name": "sandbox",
        "ak": address.ak,
        "sk": address.sk,
        "apiIds": ",".join(numbers),
    }
    return {"appList": [row]}


def _service_status(call: Call, service: Document) -> str:
    state = service_state(call.world, service)
    return wire.DONE if state == wire.SERVING else state


def _row_to_wire(row: JsonObject, versions: list[JsonObject]) -> JsonObject:
    fields = fields_of(row, "name", "url", apiType="serviceType")
    return fields | {"chargeStatus": "FREE", "versionList": versions}


def _run_of(call: Call, version: Document) -> Document:
    """Return the run that a version was published from, {} if there is none any more."""
    return call.store.get("task", version.get("origin", {}).get("runIdStr", "")) or {}


def _version_to_wire(call: Call, service: Document) -> JsonObject:
    store = call.store
    run = _run_of(call, store.get("version", service["version"]) or {})
    job = store.get("job", run.get("job", "")) or {}
    return {
        "aiModelId": service["model"],
        "aiModelVersionId": service["version"],
        "trainType": job.get("model", ""),
        "serviceStatus": _service_status(call, service),
    }


# the sandbox's application; a call with another one in its `appid` header is counted for that one
APP_ID = 10000001
KIND = "metric"
MINUTE_SECONDS = 60
COUNT_FIELDS = ("input", "output", "good", "bad")

Handler = Callable[[Call, Any], Any]
_lock = threading.Lock()


def requested_model(call: Call, body: Record) -> str:
    """Return the model that a request of inference names: in its path on v1, in its body on v2."""
    return call.path.get("model") or str(getattr(body, "model", ""))


def metered(handler: Handler) -> Handler:
    """Decorate a handler of chat or completion, to count its answers for a service."""

    @functools.wraps(handler)
    def counted_handler(call: Call, body: Any) -> Any:
        service = find_service(call, requested_model(call, body))
        if service is None or "endpoint" not in service:
            return handler(call, body)
        return _call_and_count(call, service["id"], handler, body)

    return counted_handler


def usage_by_app(
    world: World, service_id: str, start: float, end: float, app_ids: list[str]
) -> list[JsonObject]:
    """Return the usage of a service by each application, from the minute of `start` to that of
    `end`; of all applications without ids.
    """
    totals: dict[str, Counter[str]] = {}
    for row in world.store.all(KIND, service=service_id):
        is_asked = not app_ids or row["app"] in app_ids
        if is_asked and start - MINUTE_SECONDS < row["minute"] <= end:
            totals.setdefault(row["app"], Counter()).update(fields_of(row, *COUNT_FIELDS))
    rows = []
    for app, total in sorted(totals.items()):
        rows.append({"appId": app, "metric": _metric_to_wire(total)})
    return rows


def parse_time(call: Call, name: str, text: str) -> float:
    """Return a time of a request in Unix seconds."""
    try:
        return parse_utc(text)
    except ValueError:
        raise call.invalid(name, f"{text!r} is not like 2025-03-30T16:00:00Z") from None


def _call_and_count(call: Call, service_id: str, handler: Handler, body: Any) -> Any:
    try:
        result = handler(call, body)
    except Refusal:
        _record_call(call, service_id, None)
        raise
    if isinstance(result, Stream):
        return Stream(_count_stream(call, service_id, result.pieces), result.done)
    _record_call(call, service_id, result)
    return result


async def _count_stream(
    call: Call, service_id: str, pieces: AsyncIterator[JsonObject]
) -> AsyncIterator[JsonObject]:
    """Yield the pieces, and record the usage of the last one; a stream that is closed early counts
    as failed.
    """
    usage_piece: JsonObject | None = None
    try:
        async for piece in pieces:
            if piece.get("usage"):
                usage_piece = piece
            yield piece
    finally:
        _record_call(call, service_id, usage_piece)


def _record_call(call: Call, service_id: str, answer: JsonMapping | None) -> None:
    usage = (answer or {}).get("usage") or {}
    store = call.store
    app = call.app or str(APP_ID)
    minute = int(call.world.clock.now() // MINUTE_SECONDS) * MINUTE_SECONDS
    counts = {
        "input": int(usage.get("prompt_tokens", 0)),
        "output": int(usage.get("completion_tokens", 0)),
        "good": int(answer is not None),
        "bad": int(answer is None),
    }
    id_ = f"{KIND}-{service_id}-{app}-{minute}"
    with _lock:
        row = store.get(KIND, id_)
        if row is None:
            store.add(KIND, id_, service=service_id, app=app, minute=minute, **counts)
        else:
            totals = Counter(counts)
            totals.update(fields_of(row, *COUNT_FIELDS))
            store.update(id_, **totals)


def _metric_to_wire(total: Mapping[str, int]) -> dict[str, int]:
    names = {"inputTokensTotal": "input", "outputTokensTotal": "output"}
    return {
        **fields_of(total, succeedCallTotal="good", failureCallTotal="bad", **names),
        "tokensTotal": total["input"] + total["output"],
        "callTotal": total["good"] + total["bad"],
    }
