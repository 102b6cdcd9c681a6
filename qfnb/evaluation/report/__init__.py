"""The report of an evaluation: its value is `data.ReportData`; `EvaluationResult` adds what can be
done with it.

| module | what it has |
|---|---|
| `data` | `ReportData`: samples with scores, its tables, comparisons, and what changed from model to model |
| `text` | the report as sentences; inert texts |
| `sources` | where the numbers are from |
| `files` | the report as .html, .md, .csv, .xlsx and .json |
| `card`, `matrix` | two models on one card; prompts times models |
| `archive` | every evaluation of this user on disk |
| `judging` | how far judges can be trusted; labels of people |

Here are the datasets to train on (`to_dpo`, `to_sft`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from ...base.language import tr
from ...dataset.typed_dataset import Dataset
from ...errors import InvalidArgumentError
from .. import scoring_run
from ..evaluator import LocalEvaluator
from ..samples import Sample as Sample, result_dataset
from . import archive, files, judging, sources, text
from .card import Card, build_card
from .data import ReportData as ReportData
from .matrix import Matrix, build_matrix

REFERENCE: Final = "reference"
CONTEXT: Final = ("history", "system")
"""Columns that belong to a question besides its last prompt."""


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
    ) -> Card:
        """Return whether `tuned` is better than `base`, by default the last model and the first.

        Args:
            base: a model, default the first.
            tuned: a model, default the last.
            metric: the metric that decides, default the first.

        Raises:
            InvalidArgumentError: the report has only one model, or not these.
        """
        return build_card(self, base, tuned, metric)

    def judge_quality(self, metric: str | None = None) -> judging.JudgeQuality:
        """Return how far a judge can be trusted: agreement with people, bias by position."""
        return judging.measure_judge(self, metric)

    def matrix(self, metric: str | None = None) -> Matrix:
        """Return prompts times models with their main effects and the best cell, by default on the
        first metric.

        Raises:
            InvalidArgumentError: the report has no prompts, or not this metric.
        """
        return build_matrix(self, metric)

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
        pairs = []
        for sample in select_samples(self.samples_of(loser), rows):
            better = self._text_of(sample, chosen)
            worse = sample.output
            if not sample.error and worse.strip() and better.strip() not in {"", worse.strip()}:
                pairs.append(question_fields(sample) | {"chosen": better, "rejected": worse})
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
        pairs = []
        for sample in select_samples(self.samples_of(self.models[0]), rows):
            answer = self._text_of(sample, response)
            if answer.strip():
                pairs.append(question_fields(sample) | {"response": answer})
        if not pairs:
            raise InvalidArgumentError(tr("no row has a response by {source}", source=response))
        return Dataset(pairs, name="examples")

    def _text_of(self, question: Sample, source: str) -> str:
        """Return the reference of a question, or a model's answer, "" where there is none."""
        if source == REFERENCE:
            return question.reference
        answer = self.samples_of(source).get(question.index)
        if answer is None or answer.error:
            return ""
        return answer.output

    def rescore(
        self,
        evaluators: Sequence[LocalEvaluator],
        pre_processors: Sequence[scoring_run.PreProcessor] = (),
    ) -> Self:
        """Return a report on the same answers by other evaluators; no model is asked."""
        fields, _ = scoring_run.score_samples(self.records, evaluators, pre_processors)
        report = replace(self, platform={}, **fields)
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

    def save(self, path: str | Path) -> Path:
        """Write the report to a .html, .md, .csv, .xlsx or .json file; return its path.

        HTML is one file that needs no network; CSV has the samples; JSON is what `load` reads. The
        file's suffix chooses the format.

        Raises:
            InvalidArgumentError: the suffix is unknown, or the file cannot be written.
        """
        return files.save_report(self, path, self.conclusion().splitlines() if self.cells else ())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the report that `save` wrote as JSON.

        Raises:
            InvalidArgumentError: the file cannot be read, or is not such a report.
        """
        try:
            content = Path(path).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", error)
            raise InvalidArgumentError(
                tr("{path} cannot be read: {reason}", path=Path(path).expanduser(), reason=reason)
            ) from None
        return cls.from_json(content)

    def conclusion(self) -> str:
        """Return the conclusion, a sentence per comparison on the first metric."""
        if self.cells and self.metric_names:
            return "\n".join(self.matrix().lines())
        return "\n".join(filter(None, [text.conclusion(self), *text.average_sentences(self)]))

    def __repr__(self) -> str:
        table = self.summary.to_string(index=False, float_format="%.3f", na_rep=text.NO_VALUE)
        return "\n".join(sources.with_sources(self, [table, *self.conclusion().splitlines()]))


Report = EvaluationResult


def select_samples(samples: Mapping[int, Sample], rows: Iterable[int] | None) -> list[Sample]:
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


def question_fields(sample: Sample) -> dict[str, Any]:
    """Return the prompt of a question, and the turns before it."""
    context = {name: sample.row[name] for name in CONTEXT if sample.row.get(name)}
    return {"prompt": sample.prompt} | context
