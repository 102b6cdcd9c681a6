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
from .judges import JudgePanel, LocalJudgeEvaluator
from .lessons import measured
from .samples import Sample

LESS: Final = "less is better"
"""How the description of a metric ends whose lower scores are the better ones."""

NOT_APPLICABLE: Final = frozenset({"n/a", "nan", "none", ""})

PART: Final = 1000
"""Answers that are scored by one evaluator before the next looks at them."""

Counted = Callable[[int, int], None]
"""Told of how many steps are done, and of how many there are."""


class PreProcessor(Protocol):
    """What an answer goes through before it is scored. Source: the official SDK."""

    def __call__(self, output: str, *, input: str, reference: str) -> str:  # noqa: A002
        """Return the text that is scored."""
        ...


@dataclass(frozen=True)
class Measured:
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
    def lower(self) -> frozenset[str]:
        """The metrics of which less is better."""
        return frozenset(name for name, about in self.recipes.items() if about.endswith(LESS))

    @property
    def facts(self) -> dict[str, Any]:
        """What a report holds of it, by its names there."""
        return {
            "records": self.samples,
            "names": self.names,
            "recipes": self.recipes,
            "summaries": self.summaries,
            "scales": self.scales,
            "lower": self.lower,
        }


def measure(
    samples: Sequence[Sample],
    evaluators: Sequence[LocalEvaluator],
    pre_processors: Sequence[PreProcessor] = (),
    counted: Counted | None = None,
) -> Measured:
    """Score answers; what failed has no score.

    Raises:
        InvalidArgumentError: there is no evaluator, two give the same metric, or one gives something else
            than a row per answer.
    """
    if not evaluators:
        raise InvalidArgumentError(
            "there is no evaluator: e.g. by_name(['exact_match', 'rouge_l']) (缺少评估器)"
        )
    found: dict[int, Sample] = {}
    groups = [
        [place for place in places if not samples[place].error] for places in _by_model(samples).values()
    ]
    steps = _Steps(counted, sum(len(_parts(len(answered))) for answered in groups) * len(evaluators))
    for answered in groups:
        texts = _texts([samples[place] for place in answered], pre_processors)
        rows = _rows(evaluators, texts, steps.done)
        for place, row in zip(answered, rows, strict=True):
            found[place] = _scored(samples[place], row)
    result = tuple(found.get(place, _unscored(sample)) for place, sample in enumerate(samples))
    recipes = {name: about for evaluator in evaluators for name, about in evaluator.describe().items()}
    names = dict.fromkeys(name for sample in result for name in sample.scores) or recipes
    return Measured(result, tuple(names), recipes, _summaries(evaluators, result), _scales(evaluators))


def _by_model(samples: Sequence[Sample]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        found.setdefault(sample.model, []).append(place)
    return found


class _Steps:
    """Counts the parts that are scored, and tells."""

    def __init__(self, counted: Counted | None, total: int) -> None:
        self._counted, self._total, self._sum = counted, total, 0

    def done(self, parts: int) -> None:
        """Count parts."""
        self._sum += parts
        if self._counted is not None:
            self._counted(self._sum, self._total)


def _texts(samples: Sequence[Sample], pre_processors: Sequence[PreProcessor]) -> list[tuple[str, str, str]]:
    return [(s.prompt, s.reference, _processed(s, pre_processors)) for s in samples]


def _processed(sample: Sample, pre_processors: Sequence[PreProcessor]) -> str:
    output = sample.output
    for process in pre_processors:
        output = str(process(output, input=sample.prompt, reference=sample.reference))
    return output


def _rows(
    evaluators: Sequence[LocalEvaluator],
    texts: Sequence[tuple[str, str, str]],
    step: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Return what all evaluators give for each answer.

    Those that look at one answer after the other do so part by part: words that one has cut, the next knows.
    """
    rows: list[dict[str, Any]] = [{} for _ in texts]
    parts = _parts(len(texts))
    for alone, group in itertools.groupby(evaluators, _wants_all):
        some = list(group)
        for part in [slice(None)] if alone else parts:
            for evaluator in some:
                _fill(rows[part], texts[part], evaluator)
                step(len(parts) if alone else 1)
    return rows


def _parts(rows: int) -> list[slice]:
    return [slice(start, start + PART) for start in range(0, rows, PART)] or [slice(0)]


def _wants_all(evaluator: LocalEvaluator) -> bool:
    return type(evaluator).evaluate_all is not LocalEvaluator.evaluate_all


def _fill(
    rows: list[dict[str, Any]], texts: Sequence[tuple[str, str, str]], evaluator: LocalEvaluator
) -> None:
    given = evaluator.evaluate_all(*map(list, zip(*texts, strict=True))) if texts else []
    if len(given) != len(rows):
        raise InvalidArgumentError(
            f"{type(evaluator).__name__} gave {len(given)} rows for {len(rows)} answers (行数不符)"
        )
    for row, more in zip(rows, given, strict=True):
        _refuse_twice(row, more, evaluator)
        row.update(more)


def _refuse_twice(row: Mapping[str, Any], more: Mapping[str, Any], evaluator: LocalEvaluator) -> None:
    if twice := row.keys() & more.keys():
        raise InvalidArgumentError(
            f"two evaluators give {min(twice)!r}, {type(evaluator).__name__} being the second: use one, "
            "or report.rescore([...]) for another report (指标重名)"
        )


def _scored(sample: Sample, row: Mapping[str, Any]) -> Sample:
    """Return a sample with what evaluators gave: numbers are scores, texts are notes."""
    scores = {name: _number(value) for name, value in row.items()}
    return replace(
        sample,
        scores={name: score for name, score in scores.items() if score is not None},
        notes={name: _noted(row[name]) for name, score in scores.items() if score is None},
    )


def _unscored(sample: Sample) -> Sample:
    return replace(sample, scores={}, notes={})


def _number(value: object) -> float | None:
    """Return a score; NaN for "n/a", None for what is no number."""
    if value is None or (isinstance(value, str) and value.strip().casefold() in NOT_APPLICABLE):
        return math.nan
    try:
        number = None if isinstance(value, (str, bytes)) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return math.nan if number is not None and math.isinf(number) else number


def _noted(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _summaries(
    evaluators: Sequence[LocalEvaluator], samples: Sequence[Sample]
) -> dict[str, Mapping[str, Any]]:
    """Return what evaluators say of each model that answered anything."""
    speaking = [e for e in evaluators if type(e).summarize is not LocalEvaluator.summarize]
    found: dict[str, Mapping[str, Any]] = {}
    for model, places in _by_model(samples).items() if speaking else ():
        rows = [samples[place] for place in places if not samples[place].error]
        if rows:
            said = [evaluator.summarize(measured(rows)) or {} for evaluator in speaking]
            found[model] = {name: value for part in said for name, value in part.items()}
    return found


def _scales(evaluators: Sequence[LocalEvaluator]) -> dict[str, tuple[float, float]]:
    """Return from how many to how many points judges give."""
    single = [e for e in evaluators if isinstance(e, LocalJudgeEvaluator)]
    panels = [e for e in evaluators if isinstance(e, JudgePanel)]
    most = {e.metric_name: e.prompt_max_score for e in single}
    most |= {e.metric_name: max(judge.prompt_max_score for judge in e.judges) for e in panels}
    return {name: (0.0, float(points)) for name, points in most.items()}
