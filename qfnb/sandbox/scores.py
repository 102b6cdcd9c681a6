"""The scores of a finished run: BLEU-4 and ROUGE on held-out pairs, by character."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import Model

MOST = 200
"""Held-out pairs that are answered for the scores."""


def platform_metrics(model: Model, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return {"BLEU-4": "58.62%", ...}; empty when nothing was held out."""
    asked = pairs[:MOST]
    if not asked:
        return {}
    answers = [(model.reply(prompt).text, reference) for prompt, reference in asked]
    scores = {
        "BLEU-4": [bleu(output, reference) for output, reference in answers],
        "ROUGE-1": [rouge_n(output, reference, 1) for output, reference in answers],
        "ROUGE-2": [rouge_n(output, reference, 2) for output, reference in answers],
        "ROUGE-L": [rouge_l(output, reference) for output, reference in answers],
    }
    return {name: f"{100 * sum(values) / len(values):.2f}%" for name, values in scores.items()}


def rouge_n(output: str, reference: str, n: int) -> float:
    """Return the F1 of shared character n-grams, 0-1."""
    first, second = _grams(output, n), _grams(reference, n)
    return _f1(sum((first & second).values()), sum(first.values()), sum(second.values()))


def rouge_l(output: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of characters, 0-1."""
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - needed once per run

    return _f1(LCSseq.similarity(output, reference), len(output), len(reference))


def bleu(output: str, reference: str) -> float:
    """Return sentence BLEU-4 over characters with add-one smoothing above unigrams, 0-1."""
    if not output:
        return 0.0
    total = 0.0
    for n in range(1, 5):
        first = _grams(output, n)
        hits, size = sum((first & _grams(reference, n)).values()), sum(first.values())
        extra = 0 if n == 1 else 1
        if hits + extra == 0 or size + extra == 0:
            return 0.0
        total += math.log((hits + extra) / (size + extra)) / 4
    brevity = min(0.0, 1 - len(reference) / len(output))
    return math.exp(total + brevity)


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def _f1(hits: int, first: int, second: int) -> float:
    return 2 * hits / (first + second) if first + second else 1.0
