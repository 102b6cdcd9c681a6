"""The report of an evaluation: its value is `data.ReportData`; `EvaluationResult` adds what can be
done with it.

| module | what it has |
|---|---|
| `data` | `ReportData`: samples with scores, its tables, comparisons, and what changed from model to model |
| `columns` | the columns of its tables, and tables as DataFrames |
| `text` | the report as sentences; inert texts |
| `files`, `sheets` | the report as .html, .md, .csv, .xlsx and .json |
| `averages` | the averages that a benchmark reports |
| `card`, `matrix` | two models on one card; prompts times models |
| `archive` | every evaluation of this user on disk |
| `judging`, `agreement` | how far judges can be trusted; labels of people |

Here are the datasets to train on (`to_dpo`, `to_sft`) and the comparison with the platform's
scores.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from ...base.language import tr
from ...dataset.typed_dataset import Dataset
from ...errors import InvalidArgumentError
from .. import scoring_run
from ..evaluator import LocalEvaluator
from ..samples import Sample as Sample, result_dataset
from . import archive, columns, files, judging, sources, text
from .averages import average_sentences, averages_frame
from .card import Card, build_card
from .data import ReportData as ReportData
from .matrix import Matrix, build_matrix

if TYPE_CHECKING:
    import pandas as pd


class NumberLog(Protocol):
    """What takes the numbers of a report: a tracker of `qfnb.trainer.trackers`, or any object with
    this method.
    """

    def log_numbers(
        self, numbers: Mapping[str, float], settings: Mapping[str, object] | None = None
    ) -> None:
        """Take numbers and settings by name."""
        ...


def _tracker_entries(report: ReportData) -> tuple[dict[str, float], dict[str, str]]:
    """Return the numbers of a report by name, and what they need to be cited: the platform and the
    recipe.
    """
    numbers: dict[str, float] = {}
    for score in report.model_scores:
        bounds = {"ci_low": score.interval.low, "ci_high": score.interval.high}
        values = {"mean": score.mean, **bounds, "coverage": score.coverage, "n": score.n}
        numbers |= {f"{score.model}/{score.metric}/{name}": value for name, value in values.items()}
    for pair in report.comparisons:
        name = f"{pair.candidate} - {pair.baseline}/{pair.metric}"
        numbers |= {f"{name}/difference": pair.test.difference, f"{name}/p_holm": pair.p_holm}
    origins = {f"{model}/origin": origin for model, origin in report.origins.items()}
    return numbers, origins | {f"{name}/recipe": recipe for name, recipe in report.recipes.items()}


REFERENCE: Final = "reference"
CONTEXT: Final = ("history", "system")
"""Columns that belong to a question besides its last prompt."""


DIFFERENCE_COLUMNS: Final = tuple(
    columns.FrameColumn(name, itemgetter(name))
    for name in ("model", "index", "prompt", "output", "metric", "platform", "ours", "difference")
)


class EvaluationResult(ReportData):
    """Which model answered how well, on the same questions; `Report` is another name for it.

    See `ReportData` for its attributes and tables.
    """

    @property
    def id(self) -> str:
        """Its id in the history of evaluations, where `qfnb.evaluation.open_report(id)` opens it
        again.
        """
        return archive.report_id(self)

    @property
    def result_dataset(self) -> Dataset:
        """The answered rows as the official SDK names them: llm_tag, input_prompt, llm_output,
        metrics.
        """
        return result_dataset(self.records)

    def card(
        self, base: str | None = None, tuned: str | None = None, metric: str | None = None
    ) -> Card[Self]:
        """Return whether `tuned` is better than `base`, by default the last model and the first.

        Args:
            base: a model, default the first.
            tuned: a model, default the last.
            metric: the metric that decides, default the first.

        Raises:
            InvalidArgumentError: the report has only one model, or not these.
        """
        return build_card(self, base, tuned, metric)

    def judge_quality(
        self, metric: str | None = None, *, families: Mapping[str, str] | None = None
    ) -> judging.JudgeQuality:
        """Return how far a judge can be trusted: agreement with people, bias by position, length
        and family.
        """
        return judging.measure_judge(self, metric, families)

    def matrix(self, metric: str | None = None) -> Matrix[Self]:
        """Return prompts times models with their main effects and the best cell, by default on the
        first metric.

        Raises:
            InvalidArgumentError: the report has no prompts, or not this metric.
        """
        return build_matrix(self, metric)

    @property
    def averages(self) -> pd.DataFrame:
        """One row per model, metric and group of questions that the benchmark averages over; empty
        for other data.
        """
        return averages_frame(self)

    def to_dpo(
        self,
        rows: Iterable[int] | None = None,
        *,
        rejected: str | None = None,
        chosen: str = "reference",
    ) -> Dataset:
        """Return rows as preferences: the better answer and the worse one.

        Args:
            rows: indexes of questions, e.g. `report.worse()`; default all that were answered.
            rejected: the model whose answers are the worse ones, default the last.
            chosen: `reference`, or the model whose answers are the better ones.

        Raises:
            InvalidArgumentError: no row has two different texts.
        """
        loser = rejected or self.models[-1]
        texts = _texts_by_index(self, chosen)
        pairs = [
            _question_fields(sample) | {"chosen": text, "rejected": sample.output}
            for sample in _select(self.samples_of(loser), rows)
            if not sample.error
            and (text := texts.get(sample.index, "")).strip()
            and sample.output.strip()
            and text.strip() != sample.output.strip()
        ]
        if not pairs:
            raise InvalidArgumentError(
                tr(
                    "no row has two different texts: {chosen} as chosen, {rejected} as rejected",
                    chosen=chosen,
                    rejected=loser,
                )
            )
        return Dataset(pairs, name="preferences", schema="preference")

    def to_sft(self, rows: Iterable[int] | None = None, *, response: str = "reference") -> Dataset:
        """Return rows as pairs of prompt and response to train on; they cannot be used as a test
        any more.

        Args:
            rows: indexes of questions, default all.
            response: `reference`, or the model whose answers are taught.

        Raises:
            InvalidArgumentError: no row has a response.
        """
        texts = _texts_by_index(self, response)
        pairs = [
            _question_fields(sample) | {"response": text}
            for sample in _select(self.samples_of(self.models[0]), rows)
            if (text := texts.get(sample.index, "")).strip()
        ]
        if not pairs:
            raise InvalidArgumentError(tr("no row has a response by {source}", source=response))
        return Dataset(pairs, name="examples")

    def rescore(
        self,
        evaluators: Sequence[LocalEvaluator],
        pre_processors: Sequence[scoring_run.PreProcessor] = (),
    ) -> Self:
        """Return a report on the same answers by other evaluators; no model is asked."""
        scored = scoring_run.score_samples(self.records, evaluators, pre_processors)
        report = replace(self, platform={}, **scored.report_fields)
        archive.keep(report)
        return report

    def with_clusters(self, column: str) -> Self:
        """Return the report with intervals and tests that know which rows belong together.

        Raises:
            InvalidArgumentError: no row has such a column.
        """
        if all(sample.cell(column) is None for sample in self.records):
            raise InvalidArgumentError(
                tr("cluster={column}: no row has such a column", column=repr(column))
            )
        return replace(self, cluster=column)

    def reconcile(
        self, platform: ReportData, names: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        """Return the platform's scores beside ours: a row for each answer and metric, with the
        difference.

        Args:
            platform: its report on the same answers, from `EvaluationManager.fetch` or `eval`.
            names: {its name of a metric: our name}, where they differ.
        """
        differences = _compare_scores(self, platform, names or {})
        return columns.build_frame(DIFFERENCE_COLUMNS, differences)

    def to_json(self) -> str:
        """Return everything as JSON, without secrets: samples, tables, and the origin of the
        answers.
        """
        return files.to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the report that `to_json` wrote.

        Raises:
            InvalidArgumentError: the text is not such a report.
        """
        return cls(**files.from_json(text))

    def save(self, path: str | Path, *, pictures: Iterable[files.HasPicture] = ()) -> Path:
        """Write the report to a .html, .md, .csv, .xlsx or .json file; return its path.

        HTML is one file that needs no network; CSV has the samples; JSON is what `load` reads.

        Args:
            path: the file; its suffix chooses the format.
            pictures: more of them for the HTML file; the charts are on it anyway.

        Raises:
            InvalidArgumentError: the suffix is unknown, or the file cannot be written.
        """
        lead = self.conclusion().splitlines() if self.cells else ()
        return files.save_report(self, Path(path).expanduser(), pictures, lead)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the report that `save` wrote as JSON.

        Raises:
            InvalidArgumentError: the file cannot be read, or is not such a report.
        """
        return cls.from_json(files.read_report_text(Path(path).expanduser()))

    def log_to(self, tracker: NumberLog) -> Self:
        """Log means, intervals, differences and where they are from to an experiment tracker;
        return the report.

        Args:
            tracker: one of `qfnb.trainer.trackers`, such as that of the training.
        """
        tracker.log_numbers(*_tracker_entries(self))
        return self

    def conclusion(self) -> str:
        """Return what the evaluation shows, a sentence per comparison on the first metric."""
        if self.cells and self.metric_names:
            return "\n".join(self.matrix().lines())
        return "\n".join(filter(None, [text.conclusion(self), *average_sentences(self)]))

    def __repr__(self) -> str:
        table = self.summary.to_string(index=False, float_format="%.3f", na_rep=text.NO_VALUE)
        return "\n".join(sources.with_sources(self, [table, *self.conclusion().splitlines()]))


Report = EvaluationResult


def _select(samples: Mapping[int, Sample], rows: Iterable[int] | None) -> list[Sample]:
    """Return the samples of some questions, by default all, without those whose question is empty.

    Raises:
        InvalidArgumentError: the report does not have a question.
    """
    indexes = list(dict.fromkeys(samples if rows is None else rows))
    if unknown := [index for index in indexes if index not in samples]:
        raise InvalidArgumentError(
            tr("rows={rows}: the report has no such questions", rows=unknown[:5])
        )
    return [samples[index] for index in indexes if samples[index].prompt.strip()]


def _texts_by_index(report: ReportData, source: str) -> dict[int, str]:
    if source == REFERENCE:
        return {sample.index: sample.reference for sample in report.records}
    return {
        index: sample.output
        for index, sample in report.samples_of(source).items()
        if not sample.error
    }


def _question_fields(sample: Sample) -> dict[str, Any]:
    context = {name: sample.row[name] for name in CONTEXT if sample.row.get(name)}
    return {"prompt": sample.prompt} | context


def _compare_scores(
    ours: ReportData, platform: ReportData, names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return every answer of the platform on every metric that both reports have.

    Answers are matched by prompt and output; by the model too, where the reports share a label.
    """
    labelled = bool(set(ours.models) & set(platform.models))
    samples_by_key: defaultdict[tuple[str, str, str], list[Sample]] = defaultdict(list)
    for sample in ours.records:
        samples_by_key[_sample_key(sample, labelled=labelled)].append(sample)
    our_names = {name: names.get(name, name) for name in platform.metric_names}
    shared = {
        theirs: our_name for theirs, our_name in our_names.items() if our_name in ours.metric_names
    }
    rows: list[dict[str, Any]] = []
    for sample in platform.records:
        if not sample.error:
            matches = samples_by_key[_sample_key(sample, labelled=labelled)]
            # of several equal answers each is matched once, the last one for all that follow
            if not matches:
                match = None
            elif len(matches) > 1:
                match = matches.pop(0)
            else:
                match = matches[0]
            rows += _differences(sample, match, shared)
    return rows


def _sample_key(sample: Sample, *, labelled: bool) -> tuple[str, str, str]:
    return sample.model if labelled else "", sample.prompt.strip(), sample.output.strip()


def _differences(
    sample: Sample, our_sample: Sample | None, shared: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    identity = {name: getattr(sample, name) for name in ("model", "index", "prompt", "output")}
    for platform_name, our_name in shared.items():
        platform = sample.score(platform_name)
        if our_sample is None:
            ours = math.nan
        else:
            ours = our_sample.score(our_name)
        numbers = {"platform": platform, "ours": ours, "difference": ours - platform}
        yield identity | {"metric": platform_name} | numbers
