"""How a metric is counted, under a name: the same answer has another ROUGE in every tool.

| recipe | whose numbers | how it counts |
|---|---|---|
| `qianfan` | the console's: its published sample, to the last digit | jieba's words; ROUGE by sets |
| `llamafactory` | LLaMA-Factory's `predict` report | likewise; BLEU-4 by characters, blanks included |
| `sacrebleu-zh` | sacrebleu's with `tokenize="zh"`: BLEU-4 and chrF | its tokens; ROUGE by their counts |
| `strict` | ours | characters after normalisation, no punctuation; a repeated answer gains nothing |

All scores are 0-1, and NaN where they have no meaning: an empty reference, ROUGE-2 of a one-unit reference,
BLEU-4 of one with less than four. That looks at the reference only: all models are measured on the same rows.
An empty answer to a question that has a reference has 0. The console does not say what its accuracy and
f1Score are; here they are equal words, and the F1 of shared words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from ..errors import InvalidArgumentError
from . import scoring
from .scoring import text

Cut = Callable[[str], text.Units]


@dataclass(frozen=True)
class Recipe:
    """How units are cut and counted.

    Attributes:
        words, words_are: units of ROUGE, F1 and accuracy, and what they are called.
        pieces, pieces_are: units of BLEU-4.
        repeats: whether ROUGE counts an n-gram as often as it occurs.
        effective: whether BLEU-4 leaves out the orders that an answer is too short for.
        plain: makes the text that chrF compares.
    """

    name: str
    words: Cut
    words_are: str
    pieces: Cut
    pieces_are: str
    repeats: bool
    effective: bool
    plain: Callable[[str], str] = str


_NFKC: Final = "NFKC characters"

DEFAULT: Final = "strict"
RECIPES: Final[Mapping[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe("qianfan", text.words, "jieba words", text.words, "jieba words", False, False),
        Recipe("llamafactory", text.spaced_words, "jieba words", text.letters, "characters", False, False),
        Recipe("sacrebleu-zh", text.zh, "tokenize=zh", text.zh, "tokenize=zh", True, True),
        Recipe("strict", text.characters, _NFKC, text.characters, _NFKC, True, False, text.normalize),
    )
}


@dataclass(frozen=True)
class Metric:
    """A score of one answer.

    Attributes:
        title: as people read it.
        score: of recipe, answer and reference.
        counts: what a recipe makes it count, None where all recipes are the same.
    """

    name: str
    title: str
    score: Callable[[Recipe, str, str], float]
    counts: Callable[[Recipe], str] | None = None


def _accuracy(recipe: Recipe, output: str, reference: str) -> float:
    expected = recipe.words(reference)
    return float(recipe.words(output) == expected) if expected else float("nan")


def _f1(recipe: Recipe, output: str, reference: str) -> float:
    return scoring.f1(recipe.words(output), recipe.words(reference))


def _rouge_n(n: int, recipe: Recipe, output: str, reference: str) -> float:
    return scoring.rouge_n(recipe.words(output), recipe.words(reference), n, repeats=recipe.repeats)


def _rouge_l(recipe: Recipe, output: str, reference: str) -> float:
    return scoring.rouge_l(recipe.words(output), recipe.words(reference))


def _bleu4(recipe: Recipe, output: str, reference: str) -> float:
    return scoring.bleu4(recipe.pieces(output), recipe.pieces(reference), effective=recipe.effective)


def _chrf(recipe: Recipe, output: str, reference: str) -> float:
    return scoring.chrf(recipe.plain(output), recipe.plain(reference))


def _words(recipe: Recipe) -> str:
    return recipe.words_are


def _grams(recipe: Recipe) -> str:
    return f"{recipe.words_are}, n-gram {'counts' if recipe.repeats else 'sets'}"


def _pieces(recipe: Recipe) -> str:
    return f"{recipe.pieces_are}{', effective order' if recipe.effective else ''}"


def _plain(recipe: Recipe) -> str:
    return "the text as it is" if recipe.plain is str else _NFKC


METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("exact_match", "exact match", lambda _, a, b: scoring.exact_match(a, b)),
        Metric("accuracy", "accuracy", _accuracy, _words),
        Metric("f1", "F1", _f1, _words),
        Metric("rouge_1", "ROUGE-1", partial(_rouge_n, 1), _grams),
        Metric("rouge_2", "ROUGE-2", partial(_rouge_n, 2), _grams),
        Metric("rouge_l", "ROUGE-L", _rouge_l, _words),
        Metric("bleu4", "BLEU-4", _bleu4, _pieces),
        Metric("chrf", "chrF2", _chrf, _plain),
        Metric("edit_similarity", "edit similarity", lambda _, a, b: scoring.edit_similarity(a, b)),
        Metric("json_fields", "JSON fields", lambda _, a, b: scoring.json_fields(a, b)),
        Metric("choice", "choice", lambda _, a, b: scoring.choice(a, b)),
    )
}


def score(metric: str, output: str, reference: str, recipe: str = DEFAULT) -> float:
    """Return a score of one answer, 0-1, NaN for "n/a": `score("rouge_l", "九点开门", "早上九点开门")`.

    Raises:
        InvalidArgumentError: there is no such metric or recipe, or the recipe needs jieba.
    """
    return named_metric(metric).score(named_recipe(recipe), output, reference)


def describe(metric: str, recipe: str = DEFAULT) -> str:
    """Return a metric as reports print it: "ROUGE-1 [qianfan: jieba words, n-gram sets]"."""
    found, how = named_metric(metric), named_recipe(recipe)
    return f"{found.title} [{how.name}: {found.counts(how)}]" if found.counts else found.title


def named_metric(name: str) -> Metric:
    """Return the metric of this name.

    Raises:
        InvalidArgumentError: there is none; says which there are.
    """
    if name not in METRICS:
        raise InvalidArgumentError(f"metric {name!r}: it is one of {', '.join(METRICS)} (没有这个指标)")
    return METRICS[name]


def named_recipe(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises:
        InvalidArgumentError: there is none; says which there are.
    """
    if name not in RECIPES:
        raise InvalidArgumentError(f"recipe={name!r}: it is one of {', '.join(RECIPES)} (没有这个口径)")
    return RECIPES[name]
