"""The value of a report: samples with scores, and the tables and comparisons that are computed from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING, Any, Final

from ..._language import tr
from ..._text import Edit, diff_texts, replace_surrogates
from ...errors import InvalidArgumentError
from ..samples import Sample
from ..stats import aggregates
from ..stats.aggregates import Comparison

if TYPE_CHECKING:
    import pandas as pd

SANDBOX: Final = "sandbox"  # the name of the platform on this computer


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, and how a row gives its value."""

    name: str
    value_of: Callable[[Any], Any]


def _columns(names: str) -> tuple[Column, ...]:
    """Return columns that are attributes of a row; `name=path` has another name than the attribute."""
    pairs = [name.split("=") for name in names.split()]
    return tuple(Column(pair[0], attrgetter(pair[-1])) for pair in pairs)


SAMPLE_COLUMNS = _columns("model index prompt reference output latency_s=seconds cost tokens finish_reason error")
SUMMARY_COLUMNS = _columns(
    "model metric n total failed missing coverage mean ci_low=interval.low ci_high=interval.high worst best "
    "method=interval.method"
)
PAIR_COLUMNS = _columns(
    "metric baseline candidate difference=test.difference ci_low=test.interval.low ci_high=test.interval.high "
    "p_value=test.p_value p_holm effect=test.effect wins=test.wins losses=test.losses ties=test.ties n=test.n "
    "detectable=test.detectable needed=test.needed method=test.method verdict"
)
USAGE_COLUMNS = _columns(
    "model total answered failed truncated empty cost_low cost tokens latency_p50 latency_p95 characters"
)


def sample_columns(metrics: Iterable[str], notes: Iterable[str], row_columns: Iterable[str]) -> list[Column]:
    """Return the columns of samples; notes and row columns whose name is used already are left out."""
    columns = {column.name: column for column in SAMPLE_COLUMNS}
    columns |= {name: Column(name, methodcaller("score", name)) for name in metrics}
    for name in notes:
        columns.setdefault(name, Column(name, partial(_note, name)))
    for name in row_columns:
        columns.setdefault(name, Column(name, partial(_row_cell, name)))
    return [*columns.values()]


def build_frame(columns: Sequence[Column], rows: Sequence[Any]) -> pd.DataFrame:
    """Return rows as a DataFrame with these columns."""
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    return pd.DataFrame({column.name: [_to_cell(column.value_of(row)) for row in rows] for column in columns})


def _to_cell(value: Any) -> Any:
    """Return a cell that a DataFrame can hold: it takes no half of a surrogate pair."""
    return replace_surrogates(value) if isinstance(value, str) else value


def _note(name: str, sample: Sample) -> str:
    return sample.notes.get(name, "")


def _row_cell(name: str, sample: Sample) -> Any:
    return sample.row.get(name)


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
        origins: {model: name of the platform that answered, `sandbox` for the local one}, where that is known.
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
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def from_sandbox(self) -> bool:
        """Whether answers of the local sandbox are among those that count."""
        return SANDBOX in self.origins.values()

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per model and question, with the answer, each metric, latency_s, cost and error."""
        note_columns = dict.fromkeys(name for sample in self.records for name in sample.notes)
        row_columns = dict.fromkeys(name for sample in self.records for name in sample.row)
        columns = sample_columns(self.metric_names, note_columns, row_columns)
        return build_frame(columns, self.records)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per model and metric: n scored of total, mean, 95 % interval, worst and best case."""
        return build_frame(SUMMARY_COLUMNS, self.model_scores)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row per pair of models and metric, with interval, p-values, effect and verdict."""
        return build_frame(PAIR_COLUMNS, self.comparisons)

    @cached_property
    def usage(self) -> pd.DataFrame:
        """One row per model: answered, failed and truncated rows, cost in CNY, tokens, seconds."""
        return build_frame(USAGE_COLUMNS, self.model_usage)

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
            aggregates.score_model(model, name, [*self.samples_of(model).values()], self.scales.get(name), self.cluster)
            for model in self.models
            for name in self.metric_names
        )

    @cached_property
    def model_usage(self) -> tuple[aggregates.Usage, ...]:
        """What the answers of each model cost."""
        return tuple(aggregates.summarize_usage(model, [*self.samples_of(model).values()]) for model in self.models)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every pair of models on every metric; p-values are corrected over all of them (Holm)."""
        return aggregates.compare_all(self.metric_names, self._samples_by_model, self.cluster, self.lower_is_better)

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
                tr("{base} and {tuned} are one model: a comparison takes two", base=repr(base), tuned=repr(tuned))
            )
        pairs = [pair for pair in self.comparisons if {pair.baseline, pair.candidate} == {base, tuned}]
        return [pair if pair.baseline == base else pair.swapped() for pair in pairs]

    def samples_of(self, model: str) -> Mapping[int, Sample]:
        """Return a model's samples by the index of the question.

        Raises:
            InvalidArgumentError: the model is not in the report.
        """
        if model not in self._samples_by_model:
            raise InvalidArgumentError(
                tr("model={model}: the report has {names}", model=repr(model), names=tr(", ").join(self.models))
            )
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
        name, changes = self.resolve_metric(metric), []
        after_samples = self.samples_of(tuned or self.models[-1])
        for index, before in self.samples_of(base or self.models[0]).items():
            if (after := after_samples.get(index)) is None:
                continue
            a, b = before.score(name), after.score(name)
            gain = a - b if name in self.lower_is_better else b - a
            if gain != 0 and not math.isnan(gain):
                texts = before.prompt, before.reference, before.output, after.output
                changes.append(Change(index, *texts, a, b, gain))
        return tuple(sorted(changes, key=lambda change: (change.gain, change.index)))

    def worse(self, metric: str | None = None, *, base: str | None = None, tuned: str | None = None) -> list[int]:
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
            names = tr(", ").join(self.metric_names) or tr("none")
            raise InvalidArgumentError(tr("metric={metric}: the report has {names}", metric=repr(name), names=names))
        return name or self.metric_names[0]

    @cached_property
    def _samples_by_model(self) -> dict[str, dict[int, Sample]]:
        samples: dict[str, dict[int, Sample]] = {model: {} for model in self.models}
        for sample in self.records:
            samples[sample.model][sample.index] = sample
        return samples
