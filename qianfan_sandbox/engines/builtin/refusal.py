"""When a tuned model says that it does not know: its evidence for an answer is below a limit
measured for this model.

The evidence weighs how sure the model is, and how much likelier the question's wording is among its
training questions than among questions from elsewhere. The limit is the lowest that answers at most
one in ten of those in Chinese and of those in other languages, unless more than a twentieth of the
held-out rows would lose a right answer.
"""

from __future__ import annotations

import functools
import math
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qfnb.base.text import has_chinese

from ..protocol import EngineReply
from .features import MAX_PROMPT, Ints, Pair

MIN_ROWS = 20
"""Held-out rows from which the limit is measured."""

MAX_ROWS = 100
"""Held-out rows, evenly spread, that are answered for it."""

MAX_FALSE_ANSWERS = 0.1
MAX_LOST = 0.05
"""The share of questions from elsewhere that may be answered, and of held-out rows that may lose a
right answer.
"""

LOWEST_LIMIT = 0.2  # of confidence, where held-out rows do not need a lower one

LONG_PROMPT = 6  # characters; a shorter prompt says too little

PART = 4  # letters of a part of a word

# counts of a unit that was not seen; units without evidence that a question has besides
UNSEEN = 0.3
NEUTRAL_UNITS = 2

WORDLESS = -3.0  # the evidence of a prompt without letters and digits

# Fitted by logistic regression to the held-out rows of an animal clinic, a help desk, a hotel,
# patterns in two
# languages and mixtures of them, none of which is in the benchmark; each one's limit held where it
# was left out.
_BIAS = 0.3
_WORDING = 4.2
_ROUTER = 1.5
_MEAN = 8.1
_WEAKEST = 4.9
_LENGTH = 8.0

QUESTIONS_FROM_ELSEWHERE = tuple(
    Path(__file__)
    .with_name("questions_from_elsewhere.txt")
    .read_text(encoding="utf-8")
    .splitlines()
)

Counts = Ints


class Limit(NamedTuple):
    """The limit of a model, with what it costs.

    Attributes:
        confidence: below it the model does not answer.
        false_answers: the share of questions from elsewhere that it answers, in Chinese or not,
            whichever is more.
        false_refusals: the share of held-out rows whose right answer it keeps back.
        wrong_answers: the share of held-out rows that it answers wrongly.
        rows: held-out rows that were asked.
        questions: questions from elsewhere that were asked.
    """

    confidence: float
    false_answers: float
    false_refusals: float
    wrong_answers: float
    rows: int
    questions: int


class Wording:
    """In how many questions each word, part of a word, character and pair of characters is.

    Attributes:
        units: their hashes, ascending.
        counts: the questions that have each.
        questions: how many were counted.
    """

    def __init__(self, units: Counts, counts: Counts, questions: int) -> None:
        self.units = units
        self.counts = counts
        self.questions = questions

    @classmethod
    def of(cls, prompts: Iterable[str]) -> Wording:
        """Count the units of questions."""
        rows = [_units(prompt) for prompt in prompts]
        return cls(*np.unique(np.concatenate(rows or [_units("")]), return_counts=True), len(rows))

    def extended(self, other: Wording) -> Wording:
        """Return the counts of both."""
        units, inverse = np.unique(np.concatenate([self.units, other.units]), return_inverse=True)
        counts = np.bincount(
            inverse, np.concatenate([self.counts, other.counts]), len(units)
        ).astype(np.int64)
        return Wording(units, counts, self.questions + other.questions)

    def count(self, units: Counts) -> Counts:
        """Return the counts of some units, 0 for those that no question has."""
        index = np.minimum(np.searchsorted(self.units, units), max(len(self.units) - 1, 0))
        if len(self.units):
            return np.where(self.units[index] == units, self.counts[index], 0)
        return 0 * units

    def familiarity(self, prompt: str) -> float:
        """Return how much likelier a prompt's units are here than in questions from elsewhere: a
        mean logarithm.
        """
        units = _units(prompt)
        elsewhere = _elsewhere()
        if not len(units):
            return WORDLESS
        counts = self.count(units)
        counts = np.where(
            counts > 0,
            np.maximum(counts * min(1.0, elsewhere.questions / self.questions), 1.0),
            0.0,
        )
        # a question is no evidence of itself
        others = elsewhere.count(units) - (prompt in QUESTIONS_FROM_ELSEWHERE)
        return float(
            np.log((counts + UNSEEN) / (others + UNSEEN)).sum() / (len(units) + NEUTRAL_UNITS)
        )


@functools.cache
def _elsewhere() -> Wording:
    return Wording.of(QUESTIONS_FROM_ELSEWHERE)


