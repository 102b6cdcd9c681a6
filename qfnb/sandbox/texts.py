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
from .answers import count_tokens, live_v1, refused, said
from .engines import EngineError, Streaming
from .engines.builtin import GRAMS
from .inference import answer_v1, check_options, model_at
from .metering import metered
from .routing import Call, Stream, emulates, refuse, refuse_call
from .talks import talk_of


@emulates(completion_wire.COMPLETION_V1)
@metered
async def complete(call: Call, body: completion_wire.CompletionRequest) -> dict[str, Any] | Stream:
    """Answer `/completions/<endpoint>`."""
    check_options(call, body.model_extra or {})
    if not body.prompt.strip():
        raise refuse_call(call, "prompt must not be empty")
    name = call.path["model"]
    model = call.world.base(name) if catalog.find("completion", name) else model_at(call, name)
    talk = talk_of(body.prompt, body.model_extra)
    if body.stream and isinstance(model, Streaming):
        return await live_v1(call, model, talk, kind="completion")
    reply = await said(call, model, talk)
    return answer_v1(call, reply, [body.prompt], body.stream, kind="completion")


@emulates(wire.EMBEDDING_V1)
async def embed_v1(call: Call, body: wire.EmbeddingRequest) -> dict[str, Any]:
    """Answer `/embeddings/<endpoint>`."""
    return await _embedded(call, body, call.path["model"])


@emulates(wire.EMBEDDING_V2)
async def embed_v2(call: Call, body: wire.EmbeddingRequestV2) -> dict[str, Any]:
    """Answer `/v2/embeddings`."""
    return {**await _embedded(call, body, body.model), "model": body.model}


@emulates(wire.RERANK_V1)
async def rerank_v1(call: Call, body: wire.RerankRequest) -> dict[str, Any]:
    """Answer `/reranker/<endpoint>`."""
    return await _reranked(call, body, call.path["model"])


@emulates(wire.RERANK_V2)
async def rerank_v2(call: Call, body: wire.RerankRequestV2) -> dict[str, Any]:
    """Answer `/v2/rerankers`."""
    return {**await _reranked(call, body, body.model), "model": body.model}


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
    names = sorted(
        {row.v2 for row in catalog.models() if row.kind == "chat"} | call.world.engines.chosen.names
    )
    own = [service["endpoint"] for service in call.world.store.all("service")]
    rows = [{"id": name, "object": "model", "created": 0, "owned_by": "sandbox"} for name in names + own]
    return {"object": "list", "data": rows}


async def _embedded(call: Call, body: wire.EmbeddingRequest, model: str) -> dict[str, Any]:
    _known(call, "embedding", model)
    if not 1 <= len(body.input) <= wire.MOST_TEXTS or not all(text.strip() for text in body.input):
        raise refuse_call(call, f"the number of input must be 1 to {wire.MOST_TEXTS}, none of them empty")
    try:
        vectors = await call.world.engines.embedder.embed(body.input)
    except EngineError as error:
        raise refused(call, error) from None
    data = [
        {"object": "embedding", "embedding": row, "index": index} for index, row in enumerate(vectors.rows)
    ]
    head = {"id": call.id, "object": "embedding_list", "created": int(time.time())}
    usage = _usage(body.input) if vectors.tokens is None else _tokens(vectors.tokens)
    return {**head, "data": data, "usage": usage, "sandbox": {"engine": vectors.label}}


async def _reranked(call: Call, body: wire.RerankRequest, model: str) -> dict[str, Any]:
    _known(call, "reranker", model)
    if not body.query.strip() or not 1 <= len(body.documents) <= wire.MOST_DOCUMENTS:
        raise refuse_call(call, f"query must not be empty, documents are 1 to {wire.MOST_DOCUMENTS}")
    scores, label = await _relevance(call, body.query, body.documents)
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: body.top_n]
    results = [
        {"document": body.documents[i], "relevance_score": round(scores[i], 6), "index": i} for i in order
    ]
    head = {"id": call.id, "object": "reranker_list", "created": int(time.time())}
    usage = _usage([body.query, *body.documents])
    return {**head, "results": results, "usage": usage, "sandbox": {"engine": label}}


async def _relevance(call: Call, query: str, documents: list[str]) -> tuple[list[float], str]:
    """Return each document's similarity to the query, 0 to 1, and who says so."""
    from .engine.embedding import cosines, relevance  # noqa: PLC0415 - numpy

    engine = call.world.engines.embedder
    if engine.name == "builtin":
        return relevance(query, documents), GRAMS
    try:
        vectors = await engine.embed([query, *documents])
    except EngineError as error:
        raise refused(call, error) from None
    return cosines(vectors.rows), vectors.label


def _known(call: Call, kind: catalog.Kind, model: str) -> None:
    if catalog.find(kind, model) is not None:
        return
    if call.endpoint.plane == "v1":
        raise refuse("v1", 3, "Unsupported openapi method")
    raise refuse("v2", 0, f"No permission to use the model {model!r}", word="invalid_model", status=401)


def _usage(texts: list[str]) -> dict[str, int]:
    return _tokens(sum(map(count_tokens, texts)))


def _tokens(count: int) -> dict[str, int]:
    return {"prompt_tokens": count, "total_tokens": count}
