"""How near two texts are in meaning, by the vectors of an embedding model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from ..resources.inference.embedding import Embedding, EmbeddingResponse
from ..wire import catalog
from ..wire.inference import MAX_TEXTS

Vector = Sequence[float]


def embedding_similarity(
    outputs: Sequence[str],
    references: Sequence[str],
    embedding: Embedding | None = None,
    worker_num: int = 4,
) -> list[float]:
    """Return the cosine of each answer and its reference, -1 to 1; equal texts are asked once, 16 to a call.

    NaN where a text is empty or where its vector could not be had: a failed call is no answer. Texts longer
    than a preset model takes are compared by their beginning.

    Args:
        outputs: the answers.
        references: the expected answers, as many.
        embedding: what is asked; default Embedding-V1.
        worker_num: calls at a time.
    """
    client = embedding or Embedding()
    model_row = (
        None
        if client.endpoint
        else catalog.find_model("embedding", client.model or catalog.DEFAULTS["embedding"])
    )
    max_chars = model_row.chars if model_row else None
    output_texts, reference_texts = [[text[:max_chars] for text in texts] for texts in (outputs, references)]
    vectors = _embed_texts(
        client,
        [text for text in dict.fromkeys([*output_texts, *reference_texts]) if text.strip()],
        worker_num,
    )
    return [
        cosine(vectors.get(output, ()), vectors.get(reference, ()))
        for output, reference in zip(output_texts, reference_texts, strict=True)
    ]


def cosine(first: Vector, second: Vector) -> float:
    """Return the cosine of two vectors; NaN when one is missing or zero."""
    size = math.hypot(*first) * math.hypot(*second)
    return sum(map(mul, first, second)) / size if size and len(first) == len(second) else math.nan


def _embed_texts(embedding: Embedding, texts: Sequence[str], worker_num: int) -> dict[str, Vector]:
    groups = [texts[start : start + MAX_TEXTS] for start in range(0, len(texts), MAX_TEXTS)]
    replies = embedding.batch_do(groups, worker_num=worker_num).results() if groups else []
    return {
        text: vector
        for group, reply in zip(groups, replies, strict=True)
        if isinstance(reply, EmbeddingResponse)
        for text, vector in zip(group, reply.vectors, strict=True)
    }
