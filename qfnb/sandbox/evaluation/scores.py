"""Scores of answers against references, by the recipe that gives the platform's published numbers.

Words are jieba's; ROUGE is the F1 of the sets of shared n-grams and of the longest common subsequence; BLEU-4
is smoothed as in NIST's script (nltk's method3). Without jieba, characters stand for words. The platform
does not say what accuracy and f1Score are; here they are equal answers, and the F1 of shared words: its own
sample has an f1Score above zero where no answer is right, so it counts parts of answers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..._jieba import load_cutter

if TYPE_CHECKING:
    from ..engines import ChatModel

MAX_SCORED_PAIRS = 200
"""Held-out pairs that are answered for the scores."""

SCORE_NAMES = {"bleu4": "BLEU-4", "rouge_1": "ROUGE-1", "rouge_2": "ROUGE-2", "rouge_l": "ROUGE-L"}
"""What the platform calls each score on the wire, and where people read it."""

NO_STOP_WORDS: frozenset[str] = frozenset()

Words = Sequence[str]


def platform_metrics(model: ChatModel, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return {"BLEU-4": "58.62%", ...}; empty when nothing was held out."""
    rows = [similarity(model.reply(prompt).text, reference) for prompt, reference in pairs[:MAX_SCORED_PAIRS]]
    if not rows:
        return {}
    return {
        wire_name: format_percent(sum(row[name] for row in rows) / len(rows))
        for name, wire_name in SCORE_NAMES.items()
    }


def similarity(output: str, reference: str, stop_words: frozenset[str] = NO_STOP_WORDS) -> dict[str, float]:
    """Return bleu4, rouge_1, rouge_2 and rouge_l, 0-1."""
    first, second = words(output, stop_words), words(reference, stop_words)
    rouge = {f"rouge_{n}": rouge_n(first, second, n) for n in (1, 2)}
    return {"bleu4": bleu(first, second), **rouge, "rouge_l": rouge_l(first, second)}


def accuracy(output: str, reference: str, stop_words: frozenset[str] = NO_STOP_WORDS) -> dict[str, float]:
    """Return accuracy (1 for the same words in the same order, else 0) and f1Score, 0-1."""
    first, second = words(output, stop_words), words(reference, stop_words)
    if first == second:
        return {"accuracy": 1.0, "f1Score": 1.0}
    shared = (Counter(first) & Counter(second)).total()
    return {"accuracy": 0.0, "f1Score": _f1(shared, len(first), len(second))}


def format_percent(value: float) -> str:
    """Write a fraction as the platform does, "7.84%"."""
    return f"{100 * value:.2f}%"


def words(text: str, stop_words: frozenset[str] = NO_STOP_WORDS) -> list[str]:
    """Return the words of a text without blanks and stop words."""
    cut = load_cutter() or list
    return [word for word in cut(text) if word.strip() and word not in stop_words]


def word_unit() -> str:
    """Return what words are here: "jieba" or "characters"."""
    return "jieba" if load_cutter() else "characters"


def rouge_n(output: Words, reference: Words, n: int) -> float:
    """Return the F1 of the sets of n-grams, 0-1."""
    first, second = set(_grams(output, n)), set(_grams(reference, n))
    return _f1(len(first & second), len(first), len(second))


def rouge_l(output: Words, reference: Words) -> float:
    """Return the F1 of the longest common subsequence, 0-1."""
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - needed once per run

    return _f1(LCSseq.similarity(output, reference), len(output), len(reference))


def bleu(output: Words, reference: Words) -> float:
    """Return sentence BLEU-4, 0-1; an answer of less than four words never gets 1, as on the platform."""
    total, halved = 0.0, 1.0
    for n in range(1, 5):
        first = _grams(output, n)
        hits, size = (first & _grams(reference, n)).total(), max(1, first.total())
        if not hits and n == 1:
            return 0.0
        if not hits:
            halved /= 2
        total += math.log((hits or halved) / size) / 4
    return math.exp(total + min(0.0, 1 - len(reference) / len(output)))


def mean_score(rows: Sequence[Mapping[str, float]], name: str) -> float:
    """Return the mean of a score to four digits, 0 when nobody has it."""
    values = [row[name] for row in rows if name in row]
    return round(sum(values) / len(values), 4) if values else 0


def _grams(words: Words, n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _f1(hits: int, first: int, second: int) -> float:
    return 2 * hits / (first + second) if first + second else 0.0
