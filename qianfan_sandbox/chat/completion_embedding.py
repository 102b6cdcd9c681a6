"""Completion, embeddings, reranking and tokens."""

from collections.abc import AsyncIterator
from typing import Any

from qfnb.base.text import count_tokens, cut_to_tokens
from qfnb.wire import catalog, inference as wire
from qfnb.wire.base import JsonObject, Record

from ..engines.builtin import engine
from ..http.call import Call, Stream, emulates
from ..services import metered, requested_model
from . import answers, conversion
from .conversion import (
    SamplingOptions,
    require_preset,
    resolve_target,
    validate,
    validate_temperature,
)


@emulates(wire.COMPLETION_V1)
@metered
def complete(call: Call, body: wire.CompletionRequest) -> JsonObject | Stream:
    """Answer `/completions/<endpoint>`."""
    validate(call, SamplingOptions, body.model_extra or {})
    if not body.prompt.strip():
        raise call.refusal("prompt must not be empty")
    model_name = call.path["model"]
    if catalog.find_model("completion", model_name):
        model = engine.base_model()
    else:
        model = resolve_target(call, model_name).model
    conversation = conversion.prompt_conversation(body.prompt, body.model_extra)
    reply = engine.answer(model, conversation)
    return answers.v1_answer(call, reply, body.prompt, body.stream, "completion")


@emulates(wire.COMPLETION_V2)
@metered
def fill(call: Call, body: wire.FillRequest) -> JsonObject | Stream:
    """Answer `/v2/completions`: the text for a gap, which ends where the suffix begins."""
    (model, row) = resolve_target(call, body.model)
    extra = body.model_extra or {}
    options = validate(call, SamplingOptions, extra)
    validate_temperature(call, options, row)
    limit = options.max_tokens
    if not body.prompt.strip():
        raise call.invalid("prompt", "it must not be empty")
    reply = engine.answer(model, conversion.prompt_conversation(body.prompt, extra))
    text = reply.text
    if body.suffix:
        text = text.partition(body.suffix)[0]
    reason = reply.reason
    if limit is not None and count_tokens(text) > limit:
        text = cut_to_tokens(text, limit)
        reason = "length"
    head = call.head("text_completion") | {"model": body.model}
    usage = conversion.count_usage([body.prompt, body.suffix or ""], text)
    tail = {"usage": usage, "sandbox": conversion.sandbox_mark(reply)}
    if body.stream:
        return Stream(_fill_pieces(text, reason, head, tail), done="[DONE]")
    choice = {"index": 0, "text": text, "finish_reason": reason}
    return {**head, "choices": [choice], **tail}


async def _fill_pieces(text: str, reason: str, head: Any, tail: Any) -> AsyncIterator[JsonObject]:
    for start in range(0, len(text), conversion.PIECE_CHARS):
        piece = text[start : start + conversion.PIECE_CHARS]
        choice = {"index": 0, "text": piece, "finish_reason": None}
        yield {**head, "choices": [choice]}
    last_choice = {"index": 0, "text": "", "finish_reason": reason}
    yield {**head, "choices": [last_choice], **tail}


@emulates(wire.TOKENIZER)
def count_prompt_tokens(call: Call, body: wire.TokenizerRequest) -> JsonObject:
    """Count tokens, as the sandbox's usage does."""
    return call.head("tokenizer.erniebot") | {"usage": _text_usage([body.prompt])}


@emulates(wire.EMBEDDING_V2)
@emulates(wire.EMBEDDING_V1)
def embed(call: Call, body: wire.EmbeddingRequest) -> JsonObject:
    """Answer `/embeddings/<endpoint>` and `/v2/embeddings`."""
    row = require_preset(call, "embedding", requested_model(call, body))
    max_texts = 1 if row.id == "tao-8k" else wire.MAX_TEXTS
    if not 1 <= len(body.input) <= max_texts or not all(map(str.strip, body.input)):
        raise call.refusal(f"the number of input must be 1 to {max_texts}, none of them empty")
    for number, text in enumerate(body.input):
        if row.max_chars and len(text) > row.max_chars:
            message = f"input[{number}] has {len(text)} characters, at most {row.max_chars}"
            raise call.refusal(message, code=336007, v2_code="characters_too_long")
        if not row.max_chars and row.max_input and (count := count_tokens(text)) > row.max_input:
            message = f"input[{number}] has {count} tokens, at most {row.max_input}"
            raise call.refusal(message, code=336103, v2_code="tokens_too_long")
    data = []
    for index, vector in enumerate(engine.embed(body.input, row.dimensions)):
        data.append({"object": "embedding", "embedding": vector, "index": index})
    return {
        **_head(call, body, "embedding_list"),
        "data": data,
        "usage": _text_usage(body.input),
        "sandbox": {"engine": engine.NGRAM_LABEL},
    }


def _head(call: Call, body: Record, kind: str) -> JsonObject:
    """Return what an answer begins with; v2 repeats the model's name."""
    head = call.head(kind)
    if "model" not in call.path:
        head["model"] = requested_model(call, body)
    return head


@emulates(wire.RERANK_V2)
@emulates(wire.RERANK_V1)
def rerank(call: Call, body: wire.RerankRequest) -> JsonObject:
    """Answer `/reranker/<endpoint>`, `/v2/rerank`, and `/v2/rerankers`, its older name."""
    require_preset(call, "reranker", requested_model(call, body))
    _validate_rerank(call, body)
    from ..engines.builtin.features import relevance  # noqa: PLC0415 - numpy

    scores = relevance(body.query, body.documents)
    results: list[JsonObject] = []
    for index, (document, score) in enumerate(zip(body.documents, scores, strict=True)):
        results.append({"document": document, "relevance_score": round(score, 6), "index": index})
    results.sort(key=lambda row: -row["relevance_score"])
    return {
        **_head(call, body, "reranker_list"),
        "results": results[: body.top_n],
        "usage": _text_usage([body.query, *body.documents]),
        "sandbox": {"engine": engine.NGRAM_LABEL},
    }


def _validate_rerank(call: Call, body: wire.RerankRequest) -> None:
    if not body.query.strip() or not 1 <= len(body.documents) <= wire.MAX_DOCUMENTS:
        raise call.refusal(f"query must not be empty, documents are 1 to {wire.MAX_DOCUMENTS}")
    problem = ""
    if len(body.query) > wire.MAX_RERANK_QUERY_CHARS:
        problem = f"query has {len(body.query)} characters, at most {wire.MAX_RERANK_QUERY_CHARS}"
    elif max(map(len, body.documents)) > wire.MAX_DOCUMENT_CHARS:
        problem = f"a document has at most {wire.MAX_DOCUMENT_CHARS} characters"
    if problem:
        raise call.refusal(problem, code=336007, v2_code="characters_too_long")
    if body.top_n is not None and body.top_n < 1:
        raise call.invalid("top_n", f"{body.top_n}; must be at least 1")


def _text_usage(texts: list[str]) -> dict[str, int]:
    count = sum(map(count_tokens, texts))
    return {"prompt_tokens": count, "total_tokens": count}
