"""Services as both versions use them: validated, deployed, their states, and which model
answers.
"""

import hashlib
import re
import secrets
from typing import Any

from qfnb.wire import catalog, charge, model_v1, service_v2 as wire
from qfnb.wire.chat import V1_PREFIX

from ..http.call import Call
from ..http.refusals import v1_refusal, v2_refusal
from ..state.store import Document, random_id
from ..state.world import World

PRESET_PATHS: dict[str, tuple[str, str]] = {
    "chat": ("chat", "chat"),
    "completion": ("completions", "completions"),
    "embedding": ("embeddings", "embeddings"),
    "text2image": ("text2image", "text2image"),
    "image2text": ("image2text", "image2text"),
}
"""Kind of preset model -> the serviceType, and the segment of the address."""

DEFAULT_FIELDS: Document = {
    "description": "",
    "serviceType": "chat",
    "pool": 2,
    "payment": charge.PREPAID,
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


def _preset_id(kind: str, name: str) -> str:
    return f"svcp-{hashlib.sha256(f'{kind}/{name}'.encode()).hexdigest()[:12]}"


def preset_services(call: Call) -> list[dict[str, Any]]:
    """Return the preset models that v1 serves, in v2's form."""
    prefix = f"{call.world.address.url}{V1_PREFIX}"
    return [
        {
            "serviceId": _preset_id(row.kind, row.name),
            "name": row.name,
            "url": f"{prefix}/{PRESET_PATHS[row.kind][1]}/{row.v1}",
            "serviceType": PRESET_PATHS[row.kind][0],
            "chargeType": "Free",
            "chargeStatus": "Free",
            "runStatus": wire.SERVING,
        }
        for row in catalog.load_models()
        if row.kind in PRESET_PATHS and row.v1
    ]


def find_service(call: Call, endpoint: str) -> Document | None:
    """Return the service with an endpoint, or the model version (`amv-...`) where a call can use
    one without.
    """
    store = call.world.store
    if (
        call.allows_undeployed
        and endpoint.startswith("amv-")
        and (version := store.get("version", endpoint))
    ):
        return version
    return next((row for row in store.all("service") if row["endpoint"] == endpoint), None)


def get_service(call: Call, key: int | str) -> Document:
    """Return the service with an id or number."""
    return DEFAULT_FIELDS | call.find("service", key, "serviceId")


def service_state(world: World, service: Document) -> str:
    """Return a service's runStatus."""
    return str(world.lifecycle.state(service["plan"]))


def service_url(world: World, service: Document) -> str:
    """Return the address of a service."""
    return f"{world.address.url}{V1_PREFIX}/chat/{service['endpoint']}"


def get_ready_version(
    call: Call, set_id: int | str, version_id: int | str, field_names: tuple[str, str]
) -> Document:
    """Return a model version that can be deployed."""
    store = call.world.store
    (set_name, version_name) = field_names
    version = call.find("version", version_id, version_name)
    owner = store.get("model", set_id)
    if owner is None or owner["id"] != version["model"]:
        raise call.invalid(set_name, f"{version_id} is not a version of {set_id}")
    state = call.world.lifecycle.state(version["plan"])
    if state != model_v1.READY:
        raise call.invalid(version_name, f"{version_id} is {state}, not {model_v1.READY}")
    if not version.get("task"):
        raise call.invalid(version_name, f"the sandbox has no weights of {version_id}")
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
    if any(
        row["model"] == owner and row["name"] == name for row in call.world.store.all("service")
    ):
        raise call.invalid("name", f"this model has a service {name!r} already")


def validate_billing(call: Call, billing: wire.Billing) -> None:
    """Raise a refusal unless a way of payment is valid."""
    call.validate_choice(
        "billing.paymentTiming", billing.payment_timing, (charge.PREPAID, charge.POSTPAID)
    )
    if billing.payment_timing == charge.PREPAID and billing.reservation is None:
        raise call.invalid("billing.reservation", "Prepaid needs one")
    if (reservation := billing.reservation) is None:
        return
    call.validate_choice(
        "billing.reservation.reservationTimeUnit",
        reservation.reservation_time_unit,
        ("Hour", "Month"),
    )
    if reservation.reservation_length < 1:
        raise call.invalid("billing.reservation.reservationLength", "from 1")


def deploy(
    call: Call, version: Document, *, name: str, suffix: str, **fields: Any
) -> tuple[Document, str]:
    """Begin to deploy a version; return the service and the id of its compute unit."""
    world = call.world
    plan = world.lifecycle.plan((wire.NEW, "new"), (wire.DEPLOYING, "deploy"), final=wire.SERVING)
    service = world.store.add(
        "service",
        random_id("svco-"),
        name=name,
        endpoint=f"{random_id('', 8)}_{suffix}",
        plan=plan,
        **version_fields(version),
        **{**DEFAULT_FIELDS, **fields},
    )
    return service, add_unit(
        world, service["id"], fields["resource"]["replicasCount"], service["payment"]
    )


def version_fields(version: Document) -> dict[str, Any]:
    """Return the fields of a service that name its version."""
    return {"model": version["model"], "version": version["id"], "task": version["task"]}


def add_unit(world: World, service_id: str, replicas: int, payment: str) -> str:
    """Add a compute unit to a service; return its id."""
    unit = world.store.add(
        "unit",
        new_instance_id(),
        service=service_id,
        replicas=replicas,
        payment=payment,
        status=charge.RUNNING,
    )
    return str(unit["id"])


def new_instance_id() -> str:
    """Return an id of a quota or a unit: a letter, so that it is never a number, and 31 hexadecimal
    digits.
    """
    return f"a{secrets.token_hex(16)[1:]}"


def active_deployment(call: Call, service: Document) -> Document:
    """Return the service with the version that answers now: during an update the previous one.

    Raises:
        Refusal: it does not answer, or it is of the v1 kind and the sandbox is strict.
    """
    if call.world.modes.strict and service.get("plane") == "v1":
        message = (
            "No permission to use the model: services of the v1 kind ended on 2026-08-31, "
            "deploy it again"
        )
        raise v2_refusal("invalid_model", message, status=401)
    state = service_state(call.world, service)
    if state in {wire.SERVING, model_v1.READY}:
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
