"""Checks that ask models: headers, usage, thinking, structured answers, Responses, rerank,
embeddings, pictures.
"""

import json
from collections.abc import Mapping
from typing import Any

from ..base.language import tr_noop
from ..wire import catalog, inference, responses
from ..wire.chat import CHAT_V2
from .check import Finding, Steps, check, expect, mapping, names_text, untested
from .exchange import Exchange, Request

HEADER_PREFIX = "x-ratelimit-"

THINKING_MODEL = responses.DEFAULT_MODEL
"""The pages say of it that it thinks by `thinking`, and follows schemas."""

THINKING_TOKENS = 96
"""The longest answer of a check of thinking: enough to see whether it begins by thinking."""

CACHED_TEXT = "".join(
    f"第{number}条：本条规定适用于所有参加探测的请求。" for number in range(1, 101)
)
"""The start of two equal requests: some 2,000 tokens, for short ones are not cached."""

_SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "integer"}},
    "required": ["number"],
    "additionalProperties": False,
}


def _chat(model: str, text: str, max_tokens: int, **options: Any) -> Request:
    messages = [{"role": "user", "content": text}]
    return Request(
        CHAT_V2,
        {"model": model, "messages": messages, "max_completion_tokens": max_tokens, **options},
    )


@check("rate-headers", tr_noop("the names of the headers about limits"))
def check_rate_headers() -> Steps:
    """Compare the names, in the old form or with input and output apart."""
    answer = yield _chat(catalog.default_model("chat"), "1+1=", 1)
    names = {
        name.removeprefix(HEADER_PREFIX)
        for name in answer.headers
        if name.startswith(HEADER_PREFIX)
    }
    assumption = (
        "limit and remaining of requests, and of tokens or of input-tokens and output-tokens"
    )
    if not answer.is_success:
        return [untested(assumption, answer.refusal)]
    requests = {"limit-requests", "remaining-requests"}
    tokens = {"limit-tokens", "remaining-tokens"}
    split = {
        f"{kind}-{unit}-tokens" for kind in ("limit", "remaining") for unit in ("input", "output")
    }
    allowed = (requests, requests | tokens, requests | split, requests | tokens | split)
    return [expect(assumption, names in allowed, ", ".join(sorted(names)) or "no such header")]


@check("usage", tr_noop("the fields of an answer and of its usage, whole and as a stream"))
def check_usage() -> Steps:
    """Compare fields; a stream's usage is cumulative and in the last piece."""
    model = catalog.default_model("chat")
    whole = yield _chat(model, "1+1=", 4)
    options = {"include_usage": True, "chunk_include_usage": True}
    streamed = yield _chat(model, "用十个字介绍自己", 16, stream=True, stream_options=options)
    if not whole.is_success:
        return [untested("an answer has usage", whole.refusal)]
    fields = set(whole.body) - {"sandbox"}
    usage = mapping(whole.body, "usage")
    reason = _choice(whole).get("finish_reason")
    totals = [
        mapping(piece, "usage").get("total_tokens") or 0
        for piece in streamed.events
        if piece.get("usage")
    ]
    return [
        expect("an answer has id, object, created, model, choices, usage", fields >= _ANSWER_FIELDS,
               names_text(fields)),
        expect("no system_fingerprint", "system_fingerprint" not in fields, names_text(fields)),
        expect("usage has the three counts", set(usage) >= _TOKENS, names_text(usage)),
        expect("finish_reason is normal, stop or "
               "length", reason in {"normal", "stop", "length"}, reason),
        expect("a stream ends with "
               "[DONE]", b"[DONE]" in streamed.content, f"{len(streamed.events)} events"),
        expect("a stream's usage grows and comes with the last piece",
               bool(totals) and totals == sorted(totals) and bool(streamed.events[-1].get("usage")), totals),
    ]  # fmt: skip


_ANSWER_FIELDS = frozenset(["id", "object", "created", "model", "choices", "usage"])
_TOKENS = frozenset(["prompt_tokens", "completion_tokens", "total_tokens"])


@check("cached-tokens", tr_noop("where the count of cached tokens is"))
def check_cached_tokens() -> Steps:
    """Send the same long text twice."""
    question = _chat(catalog.default_model("chat"), CACHED_TEXT, 1)
    yield question
    second = yield question
    assumption = (
        "usage.prompt_tokens_details.cached_tokens is above 0 in the second of two equal requests"
    )
    if not second.is_success:
        return [untested(assumption, second.refusal)]
    usage = mapping(second.body, "usage")
    cached = mapping(usage, "prompt_tokens_details").get("cached_tokens")
    return [
        expect(assumption, bool(cached), f"cached_tokens {cached}; usage has {names_text(usage)}")
    ]


