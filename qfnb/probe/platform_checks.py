"""Checks that cost nothing: the list of models, its prices, refusals, batches and the offer of fine-tuning."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..wire import batches, catalog, finetune_v2, model_list, prices
from ..wire.chat import CHAT_V2
from .check import Finding, Steps, check, expect, untested
from .exchange import Exchange, Request
from .sharing import is_public_model

MODEL_FIELDS = frozenset(
    (
        *("id", "object", "owned_by", "created", "type", "context_length", "architecture", "pricing"),
        *("max_completions_tokens", "max_tokens", "max_input_tokens"),
    )
)
"""Fields of a row of the list; the name of the longest input is a guess."""

PRICE_FIELDS = frozenset(["prompt", "completion"])
TIER_FIELDS = frozenset(["upper", "price"])
"""Keys of a tier: no page names them."""

PREVIEW_MODEL = "ernie-5.5-flash-preview"
RETIRED_MODEL = "ernie-speed-8k"
"""Retired on 2026-01-27."""

OFFER_FIELDS = frozenset(["model", "modelType", "baseModel", "supportTrainMode"])
PARAMETER_FIELDS = frozenset(["key", "name", "description", "type", "checkType", "checkValue", "default"])

_MODELS = Request(model_list.MODELS_V2)


@check("models", "the fields of GET /v2/models")
def check_model_list() -> Steps:
    """Compare the fields of all rows."""
    answer = yield _MODELS
    rows = _rows(answer)
    if not rows:
        return [untested("GET /v2/models lists models", answer.refusal)]
    fields = set[str]().union(*rows)
    return [
        expect("GET /v2/models answers object, data", set(answer.body) >= {"object", "data"}, _names(answer.body)),
        expect("a row has no fields but those of the page", fields <= MODEL_FIELDS, _names(fields - MODEL_FIELDS)),
        expect("rows have type, context_length, architecture, pricing", fields >= _FULL_FORM, _names(fields)),
        expect(
            "the longest output is max_completions_tokens", "max_completions_tokens" in fields, _names(_like(fields))
        ),
        expect("the longest input is max_input_tokens", "max_input_tokens" in fields, _names(_like(fields))),
    ]


_FULL_FORM = frozenset(["type", "context_length", "architecture", "pricing"])


@check("price-tiers", "how GET /v2/models writes prices, and the keys of a tier")
def check_price_tiers() -> Steps:
    """Compare the keys of prices and tiers."""
    answer = yield _MODELS
    priced = [row["pricing"] for row in _rows(answer) if isinstance(row.get("pricing"), Mapping)]
    if not priced:
        return [untested("GET /v2/models has prices", answer.refusal if not answer.is_success else "no pricing")]
    values = [value for pricing in priced for value in pricing.values()]
    tiers = [tier for value in values if isinstance(value, list) for tier in value]
    tier_keys = set[str]().union(*(tier for tier in tiers if isinstance(tier, Mapping)))
    plain = [value for value in values if not isinstance(value, list) and value is not None]
    keys = set[str]().union(*priced)
    tier_assumption = f"a tier's keys are {_names(TIER_FIELDS)}"
    return [
        expect(f"pricing has {_names(PRICE_FIELDS)} and nothing else", keys == PRICE_FIELDS, _names(keys)),
        expect("a price is a string, a list of tiers or null", all(map(_is_price, plain)), _types(plain)),
        expect(tier_assumption, tier_keys == TIER_FIELDS, _names(tier_keys))
        if tiers
        else untested(tier_assumption, "no model has tiers"),
    ]


@check("prices", "prices and lengths of the list against the built-in table")
def check_prices() -> Steps:
    """Compare each model that is in both."""
    answer = yield _MODELS
    rows = {str(row.get("id")): row for row in _rows(answer)}
    if not rows:
        return [untested("the list has the table's prices", answer.refusal)]
    living = {row.id: row for row in catalog.load_models() if row.is_living}
    ended = sorted(id_ for id_ in rows if (row := catalog.find_model(None, id_)) and row.status == "retired")
    absent = sorted(id_ for id_, row in living.items() if id_ not in rows and row.kind != "ocr")
    new = sorted(id_ for id_ in rows if catalog.find_model(None, id_) is None and is_public_model(id_))
    other_prices = [text for id_ in sorted(rows.keys() & living) if (text := _price_difference(rows[id_], living[id_]))]
    return [
        expect("all living models of the table are listed", not absent, ", ".join(absent) or "all"),
        expect("no retired model is listed", not ended, ", ".join(ended) or "none"),
        expect("no model is listed that the table does not have", not new, ", ".join(new) or "none"),
        expect("prices are those of the table", not other_prices, "; ".join(other_prices) or "all the same"),
    ]


@check("preview-price", f"whether {PREVIEW_MODEL} is listed, and its price")
def check_preview_price() -> Steps:
    """Look for the preview's price, which is not known."""
    answer = yield _MODELS
    rows = [row for row in _rows(answer) if row.get("id") == PREVIEW_MODEL]
    if not answer.is_success:
        return [untested(f"{PREVIEW_MODEL} has no known price", answer.refusal)]
    listed = rows[0].get("pricing") if rows else None
    return [
        expect(f"{PREVIEW_MODEL} is listed", bool(rows), "listed" if rows else "not listed"),
        expect(f"{PREVIEW_MODEL} has no known price", not listed, f"pricing {listed}"),
    ]


