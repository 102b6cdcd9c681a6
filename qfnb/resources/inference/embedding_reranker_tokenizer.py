"""Embeddings, reranking and token counts: texts go in, numbers come out."""

from collections.abc import Callable, Coroutine, Sequence
from types import MethodType
from typing import Any, Literal

from ...base.language import tr
from ...base.text import count_tokens
from ...errors import InvalidArgumentError
from ...transport.event_loop import awaited, blocking, run
from ...transport.platform import Platform
from ...wire import chat, inference as wire
from ...wire.base import JsonObject
from ..validation import validate_positive
from .chat import validate_encodable
from .inference_model import InferenceCall, InferenceModel, InferenceRequest
from .model_choice import ModelChoice, refuse_v1_only
from .reply import Reply, refuse_defect
from .v1_words import build_for_version


class EmbeddingResponse(Reply[wire.EmbeddingReply]):
    """Vectors in the order of the texts: `resp["data"][0]["embedding"]`, or `.vectors`."""

    find_defect = staticmethod(chat.find_vector_defect)

    @property
    def vectors(self) -> list[list[float]]:
        """One vector per text."""
        return [row.embedding for row in sorted(self.data.data, key=lambda row: row.index)]

    def __repr__(self) -> str:
        shape = f"{len(self.vectors)} x {len(self.vectors[0]) if self.vectors else 0}"
        return f"<embedding {shape} of {self.model}>"


class Embedding(InferenceModel[EmbeddingResponse]):
    """Turn texts into vectors.

    Args:
        model: a preset model; default embedding-v1.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; see `ChatCompletion`.
        **keys: see `ChatCompletion`.

    Source: seed 003 (Embedding).
    """

    reply_type = EmbeddingResponse
    kind = "embedding"
    items_name = "texts_list"

    @blocking
    def do(
        self,
        texts: Sequence[str],
        model: str | None = None,
        endpoint: str | None = None,
        **options_: Any,
    ) -> Coroutine[Any, Any, EmbeddingResponse]:
        """Return one vector per text.

        Args:
            texts: 1 to 16 texts; embedding-v1 and the bge models take 1,000 characters each.
            model: a model for this call.
            endpoint: a service of your own for this call.
            **options_: request_timeout (seconds), retry_count (attempts in all), and further
                options of the model.

        Raises:
            InvalidArgumentError: the texts are wrong; nothing was sent.
        """
        return self.send(self.prepare(texts, model, endpoint, **options_))

    ado = awaited(do)

    def validate(
        self, item: Sequence[str], options: JsonObject, choice: ModelChoice, /
    ) -> tuple[list[str], JsonObject]:
        """Return texts as a list, and the fields of the body; the official SDK takes one string,
        too.
        """
        texts = [item] if isinstance(item, str) else list(item)
        if not 1 <= len(texts) <= wire.MAX_TEXTS:
            raise InvalidArgumentError(
                tr(
                    "texts is {count} strings: must be a list of 1 to {limit}",
                    count=len(texts),
                    limit=wire.MAX_TEXTS,
                )
            )
        for index, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                raise InvalidArgumentError(
                    tr(
                        "texts[{index}]={text!r}: must be a string that is not empty",
                        index=index,
                        text=text,
                    )
                )
            validate_encodable(f"texts[{index}]", text)
        return texts, {"input": texts, **options}

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request of texts as a platform takes it."""
        return build_for_version(call, wire.EMBEDDING_V1, wire.EMBEDDING_V2, platform)

    def correct(
        self, call: InferenceCall[EmbeddingResponse], reply: EmbeddingResponse, text: str
    ) -> None:
        """Refuse a reply that has not one vector for each text."""
        count = len(reply.body["data"])
        if count != len(call.item):
            defect = tr(
                "data: there are {count} vectors for {expected} texts",
                count=count,
                expected=len(call.item),
            )
            refuse_defect(reply, defect)


class RerankResponse(Reply[wire.RerankReply]):
    """The documents with their scores; `.ranked` has the best first."""

    find_defect = staticmethod(chat.find_score_defect)

    @property
    def ranked(self) -> list[wire.RankedDocument]:
        """The documents, the most relevant first; the platform promises no order."""
        return sorted(self.data.results, key=lambda row: -row.relevance_score)

    def __repr__(self) -> str:
        rows = (f"{row.relevance_score:.3f}  {row.document[:60]}" for row in self.ranked)
        return "\n".join(rows)


class Reranker(InferenceModel[RerankResponse]):
    """Order documents by their relevance to a query.

    Args:
        model: a preset model; default bce-reranker-base.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; see `ChatCompletion`.
        **keys: see `ChatCompletion`.
    """

    reply_type = RerankResponse
    kind = "reranker"

    @blocking
    def do(
        self,
        query: str,
        documents: Sequence[str],
        model: str | None = None,
        endpoint: str | None = None,
        *,
        top_n: int | None = None,
        **options_: Any,
    ) -> Coroutine[Any, Any, RerankResponse]:
        """Return the documents with their relevance scores.

        Args:
            query: the question; bce-reranker-base takes 1,600 characters.
            documents: 1 to 64 texts; bce-reranker-base takes 4,096 characters each.
            model: a model for this call.
            endpoint: a service of your own for this call.
            top_n: return only the best `top_n` documents.
            **options_: request_timeout (seconds), retry_count (attempts in all), and further
                options of the model.

        Raises:
            InvalidArgumentError: the query or a document is wrong; nothing was sent.
        """
        return self.send(self.prepare((query, documents), model, endpoint, top_n=top_n, **options_))

    ado = awaited(do)

    def validate(
        self, item: tuple[str, Sequence[str]], options: JsonObject, choice: ModelChoice, /
    ) -> tuple[tuple[str, Sequence[str]], JsonObject]:
        """Return (query, documents), and the fields of the body."""
        query, documents = item
        if not isinstance(query, str) or not query.strip():
            raise InvalidArgumentError(
                tr("query={query!r:.60}: must be a string that is not empty", query=query)
            )
        if isinstance(documents, str) or not 1 <= len(documents) <= wire.MAX_DOCUMENTS:
            raise InvalidArgumentError(
                tr("documents: must be a list of 1 to {limit} strings", limit=wire.MAX_DOCUMENTS)
            )
        for index, document in enumerate(documents):
            if not isinstance(document, str):
                raise InvalidArgumentError(
                    tr(
                        "documents[{index}]={document!r:.60}: must be a string",
                        index=index,
                        document=document,
                    )
                )
        if options.get("top_n") is not None:
            validate_positive("top_n", options["top_n"])
        return item, {"query": query, "documents": list(documents), **options}

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request of a question and documents as a platform takes it."""
        return build_for_version(call, wire.RERANK_V1, wire.RERANK_V2, platform)


