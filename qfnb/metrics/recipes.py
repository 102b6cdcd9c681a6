"""Recipes: named ways to count a metric, since the same answer has a different ROUGE in every tool.

| recipe | whose numbers | how it counts |
|---|---|---|
| `qianfan` | the console's: its published sample, to the last digit | jieba's words; ROUGE by sets |
| `llamafactory` | LLaMA-Factory's `predict` report | likewise; BLEU-4 by characters, blanks included |
| `sacrebleu-zh` | sacrebleu's with `tokenize="zh"`: BLEU-4 and chrF | its tokens; ROUGE by their counts |
| `strict` | ours | characters after normalisation, no punctuation; a repeated answer gains nothing |

All scores are 0-1, and NaN where a metric is not applicable: an empty reference, ROUGE-2 of a
one-unit reference, BLEU-4 of one with fewer than four units. Only the reference decides this: all
models are measured on the same rows. An empty answer to a question that has a reference scores 0.
The console does not document its accuracy and f1Score; here they are equal words, and the F1 of
shared words.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from . import units
from .choice import multiple_choice
from .exact_json import edit_similarity, exact_match, json_fields
from .number import is_equal_number
from .rouge_bleu_chrf import bleu4, chrf, rouge_l, rouge_n, unit_f1

Tokenize = Callable[[str], units.Units]


@dataclass(frozen=True)
class Recipe:
    """How texts are cut into units, and how these are counted."""

    name: str
    words: Tokenize  # the units of ROUGE, F1 and accuracy
    words_label: str  # their name in reports
    bleu_units: Tokenize  # the units of BLEU-4
    bleu_units_label: str  # their name in reports
    count_repeats: bool  # ROUGE counts an n-gram as often as it occurs
    effective_order: bool  # BLEU-4 leaves out the orders that an answer is too short for
    chrf_text: Callable[[str], str] = str  # the text that chrF compares


_NFKC: Final = tr_noop("NFKC characters")
_WORDS: Final = tr_noop("jieba words")
_ZH: Final = units.sacrebleu_zh_tokens
_ROUGE_ZH: Final = units.rouge_chinese_words

DEFAULT: Final = "strict"
RECIPES: Final[Mapping[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe("qianfan", units.jieba_words, _WORDS, units.jieba_words, _WORDS, False, False),
        Recipe("llamafactory", _ROUGE_ZH, _WORDS, tuple, tr_noop("characters"), False, False),
        Recipe("sacrebleu-zh", _ZH, "tokenize=zh", _ZH, "tokenize=zh", True, True),
        Recipe(
            "strict", units.characters, _NFKC, units.characters, _NFKC, True, False, units.normalize
        ),
    )
}


@dataclass(frozen=True)
class Metric:
    """A score of one answer, and what reports and `%qfeval` have to know of it.

    Attributes:
        describe_units: what a recipe makes it count, None where all recipes give the same.
        version: raised when the same answer may get another score than before; reports name it.
    """

    name: str
    title: str  # its name in reports
    score: Callable[[Recipe, str, str], float]  # a function of recipe, answer and reference
    describe_units: Callable[[Recipe], str] | None = None
    version: int = 1


def _accuracy(recipe: Recipe, output: str, reference: str) -> float:
    expected = recipe.words(reference)
    return float(recipe.words(output) == expected) if expected else math.nan


def _rouge_n(n: int, recipe: Recipe, output: str, reference: str) -> float:
    return rouge_n(
        recipe.words(output), recipe.words(reference), n, count_repeats=recipe.count_repeats
    )


def _bleu4(recipe: Recipe, output: str, reference: str) -> float:
    order = recipe.effective_order
    return bleu4(recipe.bleu_units(output), recipe.bleu_units(reference), effective_order=order)


def _describe_words(recipe: Recipe) -> str:
    return tr(recipe.words_label)


def _describe_ngrams(recipe: Recipe) -> str:
    message = tr_noop("{units}, n-gram sets")
    if recipe.count_repeats:
        message = tr_noop("{units}, n-gram counts")
    return tr(message, units=_describe_words(recipe))


def _describe_bleu(recipe: Recipe) -> str:
    words = tr(recipe.bleu_units_label)
    if recipe.effective_order:
        return tr("{units}, effective order", units=words)
    return words


METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("exact_match", tr_noop("exact match"), lambda _, a, b: exact_match(a, b), version=2),
        Metric("accuracy", tr_noop("accuracy"), _accuracy, _describe_words),
        Metric("f1", "F1", lambda r, a, b: unit_f1(r.words(a), r.words(b)), _describe_words),
        Metric("rouge_1", "ROUGE-1", partial(_rouge_n, 1), _describe_ngrams),
        Metric("rouge_2", "ROUGE-2", partial(_rouge_n, 2), _describe_ngrams),
        Metric(
            "rouge_l", "ROUGE-L", lambda r, a, b: rouge_l(r.words(a), r.words(b)), _describe_words
        ),
        Metric("bleu4", "BLEU-4", _bleu4, _describe_bleu),
        Metric(
            "chrf",
            "chrF2",
            lambda r, a, b: chrf(r.chrf_text(a), r.chrf_text(b)),
            lambda r: tr("the text as it is") if r.chrf_text is str else tr(_NFKC),
        ),
        Metric(
            "edit_similarity",
            tr_noop("edit similarity"),
            lambda _, a, b: edit_similarity(a, b),
            version=2,
        ),
        Metric("json_fields", tr_noop("JSON fields"), lambda _, a, b: json_fields(a, b), version=2),
        Metric("choice", tr_noop("choice"), lambda _, a, b: multiple_choice(a, b), version=2),
        Metric("number", tr_noop("number"), lambda _, a, b: is_equal_number(a, b)),
    )
}
"""All metrics by name; a new one is a function in this package and a row here."""


def score(metric: str, output: str, reference: str, recipe: str = DEFAULT) -> float:
    """Return a score of one answer, 0-1, NaN for "n/a": `score("rouge_l", "at nine", "at nine in
    the morning")`.

    Args:
        metric: a name of `METRICS`.
        output: the answer.
        reference: the expected answer.
        recipe: a name of `RECIPES`.

    Raises:
        InvalidArgumentError: metric or recipe is unknown, or the recipe needs jieba.
    """
    return get_metric(metric).score(get_recipe(recipe), output, reference)


def describe(metric: str, recipe: str = DEFAULT) -> str:
    """Return a metric as reports print it: "ROUGE-1 [qianfan: jieba words, n-gram sets]"."""
    named = get_metric(metric)
    units_recipe = get_recipe(recipe)
    if named.describe_units is None:
        return with_version(metric, tr(named.title))
    return f"{tr(named.title)} [{units_recipe.name}: {named.describe_units(units_recipe)}]"


def with_version(metric: str, description: str) -> str:
    """Return how a metric is counted with its version, the first one without."""
    version = METRICS[metric].version
    versioned = tr("{description} [version {version}]", description=description, version=version)
    return versioned if version > 1 else description


def get_metric(name: str) -> Metric:
    """Return the metric of this name.

    Raises:
        InvalidArgumentError: the name is unknown; lists the known ones.
    """
    if name not in METRICS:
        raise InvalidArgumentError(
            tr("metric {name}: it is one of {names}", name=repr(name), names=tr(", ").join(METRICS))
        )
    return METRICS[name]


def get_recipe(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises:
        InvalidArgumentError: the name is unknown; lists the known ones.
    """
    if name not in RECIPES:
        raise InvalidArgumentError(
            tr("recipe={name}: it is one of {names}", name=repr(name), names=tr(", ").join(RECIPES))
        )
    return RECIPES[name]
