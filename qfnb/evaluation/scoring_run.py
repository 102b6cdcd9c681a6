"""Answers into scores: every evaluator sees all the answers of one model, failed ones left out."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ..base.language import in_language, tr, trn
from ..errors import InvalidArgumentError
from .evaluator import EvaluationFailure, LocalEvaluator, PairVerdict
from .judges import ComparedAnswers, PairwiseJudge
from .samples import Sample, result_dataset

NOT_APPLICABLE: Final = frozenset({"n/a", "nan", "none", ""})

ProgressCallback = Callable[[int, int], None]
"""Called with the number of steps that are done, and of all steps."""

Texts = tuple[str, str, str]
"""Prompt, reference and pre-processed answer."""


PreProcessor = Callable[..., str]
"""A function that every answer goes through before it is scored, called with the answer, `input=`
and `reference=`. Source: the official SDK.
"""


def score_samples(
    samples: Sequence[Sample],
    evaluators: Sequence[LocalEvaluator],
    pre_processors: Sequence[PreProcessor] = (),
    on_progress: ProgressCallback = lambda *_: None,
) -> tuple[dict[str, Any], list[str]]:
    """Return what evaluators gave, by the names of a report's fields, and sentences on the answers
    on which they raised errors; what failed has no score.

    Raises:
        InvalidArgumentError: no evaluator is given, two give the same metric, or one does not give
            a row for each answer, or raises on every answer.
    """
    validate_evaluators(evaluators)
    comparing = [each for each in evaluators if isinstance(each, PairwiseJudge)]
    single = [each for each in evaluators if not isinstance(each, PairwiseJudge)]
    texts: dict[int, Texts] = {}
    indexes_by_model: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        if not sample.error:
            texts[index] = _evaluator_input(sample, pre_processors)
            indexes_by_model.setdefault(sample.model, []).append(index)
    total = len(texts) * len(single) + len(comparing)
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        on_progress(done, total)

    results: dict[int, Mapping[str, Any]] = {}
    for indexes in indexes_by_model.values():
        rows = _evaluate(single, [texts[index] for index in indexes], advance)
        results |= zip(indexes, rows, strict=True)
    scored = {index: _with_scores(samples[index], row) for index, row in results.items()}
    sentences = _describe_failures(samples, results)
    if sentences and not any(sample.scores for sample in scored.values()):
        raise InvalidArgumentError(sentences[0])
    verdicts: list[PairVerdict] = []
    judging: dict[str, Any] = {}
    for judge in comparing:
        result = _compare(judge, scored, texts)
        verdicts += result.verdicts
        judging |= result.summary
        advance(1)
    fields = _describe_metrics(evaluators) | {"verdicts": tuple(verdicts)}
    _add_records(fields, samples, scored)
    summaries = fields["summaries"] = {}
    for model, indexes in indexes_by_model.items():
        summary = _summarize(single, [scored[index] for index in indexes]) | judging
        if summary:
            summaries[model] = summary
    return fields, sentences


def _add_records(
    fields: dict[str, Any], samples: Sequence[Sample], scored: Mapping[int, Sample]
) -> None:
    """Add all samples to a report's fields, those that failed without scores, and the metrics."""
    records = []
    names: dict[str, float] = {}
    for index, sample in enumerate(samples):
        record = scored.get(index) or replace(sample, scores={}, notes={})
        records.append(record)
        names |= record.scores
    fields["records"] = tuple(records)
    fields["metric_names"] = tuple(names or fields["recipes"])


def _describe_metrics(evaluators: Sequence[LocalEvaluator]) -> dict[str, Any]:
    """Return what evaluators declare of their metrics, by the names of a report's fields."""
    recipes: dict[str, str] = {}
    counting: dict[str, str] = {}
    scales: dict[str, tuple[float, float]] = {}
    judges: dict[str, str] = {}
    lower_is_better: set[str] = set()
    for evaluator in evaluators:
        recipes |= evaluator.describe()
        with in_language("en"):
            counting |= evaluator.describe()
        scales |= evaluator.scales
        judges |= evaluator.judge_models
        lower_is_better |= {*evaluator.lower_is_better}
    return {
        "recipes": recipes,
        "counting": counting,
        "scales": scales,
        "judges": judges,
        "lower_is_better": frozenset(lower_is_better),
    }


def validate_evaluators(evaluators: Sequence[LocalEvaluator]) -> None:
    """Raise InvalidArgumentError when there is no evaluator, or two describe the same metric."""
    if not evaluators:
        raise InvalidArgumentError(
            tr("there is no evaluator: give e.g. evaluators_by_name(['exact_match', 'rouge_l'])")
        )
    names: set[str] = set()
    for evaluator in evaluators:
        metrics = evaluator.describe().keys()
        _refuse_duplicates(names & metrics, evaluator)
        names |= metrics


