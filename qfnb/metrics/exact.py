"""Exact match, edit similarity and patterns, 0-1."""

from __future__ import annotations

import math
import re

from .units import normalize


def exact_match(output: str, reference: str) -> float:
    """Return 1 when both texts are the same after normalisation, else 0; NaN for an empty reference."""
    if not reference.strip():
        return math.nan
    return float(normalize(output) == normalize(reference))


def edit_similarity(output: str, reference: str) -> float:
    """Return 1 minus the Levenshtein distance over the longer length, after normalisation.

    NaN for an empty reference.
    """
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - a compiled module that only scoring needs

    if not reference.strip():
        return math.nan
    return float(Levenshtein.normalized_similarity(normalize(output), normalize(reference)))


def matches_pattern(output: str, pattern: str | re.Pattern[str], *, full_match: bool = False) -> float:
    """Return 1 when an answer matches a regular expression, else 0.

    Args:
        output: the answer.
        pattern: what is searched for.
        full_match: the whole answer must match, blanks at its ends aside.
    """
    compiled = re.compile(pattern)
    match = compiled.fullmatch(output.strip()) if full_match else compiled.search(output)
    return float(match is not None)
