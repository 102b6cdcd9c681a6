"""The probe against the sandbox in strict mode: everything is as assumed, and what differs is
named; nothing private is in what it writes.
"""

import json
import time

import pytest
from probe.__main__ import cost_limit, main, plan, run_check, to_cassette
from probe.checks import CHECKS, Check
from probe.exchange import Exchange, Request
from probe.sharing import is_public_model, to_shared
from support import sandbox_thread
from support.scripted_server import http_answer

from qfnb import config
from qfnb.wire.chat import CHAT_V2
from qianfan_sandbox.failures import Modes

SECRET = "bce-v3/ALTAK-abcdefgh/0123456789abcdef0123"
TEXT = "小明的电话是 13800001111"


class AnswerEditor:
    """Passes requests on to an application, and lets `change(path, answer)` edit its answers."""

    def __init__(self, app):
        self.app = app
        self.change = None

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or self.change is None:
            await self.app(scope, receive, send)
            return
        answer = {"status": 0, "headers": {}, "body": b""}

        async def collect(message):
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                pairs = [(name.decode(), value.decode()) for name, value in message["headers"]]
                answer["headers"] = {name.lower(): value for name, value in pairs}
            else:
                answer["body"] += message.get("body", b"")

        await self.app(scope, receive, collect)
        self.change(f"{scope['path']}?{scope['query_string'].decode()}", answer)
        answer["headers"]["content-length"] = str(len(answer["body"]))
        headers = [(name.encode(), value.encode()) for name, value in answer["headers"].items()]
        await send({"type": "http.response.start", "status": answer["status"], "headers": headers})
        await send({"type": "http.response.body", "body": answer["body"]})


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    """A strict sandbox in this process, and its address."""
    editors = []
    build = sandbox_thread.build_app_with_evidence

    def build_edited(world):
        world.modes = Modes(strict=True)
        editors.append(AnswerEditor(build(world)))
        return editors[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox_thread, "build_app_with_evidence", build_edited)
        with sandbox_thread.run_world(tmp_path_factory.mktemp("strict"), time.monotonic) as world:
            yield editors[0], world.address


@pytest.fixture
def probe(editor, tmp_path, capsys):
    """Return a function that runs the probe with one change, and returns what differs."""
    edited, address = editor
    settings = config.get_config()
    settings.base_url = settings.console_api_base_url = settings.iam_base_url = address.url
    settings.api_key = address.api_key
    settings.access_key = address.access_key
    settings.secret_key = address.secret_key

    def run(change=None, *options):
        edited.change = change
        code = main(["--yes", "--out", str(tmp_path), *options])
        lines = capsys.readouterr().out.splitlines()
        differences = [line for line in lines if line.startswith("| ✗")]
        assert code == (3 if differences else 0), lines
        return differences

    return run


def test_everything_is_as_assumed(probe):
    assert probe() == []


def edit_json(function, path):
    def change(target, answer):
        if path in target and "json" in answer["headers"].get("content-type", ""):
            body = json.loads(answer["body"])
            function(body, answer)
            answer["body"] = json.dumps(body).encode()

    return change


def rename_tier_key(body, answer):
    prices = [price for row in body["data"] for price in (row.get("pricing") or {}).values()]
    for tier in [tier for price in prices if isinstance(price, list) for tier in price]:
        tier["limit"] = tier.pop("upper")


def raise_a_price(body, answer):
    next(row for row in body["data"] if row["id"] == "glm-5.3")["pricing"]["prompt"] = "0.01"


def add_a_model(body, answer):
    body["data"].append({**body["data"][0], "id": "ernie-6.0-flash"})


def rename_rate_headers(body, answer):
    pairs = answer["headers"].items()
    answer["headers"] = {name.replace("it-limit", "it-max"): text for name, text in pairs}


def move_token_details(body, answer):
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        body.get("usage", {}).pop(name, None)


def ignore_the_switch_of_one_model(body, answer):
    if body.get("model") == "glm-5.3":
        body["choices"][0]["message"].pop("reasoning_content", None)


def forbid(body, answer):
    answer["status"] = 403 if answer["status"] == 401 else answer["status"]


def price_the_offer(body, answer):
    body["result"][0]["trainingPrice"] = "0.03"


def rename_the_delta(target, answer):
    answer["body"] = answer["body"].replace(b"response.output_text.delta", b"response.text.delta")


def take_away_rerank(target, answer):
    if target == "/v2/rerank?":
        answer["status"] = 404


MODELS = "/v2/models"
CHAT = "/v2/chat"


