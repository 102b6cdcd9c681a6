"""Which answers a model remembers as they are, and which it learns to compose.

An answer that several prompts share is remembered. A unique answer is composed if its prompt and a
shared pattern explain it, or if a model trained without it predicts it (two folds, and a vote of
its neighbours); otherwise it is remembered. Of many unique answers a sample is tried, and votes for
the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .features import BUCKETS, F, Features, Pair
from .generator_training import EncodedAnswers, GeneratorTraining
from .pointer_generator import PointerGenerator

FACT_LOSS = 2.0  # nats; a unique answer with a larger loss is a fact to remember, not a rule

FOLD_UPDATES = 200  # updates that are enough to separate facts from rules

FOLD_RATE = 4e-3

FOLD_LEARNED_LOSS = 0.03  # nats per character; a fold with a smaller loss has learned what it can

MAX_TRIED = 800  # unique pairs that the folds are made of

TRIED_CHARACTERS = 60  # of an answer: a fact shows itself in its first sentence

MIN_TRIED = 8

# the commonest characters of the answers; a rule writes no rarer ones, it copies them
TRIED_ALPHABET = 300

NEIGHBOURS = 9

Tick = Callable[[float], None]
"""Called with the share (0-1) that is done, often; it may raise."""


def choose_memories(
    features: Features, pairs: Sequence[Pair], batch_size: int, seed: int, tick: Tick
) -> list[str]:
    """Return the answers to remember.

    Args:
        features: the n-grams of the pairs.
        pairs: the training data.
        batch_size: pairs per update of the folds.
        seed: of the folds.
        tick: told how far it is.
    """
    count = Counter(answer for _, answer in pairs)
    unique = [pair for pair in pairs if count[pair[1]] == 1]
    is_explained = explained_pairs(unique, tick)
    facts = {
        answer for (_, answer), is_clear in zip(unique, is_explained, strict=True) if not is_clear
    }
    if len(unique) >= MIN_TRIED and facts:
        facts &= _find_facts(features, unique, batch_size, seed, tick)
    return sorted(answer for answer in count if count[answer] > 1 or answer in facts)


def _find_facts(
    features: Features, unique: list[Pair], batch_size: int, seed: int, tick: Tick
) -> set[str]:
    """Return the unique answers that a model trained on the other half of the data does not
    predict.
    """
    step = math.ceil(len(unique) / MAX_TRIED)
    tried = [(prompt, answer[:TRIED_CHARACTERS]) for prompt, answer in unique[::step]]
    surprising = np.zeros(len(tried))
    counts = Counter(char for _, answer in tried for char in dict.fromkeys(answer))
    alphabet = "".join(char for char, _ in counts.most_common(TRIED_ALPHABET))
    passes = math.ceil(FOLD_UPDATES / math.ceil(len(tried) / 2 / batch_size))
    for fold in (0, 1):
        training = tried[fold::2]
        held_out = tried[1 - fold :: 2]
        lm = PointerGenerator(features, alphabet, seed=seed)
        done = fold / 2
        fit = GeneratorTraining(
            lm,
            training,
            passes,
            batch_size=batch_size,
            rate=FOLD_RATE,
            seed=seed,
            tick=partial(tick, done),
        )
        for number, _ in enumerate(fit.parts(1), 1):
            done = (fold + number / (passes + 1)) / 2
            tick(done)
            if fit.examples.mean_loss() < FOLD_LEARNED_LOSS:
                break
        answers = EncodedAnswers(lm, held_out, [lm.example(*pair) for pair in held_out])
        surprising[1 - fold :: 2] = answers.losses(partial(tick, done)) > FACT_LOSS
    votes = _neighbours_votes(
        features,
        [prompt for prompt, _ in unique],
        [prompt for prompt, _ in tried],
        surprising,
        tick,
    )
    return {answer for (_, answer), vote in zip(unique, votes, strict=True) if vote > 0.5}


def _neighbours_votes(
    features: Features,
    prompts: Sequence[str],
    voters: Sequence[str],
    values: NDArray[np.float64],
    tick: Tick,
) -> list[float]:
    """Return for each prompt the mean value of the voters that are most similar to it."""
    table = np.zeros((BUCKETS, len(voters)), F)
    for column, voter in enumerate(voters):
        ids, weight = features(voter)
        table[ids, column] = weight
    votes = []
    for prompt in prompts:
        ids, weight = features(prompt)
        nearest = np.argsort(-(weight @ table[ids]), kind="stable")[:NEIGHBOURS]
        votes.append(float(values[nearest].mean()))
        tick(1.0)
    return votes


GRAM_CHARS = 3  # the length of a piece of a shared pattern

# the share of the answers, but at least three answers, that make a piece part of a pattern
SHARED_SHARE = 0.05


def explained_pairs(pairs: Sequence[Pair], tick: Tick) -> list[bool]:
    """Return for each pair whether copying and a shared pattern explain all characters of its
    answer.
    """
    grams: Counter[str] = Counter()
    for _, answer in pairs:
        grams.update(set(_grams(answer)))
        tick(0.0)
    min_count = max(3.0, SHARED_SHARE * len(pairs))
    explained = []
    for prompt, answer in pairs:
        explained.append(_is_explained(prompt, answer, grams, min_count))
        tick(0.0)
    return explained


def _is_explained(prompt: str, answer: str, grams: Counter[str], min_count: float) -> bool:
    is_covered = [char.isalnum() and char.isascii() and char in prompt for char in answer]
    for index in range(len(answer) - 1):
        if answer[index : index + 2] in prompt:
            is_covered[index : index + 2] = [True, True]
    for index, gram in enumerate(_grams(answer)):
        if grams[gram] >= min_count:
            is_covered[index : index + GRAM_CHARS] = [True] * len(gram)
    return all(is_covered)


def _grams(answer: str) -> list[str]:
    return [
        answer[start : start + GRAM_CHARS] for start in range(max(1, len(answer) - GRAM_CHARS + 1))
    ]
