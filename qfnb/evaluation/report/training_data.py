"""Rows of a report as datasets to train on: preferences, and pairs of prompt and response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ...dataset import Dataset
from ...errors import InvalidArgumentError
from ..samples import Sample
from .data import ReportData

REFERENCE: Final = "reference"
CONTEXT: Final = ("history", "system")
"""Columns that belong to a question besides its last prompt."""


def build_preferences(report: ReportData, rows: Iterable[int] | None, rejected: str, chosen: str) -> Dataset:
    """Return a dataset of prompt, chosen, rejected; rows without two different texts are left out.

    Args:
        report: the answers.
        rows: indexes of questions, None for all.
        rejected: the model whose answers are the worse ones.
        chosen: `reference`, or the model whose answers are the better ones.

    Raises:
        InvalidArgumentError: no row is left.
    """
    texts = _texts_by_index(report, chosen)
    pairs = [
        _question_fields(sample) | {"chosen": text, "rejected": sample.output}
        for sample in _answered_samples(report, rejected, rows)
        if (text := texts.get(sample.index, "")).strip()
        and sample.output.strip()
        and text.strip() != sample.output.strip()
    ]
    if not pairs:
        raise InvalidArgumentError(
            f"no row has two different texts: {chosen} as chosen, {rejected} as rejected (没有可用的偏好对)"
        )
    return Dataset(pairs, name="preferences", schema="preference")


def build_examples(report: ReportData, rows: Iterable[int] | None, response: str) -> Dataset:
    """Return a dataset of prompt and response; rows without a response are left out.

    Args:
        report: the answers.
        rows: indexes of questions, None for all.
        response: `reference`, or the model whose answers are taught.

    Raises:
        InvalidArgumentError: no row is left.
    """
    texts = _texts_by_index(report, response)
    questions = report.samples_of(report.models[0])
    pairs = [
        _question_fields(questions[index]) | {"response": text}
        for index in (questions if rows is None else _validate_rows(rows, questions))
        if (text := texts.get(index, "")).strip() and questions[index].prompt.strip()
    ]
    if not pairs:
        raise InvalidArgumentError(f"no row has a response by {response} (没有可用的回答)")
    return Dataset(pairs, name="examples")


def _answered_samples(report: ReportData, model: str, rows: Iterable[int] | None) -> Iterator[Sample]:
    samples = report.samples_of(model)
    for index in samples if rows is None else _validate_rows(rows, samples):
        if not samples[index].error and samples[index].prompt.strip():
            yield samples[index]


def _validate_rows(rows: Iterable[int], samples: Mapping[int, Sample]) -> list[int]:
    indexes = list(dict.fromkeys(rows))
    if unknown := [index for index in indexes if index not in samples]:
        raise InvalidArgumentError(f"rows={unknown[:5]!r}: the report has no such questions (没有这些行)")
    return indexes


def _texts_by_index(report: ReportData, source: str) -> dict[int, str]:
    if source == REFERENCE:
        return {sample.index: sample.reference for sample in report.records}
    return {index: sample.output for index, sample in report.samples_of(source).items() if not sample.error}


def _question_fields(sample: Sample) -> dict[str, Any]:
    context = {name: sample.row[name] for name in CONTEXT if sample.row.get(name)}
    return {"prompt": sample.prompt} | context