@check("refusals", "401 and 403: no key, a wrong key, a retired model")
def check_refusals() -> Steps:
    """Compare status and code of refusals; nothing is answered."""
    question = {"messages": [{"role": "user", "content": "1"}], "max_completion_tokens": 1}
    no_key = yield Request(model_list.MODELS_V2, key="none")
    wrong_key = yield Request(CHAT_V2, {"model": catalog.default_model("chat"), **question}, key="wrong")
    retired = yield Request(CHAT_V2, {"model": RETIRED_MODEL, **question})
    body_error = retired.body.get("error")
    error = body_error if isinstance(body_error, Mapping) else {}
    return [
        _expect_refusal("the list without a key: 403", no_key, 403),
        _expect_refusal("a wrong key: 401 invalid_iam_token", wrong_key, 401, "invalid_iam_token"),
        _expect_refusal("a retired model: 401 invalid_model", retired, 401, "invalid_model"),
        expect(
            "a refusal is {error: {code, message, type}, id}",
            set(retired.body) == {"error", "id"} and set(error) == {"code", "message", "type"},
            _names(error),
        ),
    ]


@check("batches", "the fields of files and batches (read only)")
def check_batches() -> Steps:
    """Compare the fields of the newest file and batch."""
    findings: list[Finding] = []
    for row, record in ((batches.LIST_FILES, batches.FileObject), (batches.LIST, batches.BatchInfo)):
        answer = yield Request(row, {"limit": 1})
        items = _rows(answer)
        known = set(record.model_fields) | {"status", "sandbox", "status_details", "expires_at"}
        assumption = f"GET {row.path} has no fields but those of OpenAI"
        if not items:
            findings.append(untested(assumption, "none yet" if answer.is_success else answer.refusal))
            continue
        unknown = set(items[0]) - known
        findings.append(expect(assumption, not unknown, _names(unknown)))
        status = str(items[0].get("status", ""))
        if record is batches.BatchInfo:
            findings.append(expect("a batch's status is one of the page's", status in batches.STATES, status))
    return findings


@check("batch-windows", "which completion windows a batch takes (creates a file and cancels a batch)", needs="create")
def check_batch_windows() -> Steps:
    """Create batches of one line, and cancel them."""
    body = {
        "model": catalog.default_model("chat"),
        "messages": [{"role": "user", "content": "1"}],
        "max_completion_tokens": 1,
    }
    line = Exchange.json_line({"custom_id": "1", "method": "POST", "url": batches.CHAT, "body": body})
    files = {"file": ("qfnb-probe.jsonl", line, "application/jsonl")}
    upload = yield Request(batches.UPLOAD, {"purpose": "batch"}, files=files)
    file_id, findings = str(upload.body.get("id") or "file-none"), []
    for window, is_allowed in (("24h", True), ("1h", True), ("673h", False)):
        fields = {"input_file_id": file_id, "endpoint": batches.CHAT, "completion_window": window}
        created = yield Request(batches.CREATE, fields)
        findings.append(expect(f"window {window} is {'taken' if is_allowed else 'refused'}",
                               created.is_success == is_allowed, created.refusal))  # fmt: skip
        if batch_id := created.body.get("id") if created.is_success else None:
            yield Request(batches.CANCEL, path=f"/v2/batches/{batch_id}/cancel")
    deleted = yield Request(batches.DELETE_FILE, path=f"/v2/files/{file_id}")
    if not upload.is_success:
        return [untested("a file is uploaded", upload.refusal)]
    return [*findings, expect("DELETE /v2/files/{id} exists", deleted.is_success, deleted.refusal)]


