"""Texts as vectors, and documents ordered by a query: v1 and v2."""

from __future__ import annotations

from .base import Record
from .chat import V1_PREFIX, Usage
from .endpoints import Endpoint

MAX_TEXTS, MAX_TEXT_CHARS = 16, 1000
MAX_DOCUMENTS, MAX_DOCUMENT_CHARS, MAX_RERANK_QUERY_CHARS = 64, 4096, 1600


class EmbeddingRequest(Record):
    """1 to 16 texts, each at most 1,000 characters (384 tokens are looked at)."""

    input: list[str]


class EmbeddingRequestV2(EmbeddingRequest):
    """v2 names the model in the body."""

    model: str


class Vector(Record):
    """One text's vector; `index` is its place in the request."""

    object: str = "embedding"
    embedding: list[float] = []
    index: int = 0


class EmbeddingReply(Record):
    """The vectors, in the order of the texts."""

    id: str = ""
    object: str = "embedding_list"
    created: int = 0
    data: list[Vector] = []
    usage: Usage | None = None


class RerankRequest(Record):
    """A query (at most 1,600 characters) and up to 64 documents (at most 4,096 characters each)."""

    query: str
    documents: list[str]
    top_n: int | None = None


class RerankRequestV2(RerankRequest):
    """v2 names the model in the body."""

    model: str


class RankedDocument(Record):
    """A document's relevance; `index` is its place in the request."""

    document: str = ""
    relevance_score: float = 0.0
    index: int = 0


class RerankReply(Record):
    """The documents with their scores."""

    id: str = ""
    object: str = "reranker_list"
    created: int = 0
    results: list[RankedDocument] = []
    usage: Usage | None = None


EMBEDDING_V1 = Endpoint(
    "embedding.v1", V1_PREFIX + "/embeddings/{model}", EmbeddingRequest, EmbeddingReply, plane="v1"
)
EMBEDDING_V2 = Endpoint("embedding.v2", "/v2/embeddings", EmbeddingRequestV2, EmbeddingReply, plane="v2")
RERANK_V1 = Endpoint("rerank.v1", V1_PREFIX + "/reranker/{model}", RerankRequest, RerankReply, plane="v1")
RERANK_V2 = Endpoint("rerank.v2", "/v2/rerankers", RerankRequestV2, RerankReply, plane="v2")
