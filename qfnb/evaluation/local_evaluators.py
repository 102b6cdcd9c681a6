"""Local evaluators with options of their own, and evaluators by name."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, Final, Protocol

from ..base.language import tr
from ..base.text import cut_to_tokens, format_value
from ..errors import InvalidArgumentError
from ..metrics import recipes
from ..metrics.choice import CHOICE_LETTERS, multiple_choice
from ..metrics.exact_json import json_fields, matches_pattern
from ..metrics.number import is_equal_number
from ..resources.inference.embedding_reranker_tokenizer import Embedding, EmbeddingResponse
from ..wire import catalog
from ..wire.inference import MAX_TEXTS
from . import answers
from .evaluator import LocalEvaluator, MetricEvaluator


@dataclass(frozen=True)
class RegexEvaluator(LocalEvaluator):
    """1 when the answer matches a pattern, else 0; the reference does not count.

    Args:
        pattern: a regular expression.
        name: of the metric.
        whole: the whole answer must match, otherwise a part of it.

    Raises:
        InvalidArgumentError: the pattern is not a regular expression.
    """

    pattern: str
    name: str = "regex"
    whole: bool = False

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise InvalidArgumentError(
                tr(
                    "pattern={pattern}: not a regular expression: {error}",
                    pattern=repr(self.pattern),
                    error=error,
                )
            ) from None

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {self.name: matches_pattern(output, self.pattern, full_match=self.whole)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        return {
            self.name: (
                tr("is /{pattern}/", pattern=self.pattern)
                if self.whole
                else tr("has /{pattern}/", pattern=self.pattern)
            )
        }


@dataclass(frozen=True)
class JsonFieldsEvaluator(LocalEvaluator):
    """The share of the reference's JSON fields that the answer has right.

    Args:
        fields: the names that count, default all of the reference.
        name: of the metric.
    """

    fields: Sequence[str] | None = None
    name: str = "json_fields"
    needs_reference = True

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {self.name: json_fields(output, reference, self.fields)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        names = tr(", ").join(self.fields or ())
        if names:
            fields = tr("JSON fields ({names})", names=names)
        else:
            fields = tr("JSON fields (all)")
        return {self.name: recipes.with_version("json_fields", fields)}


@dataclass(frozen=True)
class ChoiceEvaluator(LocalEvaluator):
    """1 when the answer chose the same letters as the reference, in whatever words, else 0."""

    letters: str = CHOICE_LETTERS
    needs_reference = True

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {"choice": multiple_choice(output, reference, self.letters)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        return {
            "choice": recipes.with_version(
                "choice", tr("choice of {letters}", letters=self.letters)
            )
        }


@dataclass(frozen=True)
class NumberEvaluator(LocalEvaluator):
    """1 when the number of the answer is the reference's, in whatever notation and unit of its
    kind, else 0.

    Args:
        tolerance: the largest relative difference, from 0; 0.01 is one percent.

    Raises:
        InvalidArgumentError: the tolerance is negative or no number.
    """

    tolerance: float = 0.0
    needs_reference = True

    def __post_init__(self) -> None:
        if not isinstance(self.tolerance, (int, float)) or not 0 <= self.tolerance < math.inf:
            raise InvalidArgumentError(
                tr(
                    "tolerance={value}: must be a number from 0; 0.01 is one percent",
                    value=format_value(self.tolerance),
                )
            )

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return {"number": is_equal_number(output, reference, self.tolerance)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        if not self.tolerance:
            return {"number": recipes.describe("number")}
        return {"number": tr("number, equal within {percent:g}%", percent=100 * self.tolerance)}


@dataclass(frozen=True)
class EmbeddingEvaluator(LocalEvaluator):
    """Cosine of the vectors of answer and reference; calls an embedding model, 16 texts at a time.

    Args:
        embedding: the model, default embedding-v1.
        worker_num: calls at a time.
    """

    embedding: Embedding | None = None
    worker_num: int = 4
    needs_reference = True

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        return self.evaluate_all([input], [reference], [output])[0]

    def evaluate_all(  # noqa: D102
        self, inputs: Sequence[str], references: Sequence[str], outputs: Sequence[str]
    ) -> list[dict[str, float]]:
        similarities = embedding_similarity(outputs, references, self.embedding, self.worker_num)
        return [{"embedding_similarity": value} for value in similarities]

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        embedding = self.embedding or Embedding()
        name = embedding.endpoint or embedding.model or catalog.default_model("embedding")
        return {"embedding_similarity": tr("cosine of vectors of {model}", model=name)}


@dataclass(frozen=True)
class GuardEvaluator(LocalEvaluator):
    """1 for a degenerate answer (see `degenerate_flags`), else 0, and the share of it that is
    repetition.

    Args:
        language: `zh`, `en`, `ja` or `ko`, default that of the reference.
    """

    language: str | None = None
    lower_is_better = frozenset({"degenerate", "repetition"})

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        flags = answers.degenerate_flags(
            output, prompt=input, reference=reference, language=self.language
        )
        return {"degenerate": float(bool(flags)), "repetition": answers.repetition(output)}

    def describe(self) -> Mapping[str, str]:  # noqa: D102
        return {
            "degenerate": tr(
                "empty, repetitive, a refusal or in the wrong language; less is better"
            ),
            "repetition": tr("share of repeated n-grams; less is better"),
        }


class OpenCompassScorer(Protocol):
    """An OpenCompass evaluator, or anything with its `score`."""

    def score(self, predictions: list[str], references: list[str]) -> Mapping[str, Any]:
        """Return metrics by name."""
        ...


@dataclass(frozen=True)
class OpenCompassLocalEvaluator(LocalEvaluator):
    """An OpenCompass evaluator, called for one answer at a time.

    Of what it returns only numbers count; others (its `details`, say) are left out.
    """

    open_compass_evaluator: OpenCompassScorer

    def evaluate(self, input: str, reference: str, output: str) -> dict[str, float]:  # noqa: A002, D102
        scores = self.open_compass_evaluator.score(predictions=[output], references=[reference])
        return {
            name: float(value) for name, value in scores.items() if isinstance(value, (int, float))
        }


OTHER_EVALUATORS: Final[Mapping[str, type[EmbeddingEvaluator | GuardEvaluator]]] = {
    "degenerate": GuardEvaluator,
    "embedding_similarity": EmbeddingEvaluator,
}
"""Evaluators that have a name besides the metrics of `recipes.METRICS`."""

METRIC_NAMES: Final = (*recipes.METRICS, *OTHER_EVALUATORS)
"""All names that `evaluators_by_name`, `%qfeval --metrics` and Tab know."""


def evaluators_by_name(
    metrics: Sequence[str], recipe: str = recipes.DEFAULT
) -> list[LocalEvaluator]:
    """Return an evaluator for each metric: `evaluators_by_name(["rouge_l", "bleu4"],
    recipe="qianfan")`.

    Args:
        metrics: of `METRIC_NAMES`.
        recipe: a name of `recipes.RECIPES`.

    Raises:
        InvalidArgumentError: a metric or the recipe is unknown.
    """
    if isinstance(metrics, str):
        raise InvalidArgumentError(
            tr("metrics={name}: it is a list of names, [{name}]", name=repr(metrics))
        )
    others = OTHER_EVALUATORS
    return [others[name]() if name in others else MetricEvaluator(name, recipe) for name in metrics]


Vector = Sequence[float]


def embedding_similarity(
    outputs: Sequence[str],
    references: Sequence[str],
    embedding: Embedding | None = None,
    worker_num: int = 4,
) -> list[float]:
    """Return the cosine of each answer and its reference, -1 to 1; equal texts are sent once, 16 in
    a call.

    NaN where a text is empty or its call failed. Texts longer than a preset model takes are
    compared by their beginning.

    Args:
        outputs: the answers.
        references: the expected answers, the same number.
        embedding: the model, default embedding-v1.
        worker_num: calls at a time.
    """
    client = embedding or Embedding()
    name = client.model or catalog.default_model("embedding")
    if client.endpoint:
        model_row = None
    else:
        model_row = catalog.asked_model("embedding", name)
    output_texts, reference_texts = [
        [_beginning(text, model_row) for text in texts] for texts in (outputs, references)
    ]
    unique = [text for text in dict.fromkeys([*output_texts, *reference_texts]) if text.strip()]
    # API page of /v2/embeddings
    if model_row and model_row.id == "tao-8k":
        group_size = 1
    else:
        group_size = MAX_TEXTS
    vectors = _embed_texts(client, unique, worker_num, group_size)
    return [
        cosine(vectors.get(output, ()), vectors.get(reference, ()))
        for output, reference in zip(output_texts, reference_texts, strict=True)
    ]


def _beginning(text: str, model: catalog.CatalogModel | None) -> str:
    """Return as much of a text as a model takes; its tokens are an estimate."""
    if model is None or model.max_chars or not model.max_input:
        return text[: model.max_chars if model else None]
    return cut_to_tokens(text, model.max_input)


def cosine(first: Vector, second: Vector) -> float:
    """Return the cosine of two vectors; NaN when one is missing or zero."""
    size = math.hypot(*first) * math.hypot(*second)
    return sum(map(mul, first, second)) / size if size and len(first) == len(second) else math.nan


def _embed_texts(
    embedding: Embedding, texts: Sequence[str], worker_num: int, group_size: int
) -> dict[str, Vector]:
    groups = [texts[start : start + group_size] for start in range(0, len(texts), group_size)]
    if groups:
        replies = embedding.batch_do(groups, worker_num=worker_num).results()
    else:
        replies = []
    return {
        text: vector
        for group, reply in zip(groups, replies, strict=True)
        if isinstance(reply, EmbeddingResponse)
        for text, vector in zip(group, reply.vectors, strict=True)
    }
