"""Answers into scores: every evaluator sees all the answers of one model, failed ones left out."""

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from ..base.language import in_language, tr, trn
from ..errors import InvalidArgumentError
from .comparing_evaluator import ComparedAnswer, ComparedAnswers, ComparingEvaluator
from .evaluator import EvaluationFailure, LocalEvaluator
from .judges.verdicts import PairVerdict
from .samples import Sample, result_dataset

NOT_APPLICABLE: Final = frozenset({"n/a", "nan", "none", ""})

CHUNK_SIZE: Final = 1000  # answers that are scored by one evaluator before the next looks at them
# called with the number of steps that are done, and of all steps
ProgressCallback = Callable[[int, int], None]


class PreProcessor(Protocol):
    """A function that every answer goes through before it is scored. Source: the official SDK."""

    def __call__(self, output: str, *, input: str, reference: str) -> str:  # noqa: A002
        """Return the text that is scored."""
        ...


@dataclass(frozen=True)
class ScoredSamples:
    """What evaluators gave."""

    samples: tuple[Sample, ...]  # with scores and notes
    names: tuple[str, ...]  # of the metrics
    recipes: Mapping[str, str]  # {metric: how it is counted}
    counting: Mapping[str, str]  # the same in English
    summaries: Mapping[str, Mapping[str, Any]]  # {model: {name: value}}, of models as a whole
    # {metric: (lowest, highest possible score)}, where that is not 0-1
    scales: Mapping[str, tuple[float, float]]
    lower_is_better: frozenset[str]  # metrics of which lower scores are the better ones
    judges: Mapping[str, str]  # {metric: name of the model that judges}
    verdicts: tuple[PairVerdict, ...]  # of judges that compare answers
    failures: tuple[str, ...] = ()  # sentences on the answers on which evaluators raised errors

    @property
    def report_fields(self) -> dict[str, Any]:
        """Its part of a report, by the report's field names."""
        return {
            "records": self.samples,
            "metric_names": self.names,
            "recipes": self.recipes,
            "counting": self.counting,
            "summaries": self.summaries,
            "scales": self.scales,
            "lower_is_better": self.lower_is_better,
            "judges": self.judges,
            "verdicts": self.verdicts,
        }


def score_samples(
    samples: Sequence[Sample],
    evaluators: Sequence[LocalEvaluator],
    pre_processors: Sequence[PreProcessor] = (),
    on_progress: ProgressCallback | None = None,
) -> ScoredSamples:
    """Score answers; what failed has no score.

    Raises:
        InvalidArgumentError: no evaluator is given, two give the same metric, or one does not give
            a row for each answer, or raises on every answer.
    """
    validate_evaluators(evaluators)
    failures: dict[tuple[str, str], list[tuple[int, str]]] = {}
    scored_by_index: dict[int, Sample] = {}
    groups = _indexes_by_model(samples).values()
    answered_groups = [
        [index for index in indexes if not samples[index].error] for indexes in groups
    ]
    comparing = [evaluator for evaluator in evaluators if isinstance(evaluator, ComparingEvaluator)]
    single = [
        evaluator for evaluator in evaluators if not isinstance(evaluator, ComparingEvaluator)
    ]
    total = sum(len(_chunks(len(answered))) for answered in answered_groups) * len(single) + len(
        comparing
    )
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        if on_progress is not None:
            on_progress(done, total)

    for answered in answered_groups:
        texts = _evaluator_inputs([samples[index] for index in answered], pre_processors)
        rows = _evaluate_all(single, texts, advance)
        for index, row in zip(answered, rows, strict=True):
            sample = scored_by_index[index] = _with_scores(samples[index], row)
            for name, value in row.items():
                if isinstance(value, EvaluationFailure):
                    failures.setdefault((name, sample.model), []).append((sample.index, value))
    sentences = [_describe_failures(*key, rows) for key, rows in failures.items()]
    if sentences and not any(sample.scores for sample in scored_by_index.values()):
        raise InvalidArgumentError(sentences[0])
    compared = [
        _compare(evaluator, scored_by_index, pre_processors, advance) for evaluator in comparing
    ]
    blank = [replace(sample, scores={}, notes={}) for sample in samples]
    scored_samples = tuple(scored_by_index.get(index, sample) for index, sample in enumerate(blank))
    recipes = _describe_all(evaluators)
    with in_language("en"):
        counting = _describe_all(evaluators)
    return ScoredSamples(
        samples=scored_samples,
        names=tuple(
            dict.fromkeys(name for sample in scored_samples for name in sample.scores) or recipes
        ),
        recipes=recipes,
        counting=counting,
        summaries=_summaries_by_model(
            single, scored_samples, [result.summary for result in compared]
        ),
        scales={
            name: scale for evaluator in evaluators for name, scale in evaluator.scales.items()
        },
        lower_is_better=frozenset(
            name for evaluator in evaluators for name in evaluator.lower_is_better
        ),
        judges={
            name: judge
            for evaluator in evaluators
            for name, judge in evaluator.judge_models.items()
        },
        verdicts=tuple(verdict for result in compared for verdict in result.verdicts),
        failures=tuple(sentences),
    )


