"""The value of a report: samples with scores, and the tables and comparisons that are computed from
them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from ...base.language import tr
from ...base.text import Edit, diff_texts, replace_surrogates
from ...errors import InvalidArgumentError
from ..evaluator import PairVerdict
from ..samples import Sample, mean_sample
from ..stats import aggregates
from ..stats.aggregates import Average, Comparison
from ..stats.variation import RepeatScore, score_repeats

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, Callable[[Any], Any]]
"""The columns of a table: their names, and how a row gives its value."""


def _columns(names: str) -> Columns:
    """Return columns that are attributes of a row; `name=path` has another name than the
    attribute.
    """
    columns = {}
    for word in names.split():
        name, _, path = word.partition("=")
        columns[name] = attrgetter(path or name)
    return columns


SAMPLE_COLUMNS = _columns(
    "model index prompt reference output latency_s=seconds cost tokens finish_reason error"
)
SUMMARY_COLUMNS = _columns(
    "model metric n total failed missing coverage mean ci_low=interval.low ci_high=interval.high "
    "worst best method=interval.method"
)
PAIR_COLUMNS = _columns(
    "metric baseline candidate difference=test.difference ci_low=test.interval.low "
    "ci_high=test.interval.high p_value=test.p_value p_holm effect=test.effect wins=test.wins "
    "losses=test.losses ties=test.ties n=test.n detectable=test.detectable needed=test.needed "
    "method=test.method verdict ci_level=test.interval.level comparisons=n_comparisons"
)
USAGE_COLUMNS = _columns(
    "model total answered failed truncated empty cost_low cost tokens latency_p50 latency_p95 "
    "characters"
)
AVERAGE_COLUMNS = _columns(
    "model metric column value units questions mean ci_low=interval.low ci_high=interval.high "
    "method=interval.method"
)
REPEAT_COLUMNS = _columns(
    "model metric questions answers within between reliability chance_share same_score same_answer"
)

SANDBOX: Final = "sandbox"  # the name of the platform on this computer


class AnswerOrigins:
    """Models with the platforms that answered for them."""

    models: tuple[str, ...]
    origins: Mapping[str, str]

    @property
    def from_sandbox(self) -> bool:
        """Whether answers of the local sandbox are among those that count."""
        return bool(self.sandbox_models)

    @property
    def sandbox_models(self) -> tuple[str, ...]:
        """The models whose answers are of the local sandbox."""
        return tuple(model for model in self.models if self.origins.get(model) == SANDBOX)


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
        """The equal, deleted and inserted parts from `before` to `after`, character by
        character.
        """
        return diff_texts(self.before, self.after)


@dataclass(frozen=True, repr=False)
class ReportData(AnswerOrigins):
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
        origins: {model: name of the platform that answered, `sandbox` for the local one}, where
            that is known.
        cells: {label: (prompt, model)}, where prompts were compared: what the report calls a model
            is such a cell.
        prompts: {name: template} of these prompts.
        ks: those of pass@k, where questions were answered several times.
        judges: {metric: name of the model that judges}, of metrics that a model gives.
        verdicts: of judges that compare two answers.
        dataset: the name of the data, "" where it has none.
        counting: {metric: its recipe in English}, by which reports in different languages are told
            apart.
        benchmark: of which benchmark the questions are, and over which columns it averages,
            `Benchmark.report_fields`.
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
    cells: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    ks: tuple[int, ...] = ()
    judges: Mapping[str, str] = field(default_factory=dict)
    verdicts: tuple[PairVerdict, ...] = ()
    dataset: str = ""
    counting: Mapping[str, str] = field(default_factory=dict)
    benchmark: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per model and question, with the answer, each metric, latency_s, cost and
        error.
        """
        cells = _read_cells(SAMPLE_COLUMNS, self.records)
        if self.repeat_count > 1:
            cells["repeat"] = [sample.repeat for sample in self.records]
        for name in self.metric_names:
            cells[name] = [sample.score(name) for sample in self.records]
        notes: dict[str, str] = {}
        columns: dict[str, Any] = {}
        for sample in self.records:
            notes |= sample.notes
            columns |= sample.row
        for name in notes:
            cells.setdefault(name, [sample.notes.get(name, "") for sample in self.records])
        for name in columns:
            cells.setdefault(name, [sample.row.get(name) for sample in self.records])
        return self._frame(cells)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per model and metric: n scored of total, mean, 95 % interval, worst and best
        case.
        """
        return self._frame(_read_cells(SUMMARY_COLUMNS, self.model_scores))

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row per pair of models and metric, with interval, p-values, effect and verdict."""
        return self._frame(_read_cells(PAIR_COLUMNS, self.comparisons))

    @cached_property
    def usage(self) -> pd.DataFrame:
        """One row per model: answered, failed and truncated rows, cost in CNY, tokens, seconds."""
        return self._frame(_read_cells(USAGE_COLUMNS, self.model_usage))

    @cached_property
    def repeats(self) -> pd.DataFrame:
        """One row per model and metric: variance within and between questions, agreement,
        pass@k.
        """
        table = self._frame(_read_cells(REPEAT_COLUMNS, self.repeat_scores))
        for number, score in enumerate(self.repeat_scores):
            for each in score.passes:
                table.loc[number, f"pass@{each.k}"] = each.mean
        return table

    @property
    def averages(self) -> pd.DataFrame:
        """One row per model, metric and group of questions that the benchmark averages over; empty
        for other data.
        """
        return self._frame(_read_cells(AVERAGE_COLUMNS, self.group_averages))

    @cached_property
    def group_averages(self) -> tuple[Average, ...]:
        """The averages of every model on every metric; none where the questions are of no
        benchmark.
        """
        averages = []
        for model in self.models:
            samples = [*self.samples_of(model).values()]
            for name in self.metric_names:
                scale = self.scales.get(name)
                averages += aggregates.average_groups(model, name, samples, self.benchmark, scale)
        return tuple(averages)

    @cached_property
    def model_scores(self) -> tuple[aggregates.Score, ...]:
        """Every model on every metric."""
        scores = []
        for model in self.models:
            samples = [*self.samples_of(model).values()]
            for name in self.metric_names:
                scale = self.scales.get(name)
                scores.append(aggregates.score_model(model, name, samples, scale, self.cluster))
        return tuple(scores)

    @cached_property
    def model_usage(self) -> tuple[aggregates.UsageTotals, ...]:
        """What the answers of each model cost; those of the sandbox, which bills nothing, have no
        cost.
        """
        usages = []
        for model, groups in self._groups_by_model.items():
            usage = aggregates.summarize_usage(model, [*chain.from_iterable(groups.values())])
            if model in self.sandbox_models:
                usage = replace(usage, cost_low=math.nan, cost=math.nan)
            usages.append(usage)
        return tuple(usages)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every pair of models on every metric; p-values and intervals are corrected over all of
        them (Holm).
        """
        return aggregates.compare_all(
            self.metric_names,
            self._samples_by_model,
            self.cluster,
            self.lower_is_better,
            self.scales,
        )

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """{model: {metric: mean}}, as in the official SDK; only the platform's own numbers where it
        has any.
        """
        if self.platform:
            return {model: dict(metrics) for model, metrics in self.platform.items()}
        means = {model: dict(self.summaries.get(model, {})) for model in self.models}
        for score in self.model_scores:
            means[score.model][score.metric] = score.mean
        return means

    def versus(self, base: str, tuned: str) -> list[Comparison]:
        """Return the comparisons of two models, `base` first, one for each metric.

        Raises:
            InvalidArgumentError: a model is not in the report, or both are the same.
        """
        if base == tuned or self.samples_of(base) is self.samples_of(tuned):
            raise InvalidArgumentError(
                tr(
                    "{base} and {tuned} are one model: a comparison takes two",
                    base=repr(base),
                    tuned=repr(tuned),
                )
            )
        pairs = []
        for pair in self.comparisons:
            if (pair.baseline, pair.candidate) == (base, tuned):
                pairs.append(pair)
            elif (pair.baseline, pair.candidate) == (tuned, base):
                pairs.append(pair.swapped())
        return pairs

    def samples_of(self, model: str) -> Mapping[int, Sample]:
        """Return a model's samples by the index of the question.

        Raises:
            InvalidArgumentError: the model is not in the report.
        """
        if model not in self._samples_by_model:
            raise InvalidArgumentError(
                tr(
                    "model={model}: the report has {names}",
                    model=repr(model),
                    names=tr(", ").join(self.models),
                )
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
        name = self.resolve_metric(metric)
        changes = []
        after_samples = self.samples_of(tuned or self.models[-1])
        for index, before in self.samples_of(base or self.models[0]).items():
            if (after := after_samples.get(index)) is None:
                continue
            a = before.score(name)
            b = after.score(name)
            if name in self.lower_is_better:
                gain = a - b
            else:
                gain = b - a
            if gain != 0 and not math.isnan(gain):
                texts = before.prompt, before.reference, before.output, after.output
                changes.append(Change(index, *texts, a, b, gain))
        return tuple(sorted(changes, key=lambda change: (change.gain, change.index)))

    def worse(
        self, metric: str | None = None, *, base: str | None = None, tuned: str | None = None
    ) -> list[int]:
        """Return the indexes of the questions on which `tuned` is worse than `base`, the worst
        first.

        Args:
            metric: the metric that is compared, default the first.
            base: a model, default the first.
            tuned: a model, default the last.
        """
        changes = self.changes(metric, base=base, tuned=tuned)
        return [change.index for change in changes if change.gain < 0]

    def resolve_metric(self, name: str | None = None) -> str:
        """Return the name of a metric, by default the first one's.

        Raises:
            InvalidArgumentError: the metric is not in the report.
        """
        if not self.metric_names or (name is not None and name not in self.metric_names):
            names = tr(", ").join(self.metric_names) or tr("none")
            raise InvalidArgumentError(
                tr("metric={metric}: the report has {names}", metric=repr(name), names=names)
            )
        return name or self.metric_names[0]

    def _frame(self, cells: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
        """Return a table that says in its `attrs` where its numbers are from."""
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

        frame = pd.DataFrame({name: [*map(_to_cell, column)] for name, column in cells.items()})
        frame.attrs |= {
            "origins": dict(self.origins),
            "recipes": dict(self.recipes),
            "notes": list(self.notes),
        }
        return frame

    @cached_property
    def _samples_by_model(self) -> dict[str, dict[int, Sample]]:
        samples: dict[str, dict[int, Sample]] = {}
        for model, groups in self._groups_by_model.items():
            samples[model] = {index: mean_sample(group) for index, group in groups.items()}
        return samples

    @cached_property
    def _groups_by_model(self) -> dict[str, dict[int, list[Sample]]]:
        groups: dict[str, dict[int, list[Sample]]] = {model: {} for model in self.models}
        for sample in self.records:
            group = groups[sample.model].setdefault(sample.index, [])
            if not sample.repeat:
                group.clear()  # reports of earlier versions: of several answers the last one counts
            group.append(sample)
        return groups

    @property
    def repeat_count(self) -> int:
        """The number of answers to each question."""
        return 1 + max((sample.repeat for sample in self.records), default=0)

    @cached_property
    def repeat_scores(self) -> tuple[RepeatScore, ...]:
        """What several answers to the same question show, for every model and metric; empty for one
        answer.
        """
        if self.repeat_count == 1:
            return ()
        ks = self.ks or (1, self.repeat_count)
        scores = []
        for model, groups in self._groups_by_model.items():
            for name in self.metric_names:
                scores.append(score_repeats(model, name, [*groups.values()], ks, self.cluster))
        return tuple(scores)


def _read_cells(columns: Columns, rows: Sequence[Any]) -> dict[str, list[Any]]:
    return {name: [read(row) for row in rows] for name, read in columns.items()}


def _to_cell(value: Any) -> Any:
    """Return a cell that a DataFrame can hold: it takes no half of a surrogate pair."""
    if isinstance(value, str):
        return replace_surrogates(value)
    return value
