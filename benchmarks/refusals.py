"""Measure when the sandbox's small model refuses: right answers that its limit costs, and unrelated
questions answered.

Each data set is held out in turn: wordings, or names and numbers that are copied. The limit is
measured as in a training; the unrelated questions are not among those that it is measured on.
Beside the model stands the nearest neighbour by tf-idf of character n-grams, whose limit is
measured in the same way.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from learning import PASSES, Pair
from refusal_data import QUESTIONS, Fold, data_sets

from qianfan_sandbox.engines.builtin.refusal import QUESTIONS_FROM_ELSEWHERE, measure_limit
from qianfan_sandbox.engines.builtin.training import Hyperparameters, train
from qianfan_sandbox.engines.protocol import EngineReply

MAX_LOST = 0.05
MAX_ANSWERED = 0.1
"""The share of held-out rows whose right answer may be kept back, and of unrelated questions that
may be answered.
"""


class Measured(NamedTuple):
    """Shares of held-out rows, and of unrelated questions."""

    right: float
    lost: float
    answered: dict[str, float]

    @property
    def all_answered(self) -> float:
        """The share of all unrelated questions that is answered."""
        return sum(share * len(QUESTIONS[kind]) for kind, share in self.answered.items()) / sum(
            map(len, QUESTIONS.values())
        )


def neighbour(pairs: list[Pair]) -> Callable[[str], EngineReply]:
    """Return what answers with the answer of the most similar question, by tf-idf of character
    n-grams.
    """
    import numpy as np

    grams = lambda text: {text[i : i + n] for n in (1, 2, 3) for i in range(len(text) - n + 1)}  # noqa: E731
    counts = Counter(gram for prompt, _ in pairs for gram in grams(prompt))
    columns = {gram: column for column, gram in enumerate(counts)}

    def vector(prompt: str) -> np.ndarray[Any, Any]:
        row = np.zeros(len(columns))
        for gram in grams(prompt) & columns.keys():
            row[columns[gram]] = math.log((1 + len(pairs)) / (1 + counts[gram])) + 1
        return row / (np.linalg.norm(row) + 1e-9)

    table = np.stack([vector(prompt) for prompt, _ in pairs])

    def answer(prompt: str) -> EngineReply:
        similarity = table @ vector(prompt)
        return EngineReply("memory", float(similarity.max()), pairs[int(similarity.argmax())][1])

    return answer


def measure(answer: Callable[[str], EngineReply], limit: float, held_out: list[Pair]) -> Measured:
    """Return what a limit costs, and what it lets through."""
    replies = [(answer(prompt), reference) for prompt, reference in held_out]
    drafted = [reply.confidence for reply, reference in replies if reply.text == reference]
    right = sum(confidence >= limit for confidence in drafted)
    answered = {
        kind: sum(answer(question).confidence >= limit for question in questions) / len(questions)
        for kind, questions in QUESTIONS.items()
    }
    return Measured(right / len(held_out), (len(drafted) - right) / len(held_out), answered)


def measure_fold(fold: Fold, seed: int) -> tuple[Measured, Measured]:
    """Train on a fold; return what is measured of the model and of the nearest neighbour."""
    training = [pair for i, pair in enumerate(fold.training) if i % 5]
    validation = fold.training[::5]
    model = train(
        training, hyperparameters=Hyperparameters(epochs=PASSES, seed=seed), validation=validation
    )
    nearest = neighbour(training)
    return (
        measure(model.draft, model.min_confidence, fold.held_out),
        measure(nearest, measure_limit(nearest, validation).confidence, fold.held_out),
    )


def mean(rows: list[Measured]) -> Measured:
    """Return the means over the folds."""
    average = lambda values: sum(values) / len(rows)  # noqa: E731
    kinds = {kind: average([row.answered[kind] for row in rows]) for kind in QUESTIONS}
    return Measured(
        average([row.right for row in rows]), average([row.lost for row in rows]), kinds
    )


def main() -> None:
    """Print two lines per data set and what misses the target; end with an error where the
    neighbour is not beaten.
    """
    problems = [
        f"the limit is measured on {question!r}"
        for questions in QUESTIONS.values()
        for question in questions
        if question in QUESTIONS_FROM_ELSEWHERE
    ]
    misses = []
    print(
        f"{'':40}{'right':>8}{'lost':>8}{'answered':>10}"
        + "".join(f"{kind:>11}" for kind in QUESTIONS)
    )
    for name, folds in data_sets().items():
        columns = zip(*(measure_fold(fold, seed) for seed, fold in enumerate(folds)), strict=True)
        model, nearest = (mean(list(column)) for column in columns)
        for who, row in ((name, model), ("  nearest neighbour", nearest)):
            shares = "".join(f"{share:>11.3f}" for share in row.answered.values())
            print(
                f"{who:40}{row.right:>8.3f}{row.lost:>8.3f}{row.all_answered:>10.3f}{shares}",
                flush=True,
            )
        misses += [f"{name}: {model.lost:.3f} of the held-out rows lost, not {MAX_LOST:g}"] * (
            model.lost > MAX_LOST
        )
        for kind, share in (("all", model.all_answered), *model.answered.items()):
            misses += [
                f"{name}: {share:.3f} of questions answered ({kind}), not {MAX_ANSWERED:g}"
            ] * (share > MAX_ANSWERED)
        problems += [f"{name}: the nearest neighbour is as good"] * (model.right <= nearest.right)
    for miss in misses:
        print(f"target missed, {miss}")
    if problems:
        sys.exit("; ".join(problems))


if __name__ == "__main__":
    main()