def _units(prompt: str) -> Counts:
    """Return the hashes of a prompt's units, ascending and each once; all numbers are one unit."""
    units = set()
    for run in re.findall(r"[a-z]+|[^\W_a-z]+", re.sub(r"\d+", "0", prompt[:MAX_PROMPT].lower())):
        if run.isascii() and run.isalpha():
            word = f"<{run}>"
            units.add(run)
            if len(word) > PART:
                units |= {f"#{word[i : i + PART]}" for i in range(len(word) - PART + 1)}
        else:
            units |= {*run, *(run[i : i + 2] for i in range(len(run) - 1))}
    return np.array(sorted(zlib.crc32(unit.encode("utf-8", "replace")) for unit in units), np.int64)


def evidence(probability: float, familiarity: float, steps: Sequence[float], length: int) -> float:
    """Return how sure it is (0-1) that a question is one of those that the model has learned.

    Args:
        probability: of the answer, or of composing one.
        familiarity: of the question's wording.
        steps: the probabilities of the characters that were composed, none for a remembered answer.
        length: characters of the question.
    """
    score = _BIAS + _ROUTER * _log(probability) + _WORDING * familiarity
    score += _LENGTH * _log(min(1.0, length / LONG_PROMPT))
    if steps:
        score += _MEAN * sum(map(_log, steps)) / len(steps) + _WEAKEST * _log(min(steps))
    return 0.5 * (1 + math.tanh(score / 2))


def measure_limit(
    draft: Callable[[str], EngineReply],
    held_out: Sequence[Pair],
    bound: Callable[[str], float] = lambda question: 1.0,
) -> Limit:
    """Return the limit of a model.

    Args:
        draft: returns what the model would answer.
        held_out: at least MIN_ROWS rows.
        bound: returns what a draft's confidence cannot exceed, and sooner; drafts below the limit
            are not made then.
    """
    drafts = draft_rows(draft, held_out)
    right_confidences = sorted(reply.confidence for reply, answer in drafts if reply.text == answer)
    prompts = {prompt for prompt, _ in held_out}
    groups: tuple[dict[str, float], dict[str, float]] = ({}, {})
    for question in QUESTIONS_FROM_ELSEWHERE:
        if question not in prompts:
            groups[has_chinese(question)][question] = bound(question)

    @functools.cache
    def confidence(question: str) -> float:
        return draft(question).confidence

    limit = LOWEST_LIMIT
    for group in groups:
        largest = _largest(confidence, group, int(MAX_FALSE_ANSWERS * len(group)))
        limit = max(limit, largest + 1e-6)
    max_lost = int(MAX_LOST * len(drafts))
    if max_lost < len(right_confidences):
        limit = min(limit, right_confidences[max_lost])
    false_answers = 0.0
    for group in groups:
        answered = 0
        for question, highest in group.items():
            answered += highest >= limit and confidence(question) >= limit
        false_answers = max(false_answers, answered / len(group))
    false_refusals = sum(confidence < limit for confidence in right_confidences) / len(drafts)
    return Limit(
        limit,
        false_answers,
        false_refusals,
        wrong_answers(drafts, limit),
        len(drafts),
        len(groups[0]) + len(groups[1]),
    )


def draft_rows(
    draft: Callable[[str], EngineReply], held_out: Sequence[Pair]
) -> list[tuple[EngineReply, str]]:
    """Return the drafts of at most MAX_ROWS held-out rows, evenly spread, each with the right
    answer.
    """
    return [(draft(prompt), answer) for prompt, answer in sampled_rows(held_out)]


def sampled_rows(held_out: Sequence[Pair]) -> Sequence[Pair]:
    """Return at most MAX_ROWS held-out rows, evenly spread."""
    return held_out[:: -(-len(held_out) // MAX_ROWS)]


def wrong_answers(drafts: Sequence[tuple[EngineReply, str]], limit: float) -> float:
    """Return the share of drafts that are wrong and not below a limit of confidence."""
    wrong = 0
    for reply, answer in drafts:
        wrong += bool(reply.text) and reply.text != answer and reply.confidence >= limit
    return wrong / len(drafts)


def _largest(value: Callable[[str], float], bounds: dict[str, float], rank: int) -> float:
    """Return the value of a rank, from 0 for the largest; most of those below it are not computed.

    Args:
        value: of a question.
        bounds: what the value of each question cannot exceed.
        rank: below the number of questions.
    """
    values: list[float] = []
    for question in sorted(bounds, key=lambda question: -bounds[question]):
        if len(values) > rank and sorted(values)[-1 - rank] >= bounds[question]:
            break
        values.append(value(question))
    return sorted(values)[-1 - rank]


def _log(share: float) -> float:
    return math.log(max(share, 1e-4))