_COUNTED_MODEL = "ERNIE-3.5-8K"


class TokenizerResponse(Reply[wire.TokenizerReply]):
    """The platform's count."""

    find_defect = staticmethod(chat.find_count_defect)


class _CallableOnClass:
    """A method that on the class itself runs on an object without keys of its own, as the official
    SDK's does.
    """

    def __init__(self, function: Callable[..., int]) -> None:
        self._function = function

    def __get__(self, instance: object, owner: type) -> Callable[..., int]:
        return MethodType(self._function, owner() if instance is None else instance)


class Tokenizer(InferenceModel[TokenizerResponse]):
    """Count tokens: `Tokenizer.count_tokens("...")`, or on an object with keys of its own.

    Source: the official SDK's Tokenizer.
    """

    reply_type = TokenizerResponse
    kind = "chat"

    @_CallableOnClass
    def count_tokens(
        self, text: str, mode: Literal["local", "remote"] = "local", model: str = _COUNTED_MODEL
    ) -> int:
        """Return how many tokens a text has.

        Args:
            text: any text.
            mode: `local` estimates (0.625 per Chinese character, 1 per word) without a call;
                `remote` asks the platform.
            model: the model whose tokens are counted.

        Raises:
            InvalidArgumentError: the mode is neither.
        """
        if mode == "local":
            return count_tokens(text)
        if mode != "remote":
            raise InvalidArgumentError(tr("mode={mode!r}: must be 'local' or 'remote'", mode=mode))
        return run(self.send(self.prepare(text, model))).usage.total_tokens or 0

    def validate(
        self, item: str, options: JsonObject, choice: ModelChoice, /
    ) -> tuple[str, JsonObject]:
        """Return a text, and the further fields of the body."""
        return item, options

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request of v1."""
        refuse_v1_only(platform, "Tokenizer", tr("mode='local' counts without a call"))
        model = (call.choice.model or _COUNTED_MODEL).lower()
        record = wire.TokenizerRequest(model=model, prompt=call.item, **call.options)
        return InferenceRequest(wire.TOKENIZER, record, model)
