"""Injected faults: which rule applies, and what happens to the call."""

import json

import pytest
from support import model_life
from support.example_request import send_example
from support.model_life import STEPS, Life
from support.raw_http import CHAT, line

from qfnb.sandbox import ensure
from qfnb.wire.endpoints import ENDPOINTS
from qianfan_sandbox.failures import Fault

FAULTS = "/_sandbox/faults"
BODY = line(1)["body"]


@pytest.fixture(autouse=True)
def _no_faults_left(control):
    yield
    control.delete(FAULTS).raise_for_status()


def test_the_first_rule_that_applies_decides(fault, http):
    fault("chat.*", "status", status=429)
    fault("*", "status", status=500, times=None)
    assert [http.post(CHAT, json=BODY).status_code for _ in range(3)] == [429, 500, 500]


@pytest.mark.fault("F91")
def test_a_rule_applies_to_the_same_calls_for_the_same_seed():
    def matches(seed):
        rule = Fault(endpoint="chat.v2", chance=0.3, times=None, seed=seed)
        return [rule.applies_to("chat.v2") for _ in range(200)]

    assert matches(1) == matches(1) != matches(2)
    assert 35 < sum(matches(1)) < 85


def test_a_rule_is_listed_with_its_count_and_removed(control, fault, http):
    fault("chat.v2", "status", times=None)
    http.post(CHAT, json=BODY)
    (rule,) = control.get(FAULTS).json()["faults"]
    assert (rule["endpoint"], rule["struck"]) == ("chat.v2", 1)
    assert control.delete(f"{FAULTS}/{rule['id']}").json() == {"faults": 0}
    assert control.delete(f"{FAULTS}/{rule['id']}").status_code == 404


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ({"endpoint": "chat.v9"}, "matches no operation"),
        ({"fault": "explode"}, "fault"),
        ({"status": 200}, "status"),
        ({"tmies": 3}, "tmies"),
    ],
)
def test_a_rule_that_is_wrong_is_refused_by_name(control, rule, named):
    answer = control.post(FAULTS, json=rule)
    assert (answer.status_code, named in answer.json()["error"]) == (400, True)


SHAPES = {
    "v1": {"error_code", "error_msg", "id"},
    "v2": {"error", "id"},
    "code": {"error_code", "error_msg", "log_id"},
    "status": {"log_id", "status", "success", "code", "message"},
    "action": {"requestId", "code", "message"},
}


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_every_operation_fails_in_its_own_shape(sandbox, http, fault, name):
    row = ENDPOINTS[name]
    family = row.envelope if row.plane == "console" else row.plane
    fault(name, "status", code=336100)
    answer = send_example(sandbox, http, row)
    assert set(answer.json()) == SHAPES.get(family, SHAPES["v1"])
    assert (answer.status_code >= 400) == (family in {"v2", "action"})


@pytest.mark.parametrize(
    ("code", "status", "type_"),
    [
        ("tokens_too_long", 400, "invalid_request_error"),
        ("system_unsafe", 400, "unsafe_request"),
        ("no_parameter_permission", 401, "invalid_request_error"),
        ("invalid_model", 401, "invalid_request_error"),
        ("BILLING_INSUFFICIENT_BALANCE", 429, "rate_limit_exceeded"),
    ],
)
def test_a_word_of_v2_has_its_status_and_type(fault, http, code, status, type_):
    fault("chat.v2", "status", code=code)
    answer = http.post(CHAT, json=BODY)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (status, code, type_)


@pytest.mark.parametrize("stream", [False, True])
def test_torn_characters_are_whole_when_put_together(fault, http, stream):
    expected = http.post(CHAT, json={**BODY, "stream": stream, "seed": 1})
    fault("chat.v2", "split")
    with http.stream("POST", CHAT, json={**BODY, "stream": stream, "seed": 1}) as answer:
        pieces = list(answer.iter_raw())
    received = [text(b"".join(pieces)), text(expected.content)]
    assert received[0] == received[1]
    assert any(0x80 <= piece[0] < 0xC0 for piece in pieces)


def text(content):
    """Return the text of a plain answer or a stream."""
    blocks = content.decode().split("\n\n")
    values = [
        json.loads(block.removeprefix("data: "))
        for block in blocks
        if block and "[DONE]" not in block
    ]
    parts = [value["choices"][0].get("message") or value["choices"][0]["delta"] for value in values]
    return "".join(part.get("content") or "" for part in parts)


@pytest.mark.parametrize(("asked_for", "status"), [("429:2", 429), ("503", 503), ("336100", 503)])
def test_a_request_header_injects_a_fault(sandbox, http, asked_for, status):
    headers = {"x-qfnb-fault": asked_for, "x-qfnb-control": sandbox.control_token}
    answer = http.post(CHAT, json=BODY, headers=headers)
    assert (answer.status_code, answer.headers.get("retry-after")) == (
        status,
        "2" if ":" in asked_for else None,
    )
    assert http.post(CHAT, json=BODY).status_code == 200


@pytest.mark.fault("F91")
@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_fault_in_a_header_needs_the_control_token(http, token):
    answer = http.post(CHAT, json=BODY, headers={"x-qfnb-fault": "503", "x-qfnb-control": token})
    assert (answer.status_code, "x-qfnb-control" in answer.json()["error"]) == (403, True)


@pytest.mark.parametrize("text", ["", "rst@", "boom", "429:x", "stall:9999"])
def test_a_malformed_fault_header_is_refused(sandbox, http, text):
    headers = {"x-qfnb-fault": text, "x-qfnb-control": sandbox.control_token}
    assert http.post(CHAT, json=BODY, headers=headers).status_code == 400


@pytest.fixture(scope="module")
def life():
    """A complete model life, whose steps can be repeated."""
    life_ = Life(ensure())
    for step in STEPS[:-1]:
        step(life_)
    life_.until("Serving", "service.v2.describe", "runStatus", serviceId=life_.ids["service"])
    return life_


@pytest.mark.parametrize(
    ("step", "struck", "shown", "path", "which", "failed"),
    [
        (
            model_life.import_rows,
            "data.import",
            "data.info",
            "versionInfo.importStatus",
            "dataset",
            3,
        ),
        (
            model_life.create_task,
            "finetune.v2.create_task",
            "finetune.v2.describe_task",
            "runStatus",
            "task",
            "Failed",
        ),
        (model_life.publish, "model.publish", "model.detail", "state", "version", "Fail"),
        (
            model_life.deploy,
            "service.v2.create",
            "service.v2.describe",
            "runStatus",
            "service",
            "Failed",
        ),
    ],
)
def test_what_a_call_creates_ends_in_its_failed_state(
    life, fault, step, struck, shown, path, which, failed
):
    again = Life(life.address, "again", dict(life.ids))
    fault(struck, "fail")
    step(again)
    field = {
        "dataset": "datasetId",
        "task": "taskId",
        "version": "modelVersionId",
        "service": "serviceId",
    }[which]
    again.until(failed, shown, path, **{field: again.ids[which]})
