"""Scores of answers against references, by the recipe that gives the platform's published numbers.

Units are jieba's words, or characters without it; ROUGE compares sets of n-grams; BLEU-4 is
smoothed as in NIST's script. The metrics are those of `qfnb.metrics`, so a report held against the
sandbox checks that rows are matched and rounding agrees; the numbers themselves are checked against
the platform's published sample and other libraries (tests/metrics,
tests/sandbox/finetune/test_scores.py). A score that is not applicable counts as 0 here, as on the
platform. The platform does not document accuracy and f1Score; here they are equal answers, and the
F1 of shared words: its own sample has an f1Score above zero where no answer is right, so it gives
credit for parts of answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qfnb.metrics.rouge_bleu_chrf import rouge_l, rouge_n, smoothed_bleu, unit_f1
from qfnb.metrics.units import load_cutter

if TYPE_CHECKING:
    from ..engines.builtin.model import LanguageModel

MAX_SCORED_PAIRS = 200
"""Held-out pairs that are answered for the scores."""

SCORE_NAMES = {"bleu4": "BLEU-4", "rouge_1": "ROUGE-1", "rouge_2": "ROUGE-2", "rouge_l": "ROUGE-L"}
"""Names of the scores on the wire and in the console."""

NO_STOP_WORDS: frozenset[str] = frozenset()


def platform_metrics(model: LanguageModel, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return {"BLEU-4": "58.62%", ...}; empty when nothing was held out."""
    rows = []
    for prompt, reference in pairs[:MAX_SCORED_PAIRS]:
        rows.append(similarity(model.reply(prompt).text, reference))
    metrics = {}
    for name, wire_name in SCORE_NAMES.items():
        if rows:
            mean = sum(row[name] for row in rows) / len(rows)
            metrics[wire_name] = format_percent(mean)
    return metrics


def similarity(
    output: str, reference: str, stop_words: frozenset[str] = NO_STOP_WORDS
) -> dict[str, float]:
    """Return bleu4, rouge_1, rouge_2 and rouge_l, 0-1."""
    first = split_words(output, stop_words)
    second = split_words(reference, stop_words)
    scores = {
        "bleu4": smoothed_bleu(first, second),
        "rouge_1": rouge_n(first, second, 1, count_repeats=False),
        "rouge_2": rouge_n(first, second, 2, count_repeats=False),
        "rouge_l": rouge_l(first, second),
    }
    for name, score in scores.items():
        if math.isnan(score):
            scores[name] = 0.0
    return scores


def accuracy(
    output: str, reference: str, stop_words: frozenset[str] = NO_STOP_WORDS
) -> dict[str, float]:
    """Return accuracy (1 for the same words in the same order, else 0) and f1Score, 0-1."""
    first = split_words(output, stop_words)
    second = split_words(reference, stop_words)
    if first == second:
        return {"accuracy": 1.0, "f1Score": 1.0}
    f1_score = 0.0
    if second:
        f1_score = unit_f1(first, second)
    return {"accuracy": 0.0, "f1Score": f1_score}


def format_percent(value: float) -> str:
    """Return a fraction as the platform writes it, "7.84%"."""
    return f"{100 * value:.2f}%"


def split_words(text: str, stop_words: frozenset[str] = NO_STOP_WORDS) -> list[str]:
    """Return the words of a text without blanks and stop words."""
    cutter = load_cutter() or list
    return [unit for unit in cutter(text) if unit.strip() and unit not in stop_words]


def word_unit() -> str:
    """Return the unit that counts as a word: "jieba" or "characters"."""
    return "jieba" if load_cutter() else "characters"


def mean_score(rows: Sequence[Mapping[str, float]], name: str) -> float:
    """Return the mean of a score to four digits, 0 when no row has it."""
    values = [row[name] for row in rows if name in row]
    return round(sum(values) / len(values), 4) if values else 0
