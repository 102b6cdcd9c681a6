"""The probe against the sandbox in strict mode: everything is as assumed, and every planted
difference is named.
"""

import json
import time

import pytest
from support import sandbox_thread

from qfnb import cli, config
from qfnb.probe import batch_checks
from qianfan_sandbox.failures.faults import Modes


class AnswerEditor:
    """Passes requests on to an application, and changes its answers by one function.

    `change(path, answer, content_type)` gets an answer's status, headers and body, and changes them
    in the mapping.
    """

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
                answer["headers"] = {
                    name.decode().lower(): value.decode() for name, value in message["headers"]
                }
            else:
                answer["body"] += message.get("body", b"")

        await self.app(scope, receive, collect)
        self.change(scope["path"], scope["query_string"].decode(), answer)
        answer["headers"]["content-length"] = str(len(answer["body"]))
        headers = [(name.encode(), value.encode()) for name, value in answer["headers"].items()]
        await send({"type": "http.response.start", "status": answer["status"], "headers": headers})
        await send({"type": "http.response.body", "body": answer["body"]})


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    """A strict sandbox in this process, with the keys in the settings and its answers in a test's
    hands.
    """
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
    """Return a function that runs the probe with one change; it returns the lines of what
    differs.
    """
    edited, address = editor
    settings = config.get_config()
    settings.base_url = settings.console_api_base_url = settings.iam_base_url = address.url
    settings.api_key = address.api_key
    settings.access_key = address.access_key
    settings.secret_key = address.secret_key

    def run(change=None, *options):
        edited.change = change
        code = cli.main(["probe", "--yes", "--out", str(tmp_path), *options])
        output = capsys.readouterr().out
        differences = [
            line.strip().removeprefix("✗ ")
            for line in output.splitlines()
            if line.startswith("  ✗")
        ]
        assert code == (3 if differences else 0), output
        return differences, output

    return run


def test_everything_is_as_assumed(probe):
    differences, output = probe(None, "--create", "--pictures")
    assert differences == []
    assert output.count("✓") > 65


def edit_json(function, path, status=None):
    """Return a change of the JSON of a path, by a function of the body that changes it."""

    def change(actual_path, query, answer):
        if path not in f"{actual_path}?{query}" or "json" not in answer["headers"].get(
            "content-type", ""
        ):
            return
        if status is not None and answer["status"] != status:
            return
        body = json.loads(answer["body"])
        function(body, answer)
        answer["body"] = json.dumps(body).encode()

    return change


def rename_tier_key(body, answer):
    for row in body["data"]:
        for value in (row.get("pricing") or {}).values():
            for tier in value if isinstance(value, list) else ():
                tier["limit"] = tier.pop("upper")


def rename_input_length(body, answer):
    for row in body["data"]:
        row["max_prompt_tokens"] = row.pop("max_input_tokens", None)


def raise_a_price(body, answer):
    next(row for row in body["data"] if row["id"] == "glm-5.3")["pricing"]["prompt"] = "0.01"


def price_the_preview(body, answer):
    next(row for row in body["data"] if row["id"] == "ernie-5.5-flash-preview")["pricing"] = {
        "prompt": "0.001"
    }


def add_a_model(body, answer):
    body["data"].append({**body["data"][0], "id": "ernie-6.0-flash"})


def rename_rate_headers(body, answer):
    answer["headers"] = {
        name.replace("ratelimit-limit", "ratelimit-max"): v for name, v in answer["headers"].items()
    }


def move_cached_tokens(body, answer):
    details = (body.get("usage") or {}).pop("prompt_tokens_details", None) or {}
    body.get("usage", {})["cached_tokens"] = details.get("cached_tokens", 0)


def move_reasoning_tokens(body, answer):
    details = (body.get("usage") or {}).pop("completion_tokens_details", None) or {}
    body.get("usage", {})["reasoning_tokens"] = details.get("reasoning_tokens", 0)


def ignore_the_switch_of_one_model(body, answer):
    if body.get("model") == "glm-5.3":
        body["choices"][0]["message"].pop("reasoning_content", None)


def answer_in_words(body, answer):
    body["choices"][0]["message"]["content"] = "2"


def forbid(body, answer):
    answer["status"] = 403


def price_the_offer(body, answer):
    body["result"][0]["trainingPrice"] = "0.03"


def rename_the_delta(path, query, answer):
    if path == "/v2/responses":
        answer["body"] = answer["body"].replace(
            b"response.output_text.delta", b"response.text.delta"
        )


