"""The checks: each asks, and returns its findings; it must survive any answer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from qfnb.wire import catalog, finetune, inference, prices, responses
from qfnb.wire.chat import CHAT_V2

from .exchange import Ask, Exchange, Request
from .sharing import is_public_model


class Finding(NamedTuple):
    """What this library assumes, whether it is so (None: not tested), and what was seen."""

    assumption: str
    is_so: bool | None
    seen: object


class Check(NamedTuple):
    """What a check asks, its function, and whether it needs an IAM pair of keys."""

    title: str
    find: Callable[[Ask], Iterable[tuple[str, bool | None, object]]]
    needs_iam: bool = False


CHECKS: dict[str, Check] = {}

CHAT_MODEL = catalog.default_model("chat")
THINKING_MODEL = responses.DEFAULT_MODEL  # its pages say: thinks by `thinking`, follows schemas
PREVIEW_MODEL = "ernie-5.5-flash-preview"
RETIRED_MODEL = "ernie-speed-8k"  # on 2026-01-27
THINKING_TOKENS = 96  # enough to see whether an answer begins by thinking
CACHED_TEXT = "".join(f"第{number}条：本条规定适用于所有请求。" for number in range(1, 141))
"""The start of two equal requests: some 2,000 tokens, for short ones are not cached."""


FULL_FORM = {"type", "context_length", "architecture", "pricing"}
LENGTHS = {"max_tokens", "max_completions_tokens", "max_input_tokens"}
MODEL_FIELDS = FULL_FORM | LENGTHS | {"id", "object", "owned_by", "created"}
PARAMETER_FIELDS = {"key", "name", "description", "type", "checkType", "checkValue", "default"}
ANSWER_FIELDS = {"id", "object", "created", "model", "choices", "usage"}
RESPONSE_FIELDS = {"id", "object", "created_at", "model", "status", "output", "usage"}
RANKED_FIELDS = {"document", "index", "relevance_score"}

MODELS = Request(catalog.MODELS_V2)


def check(title: str, name: str = "", *, needs_iam: bool = False) -> Callable[[Any], Any]:
    """Register a check under a name, else under its function's."""

    def register(find: Any) -> Any:
        CHECKS[name or find.__name__.replace("_", "-")] = Check(title, find, needs_iam)
        return find

    return register


def mapping(value: object, *names: str) -> Mapping[str, Any]:
    """Return what is in a value under names one after the other, {} if that is no object."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def objects(owner: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in a list that is a field of an object."""
    rows = owner.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def listed(names: Iterable[object]) -> str:
    """Return names in order and separated by commas, "none" for no names."""
    return ", ".join(sorted(map(str, names))) or "none"


def _chat(model: str, text: str, max_tokens: int, **options: Any) -> Request:
    messages = [{"role": "user", "content": text}]
    body = {"model": model, "messages": messages, "max_completion_tokens": max_tokens, **options}
    return Request(CHAT_V2, body)


def _message(answer: Exchange) -> Mapping[str, Any]:
    choices = objects(answer.body, "choices")
    return mapping(choices[0], "message") if choices else {}


@check("the fields of GET /v2/models, how it writes prices, and the keys of a price tier")
def models(ask: Ask) -> Any:
    answer = ask(MODELS)
    rows = objects(answer.body, "data")
    if not rows:
        return [("GET /v2/models lists models", None, answer.refusal)]
    fields = set[str]().union(*rows)
    unknown = fields - MODEL_FIELDS
    lengths = listed(name for name in fields if "max" in name)
    priced = [mapping(row, "pricing") for row in rows]
    keys = set[str]().union(*priced)
    values = [value for pricing in priced for value in pricing.values() if value is not None]
    plain = [value for value in values if not isinstance(value, list)]
    tiers = [tier for pricing in priced for name in pricing for tier in objects(pricing, name)]
    tier_keys = set[str]().union(*tiers)
    preview = [row.get("pricing") for row in rows if row.get("id") == PREVIEW_MODEL]
    is_tier = tier_keys == {"upper", "price"} if tiers else None
    are_prices = all(map(_is_price, plain)) if plain else None
    return [
        ("a row has no fields but those of the page", not unknown, listed(unknown)),
        (f"rows have {listed(FULL_FORM)}", fields >= FULL_FORM, listed(fields)),
        ("rows have the lengths' names", fields >= LENGTHS, lengths),
        ("pricing has completion, prompt only", keys == {"prompt", "completion"}, listed(keys)),
        ("a price is a string, a list of tiers or null", are_prices, len(plain)),
        ("a tier's keys are price, upper", is_tier, listed(tier_keys)),
        (f"{PREVIEW_MODEL} is listed without a price", preview == [None], f"pricing {preview}"),
    ]


