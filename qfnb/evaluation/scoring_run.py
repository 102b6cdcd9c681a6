"""Answers into scores: every evaluator sees all the answers of one model, those that failed left out."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from ..errors import InvalidArgumentError
from .evaluator import LocalEvaluator
from .judges.judge import JudgePanel, LocalJudgeEvaluator
from .report.training_data import build_result_dataset
from .sample import Sample

LOWER_IS_BETTER_SUFFIX: Final = "less is better"
"""How the description of a metric ends whose lower scores are the better ones."""

NOT_APPLICABLE: Final = frozenset({"n/a", "nan", "none", ""})

CHUNK_SIZE: Final = 1000
"""Answers that are scored by one evaluator before the next looks at them."""

ProgressCallback = Callable[[int, int], None]
"""Told of how many steps are done, and of how many there are."""


class PreProcessor(Protocol):
    """What an answer goes through before it is scored. Source: the official SDK."""

    def __call__(self, output: str, *, input: str, reference: str) -> str:  # noqa: A002
        """Return the text that is scored."""
        ...


@dataclass(frozen=True)
class ScoredSamples:
    """What evaluators gave.

    Attributes:
        samples: with scores and notes.
        names: of the metrics.
        recipes: what each metric is.
        summaries: what is said of each model as a whole.
        scales: of metrics that are points.
    """

    samples: tuple[Sample, ...]
    names: tuple[str, ...]
    recipes: Mapping[str, str]
    summaries: Mapping[str, Mapping[str, Any]]
    scales: Mapping[str, tuple[float, float]]

    @property
    def lower_is_better(self) -> frozenset[str]:
        """The metrics of which less is better."""
        return frozenset(
            name for name, about in self.recipes.items() if about.endswith(LOWER_IS_BETTER_SUFFIX)
        )

    @property
    def report_fields(self) -> dict[str, Any]:
        """What a report holds of it, by its names there."""
        return {
            "records": self.samples,
            "names": self.names,
            "recipes": self.recipes,
            "summaries": self.summaries,
            "scales": self.scales,
            "lower": self.lower_is_better,
        }


def score_samples(
    samples: Sequence[Sample],
    evaluators: Sequence[LocalEvaluator],
    pre_processors: Sequence[PreProcessor] = (),
    on_progress: ProgressCallback | None = None,
) -> ScoredSamples:
    """Score answers; what failed has no score.

    Raises:
        InvalidArgumentError: there is no evaluator, two give the same metric, or one gives something else
            than a row per answer.
    """
    if not evaluators:
        raise InvalidArgumentError(
            "there is no evaluator: e.g. by_name(['exact_match', 'rouge_l']) (缺少评估器)"
        )
    scored_by_index: dict[int, Sample] = {}
    answered_groups = [
        [index for index in indexes if not samples[index].error]
        for indexes in _indexes_by_model(samples).values()
    ]
    steps = _StepCounter(
        on_progress, sum(len(_chunks(len(answered))) for answered in answered_groups) * len(evaluators)
    )
    for answered in answered_groups:
        texts = _evaluator_inputs([samples[index] for index in answered], pre_processors)
        rows = _evaluate_all(evaluators, texts, steps.advance)
        for index, row in zip(answered, rows, strict=True):
            scored_by_index[index] = _with_scores(samples[index], row)
    scored_samples = tuple(
        scored_by_index.get(index, _without_scores(sample)) for index, sample in enumerate(samples)
    )
    recipes = {name: about for evaluator in evaluators for name, about in evaluator.describe().items()}
    names = dict.fromkeys(name for sample in scored_samples for name in sample.scores) or recipes
    return ScoredSamples(
        scored_samples,
        tuple(names),
        recipes,
        _summaries_by_model(evaluators, scored_samples),
        _judge_scales(evaluators),
    )


def _indexes_by_model(samples: Sequence[Sample]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault(sample.model, []).append(index)
    return groups


class _StepCounter:
    """Counts the parts that are scored, and tells."""

    def __init__(self, callback: ProgressCallback | None, total: int) -> None:
        self._callback, self._total, self._done = callback, total, 0

    def advance(self, steps: int) -> None:
        """Count parts."""
        self._done += steps
        if self._callback is not None:
            self._callback(self._done, self._total)


def _evaluator_inputs(
    samples: Sequence[Sample], pre_processors: Sequence[PreProcessor]
) -> list[tuple[str, str, str]]:
    return [(s.prompt, s.reference, _preprocess(s, pre_processors)) for s in samples]


def _preprocess(sample: Sample, pre_processors: Sequence[PreProcessor]) -> str:
    output = sample.output
    for process in pre_processors:
        output = str(process(output, input=sample.prompt, reference=sample.reference))
    return output


def _evaluate_all(
    evaluators: Sequence[LocalEvaluator],
    texts: Sequence[tuple[str, str, str]],
    advance: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Return what all evaluators give for each answer.

    Those that look at one answer after the other do so part by part: words that one has cut, the next knows.
    """
    rows: list[dict[str, Any]] = [{} for _ in texts]
    chunks = _chunks(len(texts))
    for takes_all, group in itertools.groupby(evaluators, _takes_all_answers):
        group_evaluators = list(group)
        for chunk in [slice(None)] if takes_all else chunks:
            for evaluator in group_evaluators:
                _add_scores(rows[chunk], texts[chunk], evaluator)
                advance(len(chunks) if takes_all else 1)
    return rows