def take_away(path_end):
    def change(path, query, answer):
        if path.endswith(path_end):
            answer["status"] = 404
            answer["body"] = b'{"error": {"code": "invalid_path", "message": ""}, "id": ""}'

    return change


def accept(path_end):
    def change(path, query, answer):
        if path.endswith(path_end):
            answer["status"] = 200

    return change


PLANTED = {
    "tier keys": ("price-tiers", edit_json(rename_tier_key, "/v2/models"), [("keys are price, "
                                                                            "upper → limit, "
                                                                            "price")]),
    "input length": ("models", edit_json(rename_input_length, "/v2/models"),
                     [("no fields but those of the page → "
                      "max_prompt_tokens"), "longest input is max_input_tokens"]),
    "a price": ("prices", edit_json(raise_a_price, "/v2/models"), [("glm-5.3: prompt [0.01] "
                                                                   "instead of [0.008]")]),
    "a new model": ("prices", edit_json(add_a_model, "/v2/models"), ["→ ernie-6.0-flash"]),
    "price of the "
    "preview": ("preview-price", edit_json(price_the_preview, "/v2/models"), ["no known price"]),
    "rate headers": ("rate-headers", edit_json(rename_rate_headers, "/v2/chat"), ["max-requests"]),
    "cached tokens": ("cached-tokens", edit_json(move_cached_tokens, "/v2/chat"), [("cached_tokens "
                                                                                   "None")]),
    "reasoning tokens": ("reasoning-tokens", edit_json(move_reasoning_tokens, "/v2/chat"), ["reasoning_tokens None"]),
    "a switch": ("thinking", edit_json(ignore_the_switch_of_one_model, "/v2/chat"),
                 ["glm-5.3: thinking switches thinking → neither"]),
    "schemas": ("json-schema", edit_json(answer_in_words, "/v2/chat"), [("follows a JSON schema → "
                                                                        "2")]),
    "events": ("responses", rename_the_delta, [("types of events are OpenAI's → "
                                               "response.text.delta")]),
    "403 for a wrong key": ("refusals", edit_json(forbid, "/v2/chat", status=401),
                            [("a wrong key: 401 invalid_iam_token → "
                             "403"), "a retired model: 401 invalid_model → 403"]),
    "rerank": ("rerank", take_away("/v2/rerank"), [("/v2/rerank answers → "
                                                   "404"), "document, index, relevance_score"]),
    "the old name of "
    "rerank": ("rerank", take_away("/v2/rerankers"), ["/v2/rerankers still answers → 404"]),
    "sizes": ("image-refusals", accept("/images/generations"), [("qwen-image refuses 100x100 with "
                                                                "400 → 200")]),
    "the offer of fine-tuning": ("fine-tune", edit_json(price_the_offer, "SupportModels"),
                                 ["those of the page → trainingPrice", "no field has a price"]),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_difference_is_named_and_nothing_else(probe, planted):
    check, change, expected = PLANTED[planted]
    differences, _ = probe(change, "--only", check)
    assert len(differences) == len(expected), differences
    for text, difference in zip(expected, differences, strict=True):
        assert text in difference


def test_batch_limits_that_differ_are_named(probe):
    def accept_any_window(path, query, answer):
        if path == "/v2/batches" and answer["status"] == 400:
            answer["status"] = 200

    differences, _ = probe(accept_any_window, "--create", "--only", "batch-windows")
    assert len(differences) == 1
    assert "window 673h is refused" in differences[0]


def test_a_limit_of_lines_that_differs_is_named(probe, monkeypatch):
    monkeypatch.setattr(batch_checks.batches, "MAX_REQUESTS", 9)  # of the probe and of the sandbox
    assert probe(None, "--create", "--only", "batch-lines")[0] == []

    def finish(path, query, answer):
        answer["body"] = answer["body"].replace(b'"Failed"', b'"Done"')

    differences, _ = probe(finish, "--create", "--only", "batch-lines")
    assert len(differences) == 1
    assert "10 lines are refused" in differences[0]


def test_report_and_cassette_have_no_key_and_no_text(probe, editor, tmp_path):
    probe(None, "--only", "usage,responses")
    address = editor[1]
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not [
            secret
            for secret in (address.api_key, address.secret_key, "用十个字", "文心")
            if len(secret) > 3 and secret in text
        ]