def validate_evaluators(evaluators: Sequence[LocalEvaluator]) -> None:
    """Raise InvalidArgumentError when there is no evaluator, or two describe the same metric."""
    if not evaluators:
        raise InvalidArgumentError(
            tr("there is no evaluator: give e.g. evaluators_by_name(['exact_match', 'rouge_l'])")
        )
    names: set[str] = set()
    for evaluator in evaluators:
        if duplicates := names & evaluator.describe().keys():
            raise _duplicate_metric(min(duplicates), evaluator)
        names |= evaluator.describe().keys()


def _describe_failures(metric: str, model: str, rows: Sequence[tuple[int, str]]) -> str:
    return trn(
        "{metric} could not be computed for {n} answer of {model}, row {row}: {error}",
        "{metric} could not be computed for {n} answers of {model}, the first in row {row}: "
        "{error}",
        len(rows),
        metric=metric,
        model=model,
        row=rows[0][0],
        error=rows[0][1],
    )


def _compare(
    evaluator: ComparingEvaluator,
    samples_by_index: dict[int, Sample],
    pre_processors: Sequence[PreProcessor],
    advance: Callable[[int], None],
) -> ComparedAnswers:
    """Add to answered samples what an evaluator gives that looks at those of all models
    together.
    """
    samples = [*samples_by_index.values()]
    texts = _evaluator_inputs(samples, pre_processors)
    keys = [(sample.model, (sample.index, sample.repeat)) for sample in samples]
    answers = [ComparedAnswer(*key, *text) for key, text in zip(keys, texts, strict=True)]
    result = evaluator.compare_answers(answers)
    for index, sample, scores in zip(samples_by_index, samples, result.scores, strict=True):
        if duplicates := sample.scores.keys() & scores.keys():
            raise _duplicate_metric(min(duplicates), evaluator)
        samples_by_index[index] = replace(sample, scores={**sample.scores, **scores})
    advance(1)
    return result


def _describe_all(evaluators: Sequence[LocalEvaluator]) -> dict[str, str]:
    return {
        name: recipe for evaluator in evaluators for name, recipe in evaluator.describe().items()
    }


