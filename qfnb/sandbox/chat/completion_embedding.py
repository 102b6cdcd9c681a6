"""Completion, embeddings, reranking, tokens and the list of models."""

import time
from typing import Any

from ...wire import catalog, inference as wire
from ...wire.base import EmptyBody
from ...wire.model_list import MODELS_V2
from ..engines.builtin.engine import NGRAM_LABEL
from ..engines.protocol import EngineError, StreamingModel, count_tokens
from ..http.call import Call, Stream, emulates
from ..services.metering import metered
from . import conversion
from .chat import resolve_model, validate_options


@emulates(wire.COMPLETION_V1)
@metered
async def complete(call: Call, body: wire.CompletionRequest) -> dict[str, Any] | Stream:
    """Answer `/completions/<endpoint>`."""
    validate_options(call, body.model_extra or {})
    if not body.prompt.strip():
        raise call.refusal("prompt must not be empty")
    model_name = call.path["model"]
    model = (
        call.world.engines.base_model(model_name)
        if catalog.find_model("completion", model_name)
        else resolve_model(call, model_name)
    )
    conversation = conversion.prompt_conversation(body.prompt, body.model_extra)
    if body.stream and isinstance(model, StreamingModel):
        return await conversion.stream_v1(call, model, conversation, kind="completion")
    reply = await conversion.ask_model(call, model, conversation)
    return conversion.build_v1_answer(call, reply, [body.prompt], body.stream, kind="completion")


@emulates(wire.EMBEDDING_V1)
async def embed_v1(call: Call, body: wire.EmbeddingRequest) -> dict[str, Any]:
    """Answer `/embeddings/<endpoint>`."""
    return await _embed(call, body, call.path["model"])


@emulates(wire.EMBEDDING_V2)
async def embed_v2(call: Call, body: wire.EmbeddingRequestV2) -> dict[str, Any]:
    """Answer `/v2/embeddings`."""
    return {**await _embed(call, body, body.model), "model": body.model}


@emulates(wire.RERANK_V1)
async def rerank_v1(call: Call, body: wire.RerankRequest) -> dict[str, Any]:
    """Answer `/reranker/<endpoint>`."""
    return await _rerank(call, body, call.path["model"])


@emulates(wire.RERANK_V2)
async def rerank_v2(call: Call, body: wire.RerankRequestV2) -> dict[str, Any]:
    """Answer `/v2/rerankers`."""
    return {**await _rerank(call, body, body.model), "model": body.model}


@emulates(wire.TOKENIZER)
def count_prompt_tokens(call: Call, body: wire.TokenizerRequest) -> dict[str, Any]:
    """Count tokens, as the sandbox's usage does."""
    return {
        "id": call.id,
        "object": "tokenizer.erniebot",
        "created": int(time.time()),
        "usage": _text_usage([body.prompt]),
    }


@emulates(MODELS_V2)
def list_models(call: Call, body: EmptyBody) -> dict[str, Any]:
    """List the models and the deployed services."""
    names = sorted(
        {row.id for row in catalog.load_models() if row.kind == "chat"} | call.world.engines.active.model_names
    )
    service_names = [service["endpoint"] for service in call.world.store.all("service")]
    rows = [{"id": name, "object": "model", "created": 0, "owned_by": "sandbox"} for name in names + service_names]
    return {"object": "list", "data": rows}


async def _embed(call: Call, body: wire.EmbeddingRequest, model: str) -> dict[str, Any]:
    _require_model(call, "embedding", model)
    if not 1 <= len(body.input) <= wire.MAX_TEXTS or not all(text.strip() for text in body.input):
        raise call.refusal(f"the number of input must be 1 to {wire.MAX_TEXTS}, none of them empty")
    try:
        embedded = await call.world.engines.embedding_engine.embed(body.input)
    except EngineError as error:
        raise conversion.engine_refusal(call, error) from None
    data = [{"object": "embedding", "embedding": row, "index": index} for index, row in enumerate(embedded.rows)]
    head = {"id": call.id, "object": "embedding_list", "created": int(time.time())}
    usage = _text_usage(body.input) if embedded.tokens is None else _token_usage(embedded.tokens)
    return {**head, "data": data, "usage": usage, "sandbox": {"engine": embedded.label}}


async def _rerank(call: Call, body: wire.RerankRequest, model: str) -> dict[str, Any]:
    _require_model(call, "reranker", model)
    if not body.query.strip() or not 1 <= len(body.documents) <= wire.MAX_DOCUMENTS:
        raise call.refusal(f"query must not be empty, documents are 1 to {wire.MAX_DOCUMENTS}")
    scores, label = await _score_relevance(call, body.query, body.documents)
    ranking = sorted(range(len(scores)), key=lambda index: -scores[index])[: body.top_n]
    results = [{"document": body.documents[i], "relevance_score": round(scores[i], 6), "index": i} for i in ranking]
    head = {"id": call.id, "object": "reranker_list", "created": int(time.time())}
    usage = _text_usage([body.query, *body.documents])
    return {**head, "results": results, "usage": usage, "sandbox": {"engine": label}}


async def _score_relevance(call: Call, query: str, documents: list[str]) -> tuple[list[float], str]:
    """Return each document's similarity (0-1) to the query, and the label of the engine."""
    from ..engines.builtin.features import cosines, relevance  # noqa: PLC0415 - numpy

    engine = call.world.engines.embedding_engine
    if engine.name == "builtin":
        return relevance(query, documents), NGRAM_LABEL
    try:
        vectors = await engine.embed([query, *documents])
    except EngineError as error:
        raise conversion.engine_refusal(call, error) from None
    return cosines(vectors.rows), vectors.label


def _require_model(call: Call, kind: catalog.ModelKind, model: str) -> None:
    if catalog.find_model(kind, model) is None:
        raise conversion.unknown_model(call, model)


def _text_usage(texts: list[str]) -> dict[str, int]:
    return _token_usage(sum(map(count_tokens, texts)))


def _token_usage(count: int) -> dict[str, int]:
    return {"prompt_tokens": count, "total_tokens": count}
