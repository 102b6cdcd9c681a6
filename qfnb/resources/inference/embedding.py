"""Texts as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import InvalidArgumentError
from ...transport.client import CallOptions
from ...wire import catalog
from ...wire import inference as wire
from .inference_model import InferenceModel, InferenceRequest, PreparedCall
from .messages import validate_encodable
from .reply import Reply


class EmbeddingResponse(Reply[wire.EmbeddingReply]):
    """Vectors, in the order of the texts: `resp["data"][0]["embedding"]`, or `.vectors`."""

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
        model: a preset model; default Embedding-V1.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; see `ChatCompletion`.
        **keys: see `ChatCompletion`.

    Source: seed 003 (Embedding 向量化).
    """

    reply_type = EmbeddingResponse

    def do(
        self,
        texts: Sequence[str],
        model: str | None = None,
        endpoint: str | None = None,
        **options_: Any,
    ) -> EmbeddingResponse:
        """Return one vector per text.

        Args:
            texts: 1 to 16 texts; for preset models at most 1,000 characters each.
            model: a model for this call.
            endpoint: a service of your own for this call.
            **options_: request_timeout, retry_count, and what else the model takes.

        Raises:
            InvalidArgumentError: the texts are wrong; nothing was sent.
        """
        return self._run(self.prepare(texts, model, endpoint, **options_))

    async def ado(
        self,
        texts: Sequence[str],
        model: str | None = None,
        endpoint: str | None = None,
        **options_: Any,
    ) -> EmbeddingResponse:
        """The awaited form of `do`."""
        return await self._run_async(self.prepare(texts, model, endpoint, **options_))

    def prepare(
        self,
        item: Sequence[str],
        model: str | None = None,
        endpoint: str | None = None,
        *,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options_: Any,
    ) -> PreparedCall[EmbeddingResponse]:
        """Return the validated call for one list of texts."""
        if options_.pop("stream", False):
            raise InvalidArgumentError("stream=True: an embedding comes as a whole, it cannot be streamed")
        model, endpoint = self.resolve_target(model, endpoint)
        name = model or catalog.DEFAULTS["embedding"]
        row = None if endpoint else catalog.find_model("embedding", name)
        texts = _validate_texts(item, row.chars if row else None)

        def build_request(version: int, translate_names: bool) -> InferenceRequest:
            if version == 2:
                model_id = endpoint or (catalog.v2_id("embedding", name) if translate_names else name)
                record = wire.EmbeddingRequestV2(input=texts, model=model_id, **options_)
                return InferenceRequest(wire.EMBEDDING_V2, record, model_id)
            segment = endpoint or catalog.path_segment("embedding", name)
            return InferenceRequest(
                wire.EMBEDDING_V1, wire.EmbeddingRequest(input=texts, **options_), segment
            )

        return self._create_call(build_request, CallOptions(request_timeout, retry_count), endpoint)


def _validate_texts(texts: Sequence[str], max_chars: int | None) -> list[str]:
    if isinstance(texts, str) or not 1 <= len(texts) <= wire.MAX_TEXTS:
        actual = "one text" if isinstance(texts, str) else f"{len(texts)} texts"
        raise InvalidArgumentError(f"texts is {actual}: it is a list of 1 to {wire.MAX_TEXTS} texts")
    for index, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise InvalidArgumentError(f"texts[{index}]={text!r}: it is a text that is not empty")
        if max_chars and len(text) > max_chars:
            raise InvalidArgumentError(
                f"texts[{index}] has {len(text)} characters: at most {max_chars:,} are allowed"
            )
        validate_encodable(f"texts[{index}]", text)
    return list(texts)
