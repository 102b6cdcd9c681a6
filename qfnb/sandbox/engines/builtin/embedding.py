"""Texts as vectors by what they are written with: similar wording is near, synonyms are not known."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from .features import Floats, weakness

DIMENSIONS = 384
_SIZES = ((1, 1.0), (2, 1.0), (3, 0.5))


def embed(texts: Sequence[str], dimensions: int = DIMENSIONS) -> Floats:
    """Return unit vectors, shape (texts, dimensions): signed hashing of character 1- to 3-grams."""
    rows = np.zeros((len(texts), dimensions), np.float32)
    for row, text in zip(rows, texts, strict=True):
        padded = f"^{text.lower()}$"
        for size, weight in _SIZES:
            for start in range(len(padded) - size + 1):
                gram = padded[start : start + size]
                hashed = zlib.crc32(f"{size}{gram}".encode("utf-8", "replace"))
                sign = 1 if hashed >> 31 else -1
                row[hashed % dimensions] += sign * weight * (1 - 0.85 * weakness(gram))
    unit: Floats = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)
    return unit


def relevance(query: str, documents: Sequence[str]) -> list[float]:
    """Return each document's similarity to the query, 0 to 1."""
    return cosines(embed([query, *documents], 2048))


def cosines(rows: Sequence[Sequence[float]] | Floats) -> list[float]:
    """Return the similarity of the first vector to each of the others, 0 to 1."""
    vectors = np.asarray(rows, np.float32)
    unit = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    return [max(0.0, float(score)) for score in unit[1:] @ unit[0]]
