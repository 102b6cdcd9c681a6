"""The catalogue of models (`models.csv`): names, lengths, abilities, prices and what replaces a
retired one.

An unknown name is never refused: it is passed through and the platform decides. The facts are of
`TABLE_DATE`; each has its source. Empty means not known, never zero.
"""

import csv
import difflib
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator

from .. import config
from .base import EmptyBody, JsonObject, Record
from .endpoints import Endpoint
from .prices import ModelPrices, PriceRange, PriceStep, own_prices, parse_steps, token_cost

ModelKind = Literal[
    "chat",
    "completion",
    "embedding",
    "reranker",
    "text2image",
    "image2image",
    "image2text",
    "ocr",
    "video",
    "plugin",
]
ModelStatus = Literal["active", "preview", "unknown", "retired"]

TABLE_DATE = "2026-09-22"
"""The newest page that the table is from."""

SOURCES = {
    "list": "model list, 2026-09-16",
    "prices": "price page, 2026-09-22",
    "retired": "retirement list, 2026-09-03",
    "news": "text generation page, 2026-11",
    "client": "code of a client, 2026; no page",
    "sdk": "official SDK 0.4.12",
    "guess": "guess: same family",
}

V1_DEFAULTS: dict[ModelKind, str] = {
    "chat": "ERNIE-Bot-turbo",
    "completion": "ERNIE-Bot-turbo",
    "text2image": "Stable-Diffusion-XL",
    "image2text": "Fuyu-8B",
    "plugin": "EBPlugin",
}
"""What v1 is asked for when no model is named; v1 has ended on the cloud."""

_LIVING_DEFAULTS: dict[ModelKind, str] = {
    "chat": "ernie-4.5-turbo-128k",
    "completion": "ernie-4.5-turbo-128k",
    "embedding": "embedding-v1",
    "reranker": "bce-reranker-base",
    "text2image": "qwen-image",
    "image2image": "qwen-image-edit",
    "image2text": "ernie-4.5-turbo-vl",
    "ocr": "paddleocr-vl-0.9b",
}


@dataclass(frozen=True)
class CatalogModel:
    """One model; lengths in tokens, None and "" where not known.

    Attributes:
        id: what is sent as `model` on v2.
        name: as users write it; the id for models of today.
        aliases: older names.
        v1: its path segment on v1, "" when it was not there.
        context: input, thinking and answer together.
        max_output: thinking and answer.
        max_chars: the longest input in characters, where the platform counts these.
        dimensions: of an embedding.
        modality_in, modality_out: "text", "image", "video", "document", "embedding" or "score".
        thinking: whether it thinks: "no", "optional", "always" or "".
        thinking_field: the one field that switches thinking: "thinking", "enable_thinking" or ""
            (none, not known).
        thinks_by_default: without the field.
        efforts: values of `reasoning_effort`, which it takes instead of the field.
        tools, json_schema: whether it takes functions, and `response_format` json_schema.
        ended: the day of its retirement.
        replacement: the id that the retirement list names; it may be retired itself
            (`living_replacement`).
        sources: where a field is from; "" is for the fields that are not named.
    """

    id: str
    name: str
    kind: ModelKind
    aliases: tuple[str, ...] = ()
    v1: str = ""
    owner: str = ""
    context: int | None = None
    max_input: int | None = None
    max_output: int | None = None
    max_chars: int | None = None
    dimensions: int | None = None
    modality_in: tuple[str, ...] = ()
    modality_out: tuple[str, ...] = ()
    thinking: Literal["no", "optional", "always", ""] = ""
    thinking_field: Literal["thinking", "enable_thinking", ""] = ""
    thinks_by_default: bool | None = None
    efforts: tuple[str, ...] = ()
    tools: bool | None = None
    json_schema: bool | None = None
    prices: ModelPrices | None = None
    status: ModelStatus = "active"
    ended: str = ""
    replacement: str = ""
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_living(self) -> bool:
        """Whether the platform lists it."""
        return self.status in {"active", "preview"}

    def source_of(self, name: str) -> str:
        """Return where a field's value is from."""
        return self.sources.get(name, self.sources.get("", ""))


@functools.cache
def built_in_models() -> tuple[CatalogModel, ...]:
    """Return the table that comes with the package, the living models first."""
    text = resources.files(__package__).joinpath("models.csv").read_text(encoding="utf-8")
    return tuple(map(_parse_model, csv.DictReader(text.splitlines())))


_current_models: tuple[CatalogModel, ...] | None = None


