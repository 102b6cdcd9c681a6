"""`GET /v2/models`: what a server says of its models, in every shape that was seen, laid over the
catalogue.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, cast

from pydantic import BeforeValidator

from .base import EmptyBody, JsonObject, Record
from .catalog import CatalogModel, ModelKind
from .endpoints import Endpoint
from .prices import ModelPrices, PriceStep

TIER_UNIT_TOKENS = 1024
"""Bounds of price tiers count thousands of tokens; one of `MIN_PLAIN_BOUND` or more counts
tokens.
"""

MIN_PLAIN_BOUND = 4096


def _to_count(value: Any) -> int | None:
    """Return a whole number above 0 from a number or its text, None for anything else."""
    if isinstance(value, str) and re.fullmatch(
        r"\d{1,15}(\.0+)?", text := value.strip().replace(",", "")
    ):
        value = float(text)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and 0 < value < 1e15 and value == int(value):
        return int(value)
    return None


Count = Annotated[int | None, BeforeValidator(_to_count)]
Text = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else "")]
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(
        lambda value: (
            [word for word in value if isinstance(word, str)] if isinstance(value, list) else ()
        )
    ),
]


class Architecture(Record):
    """What a model reads and writes, as in "text+image->text"."""

    modality: Text = ""
    input_modalities: Words = ()
    output_modalities: Words = ()


class AvailableModel(Record):
    """One model of a server: the platform's full form, its form of 2025 (the first four fields),
    and OpenAI's.
    """

    id: Text = ""
    object: Text = "model"
    created: Annotated[int, BeforeValidator(lambda value: _to_count(value) or 0)] = 0
    owned_by: Text = ""
    type: Text = ""
    context_length: Count = None
    max_input_tokens: Count = None
    max_completions_tokens: Count = None
    max_completion_tokens: Count = None
    max_tokens: Count = None
    architecture: Annotated[
        Architecture, BeforeValidator(lambda value: value if isinstance(value, dict) else {})
    ] = Architecture()
    pricing: Any = None


class AvailableModelList(Record):
    """All models of a server."""

    object: Text = "list"
    data: Annotated[
        list[AvailableModel],
        BeforeValidator(
            lambda value: (
                [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
            )
        ),
    ] = []


MODELS_V2 = Endpoint(
    "models.v2", "/v2/models", EmptyBody, AvailableModelList, plane="v2", method="GET"
)

_KINDS = {
    "chat": "chat", "text2image": "text2image", "image2image": "image2image", "text2video": "video",
    "image2video": "video", "embeddings": "embedding", "embedding": "embedding",
    "rerank": "reranker",
    "reranker": "reranker", "ocr": "ocr",
}  # fmt: skip
"""The server's words for kinds of models; others are kept as they are."""


def merge_models(
    table: Iterable[CatalogModel], served: Iterable[AvailableModel], source: str
) -> tuple[CatalogModel, ...]:
    """Return the models of a table with what a server says of them; models that only the server has
    come last.

    The smaller of two lengths wins. A price of the server's wins, unless it is one of the table's,
    which then says more. What the server lists is not retired; a model that it does not list stays
    as it was.

    Args:
        table: the models as known before.
        served: the server's rows.
        source: what is recorded as the source of what changes.
    """
    models = {row.id.lower(): row for row in table}
    for row in served:
        if key := row.id.strip().lower():
            models[key] = _lay_over(models.get(key) or _new_model(row, source), row, source)
    return tuple(models.values())


def _new_model(row: AvailableModel, source: str) -> CatalogModel:
    outputs = row.architecture.output_modalities or row.architecture.modality.partition("->")[
        2
    ].split("+")
    kind = _KINDS.get(row.type.lower(), row.type) or ("chat" if "text" in outputs else "")
    return CatalogModel(
        row.id.strip(), row.id.strip(), cast("ModelKind", kind), sources={"": source}
    )


