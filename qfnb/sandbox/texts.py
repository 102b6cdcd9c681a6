"""Completion, embeddings, reranking, tokens and the list of models."""

from __future__ import annotations

import time
from typing import Any

from ..wire import catalog
from ..wire import completion as completion_wire
from ..wire import embedding as wire
from ..wire import models as models_wire
from ..wire import tokenizer as tokenizer_wire
from ..wire.base import Nothing
from .inference import answer_v1, check_options, count_tokens, model_at
from .routing import Call, Stream, emulates, refuse, refuse_call

MARK = {"sandbox": {"engine": "qfnb character n-grams, not a language model"}}


@emulates(completion_wire.COMPLETION_V1)
def complete(call: Call, body: completion_wire.CompletionRequest) -> dict[str, Any] | Stream:
    """Answer `/completions/<endpoint>`."""
    check_options(call, body.model_extra or {})
    if not body.prompt.strip():
        raise refuse_call(call, "prompt must not be empty")
    known = catalog.find("completion", call.path["model"])
    model = call.world.base() if known else model_at(call, call.path["model"])
    return answer_v1(call, model.reply(body.prompt), [body.prompt], body.stream, kind="completion")


@emulates(wire.EMBEDDING_V1)
def embed_v1(call: Call, body: wire.EmbeddingRequest) -> dict[str, Any]:
    """Answer `/embeddings/<endpoint>`."""
    return _embedded(call, body, call.path["model"])


@emulates(wire.EMBEDDING_V2)
def embed_v2(call: Call, body: wire.EmbeddingRequestV2) -> dict[str, Any]:
    """Answer `/v2/embeddings`."""
    return {**_embedded(call, body, body.model), "model": body.model}


@emulates(wire.RERANK_V1)
def rerank_v1(call: Call, body: wire.RerankRequest) -> dict[str, Any]:
    """Answer `/reranker/<endpoint>`."""
    return _reranked(call, body, call.path["model"])


@emulates(wire.RERANK_V2)
def rerank_v2(call: Call, body: wire.RerankRequestV2) -> dict[str, Any]:
    """Answer `/v2/rerankers`."""
    return {**_reranked(call, body, body.model), "model": body.model}


@emulates(tokenizer_wire.TOKENIZER)
def tokens(call: Call, body: tokenizer_wire.TokenizerRequest) -> dict[str, Any]:
    """Count tokens, as the sandbox's usage does."""
    return {
        "id": call.id,
        "object": "tokenizer.erniebot",
        "created": int(time.time()),
        "usage": _usage([body.prompt]),
    }


@emulates(models_wire.MODELS_V2)
def list_models(call: Call, body: Nothing) -> dict[str, Any]:
    """List the models and the deployed services."""
    names = sorted({row.v2 for row in catalog.models() if row.kind == "chat"})
    own = [service["endpoint"] for service in call.world.store.all("service")]
    rows = [{"id": name, "object": "model", "created": 0, "owned_by": "sandbox"} for name in names + own]
    return {"object": "list", "data": rows}


def _embedded(call: Call, body: wire.EmbeddingRequest, model: str) -> dict[str, Any]:
    from .engine.embedding import embed  # noqa: PLC0415 - numpy

    _known(call, "embedding", model)
    if not 1 <= len(body.input) <= wire.MOST_TEXTS or not all(text.strip() for text in body.input):
        raise refuse_call(call, f"the number of input must be 1 to {wire.MOST_TEXTS}, none of them empty")
    data = [
        {"object": "embedding", "embedding": [round(float(x), 8) for x in row], "index": index}
        for index, row in enumerate(embed(body.input))
    ]
    head = {"id": call.id, "object": "embedding_list", "created": int(time.time())}
    return {**head, "data": data, "usage": _usage(body.input), **MARK}


def _reranked(call: Call, body: wire.RerankRequest, model: str) -> dict[str, Any]:
    from .engine.embedding import relevance  # noqa: PLC0415

    _known(call, "reranker", model)
    if not body.query.strip() or not 1 <= len(body.documents) <= wire.MOST_DOCUMENTS:
        raise refuse_call(call, f"query must not be empty, documents are 1 to {wire.MOST_DOCUMENTS}")
    scores = relevance(body.query, body.documents)
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: body.top_n]
    results = [
        {"document": body.documents[i], "relevance_score": round(scores[i], 6), "index": i} for i in order
    ]
    head = {"id": call.id, "object": "reranker_list", "created": int(time.time())}
    return {**head, "results": results, "usage": _usage([body.query, *body.documents]), **MARK}


def _known(call: Call, kind: catalog.Kind, model: str) -> None:
    if catalog.find(kind, model) is not None:
        return
    if call.endpoint.plane == "v1":
        raise refuse("v1", 3, "Unsupported openapi method")
    raise refuse("v2", 0, f"No permission to use the model {model!r}", word="invalid_model", status=401)


def _usage(texts: list[str]) -> dict[str, int]:
    count = sum(map(count_tokens, texts))
    return {"prompt_tokens": count, "total_tokens": count}