@pytest.mark.parametrize(
    ("check", "change", "expected"),
    [
        ("models", edit_json(rename_tier_key, MODELS), ["limit, price"]),
        ("prices", edit_json(raise_a_price, MODELS), ["glm-5.3: prompt [0.01] instead of [0.008]"]),
        ("prices", edit_json(add_a_model, MODELS), ["ernie-6.0-flash"]),
        ("rate-headers", edit_json(rename_rate_headers, CHAT), ["max-requests"]),
        (
            "token-details",
            edit_json(move_token_details, CHAT),
            ["cached_tokens None", "reasoning_tokens None"],
        ),
        ("thinking", edit_json(ignore_the_switch_of_one_model, CHAT), ["glm-5.3"]),
        ("responses", rename_the_delta, ["response.text.delta"]),
        ("refusals", edit_json(forbid, CHAT), ["403", "403"]),
        ("rerank", take_away_rerank, ["404"]),
        (
            "fine-tune",
            edit_json(price_the_offer, "SupportModels"),
            ["trainingPrice", "trainingPrice"],
        ),
    ],
)
def test_a_planted_difference_is_named_and_nothing_else(probe, check, change, expected):
    differences = probe(change, "--only", check)
    assert len(differences) == len(expected), differences
    for text, difference in zip(expected, differences, strict=True):
        assert text in difference


def test_report_and_cassette_have_no_key_and_no_text(probe, tmp_path):
    config.get_config().api_key = SECRET
    probe(None, "--only", "usage,responses")
    texts = [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()]
    assert len(texts) == 2
    for private in (SECRET, SECRET.rpartition("/")[2], "用十个字"):
        assert not [text for text in texts if private in text]


def answer(body, status=200, request=None, **headers):
    request = request or Request(CHAT_V2, {"model": "ernie-5.1"})
    return Exchange(request, status, headers, json.dumps(body).encode())


def test_an_answer_that_nobody_thought_of_is_a_finding(monkeypatch):
    monkeypatch.setitem(CHECKS, "odd", Check("an odd answer", lambda ask: {}["x"]))
    assert "KeyError" in run_check("odd", answer, {}).rows[0]


def test_the_cost_is_by_the_price_list_and_unknown_prices_stay_unknown():
    body = {"model": "ernie-4.5-turbo-128k", "messages": [], "max_completion_tokens": 1000}
    assert 0.0032 < cost_limit([Request(CHAT_V2, body)])[0] < 0.0034
    preview = Request(CHAT_V2, {**body, "model": "ernie-5.5-flash-preview"})
    assert cost_limit([preview]) == (0, ["ernie-5.5-flash-preview"])
    assert cost_limit([Request(CHAT_V2, body, key="wrong")]) == (0, [])
    assert [request.path for request in plan(CHECKS["rerank"])] == ["/v2/rerank", "/v2/rerankers"]


def test_nothing_private_is_shared():
    body = {
        "id": "as-abcdefghij", "user_id": 123456, "log_id": 99, "api_key": SECRET, "model": "my-own-service",
        "choices": [{"message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "error": {"code": "invalid_model", "message": f"user 1234567890 has key {SECRET}"},
        "metadata": {"customer": TEXT}, "pricing": {"prompt": "0.004"}, TEXT: 1, "status": TEXT, "type": SECRET,
        "embedding": [0.1, 0.2, 0.3, 0.4, 0.5],
    }  # fmt: skip
    shared = json.dumps(to_shared(answer(body, cookie=SECRET)), ensure_ascii=False)
    for private in (SECRET, TEXT, "abcdefghij", "123456", "my-own-service", "customer", "cookie"):
        assert private not in shared
    for public in ("invalid_model", "stop", '"0.004"', "as-***", "assistant", "<2 more numbers>"):
        assert public in shared


@pytest.mark.parametrize("name", ["ernie-5.1", "deepseek-v4-pro-1120", "ernie-6.0-flash-preview"])
def test_a_new_model_of_a_known_family_is_public(name):
    assert is_public_model(name)


@pytest.mark.parametrize("name", ["my-own-service", "ernie-for-acme", "svcp_abc", SECRET])
def test_a_service_is_not_public(name):
    assert not is_public_model(name)


def test_nothing_is_sent_by_a_dry_run_or_without_a_yes(scripted, capsys, monkeypatch):
    server = scripted([http_answer(b"{}")])
    assert main(["--dry-run", "--only", "rerank,models,fine-tune"]) == 0
    output = capsys.readouterr().out
    assert "POST /v2/rerank (bce-reranker-base)" in output
    assert "fine-tune: needs an IAM pair" in output
    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert main(["--only", "models"]) == 1
    assert not server.requests


def test_an_interrupted_probe_writes_what_it_has(probe, tmp_path, monkeypatch):
    def interrupt(ask):
        raise KeyboardInterrupt

    monkeypatch.setitem(CHECKS, "usage", Check("interrupted", interrupt))
    monkeypatch.setattr("probe.__main__.plan", lambda check: [])
    with pytest.raises(KeyboardInterrupt):
        probe(None, "--only", "rate-headers,usage")
    (report,) = tmp_path.glob("*.md")
    assert "| rate-headers |" in report.read_text("utf-8")


def test_a_reading_request_is_sent_once_and_the_cassette_has_all():
    sent = []

    def ask(request):
        sent.append(request)
        return answer({"data": []}, request=request)

    answers = {}
    results = [run_check(name, ask, answers) for name in ("models", "prices")]
    assert len(sent) == 1
    assert len(to_cassette(results).splitlines()) == 2