def _describe_failures(
    samples: Sequence[Sample], results: Mapping[int, Mapping[str, Any]]
) -> list[str]:
    """Return for which answers metrics could not be computed, a sentence for each metric of a
    model.
    """
    failures: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for index, row in results.items():
        sample = samples[index]
        for name, value in row.items():
            if isinstance(value, EvaluationFailure):
                failures.setdefault((name, sample.model), []).append((sample.index, value))
    sentences = []
    for (metric, model), rows in failures.items():
        sentence = trn(
            "{metric} could not be computed for {n} answer of {model}, row {row}: {error}",
            "{metric} could not be computed for {n} answers of {model}, the first in row {row}: "
            "{error}",
            len(rows),
            metric=metric,
            model=model,
            row=rows[0][0],
            error=rows[0][1],
        )
        sentences.append(sentence)
    return sentences


def _compare(
    evaluator: PairwiseJudge, scored: dict[int, Sample], texts: Mapping[int, Texts]
) -> ComparedAnswers:
    """Add to answered samples what an evaluator gives that looks at those of all models
    together.
    """
    answers = [replace(sample, output=texts[index][2]) for index, sample in scored.items()]
    result = evaluator.compare_answers(answers)
    for (index, sample), scores in zip([*scored.items()], result.scores, strict=True):
        _refuse_duplicates(sample.scores.keys() & scores.keys(), evaluator)
        scored[index] = replace(sample, scores={**sample.scores, **scores})
    return result


def _summarize(evaluators: Sequence[LocalEvaluator], samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what evaluators say of a model as a whole."""
    summary: dict[str, Any] = {}
    for evaluator in evaluators:
        if type(evaluator).summarize is not LocalEvaluator.summarize:
            summary |= evaluator.summarize(result_dataset(samples)) or {}
    return summary


def _evaluator_input(sample: Sample, pre_processors: Sequence[PreProcessor]) -> Texts:
    output = sample.output
    for process in pre_processors:
        output = str(process(output, input=sample.prompt, reference=sample.reference))
    return sample.prompt, sample.reference, output


def _evaluate(
    evaluators: Sequence[LocalEvaluator], texts: Sequence[Texts], advance: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Return the scores and notes of all evaluators for each answer.

    Those that look at one answer after the other all look at one before the next: words that one
    has cut, the next finds in the cache.
    """
    plain = []
    results: list[list[Any]] = []
    for evaluator in evaluators:
        results.append([])
        if type(evaluator).evaluate_all is LocalEvaluator.evaluate_all:
            plain.append((evaluator, results[-1]))
        else:
            results[-1] += evaluator.evaluate_all(*map(list, zip(*texts, strict=True)))
            advance(len(texts))
    for row in texts:
        for evaluator, column in plain:
            column.extend(evaluator.evaluate_all(*([text] for text in row)))
        advance(len(plain))
    rows: list[dict[str, Any]] = [{} for _ in texts]
    for evaluator, column in zip(evaluators, results, strict=True):
        _add_scores(rows, column, evaluator)
    return rows


def _add_scores(
    rows: list[dict[str, Any]], results: Sequence[Any], evaluator: LocalEvaluator
) -> None:
    name = type(evaluator).__name__
    if len(results) != len(rows):
        raise InvalidArgumentError(
            tr(
                "{evaluator} gave {rows} rows for {answers} answers",
                evaluator=name,
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
                    evaluator=name,
                    result=result,
                    example={"accuracy": 1.0},
                )
            )
        _refuse_duplicates(row.keys() & result.keys(), evaluator)
        row.update(result)


def _refuse_duplicates(metrics: set[str], evaluator: LocalEvaluator) -> None:
    if metrics:
        raise InvalidArgumentError(
            tr(
                "two evaluators give {metric}, {evaluator} being the second: "
                "use one, or report.rescore([...]) for another report",
                metric=repr(min(metrics)),
                evaluator=type(evaluator).__name__,
            )
        )


def _with_scores(sample: Sample, row: Mapping[str, Any]) -> Sample:
    """Return a sample with what evaluators gave: numbers are scores, texts are notes."""
    scores = {}
    notes = {}
    for name, value in row.items():
        score = _to_score(value)
        if score is not None:
            scores[name] = score
        elif isinstance(value, str):
            notes[name] = value
        else:
            notes[name] = json.dumps(value, ensure_ascii=False, default=str)
    return replace(sample, scores=scores, notes=notes)


def _to_score(value: Any) -> float | None:
    """Return a score; NaN for "n/a", None for what is not a number."""
    if value is None or (isinstance(value, str) and value.strip().casefold() in NOT_APPLICABLE):
        return math.nan
    if isinstance(value, (str, bytes)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if math.isinf(number):
        return math.nan
    return number
