"""How near two texts are in meaning, by the vectors of an embedding model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from ...resources.embedding import Embedding, EmbeddingResponse
from ...wire import catalog
from ...wire.embedding import MOST_TEXTS

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
    asked = embedding or Embedding()
    row = None if asked.endpoint else catalog.find("embedding", asked.model or catalog.DEFAULTS["embedding"])
    most = row.chars if row else None
    first, second = [[text[:most] for text in texts] for texts in (outputs, references)]
    vectors = _vectors(asked, [text for text in dict.fromkeys([*first, *second]) if text.strip()], worker_num)
    return [
        cosine(vectors.get(one, ()), vectors.get(other, ())) for one, other in zip(first, second, strict=True)
    ]


def cosine(first: Vector, second: Vector) -> float:
    """Return the cosine of two vectors; NaN when one is missing or zero."""
    size = math.hypot(*first) * math.hypot(*second)
    return sum(map(mul, first, second)) / size if size and len(first) == len(second) else math.nan


def _vectors(embedding: Embedding, texts: Sequence[str], worker_num: int) -> dict[str, Vector]:
    groups = [texts[start : start + MOST_TEXTS] for start in range(0, len(texts), MOST_TEXTS)]
    replies = embedding.batch_do(groups, worker_num=worker_num).results() if groups else []
    return {
        text: vector
        for group, reply in zip(groups, replies, strict=True)
        if isinstance(reply, EmbeddingResponse)
        for text, vector in zip(group, reply.vectors, strict=True)
    }