@check("prices and lengths of the list against the built-in table", name="prices")
def prices_of_the_list(ask: Ask) -> Any:
    answer = ask(MODELS)
    rows = {str(row.get("id")): row for row in objects(answer.body, "data")}
    if not rows:
        return [("the list has the table's prices", None, answer.refusal)]
    living = {row.id: row for row in catalog.load_models() if row.is_living}
    known = {id_: catalog.find_model(None, id_) for id_ in rows}
    ended = [id_ for id_, row in known.items() if row and row.status == "retired"]
    absent = [id_ for id_, row in living.items() if id_ not in rows and row.kind != "ocr"]
    new = [id_ for id_, row in known.items() if row is None and is_public_model(id_)]
    both = sorted(rows.keys() & living)
    other = [text for id_ in both if (text := _price_difference(rows[id_], living[id_]))]
    return [
        ("all living models of the table are listed", not absent, listed(absent)),
        ("no retired model is listed", not ended, listed(ended)),
        ("no model is listed that the table does not have", not new, listed(new)),
        ("prices are those of the table", not other, "; ".join(other)),
    ]


def _price_difference(row: Mapping[str, Any], model: catalog.CatalogModel) -> str:
    pricing = mapping(row, "pricing")
    if model.prices is None:
        return ""
    texts = []
    for name, column in (("prompt", model.prices.input), ("completion", model.prices.output)):
        tiers = objects(pricing, name) or [{"price": pricing.get(name)}]
        amounts = sorted(float(tier["price"]) for tier in tiers if _is_price(tier.get("price")))
        table = sorted(step.price for step in column)
        if amounts and table and not set(amounts) <= set(table):  # of hours one may be listed
            texts.append(f"{name} {amounts} instead of {table}")
    return f"{model.id}: {', '.join(texts)}" if texts else ""


