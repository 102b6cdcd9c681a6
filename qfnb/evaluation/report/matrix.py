"""Prompts times models: every cell with its interval, the effect of each factor, the best cell and
its rivals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from ...base.language import tr, trn
from ...errors import InvalidArgumentError
from ..samples import Sample, mean_sample
from ..stats import aggregates
from ..stats.aggregates import Comparison, Score
from ..stats.selection import mean_of_chosen
from . import files, sources, text
from .data import ReportData

if TYPE_CHECKING:
    import pandas as pd

Report = TypeVar("Report", bound=ReportData)


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


@dataclass(frozen=True)
class Matrix(Generic[Report]):
    """Prompts times models on one metric.

    Attributes:
        prompts: {name: template}, the baseline first.
        models: labels, the baseline first.
        cells: {(prompt, model): score}.
        prompt_effect, model_effect: None where there is only one prompt, or one model.
        best: None where no cell has a score.
        report: the report that the matrix is of; its `models` are the cells.
    """

    metric: str
    prompts: Mapping[str, str]
    models: tuple[str, ...]
    cells: Mapping[tuple[str, str], Score]
    prompt_effect: Effect | None
    model_effect: Effect | None
    best: BestCell | None
    report: Report = field(repr=False, compare=False)

    @property
    def means(self) -> pd.DataFrame:
        """The means: a row for each prompt, a column for each model."""
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

        columns = {
            model: [self.cells[prompt, model].mean for prompt in self.prompts]
            for model in self.models
        }
        return pd.DataFrame(columns, index=[*self.prompts])

    def lines(self) -> list[str]:
        """Return the conclusions of the matrix as lines of text."""
        effects = [
            effect for effect in (self.prompt_effect, self.model_effect) if effect and self.best
        ]
        lines = [
            best_sentence(self),
            rivals_sentence(self),
            *(line for effect in effects for line in effect_sentences(effect)),
            *map(text.coverage_sentence, self.cells.values()),
            *text.repeat_sentences(self.report, self.metric),
        ]
        return [line for line in lines if line]

    def save(self, path: str | Path, *, pictures: Iterable[files.HasPicture] = ()) -> Path:
        """Write the matrix and its report to a .html, .md, .csv, .xlsx or .json file; return its
        path.
        """
        return files.save_report(self.report, Path(path).expanduser(), pictures, self.lines())

    def __repr__(self) -> str:
        table = self.means.to_string(float_format="%.3f", na_rep=text.NO_VALUE)
        return "\n".join(sources.with_sources(self.report, [table, *self.lines()]))


def build_matrix(report: Report, metric: str | None = None) -> Matrix[Report]:
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
    prompts, models = (
        tuple(dict.fromkeys(cell[part] for cell in report.cells.values())) for part in (0, 1)
    )
    return Matrix(
        metric=name,
        prompts={prompt: report.prompts.get(prompt, "") for prompt in prompts},
        models=models,
        cells={(prompt, model): scores[label] for label, (prompt, model) in report.cells.items()},
        prompt_effect=_effect(report, name, 0, prompts),
        model_effect=_effect(report, name, 1, models),
        best=_best_cell(report, name, scores),
        report=report,
    )


def _effect(report: ReportData, metric: str, part: int, levels: Sequence[str]) -> Effect | None:
    """Return the effect of the prompts (part 0) or of the models (part 1)."""
    if len(levels) < 2:
        return None
    samples: dict[str, dict[int, Sample]] = {}
    for level in levels:
        cells = [
            report.samples_of(label) for label, cell in report.cells.items() if cell[part] == level
        ]
        groups = {index: [cell[index] for cell in cells if index in cell] for index in cells[0]}
        samples[level] = {
            index: mean_sample(group, needs_all=True)
            for index, group in groups.items()
            if len(group) == len(cells)
        }
    scale = report.scales.get(metric)
    return Effect(
        levels=tuple(
            aggregates.score_model(level, metric, [*samples[level].values()], scale, report.cluster)
            for level in levels
        ),
        comparisons=aggregates.compare_all(
            [metric], samples, report.cluster, report.lower_is_better, report.scales
        ),
    )


def _best_cell(report: ReportData, metric: str, scores: Mapping[str, Score]) -> BestCell | None:
    scored = [score for score in scores.values() if score.n]
    if len(scored) < min(2, len(scores)):
        return None
    is_lower = metric in report.lower_is_better
    best = (min if is_lower else max)(scored, key=lambda score: score.mean)
    pairs = [
        pair for pair in report.comparisons if pair.metric == metric and not pair.is_significant
    ]
    equals = {
        pair.candidate if pair.baseline == best.model else pair.baseline
        for pair in pairs
        if best.model in {pair.baseline, pair.candidate}
    }
    rivals = [score.model for score in scored if score.model in equals]
    prompt, model = report.cells[best.model]
    expected = _expected_mean(report, metric, [score.model for score in scored])
    expected = (max if is_lower else min)(expected, best.mean)  # a NaN stays one: it is first
    return BestCell(best.model, prompt, model, best, expected, tuple(rivals))


def _expected_mean(report: ReportData, metric: str, labels: Sequence[str]) -> float:
    """Return the mean of the best cell on new questions, from those that all cells have a score
    of.
    """
    first, *others = (report.samples_of(label) for label in labels)
    rows = []
    shared = []
    for index, sample in first.items():
        row = [
            sample.score(metric),
            *(cell[index].score(metric) if index in cell else math.nan for cell in others),
        ]
        if not any(map(math.isnan, row)):
            rows.append(row)
            shared.append(sample)
    clusters = aggregates.cluster_labels(shared, report.cluster)
    return mean_of_chosen(rows, clusters, lower_is_better=metric in report.lower_is_better)


def best_sentence(matrix: Matrix[Report]) -> str:
    """Return the best cell with its mean, and with that on new questions."""
    best = matrix.best
    scored = _scored_cells(matrix)
    if best is None and not scored:
        return tr("No answer has a score.")
    if best is None:
        return tr(
            "Only {cell} has scores: there is nothing to compare it with.", cell=next(iter(scored))
        )
    if len(scored) > 1 and len({score.mean for score in scored.values()}) == 1:
        mean = text.format_score(best.score.mean)
        metric = text.metric_title(matrix.metric)
        return tr(
            "All {n} cells have the same mean: {metric} {mean}.",
            n=len(scored),
            metric=metric,
            mean=mean,
        )
    sentence = tr(
        "{cell} has the best mean: {metric} {mean} (95% interval {interval}).",
        cell=cell_title(matrix, best),
        metric=text.metric_title(matrix.metric),
        mean=text.format_score(best.score.mean),
        interval=text.format_interval(best.score.interval.low, best.score.interval.high),
    )
    if math.isnan(best.expected) or len(scored) < 2:
        return sentence
    if text.format_score(best.expected) == text.format_score(best.score.mean):
        return tr(
            "{first} {second}", first=sentence, second=tr("On new questions expect about the same.")
        )
    note = tr(
        "On new questions expect {expected}: the best of {n} looks better than it is.",
        expected=text.format_score(best.expected),
        n=len(scored),
    )
    return tr("{first} {second}", first=sentence, second=note)


def _scored_cells(matrix: Matrix[Report]) -> dict[str, Score]:
    """Return the cells in which an answer has a score, by label."""
    return {score.model: score for score in matrix.cells.values() if score.n}


def cell_title(matrix: Matrix[Report], best: BestCell) -> str:
    """Return a cell in words: prompt and model, or the one of them that there are several of."""
    if len(matrix.prompts) > 1 and len(matrix.models) > 1:
        return tr("Prompt {prompt} with {model}", prompt=best.prompt, model=best.model)
    if len(matrix.prompts) > 1:
        return tr("Prompt {prompt}", prompt=best.prompt)
    return best.model


def rivals_sentence(matrix: Matrix[Report]) -> str:
    """Return which cells the best one is not shown to be better than; "" for a matrix of one
    cell.
    """
    best = matrix.best
    means = [score.mean for score in _scored_cells(matrix).values()]
    n = len(means)
    if best is None or n < 2 or len({*means}) == 1:
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
    names = tr(", ").join(score.model for score in effect.levels)
    return shown or [tr("No difference is shown on average between {names}.", names=names)]