def _chunks(rows: int) -> list[slice]:
    return [slice(start, start + CHUNK_SIZE) for start in range(0, rows, CHUNK_SIZE)] or [slice(0)]


def _takes_all_answers(evaluator: LocalEvaluator) -> bool:
    return type(evaluator).evaluate_all is not LocalEvaluator.evaluate_all


def _add_scores(
    rows: list[dict[str, Any]], texts: Sequence[tuple[str, str, str]], evaluator: LocalEvaluator
) -> None:
    results = evaluator.evaluate_all(*map(list, zip(*texts, strict=True))) if texts else []
    if len(results) != len(rows):
        raise InvalidArgumentError(
            f"{type(evaluator).__name__} gave {len(results)} rows for {len(rows)} answers (行数不符)"
        )
    for row, result in zip(rows, results, strict=True):
        _refuse_duplicate_metric(row, result, evaluator)
        row.update(result)


def _refuse_duplicate_metric(
    row: Mapping[str, Any], result: Mapping[str, Any], evaluator: LocalEvaluator
) -> None:
    if duplicates := row.keys() & result.keys():
        raise InvalidArgumentError(
            f"two evaluators give {min(duplicates)!r}, {type(evaluator).__name__} being the second: use one, "
            "or report.rescore([...]) for another report (指标重名)"
        )


def _with_scores(sample: Sample, row: Mapping[str, Any]) -> Sample:
    """Return a sample with what evaluators gave: numbers are scores, texts are notes."""
    scores = {name: _to_score(value) for name, value in row.items()}
    return replace(
        sample,
        scores={name: score for name, score in scores.items() if score is not None},
        notes={name: _to_note(row[name]) for name, score in scores.items() if score is None},
    )


def _without_scores(sample: Sample) -> Sample:
    return replace(sample, scores={}, notes={})


def _to_score(value: object) -> float | None:
    """Return a score; NaN for "n/a", None for what is no number."""
    if value is None or (isinstance(value, str) and value.strip().casefold() in NOT_APPLICABLE):
        return math.nan
    try:
        number = None if isinstance(value, (str, bytes)) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return math.nan if number is not None and math.isinf(number) else number


def _to_note(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _summaries_by_model(
    evaluators: Sequence[LocalEvaluator], samples: Sequence[Sample]
) -> dict[str, Mapping[str, Any]]:
    """Return what evaluators say of each model that answered anything."""
    summarizers = [e for e in evaluators if type(e).summarize is not LocalEvaluator.summarize]
    summaries: dict[str, Mapping[str, Any]] = {}
    for model, indexes in _indexes_by_model(samples).items() if summarizers else ():
        rows = [samples[index] for index in indexes if not samples[index].error]
        if rows:
            model_summaries = [
                evaluator.summarize(build_result_dataset(rows)) or {} for evaluator in summarizers
            ]
            summaries[model] = {name: value for summary in model_summaries for name, value in summary.items()}
    return summaries


def _judge_scales(evaluators: Sequence[LocalEvaluator]) -> dict[str, tuple[float, float]]:
    """Return from how many to how many points judges give."""
    judges = [e for e in evaluators if isinstance(e, LocalJudgeEvaluator)]
    panels = [e for e in evaluators if isinstance(e, JudgePanel)]
    max_points = {e.metric_name: e.prompt_max_score for e in judges}
    max_points |= {e.metric_name: max(judge.prompt_max_score for judge in e.judges) for e in panels}
    return {name: (0.0, float(points)) for name, points in max_points.items()}