@check("reasoning-tokens", tr_noop("where the count of thinking tokens is"))
def check_reasoning_tokens() -> Steps:
    """Ask a model that thinks."""
    answer = yield _chat(THINKING_MODEL, "1+1=", THINKING_TOKENS, thinking={"type": "enabled"})
    if not answer.is_success:
        return [untested("usage.completion_tokens_details.reasoning_tokens", answer.refusal)]
    usage = mapping(answer.body, "usage")
    count = mapping(usage, "completion_tokens_details").get("reasoning_tokens")
    return [
        expect("thinking is in message.reasoning_content", _thinks(answer),
               names_text(mapping(_choice(answer), "message"))),
        expect("its count is usage.completion_tokens_details.reasoning_tokens", bool(count),
               f"reasoning_tokens {count}; usage has {names_text(usage)}"),
    ]  # fmt: skip


@check("thinking", tr_noop("which field switches thinking, of the models where that is a guess"))
def check_thinking() -> Steps:
    """Switch thinking off and on by the assumed field, and where that has no effect, by the other
    one.
    """
    findings: list[Finding] = []
    for model in guessed_switches():
        assumed = model.thinking_field or "thinking"
        works = None
        for name in (assumed, "enable_thinking" if assumed == "thinking" else "thinking"):
            off = yield _chat(model.id, "1+1=", THINKING_TOKENS, **_switch(name, False))
            on = yield _chat(model.id, "1+1=", THINKING_TOKENS, **_switch(name, True))
            if off.is_success and on.is_success and _thinks(on) and not _thinks(off):
                works = name
                break
        assumption = f"{model.id}: {assumed} switches thinking"
        if works is None and not (off.is_success or on.is_success):
            findings.append(untested(assumption, off.refusal))
        else:
            findings.append(
                expect(
                    assumption, works == assumed, works or "neither thinking nor enable_thinking"
                )
            )
    return findings


def guessed_switches() -> list[catalog.CatalogModel]:
    """Return the living models of which only a guess says what switches thinking."""
    guess = catalog.SOURCES["guess"]
    rows = [row for row in catalog.load_models() if row.kind == "chat" and row.is_living]
    return [row for row in rows if row.sources.get("thinking_field") == guess]


def _switch(name: str, is_on: bool) -> dict[str, Any]:
    return (
        {name: is_on}
        if name == "enable_thinking"
        else {name: {"type": "enabled" if is_on else "disabled"}}
    )


@check("json-schema", tr_noop("structured answers by a JSON schema"))
def check_json_schema() -> Steps:
    """Ask a model that takes schemas for one field."""
    schema = {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": _SCHEMA, "strict": True},
    }
    answer = yield _chat(THINKING_MODEL, "1+1=", 64, response_format=schema)
    if not answer.is_success:
        return [untested(f"{THINKING_MODEL} follows a JSON schema", answer.refusal)]
    try:
        value = json.loads(str(mapping(_choice(answer), "message").get("content")))
    except ValueError:
        value = "no JSON"
    follows = (
        isinstance(value, dict) and set(value) == {"number"} and isinstance(value["number"], int)
    )
    return [
        expect(
            f"{THINKING_MODEL} follows a JSON schema",
            follows,
            names_text(value) if isinstance(value, dict) else value,
        )
    ]


@check("responses", tr_noop("the objects and the events of Responses"))
def check_responses() -> Steps:
    """Create, stream, read, list and delete a response."""
    question = {"model": responses.DEFAULT_MODEL, "input": "1+1=", "max_output_tokens": 32}
    created = yield Request(responses.CREATE, question)
    streamed = yield Request(responses.CREATE, {**question, "stream": True, "store": False})
    path = f"/v2/responses/{created.body.get('id') or 'resp_none'}"
    stored = yield Request(responses.INFO, path=path)
    items = yield Request(responses.INPUT_ITEMS, path=f"{path}/input_items")
    deleted = yield Request(responses.DELETE, path=path)
    ernie = yield Request(responses.CREATE, {**question, "model": catalog.default_model("chat")})
    if not created.is_success:
        return [untested("POST /v2/responses answers", created.refusal)]
    types = [responses.event_type(event) for event in streamed.events]
    unknown = set(types) - set(responses.EVENTS)
    other_forms = sorted({responses.event_type(event) for event in streamed.events
                          if type(responses.parse_event(event)) is responses.ResponseEvent} - unknown)  # fmt: skip
    known = set(responses.ResponseObject.model_fields) | {"sandbox"}
    ends = (types[0], types[-1]) if types else ()
    return [
        expect("the object has id, object, created_at, model, status, output, usage",
               set(created.body) >= _RESPONSE_FIELDS, names_text(set(created.body) ^ known)),
        expect("the types of events are OpenAI's", not unknown, names_text(unknown or set(types))),
        expect("events have OpenAI's fields", not other_forms, ", ".join(other_forms) or "yes"),
        expect("from response.created to response.completed or .incomplete",
               len(ends) == 2 and ends[0] == "response.created" and ends[1] in responses.FINAL_EVENTS, ends),
        expect("a response is stored without being asked", stored.is_success, stored.refusal),
        expect("input items are a "
               "list", set(items.body) >= {"data", "first_id", "last_id", "has_more"},
               names_text(items.body) if items.is_success else items.refusal),
        expect("deleting answers id, object, "
               "deleted", set(deleted.body) >= {"id", "object", "deleted"},
               names_text(deleted.body) if deleted.is_success else deleted.refusal),
        expect("ERNIE models are "
               "refused", bool(ernie.status) and not ernie.is_success, ernie.refusal),
    ]  # fmt: skip