def load_models() -> tuple[CatalogModel, ...]:
    """Return all models of the catalogue: the built-in table, or what replaced it."""
    if _current_models is None:
        return built_in_models()
    return _current_models


def use_models(models: tuple[CatalogModel, ...] | None) -> None:
    """Replace the catalogue, e.g. by the table with the platform's list laid over it; None for the
    built-in one.
    """
    global _current_models
    _current_models = models


def model_names(kind: ModelKind, *, include_retired: bool = False) -> list[str]:
    """Return the names of the living models of a kind in the catalogue's order, the others after
    them on request.
    """
    return [
        row.name for row in load_models() if row.kind == kind and (row.is_living or include_retired)
    ]


def find_model(kind: ModelKind | None, name: str) -> CatalogModel | None:
    """Return a model by any of its names, None if it is unknown; without a kind, of any."""
    return _models_by_name().get((kind, name.lower()))


def default_model(kind: ModelKind) -> str:
    """Return the id of the living model that is asked when none is named, "" for kinds that have
    none any more.
    """
    return _LIVING_DEFAULTS.get(kind, "")


def living_replacement(kind: ModelKind, name: str) -> CatalogModel | None:
    """Return the living model that stands for a retired one, following the chain of replacements.

    None for a name that is unknown or not retired, and where no living model does the same.
    """
    row = find_model(kind, name)
    visited = set[str]()
    # which chat models do, too
    heir_kind: ModelKind = "chat" if kind in {"completion", "image2text"} else kind
    while row is not None and row.status == "retired" and row.id not in visited:
        visited.add(row.id)
        row = find_model(heir_kind, row.replacement)
    if visited and (row is None or row.status == "retired"):
        row = find_model(heir_kind, default_model(kind))
    if visited:
        return row
    return None


def asked_model(kind: ModelKind, name: str) -> CatalogModel | None:
    """Return the model that is asked under a name: itself, or what replaces a retired one; None if
    it is unknown.
    """
    return living_replacement(kind, name) or find_model(kind, name)


def nearest_models(kind: ModelKind, name: str, limit: int = 3) -> list[str]:
    """Return ids of living models for a name that does not answer: replacement, similar names, then
    the default.
    """
    replacement = living_replacement(kind, name)
    living = [row.id for row in load_models() if row.kind == kind and row.is_living]
    similar = difflib.get_close_matches(name.lower(), living, limit, cutoff=0.5)
    ids = [replacement.id if replacement else "", *similar, default_model(kind)]
    return list(dict.fromkeys(filter(None, ids)))[:limit]


def path_segment(kind: ModelKind, name: str) -> str:
    """Return the path segment that serves a model on v1."""
    return ((row := find_model(kind, name)) and row.v1) or name.lower()


def find_prices(kind: ModelKind | None, name: str) -> ModelPrices | None:
    """Return the prices of a model, None where not known; those of the setting `prices` win over
    the table's.

    Without a kind, of a model of any.

    Raises:
        InvalidArgumentError: the user's file of prices cannot be read.
    """
    row = find_model(kind, name)
    path = config.settings().prices
    if not path:
        own = None
    else:
        own = own_prices(path).get(name.lower())
    return own or (prices_of(row) if row else None)


def prices_of(row: CatalogModel) -> ModelPrices | None:
    """Return the prices of a model; see `find_prices`."""
    if not (path := config.settings().prices):
        return row.prices
    own = map(own_prices(path).get, (name.lower() for name in (row.id, row.name, *row.aliases)))
    return next(filter(None, own), row.prices)


def reply_cost(
    name: str,
    prompt_tokens: int | None,
    completion_tokens: int | None,
    *,
    cached_tokens: int = 0,
    hour: int | None = None,
    is_batch: bool = False,
    images: int = 0,
) -> PriceRange | None:
    """Return the cost of a reply of a model of any kind in CNY, None where prices or
    `prompt_tokens` are unknown.

    Args:
        name: any name of the model.
        prompt_tokens: of the whole input.
        completion_tokens: of the reply with its thinking; None counts as 0.
        cached_tokens: how many of `prompt_tokens` were cached, default 0.
        hour: in China, 0 to 23; None where it is open.
        is_batch: whether it is part of a batch.
        images: in the reply; they have a price each, whatever the tokens.
    """
    table = find_prices(None, name)
    if images and table and table.image is not None:
        return PriceRange(table.image, table.image) * images
    if prompt_tokens is None:
        return None
    return token_cost(
        table,
        prompt_tokens,
        completion_tokens or 0,
        cached_tokens=cached_tokens,
        hour=hour,
        is_batch=is_batch,
    )


