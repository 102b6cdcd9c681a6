"""The value of a report: samples with scores, and the tables and comparisons that are computed from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..._text import Edit, diff_texts
from ...errors import InvalidArgumentError
from ..samples import Sample
from ..stats import aggregates
from ..stats.aggregates import Comparison
from . import tables

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Change:
    """A question that two models answered with different scores.

    Attributes:
        index: of the question in the dataset.
        gain: by how much the second answer is better, below 0 when it is worse.
    """

    index: int
    prompt: str
    reference: str
    before: str
    after: str
    score_before: float
    score_after: float
    gain: float

    @property
    def edits(self) -> list[Edit]:
        """The equal, deleted and inserted parts from `before` to `after`, character by character."""
        return diff_texts(self.before, self.after)


def score_changes(
    before_samples: Mapping[int, Sample],
    after_samples: Mapping[int, Sample],
    metric: str,
    *,
    lower_is_better: bool = False,
) -> tuple[Change, ...]:
    """Return the questions on which two models score differently, the worst regression first.

    Args:
        before_samples: a model's samples by the index of the question.
        after_samples: those of the other model.
        metric: the metric that is compared.
        lower_is_better: lower scores of it are the better ones.
    """
    changes = [
        _build_change(before, after_samples[index], metric, lower_is_better=lower_is_better)
        for index, before in before_samples.items()
        if index in after_samples
    ]
    return tuple(
        sorted(
            (change for change in changes if change.gain != 0 and not math.isnan(change.gain)),
            key=lambda change: (change.gain, change.index),
        )
    )


def _build_change(before: Sample, after: Sample, metric: str, *, lower_is_better: bool) -> Change:
    a, b = before.score(metric), after.score(metric)
    gain = a - b if lower_is_better else b - a
    return Change(before.index, before.prompt, before.reference, before.output, after.output, a, b, gain)


@dataclass(frozen=True, repr=False)
class ReportData:
    """Which model answered how well, on the same questions.

    A question that failed has no score; tables count such questions.

    Attributes:
        records: every question of every model.
        models: labels, the baseline first.
        metric_names: in the evaluators' order.
        platform: the platform's own numbers, {model: {name: number}}, when it did the evaluation.
        cluster: the column whose rows belong together, "" when all rows are independent.
        scales: {metric: (lowest, highest possible score)}, where that is not 0-1.
        lower_is_better: metrics of which lower scores are the better ones.
        recipes: {metric: how it is counted}.
        summaries: {model: {name: value}}, what evaluators report on a model as a whole.
        notes: lines on the origin of the answers.
    """

    records: tuple[Sample, ...]
    models: tuple[str, ...]
    metric_names: tuple[str, ...]
    platform: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cluster: str = ""
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    lower_is_better: frozenset[str] = frozenset()
    recipes: Mapping[str, str] = field(default_factory=dict)
    summaries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per model and question, with the answer, each metric, latency_s, cost and error."""
        note_columns = dict.fromkeys(name for sample in self.records for name in sample.notes)
        row_columns = dict.fromkeys(name for sample in self.records for name in sample.row)
        columns = tables.sample_columns(self.metric_names, note_columns, row_columns)
        return tables.build_frame(columns, self.records)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per model and metric: n scored of total, mean, 95 % interval, worst and best case."""
        return tables.build_frame(tables.SUMMARY_COLUMNS, self.model_scores)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row per pair of models and metric, with interval, p-values, effect and verdict."""
        return tables.build_frame(tables.PAIR_COLUMNS, self.comparisons)

    @cached_property
    def usage(self) -> pd.DataFrame:
        """One row per model: answered, failed and truncated rows, cost in CNY, tokens, seconds."""
        return tables.build_frame(tables.USAGE_COLUMNS, self.model_usage)

    @property
    def samples_df(self) -> pd.DataFrame:
        """`samples` under its older name."""
        return self.samples

    @property
    def summary_df(self) -> pd.DataFrame:
        """`summary` under its older name."""
        return self.summary

    @property
    def pairs_df(self) -> pd.DataFrame:
        """`pairs` under its older name."""
        return self.pairs

    @cached_property
    def model_scores(self) -> tuple[aggregates.Score, ...]:
        """Every model on every metric."""
        return tuple(
            aggregates.score_model(
                model, name, [*self.samples_of(model).values()], self.scales.get(name), self.cluster
            )
            for model in self.models
            for name in self.metric_names
        )

    @cached_property
    def model_usage(self) -> tuple[aggregates.Usage, ...]:
        """What the answers of each model cost."""
        return tuple(
            aggregates.summarize_usage(model, [*self.samples_of(model).values()]) for model in self.models
        )

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every pair of models on every metric; p-values are corrected over all of them (Holm)."""
        return aggregates.compare_all(
            self.metric_names, self._samples_by_model, self.cluster, self.lower_is_better
        )

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """{model: {metric: mean}}, as in the official SDK; only the platform's own numbers where it has any."""
        if self.platform:
            return {model: dict(metrics) for model, metrics in self.platform.items()}
        metrics_by_model = {model: dict[str, Any](self.summaries.get(model, {})) for model in self.models}
        for score in self.model_scores:
            metrics_by_model[score.model][score.metric] = score.mean
        return metrics_by_model

    def versus(self, base: str, tuned: str) -> list[Comparison]:
        """Return the comparisons of two models, `base` first, one for each metric.

        Raises:
            InvalidArgumentError: a model is not in the report, or both are the same.
        """
        if base == tuned or self.samples_of(base) is self.samples_of(tuned):
            raise InvalidArgumentError(
                f"{base!r} and {tuned!r} are one model: a comparison takes two (需两个模型)"
            )
        pairs = [pair for pair in self.comparisons if {pair.baseline, pair.candidate} == {base, tuned}]
        return [pair if pair.baseline == base else pair.swapped() for pair in pairs]

    def samples_of(self, model: str) -> Mapping[int, Sample]:
        """Return a model's samples by the index of the question.

        Raises:
            InvalidArgumentError: the model is not in the report.
        """
        if model not in self._samples_by_model:
            raise InvalidArgumentError(f"model={model!r}: the report has {', '.join(self.models)}")
        return self._samples_by_model[model]

    def scores(self, model: str, metric: str) -> list[float]:
        """Return a model's scores on a metric, without the questions that have none."""
        scores = (sample.score(metric) for sample in self.samples_of(model).values())
        return [score for score in scores if not math.isnan(score)]

    def changes(
        self, metric: str | None = None, *, base: str | None = None, tuned: str | None = None
    ) -> tuple[Change, ...]:
        """Return the questions on which two models score differently, the worst regression first.

        Args:
            metric: the metric that is compared, default the first.
            base: a model, default the first.
            tuned: a model, default the last.
        """
        base_samples = self.samples_of(base or self.models[0])
        tuned_samples = self.samples_of(tuned or self.models[-1])
        name = self.resolve_metric(metric)
        return score_changes(base_samples, tuned_samples, name, lower_is_better=name in self.lower_is_better)

    def worse(
        self, metric: str | None = None, *, base: str | None = None, tuned: str | None = None
    ) -> list[int]:
        """Return the indexes of the questions on which `tuned` is worse than `base`, the worst first.

        Args:
            metric: the metric that is compared, default the first.
            base: a model, default the first.
            tuned: a model, default the last.
        """
        return [change.index for change in self.changes(metric, base=base, tuned=tuned) if change.gain < 0]

    def resolve_metric(self, name: str | None = None) -> str:
        """Return the name of a metric, by default the first one's.

        Raises:
            InvalidArgumentError: the metric is not in the report.
        """
        if not self.metric_names or (name is not None and name not in self.metric_names):
            known = ", ".join(self.metric_names) or "none"
            raise InvalidArgumentError(f"metric={name!r}: the report has {known}")
        return name or self.metric_names[0]

    @cached_property
    def _samples_by_model(self) -> dict[str, dict[int, Sample]]:
        samples: dict[str, dict[int, Sample]] = {model: {} for model in self.models}
        for sample in self.records:
            samples[sample.model][sample.index] = sample
        return samples
