"""The report of an evaluation: rows as they were measured, and the tables that are computed from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ...dataset import Dataset
from ...errors import InvalidArgumentError
from .. import scoring_run
from ..evaluator import LocalEvaluator
from ..sample import Sample as Sample
from ..stats import aggregates
from ..stats.aggregates import Comparison as Comparison
from . import changes, files, json, platform_diff, tables, training_data
from .card import Card, build_card

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class EvaluationResult:
    """Which model answered how well, on the same questions; `Report` is another name for it.

    A question that failed has no score; tables say how many there are.

    Attributes:
        records: every question of every model.
        models: labels, the baseline first.
        metric_names: metric names, in the evaluators' order.
        platform: the platform's own numbers by model, when it did the evaluation.
        cluster: the column whose rows belong together, "" when all stand for themselves.
        scales: lowest and highest score of a metric, where it is not 0-1.
        lower_is_better: metrics of which less is better.
        recipes: what each metric is, in words.
        summaries: what evaluators say of a model as a whole.
        notes: lines on where the answers are from.
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
        return tables.build_frame(
            tables.sample_columns(self.metric_names, [*note_columns], [*row_columns]), self.records
        )

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
        """What asking each model took."""
        return tuple(
            aggregates.summarize_usage(model, [*self.samples_of(model).values()]) for model in self.models
        )

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every pair of models on every metric; p-values are corrected over all of them (Holm)."""
        return aggregates.compare_all(
            self.metric_names, self._samples_by_model, self.cluster, self.lower_is_better
        )

    def versus(self, base: str, tuned: str) -> list[Comparison]:
        """Return the comparisons of two models, `base` first, a metric each.

        Raises:
            InvalidArgumentError: there are no such two models.
        """
        if base == tuned or self.samples_of(base) is self.samples_of(tuned):
            raise InvalidArgumentError(
                f"{base!r} and {tuned!r} are one model: a comparison takes two (需两个模型)"
            )
        pairs = [pair for pair in self.comparisons if {pair.baseline, pair.candidate} == {base, tuned}]
        return [pair if pair.baseline == base else pair.swapped() for pair in pairs]

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """{model: {metric: mean}}, as the official SDK gives it; the platform's own numbers come first."""
        if self.platform:
            return {model: dict(metrics) for model, metrics in self.platform.items()}
        metrics_by_model = {model: dict[str, Any](self.summaries.get(model, {})) for model in self.models}
        for score in self.model_scores:
            metrics_by_model[score.model][score.metric] = score.mean
        return metrics_by_model

    @property
    def result_dataset(self) -> Dataset:
        """The answered rows as the official SDK names them: llm_tag, input_prompt, llm_output, metrics."""
        return training_data.build_result_dataset(self.records)

    def samples_of(self, model: str) -> Mapping[int, Sample]:
        """Return a model's samples by the question's place.

        Raises:
            InvalidArgumentError: there is no such model.
        """
        if model not in self._samples_by_model:
            raise InvalidArgumentError(f"model={model!r}: the report has {', '.join(self.models)}")
        return self._samples_by_model[model]

    def scores(self, model: str, name: str) -> list[float]:
        """Return a model's scores on the questions that have one."""
        scores = (sample.score(name) for sample in self.samples_of(model).values())
        return [value for value in scores if not math.isnan(value)]

    def changes(
        self, metric: str | None = None, *, base: str | None = None, tuned: str | None = None
    ) -> tuple[changes.Change, ...]:
        """Return the questions on which two models score differently, the worst regression first.

        Args:
            metric: by which, default the first.
            base: a model, default the first.
            tuned: a model, default the last.
        """
        base_samples, tuned_samples = (
            self.samples_of(base or self.models[0]),
            self.samples_of(tuned or self.models[-1]),
        )
        name = self.resolve_metric(metric)
        return changes.score_changes(
            base_samples, tuned_samples, name, lower_is_better=name in self.lower_is_better
        )

    def worse(
        self, metric: str | None = None, *, base: str | None = None, tuned: str | None = None
    ) -> list[int]:
        """Return the places of the questions on which `tuned` scores lower than `base`, the worst first."""
        return [change.index for change in self.changes(metric, base=base, tuned=tuned) if change.gain < 0]

    def card(self, base: str | None = None, tuned: str | None = None, metric: str | None = None) -> Card:
        """Return whether `tuned` is better than `base`, by default the last model and the first.

        Raises:
            InvalidArgumentError: there is only one model, or none of that name.
        """
        return build_card(self, base, tuned, metric)

    def to_dpo(
        self, rows: Iterable[int] | None = None, *, rejected: str | None = None, chosen: str = "reference"
    ) -> Dataset:
        """Return rows as preferences: what should have been said, and what was.

        Args:
            rows: places of questions, e.g. `report.worse()`; default all that were answered.
            rejected: the model whose answers are not wanted, default the last.
            chosen: `reference`, or the model whose answers are wanted.

        Raises:
            InvalidArgumentError: no row has two different texts.
        """
        return training_data.build_preferences(self, rows, rejected or self.models[-1], chosen)

    def to_sft(self, rows: Iterable[int] | None = None, *, response: str = "reference") -> Dataset:
        """Return rows as pairs of prompt and response, to be trained on; they are no test from then on.

        Args:
            rows: places of questions, default all.
            response: `reference`, or the model whose answers are taught.

        Raises:
            InvalidArgumentError: no row has a response.
        """
        return training_data.build_examples(self, rows, response)

    def rescore(
        self,
        evaluators: Sequence[LocalEvaluator],
        pre_processors: Sequence[scoring_run.PreProcessor] = (),
    ) -> Self:
        """Return a report on the same answers by other evaluators; no model is asked."""
        scored = scoring_run.score_samples(self.records, evaluators, pre_processors)
        return replace(self, platform={}, **scored.report_fields)

    def with_clusters(self, column: str) -> Self:
        """Return the report with intervals and tests that know which rows belong together.

        Raises:
            InvalidArgumentError: no row has such a column.
        """
        if all(sample.cell(column) is None for sample in self.records):
            raise InvalidArgumentError(f"cluster={column!r}: no row has such a column (没有此列)")
        return replace(self, cluster=column)

    def reconcile(self, platform: EvaluationResult, names: Mapping[str, str] | None = None) -> pd.DataFrame:
        """Return the platform's scores beside ours: a row for each answer and metric, with the difference.

        Args:
            platform: its report on the same answers, from `EvaluationManager.fetch` or `eval`.
            metric_names: its name of a metric, and ours, where they differ.
        """
        return tables.build_frame(
            platform_diff.COLUMNS, platform_diff.compare_scores(self, platform, names or {})
        )

    def to_json(self) -> str:
        """Return everything as JSON, without secrets: samples, tables, and where they are from."""
        return json.to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the report that `to_json` wrote.

        Raises:
            InvalidArgumentError: the text is something else.
        """
        return cls(**json.from_json(text))

    def save(self, path: str | Path, *, pictures: Sequence[files.Picture] = ()) -> Path:
        """Write the report to a .html, .md, .csv, .xlsx or .json file; return its path.

        HTML is one file that needs no network; CSV has the samples; JSON is what `load` reads.

        Args:
            path: where to.
            pictures: charts for the HTML file.

        Raises:
            InvalidArgumentError: the name ends otherwise, or it cannot be written there.
        """
        return files.save_report(self, Path(path).expanduser(), pictures)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the report that `save` wrote as JSON.

        Raises:
            InvalidArgumentError: it cannot be read, or is something else.
        """
        return cls.from_json(json.read_report_text(Path(path).expanduser()))

    def conclusion(self) -> str:
        """Return what the evaluation shows, a sentence per comparison on the first metric."""
        return "\n".join(
            files.comparison_sentence(pair)
            for pair in self.comparisons
            if pair.metric == self.metric_names[0]
        )

    def __repr__(self) -> str:
        return f"{self.summary.to_string(index=False, float_format='%.3f')}\n{self.conclusion()}".rstrip()

    @cached_property
    def _samples_by_model(self) -> dict[str, dict[int, Sample]]:
        samples: dict[str, dict[int, Sample]] = {model: {} for model in self.models}
        for sample in self.records:
            samples[sample.model][sample.index] = sample
        return samples

    def resolve_metric(self, name: str | None = None) -> str:
        """Return the name of a metric, by default the first one's.

        Raises:
            InvalidArgumentError: the report has none of that name.
        """
        if not self.metric_names or (name is not None and name not in self.metric_names):
            raise InvalidArgumentError(
                f"metric={name!r}: the report has {', '.join(self.metric_names) or 'none'}"
            )
        return name or self.metric_names[0]


Report = EvaluationResult
