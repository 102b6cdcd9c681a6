"""The report of an evaluation: its value (`data`), and what can be done with it.

| module | what it has |
|---|---|
| `data` | `ReportData`: samples with scores, and the tables that are computed from them |
| `tables` | the columns of its DataFrames |
| `changes` | questions that two models answered with different scores |
| `card` | two models on one card |
| `text`, `html`, `html_tables` | the report as text and as HTML |
| `files`, `json`, `xlsx`, `sanitize` | the report as a file, with inert texts and without secrets |
| `training_data` | its rows as datasets to train on |
| `platform_diff` | the platform's scores beside ours |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ...dataset import Dataset
from ...errors import InvalidArgumentError
from .. import scoring_run
from ..evaluator import LocalEvaluator
from ..samples import Sample as Sample
from ..samples import result_dataset
from . import files, json, platform_diff, tables, text, training_data
from .card import Card, build_card
from .data import ReportData as ReportData

if TYPE_CHECKING:
    import pandas as pd


class EvaluationResult(ReportData):
    """Which model answered how well, on the same questions; `Report` is another name for it.

    See `ReportData` for its attributes and tables.
    """

    @property
    def result_dataset(self) -> Dataset:
        """The answered rows as the official SDK names them: llm_tag, input_prompt, llm_output, metrics."""
        return result_dataset(self.records)

    def card(self, base: str | None = None, tuned: str | None = None, metric: str | None = None) -> Card:
        """Return whether `tuned` is better than `base`, by default the last model and the first.

        Args:
            base: a model, default the first.
            tuned: a model, default the last.
            metric: the metric that decides, default the first.

        Raises:
            InvalidArgumentError: the report has only one model, or not these.
        """
        return build_card(self, base, tuned, metric)

    def to_dpo(
        self, rows: Iterable[int] | None = None, *, rejected: str | None = None, chosen: str = "reference"
    ) -> Dataset:
        """Return rows as preferences: the better answer and the worse one.

        Args:
            rows: indexes of questions, e.g. `report.worse()`; default all that were answered.
            rejected: the model whose answers are the worse ones, default the last.
            chosen: `reference`, or the model whose answers are the better ones.

        Raises:
            InvalidArgumentError: no row has two different texts.
        """
        return training_data.build_preferences(self, rows, rejected or self.models[-1], chosen)

    def to_sft(self, rows: Iterable[int] | None = None, *, response: str = "reference") -> Dataset:
        """Return rows as pairs of prompt and response to train on; they are no test from then on.

        Args:
            rows: indexes of questions, default all.
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

    def reconcile(self, platform: ReportData, names: Mapping[str, str] | None = None) -> pd.DataFrame:
        """Return the platform's scores beside ours: a row for each answer and metric, with the difference.

        Args:
            platform: its report on the same answers, from `EvaluationManager.fetch` or `eval`.
            names: {its name of a metric: our name}, where they differ.
        """
        differences = platform_diff.compare_scores(self, platform, names or {})
        return tables.build_frame(platform_diff.COLUMNS, differences)

    def to_json(self) -> str:
        """Return everything as JSON, without secrets: samples, tables, and the origin of the answers."""
        return json.to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the report that `to_json` wrote.

        Raises:
            InvalidArgumentError: the text is not such a report.
        """
        return cls(**json.from_json(text))

    def save(self, path: str | Path, *, pictures: Sequence[files.Picture] = ()) -> Path:
        """Write the report to a .html, .md, .csv, .xlsx or .json file; return its path.

        HTML is one file that needs no network; CSV has the samples; JSON is what `load` reads.

        Args:
            path: the file; its suffix chooses the format.
            pictures: charts for the HTML file.

        Raises:
            InvalidArgumentError: the suffix is another one, or the file cannot be written.
        """
        return files.save_report(self, Path(path).expanduser(), pictures)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the report that `save` wrote as JSON.

        Raises:
            InvalidArgumentError: the file cannot be read, or is not such a report.
        """
        return cls.from_json(json.read_report_text(Path(path).expanduser()))

    def conclusion(self) -> str:
        """Return what the evaluation shows, a sentence per comparison on the first metric."""
        return text.conclusion(self)

    def __repr__(self) -> str:
        return f"{self.summary.to_string(index=False, float_format='%.3f')}\n{self.conclusion()}".rstrip()


Report = EvaluationResult