def _indexes_by_model(samples: Sequence[Sample]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault(sample.model, []).append(index)
    return groups


def _evaluator_inputs(
    samples: Sequence[Sample], pre_processors: Sequence[PreProcessor]
) -> list[tuple[str, str, str]]:
    """Return prompt, reference and pre-processed answer of each sample."""
    inputs = []
    for sample in samples:
        output = sample.output
        for process in pre_processors:
            output = str(process(output, input=sample.prompt, reference=sample.reference))
        inputs.append((sample.prompt, sample.reference, output))
    return inputs


def _evaluate_all(
    evaluators: Sequence[LocalEvaluator],
    texts: Sequence[tuple[str, str, str]],
    advance: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Return the scores and notes of all evaluators for each answer.

    Those that look at one answer after the other do so chunk by chunk: words that one has cut, the
    next finds in the cache.
    """
    rows: list[dict[str, Any]] = [{} for _ in texts]
    chunks = _chunks(len(texts))
    base = LocalEvaluator.evaluate_all
    for takes_all, group in itertools.groupby(
        evaluators, lambda e: type(e).evaluate_all is not base
    ):
        group_evaluators = list(group)
        for chunk in [slice(None)] if takes_all else chunks:
            for evaluator in group_evaluators:
                _add_scores(rows[chunk], texts[chunk], evaluator)
                advance(len(chunks) if takes_all else 1)
    return rows


def _chunks(rows: int) -> list[slice]:
    return [slice(start, start + CHUNK_SIZE) for start in range(0, rows, CHUNK_SIZE)] or [slice(0)]


def _add_scores(
    rows: list[dict[str, Any]], texts: Sequence[tuple[str, str, str]], evaluator: LocalEvaluator
) -> None:
    if texts:
        results = evaluator.evaluate_all(*map(list, zip(*texts, strict=True)))
    else:
        results = []
    if len(results) != len(rows):
        raise InvalidArgumentError(
            tr(
                "{evaluator} gave {rows} rows for {answers} answers",
                evaluator=type(evaluator).__name__,
                rows=len(results),
                answers=len(rows),
            )
        )
    for row, result in zip(rows, results, strict=True):
        if not isinstance(result, Mapping):
            raise InvalidArgumentError(
                tr(
                    "{evaluator} gave {result!r} for an answer: evaluate() returns numbers by "
                    "name, such as {example}",
                    evaluator=type(evaluator).__name__,
                    result=result,
                    example={"accuracy": 1.0},
                )
            )
        if duplicates := row.keys() & result.keys():
            raise _duplicate_metric(min(duplicates), evaluator)
        row.update(result)


def _duplicate_metric(metric: str, evaluator: LocalEvaluator) -> InvalidArgumentError:
    return InvalidArgumentError(
        tr(
            "two evaluators give {metric}, {evaluator} being the second: "
            "use one, or report.rescore([...]) for another report",
            metric=repr(metric),
            evaluator=type(evaluator).__name__,
        )
    )


def _with_scores(sample: Sample, row: Mapping[str, Any]) -> Sample:
    """Return a sample with what evaluators gave: numbers are scores, texts are notes."""
    all_scores = {name: _to_score(value) for name, value in row.items()}
    scores = {name: score for name, score in all_scores.items() if score is not None}
    texts = {name: value for name, value in row.items() if name not in scores}
    notes = {
        name: value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, default=str)
        for name, value in texts.items()
    }
    return replace(sample, scores=scores, notes=notes)


def _to_score(value: object) -> float | None:
    """Return a score; NaN for "n/a", None for what is not a number."""
    if value is None or (isinstance(value, str) and value.strip().casefold() in NOT_APPLICABLE):
        return math.nan
    try:
        number = None if isinstance(value, (str, bytes)) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    if number is not None and math.isinf(number):
        return math.nan
    return number


def _summaries_by_model(
    evaluators: Sequence[LocalEvaluator],
    samples: Sequence[Sample],
    of_all: Sequence[Mapping[str, Any]],
) -> dict[str, Mapping[str, Any]]:
    """Return the summaries of evaluators for each model that answered anything; `of_all` is added
    to each.
    """
    summarizers = [e for e in evaluators if type(e).summarize is not LocalEvaluator.summarize]
    summaries: dict[str, Mapping[str, Any]] = {}
    for model, indexes in _indexes_by_model(samples).items() if summarizers or of_all else ():
        rows = [samples[index] for index in indexes if not samples[index].error]
        if rows:
            parts = [evaluator.summarize(result_dataset(rows)) or {} for evaluator in summarizers]
            summaries[model] = {
                name: value for part in (*parts, *of_all) for name, value in part.items()
            }
    return summaries