def _lay_over(model: CatalogModel, row: AvailableModel, source: str) -> CatalogModel:
    """Return a model with what the server's row says of it."""
    output = row.max_completions_tokens or row.max_completion_tokens
    lengths = {
        "context": row.context_length,
        "max_input": row.max_input_tokens,
        "max_output": output or (row.max_tokens if model.thinking in {"no", ""} else None),
    }
    changes: JsonObject = {
        name: value
        for name, value in lengths.items()
        if value and value < (getattr(model, name) or value + 1)
    }
    inputs, _, outputs = row.architecture.modality.partition("->")
    modalities = {
        "modality_in": row.architecture.input_modalities
        or tuple(filter(None, inputs.strip().split("+"))),
        "modality_out": row.architecture.output_modalities
        or tuple(filter(None, outputs.strip().split("+"))),
    }
    changes |= {
        name: value
        for name, value in modalities.items()
        if value and set(value) != set(getattr(model, name))
    }
    if row.owned_by and not model.owner:
        changes["owner"] = row.owned_by
    if not model.is_living:
        changes |= {"status": "active", "ended": "", "replacement": ""}
    if (prices := _merge_prices(model.prices, read_pricing(row.pricing))) != model.prices:
        changes["prices"] = prices
    return replace(model, **changes, sources={**model.sources, **dict.fromkeys(changes, source)})


def _merge_prices(listed: ModelPrices | None, served: ModelPrices | None) -> ModelPrices | None:
    if listed is None or served is None:
        return served or listed
    columns = {name: getattr(served, name) for name in ("input", "output")}
    agreeing = [
        name
        for name, steps in columns.items()
        if {step.price for step in steps} <= {step.price for step in getattr(listed, name)}
    ]
    return replace(
        listed, **{name: steps for name, steps in columns.items() if name not in agreeing}
    )


def read_pricing(pricing: Any) -> ModelPrices | None:
    """Return the prices of a server's row, CNY per 1,000 tokens; None unless both can be read and
    are above 0.
    """
    if not isinstance(pricing, dict):
        return None
    columns = [_read_steps(pricing.get(name)) for name in ("prompt", "completion")]
    if all(columns):
        return ModelPrices(input=columns[0], output=columns[1])
    return None


def _read_steps(value: Any) -> tuple[PriceStep, ...]:
    """Return one price or an array of tiers, () unless every part can be read."""
    if not isinstance(value, list):
        price = _to_price(value)
        if price is None:
            return ()
        return (PriceStep(price),)
    steps = [step for tier in value if (step := _read_tier(tier))]
    unbounded = [step for step in steps if step.max_input is None]
    if len(steps) == len(value) and len(unbounded) <= 1:
        return tuple(steps)
    return ()


_PRICE_KEY = re.compile("price|cost|amount|fee", re.IGNORECASE)
_LOWER_BOUND_KEY = re.compile("(min|lower|from|start|begin|gt)", re.IGNORECASE)


def _read_tier(tier: Any) -> PriceStep | None:
    """Return one tier: a bound in thousands of tokens, null for none, and a price; the names of its
    keys are not known.

    The price is what has such a name, or else what is not a whole number. None where that leaves a
    doubt.
    """
    if isinstance(tier, dict):
        entries = {key: tier[key] for key in tier if not _LOWER_BOUND_KEY.match(key)}
    else:
        entries = {}
    named = [key for key in entries if _PRICE_KEY.search(key) and _to_price(entries[key])]
    price_keys = named or [
        key for key in entries if _to_price(entries[key]) and not _to_count(entries[key])
    ]
    bounds = [_to_bound(value) for key, value in entries.items() if key not in price_keys]
    bounds = [bound for bound in bounds if bound]
    if len(price_keys) != 1:
        price = None
    else:
        price = _to_price(entries[price_keys[0]])
    if price is None or len(bounds) > 1:
        return None
    return PriceStep(price, bounds[0] if bounds else None)


def _to_bound(value: Any) -> int | None:
    """Return tokens from thousands of them, as 32, "32" or "32k"; numbers of `MIN_PLAIN_BOUND` or
    more are tokens.
    """
    count = _to_count(value.strip().lower().removesuffix("k") if isinstance(value, str) else value)
    if count and count < MIN_PLAIN_BOUND:
        return count * TIER_UNIT_TOKENS
    return count


def _to_price(value: Any) -> float | None:
    """Return a number above 0 from a number or its text; a 0 may stand for "not known"."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,6}(\.\d+)?", value.strip()):
        value = float(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and 0 < value < 1e6:
        return float(value)
    return None