@check("fine-tune", "what can be fine-tuned, and its hyper-parameters (read only)", needs="iam")
def check_fine_tune_offer() -> Steps:
    """Compare the fields of the offer; prices are in no known field."""
    answer = yield Request(finetune_v2.SUPPORT_MODELS)
    offer = answer.body.get("result")
    if not isinstance(offer, list) or not offer:
        return [untested("DescribeFineTuningSupportModels lists models", answer.refusal)]
    models = [model for model in offer if isinstance(model, Mapping)]
    modes = [mode for model in models for mode in _items(model, "supportTrainMode")]
    scales = [scale for mode in modes for scale in _items(mode, "supportParameterScale")]
    parameters = [row for scale in scales for row in _items(scale, "supportHyperParameterConfig")]
    fields, parameter_fields = set[str]().union(*models), set[str]().union(*parameters)
    offered = sorted({f"{mode.get('trainMode')}" for mode in modes})
    checks = sorted({str(row.get("checkType")) for row in parameters})
    return [
        expect("a model's fields are those of the page", fields <= OFFER_FIELDS, _names(fields - OFFER_FIELDS)),
        expect("it has train modes, scales, parameters", bool(parameters), f"{len(models)} models, modes {offered}"),
        expect("a parameter's fields are those of the page", parameter_fields <= PARAMETER_FIELDS,
               _names(parameter_fields - PARAMETER_FIELDS)),
        expect("a parameter is a range or a choice", set(checks) <= {"range", "choice", "mult_choice"}, checks),
        expect("no field has a price", not any("price" in name.lower() for name in fields), _names(fields)),
    ]  # fmt: skip


def _rows(answer: Exchange) -> list[dict[str, Any]]:
    """Return the objects in the list of an answer."""
    rows = answer.body.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _items(owner: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    rows = owner.get(name)
    yield from (row for row in rows if isinstance(row, Mapping)) if isinstance(rows, list) else ()


def _expect_refusal(assumption: str, answer: Exchange, status: int, code: str = "") -> Finding:
    if not answer.status:
        return untested(assumption, answer.refusal)
    is_code = not code or answer.refusal == f"{status} {code}"
    return expect(assumption, answer.status == status and is_code, answer.refusal)


def _price_difference(row: Mapping[str, Any], model: catalog.CatalogModel) -> str:
    """Return how the listed price of 1,000 tokens differs from the table's, "" if it does not."""
    pricing, steps = row.get("pricing"), model.prices
    if not isinstance(pricing, Mapping) or steps is None:
        return ""
    texts = []
    for name, column in (("prompt", steps.input), ("completion", steps.output)):
        listed, table = sorted(_numbers(pricing.get(name))), sorted(step.price for step in column)
        if listed and table and not set(listed) <= set(table):  # of hours only one may be listed
            texts.append(f"{name} {listed} instead of {table}")
    return f"{model.id}: {', '.join(texts)}" if texts else ""


def _numbers(value: Any) -> list[float]:
    """Return the prices in a price: itself, or those of its tiers."""
    if isinstance(value, list):
        return [number for tier in value if isinstance(tier, Mapping) for number in _numbers(tier.get("price"))]
    return [float(value)] if _is_price(value) else []


def _is_price(value: Any) -> bool:
    try:
        prices.parse_steps(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


def _like(fields: set[str]) -> list[str]:
    return sorted(name for name in fields if "max" in name or "input" in name)


def _names(names: Any) -> str:
    return ", ".join(sorted(map(str, names))) or "none"


def _types(values: list[Any]) -> str:
    return _names({type(value).__name__ for value in values})