_RESPONSE_FIELDS = frozenset(["id", "object", "created_at", "model", "status", "output", "usage"])


@check("rerank", tr_noop("/v2/rerank and its old name"))
def check_rerank() -> Steps:
    """Rank two documents."""
    body = {"model": catalog.default_model("reranker"), "query": "猫", "documents": ["猫", "车"]}
    new = yield Request(inference.RERANK_V2, body, path="/v2/rerank")
    old = yield Request(inference.RERANK_V2, body, path="/v2/rerankers")
    results = new.body.get("results")
    fields = (
        set(results[0])
        if isinstance(results, list) and results and isinstance(results[0], dict)
        else set()
    )
    return [
        expect("/v2/rerank answers", new.is_success, new.refusal),
        expect("a result has document, index, "
               "relevance_score", fields == {"document", "index", "relevance_score"},
               names_text(fields)),
        expect("/v2/rerankers still answers", old.is_success, old.refusal),
    ]  # fmt: skip


@check("embeddings", tr_noop("the lengths of vectors"))
def check_embeddings() -> Steps:
    """Embed one text with the default model and with a Qwen3 model."""
    findings = []
    for id_ in (catalog.default_model("embedding"), "qwen3-embedding-0.6b"):
        answer = yield Request(inference.EMBEDDING_V2, {"model": id_, "input": ["猫"]})
        row = catalog.find_model("embedding", id_)
        expected = row.dimensions if row else None
        data = answer.body.get("data")
        vector = (
            data[0].get("embedding")
            if isinstance(data, list) and data and isinstance(data[0], dict)
            else None
        )
        assumption = f"{id_} has {expected} dimensions"
        if not answer.is_success:
            findings.append(untested(assumption, answer.refusal))
        else:
            length = len(vector) if isinstance(vector, list) else 0
            findings.append(expect(assumption, length == expected, length))
    return findings


@check(
    "image-refusals",
    tr_noop(
        "sizes and reference pictures that are refused (costs a picture each, if they are not)"
    ),
)
def check_image_refusals() -> Steps:
    """Ask for a picture that is too small, and for an edit without a picture."""
    size = yield Request(
        inference.TEXT2IMAGE_V2, {"model": "qwen-image", "prompt": "点", "size": "100x100"}
    )
    edit = yield Request(
        inference.TEXT2IMAGE_V2,
        {"model": "qwen-image-edit", "prompt": "点", "image": "none"},
        path="/v2/images/edits",
    )
    return [
        _expect_bad_request("qwen-image refuses 100x100 with 400", size),
        _expect_bad_request("qwen-image-edit refuses what is no picture with 400", edit),
    ]


@check("image-sizes", tr_noop("the sizes that are drawn (draws two pictures)"), needs="pictures")
def check_image_sizes() -> Steps:
    """Draw at the limits of the pages."""
    drawn = yield Request(
        inference.TEXT2IMAGE_V2, {"model": "qwen-image", "prompt": "一个点", "size": "512x2048"}
    )
    odd = yield Request(
        inference.TEXT2IMAGE_V2,
        {"model": "musesteamer-air-image", "prompt": "一个点", "size": "1000x1000"},
        path="/v2/musesteamer/images/generations",
    )
    return [
        expect("qwen-image draws 512x2048", drawn.is_success, drawn.refusal),
        expect(
            "musesteamer-air-image takes a size that it does not draw", odd.is_success, odd.refusal
        ),
    ]


def _expect_bad_request(assumption: str, answer: Exchange) -> Finding:
    if not answer.status:
        return untested(assumption, answer.refusal)
    return expect(assumption, answer.status == 400, answer.refusal)


def _choice(answer: Exchange) -> Mapping[str, Any]:
    choices = answer.body.get("choices")
    return (
        choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    )


def _thinks(answer: Exchange) -> bool:
    return bool(mapping(_choice(answer), "message").get("reasoning_content"))
