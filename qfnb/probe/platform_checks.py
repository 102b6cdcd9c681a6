"""Checks that cost nothing: the list of models, its prices, refusals and the offer of
fine-tuning.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..base.language import tr_noop
from ..wire import catalog, finetune_v2, model_list, prices
from ..wire.chat import CHAT_V2
from .check import Finding, Steps, check, expect, names_text, untested
from .exchange import Exchange, Request
from .sharing import is_public_model

MODEL_FIELDS = frozenset(
    (
        *(
            "id",
            "object",
            "owned_by",
            "created",
            "type",
            "context_length",
            "architecture",
            "pricing",
        ),
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
PARAMETER_FIELDS = frozenset(
    ["key", "name", "description", "type", "checkType", "checkValue", "default"]
)

_MODELS = Request(model_list.MODELS_V2)


@check("models", tr_noop("the fields of GET /v2/models"))
def check_model_list() -> Steps:
    """Compare the fields of all rows."""
    answer = yield _MODELS
    rows = list_rows(answer)
    if not rows:
        return [untested("GET /v2/models lists models", answer.refusal)]
    fields = set[str]().union(*rows)
    return [
        expect(
            "GET /v2/models answers object, data",
            set(answer.body) >= {"object", "data"},
            names_text(answer.body),
        ),
        expect(
            "a row has no fields but those of the page",
            fields <= MODEL_FIELDS,
            names_text(fields - MODEL_FIELDS),
        ),
        expect(
            "rows have type, context_length, architecture, pricing",
            fields >= _FULL_FORM,
            names_text(fields),
        ),
        expect(
            "the longest output is max_completions_tokens",
            "max_completions_tokens" in fields,
            names_text(_like(fields)),
        ),
        expect(
            "the longest input is max_input_tokens",
            "max_input_tokens" in fields,
            names_text(_like(fields)),
        ),
    ]


_FULL_FORM = frozenset(["type", "context_length", "architecture", "pricing"])


@check("price-tiers", tr_noop("how GET /v2/models writes prices, and the keys of a tier"))
def check_price_tiers() -> Steps:
    """Compare the keys of prices and tiers."""
    answer = yield _MODELS
    priced = [
        row["pricing"] for row in list_rows(answer) if isinstance(row.get("pricing"), Mapping)
    ]
    if not priced:
        return [
            untested(
                "GET /v2/models has prices",
                answer.refusal if not answer.is_success else "no pricing",
            )
        ]
    values = [value for pricing in priced for value in pricing.values()]
    tiers = [tier for value in values if isinstance(value, list) for tier in value]
    tier_keys = set[str]().union(*(tier for tier in tiers if isinstance(tier, Mapping)))
    plain = [value for value in values if not isinstance(value, list) and value is not None]
    keys = set[str]().union(*priced)
    tier_assumption = f"a tier's keys are {names_text(TIER_FIELDS)}"
    return [
        expect(
            f"pricing has {names_text(PRICE_FIELDS)} and nothing else",
            keys == PRICE_FIELDS,
            names_text(keys),
        ),
        expect(
            "a price is a string, a list of tiers or null",
            all(map(_is_price, plain)),
            _types(plain),
        ),
        expect(tier_assumption, tier_keys == TIER_FIELDS, names_text(tier_keys))
        if tiers
        else untested(tier_assumption, "no model has tiers"),
    ]


@check("prices", tr_noop("prices and lengths of the list against the built-in table"))
def check_prices() -> Steps:
    """Compare each model that is in both."""
    answer = yield _MODELS
    rows = {str(row.get("id")): row for row in list_rows(answer)}
    if not rows:
        return [untested("the list has the table's prices", answer.refusal)]
    living = {row.id: row for row in catalog.load_models() if row.is_living}
    ended = sorted(
        id_ for id_ in rows if (row := catalog.find_model(None, id_)) and row.status == "retired"
    )
    absent = sorted(id_ for id_, row in living.items() if id_ not in rows and row.kind != "ocr")
    new = sorted(
        id_ for id_ in rows if catalog.find_model(None, id_) is None and is_public_model(id_)
    )
    other_prices = [
        text
        for id_ in sorted(rows.keys() & living)
        if (text := _price_difference(rows[id_], living[id_]))
    ]
    return [
        expect("all living models of the table are listed", not absent, ", ".join(absent) or "all"),
        expect("no retired model is listed", not ended, ", ".join(ended) or "none"),
        expect(
            "no model is listed that the table does not have", not new, ", ".join(new) or "none"
        ),
        expect(
            "prices are those of the table",
            not other_prices,
            "; ".join(other_prices) or "all the same",
        ),
    ]


@check(
    "preview-price",
    tr_noop("whether the preview model (ernie-5.5-flash-preview) is listed, and its price"),
)
def check_preview_price() -> Steps:
    """Look for the preview's price, which is not known."""
    answer = yield _MODELS
    rows = [row for row in list_rows(answer) if row.get("id") == PREVIEW_MODEL]
    if not answer.is_success:
        return [untested(f"{PREVIEW_MODEL} has no known price", answer.refusal)]
    listed = rows[0].get("pricing") if rows else None
    return [
        expect(f"{PREVIEW_MODEL} is listed", bool(rows), "listed" if rows else "not listed"),
        expect(f"{PREVIEW_MODEL} has no known price", not listed, f"pricing {listed}"),
    ]


