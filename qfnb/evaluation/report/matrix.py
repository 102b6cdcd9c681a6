"""Prompts times models: every cell with its interval, the effect of each factor, the best cell and
its rivals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...base.language import tr, trn
from ...errors import InvalidArgumentError
from ..samples import Sample, mean_sample
from ..stats import aggregates
from ..stats.aggregates import Comparison, Score
from ..stats.variation import mean_of_chosen
from . import sources, text
from .data import ReportData
from .files import Findings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Effect:
    """A factor: each of its levels averaged over the other factor, on the questions that all its
    cells have a score of.

    Attributes:
        levels: the mean of each prompt, or of each model.
        comparisons: every pair of levels, corrected over all of them (Holm).
    """

    levels: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class BestCell:
    """The cell with the best mean.

    Attributes:
        label: what the report calls it.
        expected: its mean on new questions: the best of many looks better than it is. NaN where
            questions are too few.
        rivals: labels of the cells that it is not shown to be better than, corrected over all pairs
            of cells (Holm).
    """

    label: str
    prompt: str
    model: str
    score: Score
    expected: float
    rivals: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Matrix(Findings):
    """Prompts times models on one metric.

    Attributes:
        prompts: {name: template}, the baseline first.
        models: labels, the baseline first.
        cells: {(prompt, model): score}.
        prompt_effect, model_effect: None where there is only one prompt, or one model.
        best: None where no cell has a score.
        report: the `EvaluationResult` that the matrix is of; its `models` are the cells.
    """

    metric: str
    prompts: Mapping[str, str]
    models: tuple[str, ...]
    cells: Mapping[tuple[str, str], Score]
    prompt_effect: Effect | None
    model_effect: Effect | None
    best: BestCell | None
    report: Any = field(repr=False, compare=False)

    @property
    def means(self) -> pd.DataFrame:
        """The means: a row for each prompt, a column for each model."""
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

        means = pd.DataFrame(index=[*self.prompts], columns=[*self.models], dtype=float)
        for (prompt, model), score in self.cells.items():
            means.loc[prompt, model] = score.mean
        return means

    def lines(self) -> list[str]:
        """Return the conclusions of the matrix as lines of text."""
        lines = [best_sentence(self), rivals_sentence(self)]
        for effect in (self.prompt_effect, self.model_effect):
            if effect and self.best:
                lines += effect_sentences(effect)
        lines += map(text.coverage_sentence, self.cells.values())
        lines += text.repeat_sentences(self.report, self.metric)
        return [*filter(None, lines)]

    def __repr__(self) -> str:
        table = self.means.to_string(float_format="%.3f", na_rep=text.NO_VALUE)
        return "\n".join(sources.with_sources(self.report, [table, *self.lines()]))


def build_matrix(report: ReportData, metric: str | None = None) -> Matrix:
    """Return the matrix of a report.

    Raises:
        InvalidArgumentError: the report has no prompts, or not this metric.
    """
    if not report.cells:
        raise InvalidArgumentError(
            tr(
                "the report has no prompts: compare(prompts=[...], models=[...]) or %qfeval "
                "--prompts asks by several"
            )
        )
    name = report.resolve_metric(metric)
    scores = {score.model: score for score in report.model_scores if score.metric == name}
    prompts: dict[str, str] = {}
    models: dict[str, None] = {}
    cells = {}
    for label, (prompt, model) in report.cells.items():
        prompts[prompt] = report.prompts.get(prompt, "")
        models[model] = None
        cells[prompt, model] = scores[label]
    return Matrix(
        metric=name,
        prompts=prompts,
        models=tuple(models),
        cells=cells,
        prompt_effect=_effect(report, name, 0, [*prompts]),
        model_effect=_effect(report, name, 1, [*models]),
        best=_best_cell(report, name, scores),
        report=report,
    )


def _effect(report: ReportData, metric: str, factor: int, levels: Sequence[str]) -> Effect | None:
    """Return the effect of the prompts (factor 0) or of the models (factor 1)."""
    if len(levels) < 2:
        return None
    scale = report.scales.get(metric)
    samples: dict[str, dict[int, Sample]] = {}
    scores = []
    for level in levels:
        groups: dict[int, list[Sample]] = {}
        n_cells = 0
        for label, cell in report.cells.items():
            if cell[factor] == level:
                n_cells += 1
                for index, sample in report.samples_of(label).items():
                    groups.setdefault(index, []).append(sample)
        samples[level] = {}
        for index, group in groups.items():
            if len(group) == n_cells:
                samples[level][index] = mean_sample(group, needs_all=True)
        rows = [*samples[level].values()]
        scores.append(aggregates.score_model(level, metric, rows, scale, report.cluster))
    pairs = aggregates.compare_all(
        [metric], samples, report.cluster, report.lower_is_better, report.scales
    )
    return Effect(tuple(scores), pairs)


def _best_cell(report: ReportData, metric: str, scores: Mapping[str, Score]) -> BestCell | None:
    scored = [score for score in scores.values() if score.n]
    if len(scored) < min(2, len(scores)):
        return None
    is_lower = metric in report.lower_is_better
    best = (min if is_lower else max)(scored, key=lambda score: score.mean)
    labels = [score.model for score in scored]
    expected = _expected_mean(report, metric, labels)
    expected = (max if is_lower else min)(expected, best.mean)  # a NaN stays one: it is first
    equals: set[str] = set()
    for pair in report.comparisons:
        models = {pair.baseline, pair.candidate}
        if pair.metric == metric and not pair.is_significant and best.model in models:
            equals |= models - {best.model}
    rivals = [label for label in labels if label in equals]
    prompt, model = report.cells[best.model]
    return BestCell(best.model, prompt, model, best, expected, tuple(rivals))


def _expected_mean(report: ReportData, metric: str, labels: Sequence[str]) -> float:
    """Return the mean of the best cell on new questions, from those that all cells have a score
    of.
    """
    cells = [report.samples_of(label) for label in labels]
    rows = []
    shared = []
    for index, sample in cells[0].items():
        row = [cell[index].score(metric) if index in cell else math.nan for cell in cells]
        if not any(map(math.isnan, row)):
            rows.append(row)
            shared.append(sample)
    clusters = aggregates.cluster_labels(shared, report.cluster)
    return mean_of_chosen(rows, clusters, lower_is_better=metric in report.lower_is_better)


def best_sentence(matrix: Matrix) -> str:
    """Return the best cell with its mean, and with that on new questions."""
    best = matrix.best
    means = _means(matrix)
    if best is None and not means:
        return tr("No answer has a score.")
    if best is None:
        return tr(
            "Only {cell} has scores: there is nothing to compare it with.", cell=next(iter(means))
        )
    metric = text.metric_title(matrix.metric)
    mean = text.format_score(best.score.mean)
    n = len(means)
    if n > 1 and len({*means.values()}) == 1:
        return tr(
            "All {n} cells have the same mean: {metric} {mean}.", n=n, metric=metric, mean=mean
        )
    cell = best.model
    if len(matrix.prompts) > 1 and len(matrix.models) > 1:
        cell = tr("Prompt {prompt} with {model}", prompt=best.prompt, model=best.model)
    elif len(matrix.prompts) > 1:
        cell = tr("Prompt {prompt}", prompt=best.prompt)
    sentence = tr(
        "{cell} has the best mean: {metric} {mean} (95% interval {interval}).",
        cell=cell,
        metric=metric,
        mean=mean,
        interval=text.format_interval(best.score.interval.low, best.score.interval.high),
    )
    if math.isnan(best.expected) or n < 2:
        return sentence
    expected = text.format_score(best.expected)
    if expected == mean:
        note = tr("On new questions expect about the same.")
    else:
        note = tr(
            "On new questions expect {expected}: the best of {n} looks better than it is.",
            expected=expected,
            n=n,
        )
    return tr("{first} {second}", first=sentence, second=note)


def _means(matrix: Matrix) -> dict[str, float]:
    """Return the means of the cells in which an answer has a score, by label."""
    return {score.model: score.mean for score in matrix.cells.values() if score.n}


def rivals_sentence(matrix: Matrix) -> str:
    """Return which cells the best one is not shown to be better than; "" for a matrix of one
    cell.
    """
    best = matrix.best
    means = _means(matrix)
    n = len(means)
    if best is None or n < 2 or len({*means.values()}) == 1:
        return ""
    pairs = n * (n - 1) // 2
    if not best.rivals:
        return trn(
            "It is better than the other cell.",
            "It is better than every other cell, corrected for {n} pairs of cells (Holm).",
            pairs,
        )
    if pairs == 1:
        return tr("It is not shown to be better than {names}.", names=best.rivals[0])
    return tr(
        "It is not shown to be better than {n} of the others, corrected for {pairs} pairs of "
        "cells (Holm): {names}.",
        n=len(best.rivals),
        pairs=pairs,
        names=tr(", ").join(best.rivals),
    )


def effect_sentences(effect: Effect) -> list[str]:
    """Return the comparisons of a factor that show a difference; one sentence where none does."""
    shown = [text.comparison_sentence(pair) for pair in effect.comparisons if pair.is_significant]
    if shown:
        return shown
    names = tr(", ").join(score.model for score in effect.levels)
    return [tr("No difference is shown on average between {names}.", names=names)]
