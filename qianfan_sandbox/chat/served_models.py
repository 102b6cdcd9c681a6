"""Which models the sandbox serves: presets and services by name, and the list of them."""

from collections.abc import Sequence
from typing import NamedTuple

from qfnb.wire import catalog
from qfnb.wire.base import EmptyBody, JsonObject
from qfnb.wire.catalog import MODELS_V2
from qfnb.wire.prices import PriceStep

from ..engines.protocol import ChatModel, EngineError
from ..http.call import Call, emulates
from ..services import active_deployment, find_service
from . import conversion

LISTED_AT = 1789516800  # 2026-09-16, the day of the model list

# the list's words where the catalogue has others
_TYPES = {"embedding": "embeddings", "reranker": "rerank"}


class Target(NamedTuple):
    """The model that a request names."""

    model: ChatModel
    # of the catalogue; None for a service and for a model of the engine
    row: catalog.CatalogModel | None


def resolve_target(call: Call, name: str) -> Target:
    """Return the model behind an endpoint or a preset model's name.

    Raises:
        Refusal: there is no such model, or its service is not ready.
    """
    service = find_service(call, name)
    if service is not None:
        try:
            return Target(
                call.world.engines.tuned_model(active_deployment(call, service)["task"]), None
            )
        except EngineError as error:
            raise conversion.engine_refusal(call, error) from None
    is_v1 = call.endpoint.plane == "v1"
    row = catalog.find_model("chat", name)
    if row is not None and _is_served(call, row, name) and (row.v1 or not is_v1):
        return Target(call.world.engines.active.base_model(name), row)
    if not is_v1 and name in call.world.engines.active.model_names:
        return Target(call.world.engines.active.base_model(name), None)
    raise conversion.unknown_model(call, name, ": the sandbox has no such model or service")


def resolve_model(call: Call, name: str) -> ChatModel:
    """Return the model behind a name; see `resolve_target`."""
    return resolve_target(call, name).model


def require_preset(call: Call, kind: catalog.ModelKind, name: str) -> catalog.CatalogModel:
    """Return the catalogue's row of a preset model of a kind.

    Args:
        call: the call.
        kind: e.g. `embedding`.
        name: any of its names; a strict sandbox takes today's ids only.

    Raises:
        Refusal: there is no such model.
    """
    row = catalog.find_model(kind, name)
    if row is None or not _is_served(call, row, name):
        raise conversion.unknown_model(call, name)
    return row


@emulates(MODELS_V2)
def list_models(call: Call, body: EmptyBody) -> JsonObject:
    """List today's models and the deployed services, in the form of 2026 or of 2025."""
    rows = [_describe(row) for row in catalog.load_models() if row.is_living]
    listed_ids = {row["id"] for row in rows}
    own_names = sorted(call.world.engines.active.model_names - listed_ids)
    own_names += [service["endpoint"] for service in call.store.all("service")]
    rows += [_head(name, "sandbox") | {"type": "chat"} for name in own_names]
    if call.world.modes.model_list == "2025":
        rows = [_head(row["id"], "") | {"created": 0} for row in rows]
    return {"object": "list", "data": rows}


def _is_served(call: Call, row: catalog.CatalogModel, name: str) -> bool:
    """Return whether a model answers to a name: in a strict sandbox living models do, to their id
    only.
    """
    return not call.world.modes.strict or (row.is_living and row.id == name)


def _head(name: str, owner: str) -> JsonObject:
    return {"id": name, "object": "model", "created": LISTED_AT, "owned_by": owner}


def _describe(row: catalog.CatalogModel) -> JsonObject:
    """Return a model as the list of 2026 has it; lengths are null where they are not known."""
    inputs = "+".join(row.modality_in)
    outputs = "+".join(row.modality_out)
    if not (row.prices and row.prices.input):
        prices = None
    else:
        prices = row.prices
    if not prices:
        pricing = None
    else:
        pricing = {"prompt": _price(prices.input), "completion": _price(prices.output)}
    described = {
        **_head(row.id, row.owner),
        "type": _TYPES.get(row.kind, row.kind),
        "context_length": row.context,
        "max_completions_tokens": row.max_output,
        "max_tokens": row.max_output if row.thinking == "no" else None,
        "max_input_tokens": row.max_input,
        "architecture": {
            "modality": f"{inputs}->{outputs}",
            "input_modalities": list(row.modality_in),
            "output_modalities": list(row.modality_out),
        },
    }
    return described | ({"pricing": pricing} if pricing else {})


def _price(steps: Sequence[PriceStep]) -> str | list[JsonObject] | None:
    """Return a price as a text, or as tiers with an upper bound in thousands of tokens; of hours
    the first.
    """
    if len(steps) < 2 or steps[0].max_input is None:
        if steps:
            return f"{steps[0].price:.10g}"
        return None
    bounds = [*(-(-(step.max_input or 0) // 1024) for step in steps[:-1]), None]
    return [
        {"upper": bound, "price": f"{step.price:.10g}"}
        for step, bound in zip(steps, bounds, strict=True)
    ]