@check("refusals", tr_noop("401 and 403: no key, a wrong key, a retired model"))
def check_refusals() -> Steps:
    """Compare status and code of refusals; nothing is answered."""
    question = {"messages": [{"role": "user", "content": "1"}], "max_completion_tokens": 1}
    no_key = yield Request(model_list.MODELS_V2, key="none")
    wrong_key = yield Request(
        CHAT_V2, {"model": catalog.default_model("chat"), **question}, key="wrong"
    )
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
            names_text(error),
        ),
    ]


@check(
    "fine-tune",
    tr_noop("what can be fine-tuned, and its hyper-parameters (read only)"),
    needs="iam",
)
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
    fields = set[str]().union(*models)
    parameter_fields = set[str]().union(*parameters) - {"sandbox"}
    offered = sorted({f"{mode.get('trainMode')}" for mode in modes})
    checks = sorted({str(row.get("checkType")) for row in parameters})
    return [
        expect("a model's fields are those of the "
               "page", fields <= OFFER_FIELDS, names_text(fields - OFFER_FIELDS)),
        expect("it has train modes, scales, "
               "parameters", bool(parameters), f"{len(models)} models, modes {offered}"),
        expect("a parameter's fields are those of the page", parameter_fields <= PARAMETER_FIELDS,
               names_text(parameter_fields - PARAMETER_FIELDS)),
        expect("a parameter is a range or a "
               "choice", set(checks) <= {"range", "choice", "mult_choice"}, checks),
        expect("no field has a "
               "price", not any("price" in name.lower() for name in fields), names_text(fields)),
    ]  # fmt: skip


def list_rows(answer: Exchange) -> list[dict[str, Any]]:
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
    pricing = row.get("pricing")
    steps = model.prices
    if not isinstance(pricing, Mapping) or steps is None:
        return ""
    texts = []
    for name, column in (("prompt", steps.input), ("completion", steps.output)):
        listed = sorted(_numbers(pricing.get(name)))
        table = sorted(step.price for step in column)
        if listed and table and not set(listed) <= set(table):  # of hours only one may be listed
            texts.append(f"{name} {listed} instead of {table}")
    return f"{model.id}: {', '.join(texts)}" if texts else ""


def _numbers(value: Any) -> list[float]:
    """Return the prices in a price: itself, or those of its tiers."""
    if isinstance(value, list):
        return [
            number
            for tier in value
            if isinstance(tier, Mapping)
            for number in _numbers(tier.get("price"))
        ]
    return [float(value)] if _is_price(value) else []


def _is_price(value: Any) -> bool:
    try:
        prices.parse_steps(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


def _like(fields: set[str]) -> list[str]:
    return sorted(name for name in fields if "max" in name or "input" in name)


def _types(values: list[Any]) -> str:
    return names_text({type(value).__name__ for value in values})