def _is_price(value: Any) -> bool:
    try:
        prices.parse_steps(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


def _refused(assumption: str, answer: Exchange, expected: str) -> tuple[str, bool | None, str]:
    """Return the finding of an answer that should be refused, with a status and maybe a code."""
    is_so = answer.refusal == expected or answer.refusal.startswith(f"{expected} ")
    return (assumption, is_so if answer.status else None, answer.refusal)


@check("401 and 403: no key, a wrong key, a retired model")
def refusals(ask: Ask) -> Any:
    no_key = ask(Request(catalog.MODELS_V2, key="none"))
    wrong_key = ask(replace(_chat(CHAT_MODEL, "1", 1), key="wrong"))
    retired = ask(_chat(RETIRED_MODEL, "1", 1))
    error = mapping(retired.body, "error")
    has_form = retired.body.keys() == {"error", "id"} and error.keys() == {
        "code",
        "message",
        "type",
    }
    return [
        _refused("the list without a key: 403", no_key, "403"),
        _refused("a wrong key: 401 invalid_iam_token", wrong_key, "401 invalid_iam_token"),
        _refused("a retired model: 401 invalid_model", retired, "401 invalid_model"),
        ("a refusal is {error: {code, message, type}, id}", has_form, listed(error)),
    ]


@check("what can be fine-tuned, and its hyper-parameters (read only)", needs_iam=True)
def fine_tune(ask: Ask) -> Any:
    answer = ask(Request(finetune.SUPPORT_MODELS))
    offer = objects(answer.body, "result")
    if not offer:
        return [("DescribeFineTuningSupportModels lists models", None, answer.refusal)]
    modes = [mode for model in offer for mode in objects(model, "supportTrainMode")]
    scales = [scale for mode in modes for scale in objects(mode, "supportParameterScale")]
    rows = [row for scale in scales for row in objects(scale, "supportHyperParameterConfig")]
    fields = set[str]().union(*offer)
    unknown = fields - {"model", "modelType", "baseModel", "supportTrainMode"}
    unknown_of_row = set[str]().union(*rows) - PARAMETER_FIELDS - {"sandbox"}
    kinds = {str(row.get("checkType")) for row in rows}
    has_price = any("price" in name.lower() for name in fields)
    are_known = kinds <= {"range", "choice", "mult_choice"}
    return [
        ("a model's fields are those of the page", not unknown, listed(unknown)),
        ("it has train modes, scales, parameters", bool(rows), f"{len(offer)} models"),
        ("a parameter's fields are those of the page", not unknown_of_row, listed(unknown_of_row)),
        ("a parameter is a range or a choice", are_known, listed(kinds)),
        ("no field has a price", not has_price, listed(fields)),
    ]


@check("the names of the headers about limits")
def rate_headers(ask: Ask) -> Any:
    answer = ask(_chat(CHAT_MODEL, "1+1=", 1))
    form = "limit and remaining of requests, and of tokens or of input-tokens and output-tokens"
    if not answer.is_success:
        return [(form, None, answer.refusal)]
    names = {name for name in answer.headers if name.startswith("x-ratelimit-")}
    kinds = ("limit", "remaining")
    units = ("requests", "tokens", "input-tokens", "output-tokens")
    pairs = [{f"x-ratelimit-{kind}-{unit}" for kind in kinds} for unit in units]
    requests, tokens, *split = pairs
    halves = split[0] | split[1]
    allowed = (requests, requests | tokens, requests | halves, requests | tokens | halves)
    return [(form, names in allowed, listed(names))]


@check("the fields of an answer and of its usage, whole and as a stream")
def usage(ask: Ask) -> Any:
    whole = ask(_chat(CHAT_MODEL, "1+1=", 4))
    options = {"include_usage": True, "chunk_include_usage": True}
    request = _chat(CHAT_MODEL, "用十个字介绍自己", 16, stream=True, stream_options=options)
    streamed = ask(request)
    if not whole.is_success:
        return [("an answer has usage", None, whole.refusal)]
    fields = set(whole.body) - {"sandbox"}
    counts = mapping(whole.body, "usage").keys()
    choices = objects(whole.body, "choices")
    reason = choices[0].get("finish_reason") if choices else None
    usages = [mapping(piece, "usage") for piece in streamed.events]
    totals = [row.get("total_tokens") or 0 for row in usages if row]
    grows = bool(totals) and totals == sorted(totals) and bool(usages[-1])
    three = {"prompt_tokens", "completion_tokens", "total_tokens"}
    is_finished = b"[DONE]" in streamed.content
    return [
        (f"an answer has {listed(ANSWER_FIELDS)}", fields >= ANSWER_FIELDS, listed(fields)),
        ("no system_fingerprint", "system_fingerprint" not in fields, listed(fields)),
        ("usage has the three counts", counts >= three, listed(counts)),
        ("finish_reason is an ending", reason in {"normal", "stop", "length"}, reason),
        ("a stream ends with [DONE]", is_finished, f"{len(streamed.events)} events"),
        ("a stream's usage grows and comes with the last piece", grows, totals),
    ]


@check("where the counts of cached tokens and of thinking tokens are")
def token_details(ask: Ask) -> Any:
    findings = []
    question = _chat(CHAT_MODEL, CACHED_TEXT, 1)
    ask(question)
    thinks = _chat(THINKING_MODEL, "1+1=", THINKING_TOKENS, thinking={"type": "enabled"})
    for request, name in (
        (question, "prompt_tokens_details.cached_tokens"),
        (thinks, "completion_tokens_details.reasoning_tokens"),
    ):
        answer = ask(request)
        group, field = name.split(".")
        count = mapping(answer.body, "usage", group).get(field)
        seen = f"{field} {count}; usage has {listed(mapping(answer.body, 'usage'))}"
        is_so = bool(count) if answer.is_success else None
        findings.append((f"usage.{name} counts", is_so, seen))
    return findings


@check("which field switches thinking, of the models where that is a guess")
def thinking(ask: Ask) -> Any:
    rows = [row for row in catalog.load_models() if row.kind == "chat" and row.is_living]
    guess = catalog.SOURCES["guess"]
    findings = []
    for model in [row for row in rows if row.sources.get("thinking_field") == guess]:
        assumed = model.thinking_field or "thinking"
        other = "thinking" if assumed == "enable_thinking" else "enable_thinking"
        works = _switches(ask, model.id, assumed)
        seen = assumed
        if not works:
            seen = other if _switches(ask, model.id, other) else "neither field, or no answer"
        findings.append((f"{model.id}: {assumed} switches thinking", works, seen))
    return findings


def _switches(ask: Ask, model: str, field: str) -> bool | None:
    """Return whether a model thinks exactly when a field says so, None if it does not answer."""
    answers = []
    for is_on, kind in ((False, "disabled"), (True, "enabled")):
        value = is_on if field == "enable_thinking" else {"type": kind}
        answers.append(ask(_chat(model, "1+1=", THINKING_TOKENS, **{field: value})))
    off, on = answers
    if not (off.is_success or on.is_success):
        return None
    is_thinking = [bool(_message(answer).get("reasoning_content")) for answer in answers]
    return off.is_success and on.is_success and is_thinking == [False, True]


@check("the objects and the events of Responses", name="responses")
def responses_api(ask: Ask) -> Any:
    question = {"model": responses.DEFAULT_MODEL, "input": "1+1=", "max_output_tokens": 32}
    created = ask(Request(responses.CREATE, question))
    streamed = ask(Request(responses.CREATE, {**question, "stream": True, "store": False}))
    path = f"/v2/responses/{created.body.get('id') or 'resp_none'}"
    stored = ask(Request(responses.INFO, path=path))
    items = ask(Request(responses.INPUT_ITEMS, path=f"{path}/input_items"))
    deleted = ask(Request(responses.DELETE, path=path))
    ernie = ask(Request(responses.CREATE, {**question, "model": CHAT_MODEL}))
    if not created.is_success:
        return [("POST /v2/responses answers", None, created.refusal)]
    types = [responses.event_type(event) for event in streamed.events]
    unknown = set(types) - set(responses.EVENTS)
    parsed = [responses.parse_event(event) for event in streamed.events]
    plain = {name for name, event in zip(types, parsed, strict=True)
             if type(event) is responses.ResponseEvent} - unknown  # fmt: skip
    ends = (types[0], types[-1]) if types else ("", "")
    is_whole = ends[0] == "response.created" and ends[1] in responses.FINAL_EVENTS
    paged = {"data", "first_id", "last_id", "has_more"}
    fields = created.body.keys()
    is_refused = bool(ernie.status) and not ernie.is_success
    is_list = items.body.keys() >= paged
    is_deletion = deleted.body.keys() >= {"id", "object", "deleted"}
    return [
        (f"the object has {listed(RESPONSE_FIELDS)}", fields >= RESPONSE_FIELDS, listed(fields)),
        ("the types of events are OpenAI's", not unknown, listed(unknown)),
        ("events have OpenAI's fields", not plain, listed(plain)),
        ("from response.created to response.completed or .incomplete", is_whole, ends),
        ("a response is stored without being asked", stored.is_success, stored.refusal),
        ("input items are a list", is_list, f"{items.refusal}, {listed(items.body)}"),
        ("deleting answers id, object, deleted", is_deletion, deleted.refusal),
        ("ERNIE models are refused", is_refused, ernie.refusal),
    ]


@check("/v2/rerank and its old name")
def rerank(ask: Ask) -> Any:
    body = {"model": catalog.default_model("reranker"), "query": "猫", "documents": ["猫", "车"]}
    new = ask(Request(inference.RERANK_V2, body, path="/v2/rerank"))
    old = ask(Request(inference.RERANK_V2, body, path="/v2/rerankers"))
    results = objects(new.body, "results") or [{}]
    fields = results[0].keys()
    return [
        ("/v2/rerank answers", new.is_success, new.refusal),
        (f"a result has {listed(RANKED_FIELDS)}", fields == RANKED_FIELDS, listed(fields)),
        ("/v2/rerankers still answers", old.is_success, old.refusal),
    ]