_NameIndex = dict[tuple[ModelKind | None, str], CatalogModel]
_last_index: tuple[tuple[CatalogModel, ...], _NameIndex] | None = None


def _models_by_name() -> _NameIndex:
    """Return the models by kind or none, and each of their names."""
    global _last_index
    models = load_models()
    last = _last_index
    if last is None or last[0] is not models:
        _last_index = last = models, _index_names(models)
    return last[1]


def _index_names(models: tuple[CatalogModel, ...]) -> _NameIndex:
    """Index models by their names; a name precedes another's id, that an older name, and that a v1
    path.
    """
    index: _NameIndex = {}
    for read_names in (
        lambda row: (row.v1,),
        lambda row: row.aliases,
        lambda row: (row.id,),
        lambda row: (row.name,),
    ):
        for row in reversed(models):
            for name in filter(None, read_names(row)):
                index[row.kind, name.lower()] = row
                index[None, name.lower()] = row
    return index


_LENGTHS = ("context", "max_input", "max_output", "max_chars", "dimensions")
_FLAGS = {"tools": "tools", "json_schema": "json_schema", "thinking_default": "thinks_by_default"}
_FLAG_WORDS = {"yes": True, "on": True, "no": False, "off": False}
_TEXTS = (
    "id",
    "name",
    "kind",
    "v1",
    "owner",
    "thinking",
    "thinking_field",
    "status",
    "ended",
    "replacement",
)


def _parse_model(row: dict[str, str]) -> CatalogModel:
    values: JsonObject = {name: row[name] for name in _TEXTS}
    values |= {name: int(row[name]) if row[name] else None for name in _LENGTHS}
    values |= {name: tuple(filter(None, row[name].split("|"))) for name in ("aliases", "efforts")}
    values |= {
        name: tuple(filter(None, row[name].split("+"))) for name in ("modality_in", "modality_out")
    }
    values |= {name: _FLAG_WORDS.get(row[key]) for key, name in _FLAGS.items()}
    sources = {"": SOURCES[row["source"]]}
    sources |= {"prices": SOURCES[row["price_source"]]} if row["price_source"] else {}
    sources |= dict.fromkeys(filter(None, row["guesses"].split("|")), SOURCES["guess"])
    return CatalogModel(**values, prices=_parse_prices(row), sources=sources)


def _parse_prices(row: dict[str, str]) -> ModelPrices | None:
    if not (row["price_in"] or row["price_out"]):
        return None
    if "image" in row["modality_out"]:
        return ModelPrices(image=float(row["price_out"]))
    price_in, price_out, cached = (
        parse_steps(row[name]) for name in ("price_in", "price_out", "price_cached")
    )
    return ModelPrices(
        price_in, price_out, cached, batch_share=float(row["batch"]) if row["batch"] else None
    )


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
    """What a model reads and writes."""

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
    kind = _KINDS.get(row.type.lower(), row.type) or (
        "chat" if "text" in row.architecture.output_modalities else ""
    )
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
    changes: JsonObject = {}
    for name, value in lengths.items():
        if value and value < (getattr(model, name) or value + 1):
            changes[name] = value
    modalities = {
        "modality_in": row.architecture.input_modalities,
        "modality_out": row.architecture.output_modalities,
    }
    for name, words in modalities.items():
        if words and set(words) != set(getattr(model, name)):
            changes[name] = words
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
    if served.input[0].price not in {step.price for step in listed.input}:
        listed = replace(listed, input=served.input)
    if served.output[0].price not in {step.price for step in listed.output}:
        listed = replace(listed, output=served.output)
    return listed


def read_pricing(pricing: Any) -> ModelPrices | None:
    """Return the prices of a server's row, CNY per 1,000 tokens; None unless both are numbers above
    0: the keys of tiers are not documented.
    """
    if not isinstance(pricing, dict):
        return None
    price_in = _to_price(pricing.get("prompt"))
    price_out = _to_price(pricing.get("completion"))
    if price_in is None or price_out is None:
        return None
    return ModelPrices((PriceStep(price_in),), (PriceStep(price_out),))


def _to_price(value: Any) -> float | None:
    """Return a number above 0 from a number or its text; a 0 may stand for "not known"."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,6}(\.\d+)?", value.strip()):
        value = float(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and 0 < value < 1e6:
        return float(value)
    return None
