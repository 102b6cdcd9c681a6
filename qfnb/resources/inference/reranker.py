"""Documents ordered by how well they answer a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import InvalidArgumentError
from ...transport.client import CallOptions
from ...wire import catalog
from ...wire import inference as wire
from .inference_model import InferenceModel, InferenceRequest, PreparedCall
from .reply import Reply


class RerankResponse(Reply[wire.RerankReply]):
    """The documents with their scores; `.ranked` has the best first."""

    @property
    def ranked(self) -> list[wire.RankedDocument]:
        """The documents, the most relevant first; the platform promises no order."""
        return sorted(self.data.results, key=lambda row: -row.relevance_score)

    def __repr__(self) -> str:
        rows = (f"{row.relevance_score:.3f}  {row.document[:60]}" for row in self.ranked)
        return "\n".join(rows)


class Reranker(InferenceModel[RerankResponse]):
    """Order documents by a query.

    Args:
        model: a preset model; default bce-reranker-base_v1.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; see `ChatCompletion`.
        **keys: see `ChatCompletion`.
    """

    reply_type = RerankResponse

    def do(
        self,
        query: str,
        documents: Sequence[str],
        model: str | None = None,
        endpoint: str | None = None,
        *,
        top_n: int | None = None,
        **options_: Any,
    ) -> RerankResponse:
        """Return the documents with their relevance.

        Args:
            query: at most 1,600 characters.
            documents: 1 to 64 texts of at most 4,096 characters.
            model: a model for this call.
            endpoint: a service of your own for this call.
            top_n: only so many, the best.
            **options_: request_timeout, retry_count, and what else the model takes.

        Raises:
            InvalidArgumentError: the query or a document is wrong; nothing was sent.
        """
        return self._run(self.prepare((query, documents), model, endpoint, top_n=top_n, **options_))

    async def ado(
        self,
        query: str,
        documents: Sequence[str],
        model: str | None = None,
        endpoint: str | None = None,
        *,
        top_n: int | None = None,
        **options_: Any,
    ) -> RerankResponse:
        """The awaited form of `do`."""
        return await self._run_async(
            self.prepare((query, documents), model, endpoint, top_n=top_n, **options_)
        )

    def prepare(
        self,
        item: tuple[str, Sequence[str]],
        model: str | None = None,
        endpoint: str | None = None,
        *,
        top_n: int | None = None,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options_: Any,
    ) -> PreparedCall[RerankResponse]:
        """Return the validated call for one (query, documents)."""
        query, documents = item
        _validate_arguments(query, documents, top_n)
        model, endpoint = self.resolve_target(model, endpoint)
        name = model or catalog.DEFAULTS["reranker"]
        values = {"query": query, "documents": list(documents), "top_n": top_n, **options_}

        def build_request(version: int, translate_names: bool) -> InferenceRequest:
            if version == 2:
                model_id = endpoint or (catalog.v2_id("reranker", name) if translate_names else name)
                return InferenceRequest(
                    wire.RERANK_V2, wire.RerankRequestV2(model=model_id, **values), model_id
                )
            segment = endpoint or catalog.path_segment("reranker", name)
            return InferenceRequest(wire.RERANK_V1, wire.RerankRequest(**values), segment)

        return self._create_call(build_request, CallOptions(request_timeout, retry_count), endpoint)


def _validate_arguments(query: str, documents: Sequence[str], top_n: int | None) -> None:
    if not isinstance(query, str) or not query.strip() or len(query) > wire.MAX_RERANK_QUERY_CHARS:
        raise InvalidArgumentError(f"query: it is a text of 1 to {wire.MAX_RERANK_QUERY_CHARS:,} characters")
    if isinstance(documents, str) or not 1 <= len(documents) <= wire.MAX_DOCUMENTS:
        raise InvalidArgumentError(f"documents: it is a list of 1 to {wire.MAX_DOCUMENTS} texts")
    for index, document in enumerate(documents):
        if not isinstance(document, str) or len(document) > wire.MAX_DOCUMENT_CHARS:
            raise InvalidArgumentError(
                f"documents[{index}]: it is a text of at most {wire.MAX_DOCUMENT_CHARS:,} characters"
            )
    if top_n is not None and (isinstance(top_n, bool) or not isinstance(top_n, int) or top_n < 1):
        raise InvalidArgumentError(f"top_n={top_n!r}: it is a whole number from 1")
