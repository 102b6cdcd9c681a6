"""The sandbox's OpenAPI description, and its answers to requests that the description allows and
forbids.
"""

import json
import os
import re
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from support.model_life import STEPS, Life
from support.raw_http import open_client
from support.sandbox_thread import run_world

from qfnb.wire import auth
from qfnb.wire.endpoints import ENDPOINTS
from qianfan_sandbox import app

pytestmark = pytest.mark.long

FULL = bool(os.environ.get("QFNB_FULL"))
EXAMPLES = 100 if FULL else 2
MODES = {
    "allowed": schemathesis.GenerationMode.POSITIVE,
    "forbidden": schemathesis.GenerationMode.NEGATIVE,
}

bounded = settings(
    max_examples=EXAMPLES,
    derandomize=not FULL,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A sandbox in which something of each kind exists."""
    with run_world(tmp_path_factory.mktemp("world"), time.monotonic) as world_:
        life = Life(world_.address)
        for step in STEPS:
            step(life)
        yield world_


@pytest.fixture(scope="module")
def http(world):
    with open_client(world.address.url) as client:
        yield client


@pytest.fixture(scope="module")
def described():
    return json.loads(json.dumps(app.build_document("http://127.0.0.1:1")))


@pytest.fixture(scope="module")
def operations(world):
    schema = schemathesis.openapi.from_dict(app.build_document(world.address.url))
    results = (row.ok() for row in schema.get_all_operations())
    return {operation.definition.raw["operationId"]: operation for operation in results}


def send_case(world, http, endpoint, case):
    """Return the answer to a generated request, which is given the credentials of its plane."""
    arguments = case.as_transport_kwargs(base_url=world.address.url)
    request_options = {
        name: arguments[name] for name in ("method", "url", "params", "json") if name in arguments
    }
    if isinstance(arguments.get("data"), bytes):
        request_options["content"] = arguments["data"]
    if endpoint.method == "POST":
        request_options["headers"] = {"content-type": "application/json"}
    if files := arguments.get("files"):
        request_options |= {
            "files": [(field, sendable(value)) for field, value in files],
            "headers": {},
        }
    request = http.build_request(**request_options)
    path = request.url.raw_path.split(b"?")[0].decode()
    query = request.url.params.multi_items()
    if endpoint.plane == "v2":
        request.headers["authorization"] = f"Bearer {world.address.api_key}"
    else:
        request.headers.update(signature_of(world.address, endpoint.method, path, query))
    return http.send(request)


def sendable(value):
    """Return a part of a form as httpx accepts it."""
    content = value[1] if isinstance(value, tuple) else value
    return content if isinstance(content, bytes) else str(content)


def signature_of(address, method, path, query):
    headers = {
        "host": address.url.removeprefix("http://"),
        "x-bce-date": auth.format_timestamp(time.time()),
    }
    parts = {
        "method": method,
        "path": path,
        "query": query,
        "headers": headers,
        "date": headers["x-bce-date"],
    }
    return headers | {
        "authorization": auth.build_authorization(address.access_key, address.secret_key, **parts)
    }


def rows_of(world):
    """Return the newest objects of each kind."""
    kinds = {
        kind for (kind,) in world.store._database.execute("select distinct kind from document")
    }
    return {kind: world.store.all(kind)[-5:] for kind in sorted(kinds)}


def with_known_ids(rows, value, number, field=""):
    """Replace most generated ids by ids of existing objects."""
    if isinstance(value, dict):
        return {key: with_known_ids(rows, item, number, key) for key, item in value.items()}
    if isinstance(value, list):
        return [with_known_ids(rows, item, number, field) for item in value]
    if not re.search(r"(id|ids|idstr|pk)$", field, re.IGNORECASE) or number % 4 == 0:
        return value
    kinds = [kind for kind in rows if kind in field.lower()] or list(rows)
    kind = kinds[number % len(kinds)]
    row = rows[kind][number % len(rows[kind])]
    return row["number"] if number % 2 else row["id"]


def test_every_operation_is_described_once(described):
    names = [row["operationId"] for path in described["paths"].values() for row in path.values()]
    assert sorted(names) == sorted(ENDPOINTS)


@pytest.mark.fault("F90")
@pytest.mark.parametrize("name", sorted(ENDPOINTS))
@pytest.mark.parametrize("mode", MODES)
def test_nothing_that_can_be_sent_is_the_sandboxs_own_failure(world, http, operations, name, mode):
    operation = operations[name]
    endpoint = ENDPOINTS[name]
    rows = rows_of(world)
    failures = []
    in_path = [row["in"] == "path" for row in operation.definition.raw["parameters"]]
    if mode == "forbidden" and all(in_path) and not operation.body:
        pytest.skip("nothing can be sent wrongly")

    @bounded
    @given(case=operation.as_strategy(generation_mode=MODES[mode]), number=st.integers(0, 1000))
    def ask(case, number):
        case.body = with_known_ids(rows, case.body, number)
        answer = send_case(world, http, endpoint, case)
        if answer.status_code >= 500:
            failures.append((case.query, case.body, answer.text[:200]))

    ask()
    assert not failures, failures[0]
