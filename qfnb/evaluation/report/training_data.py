"""Rows of a report as datasets: preferences and pairs to train on, and the rows as they were measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ...dataset import Dataset
from ...errors import InvalidArgumentError

if TYPE_CHECKING:
    from ..sample import Sample
    from .data import EvaluationResult

REFERENCE: Final = "reference"
CONTEXT: Final = ("history", "system")
"""What belongs to a question besides its last prompt."""


def build_preferences(
    report: EvaluationResult, rows: Iterable[int] | None, rejected: str, chosen: str
) -> Dataset:
    """Return a dataset of prompt, chosen, rejected; rows without two different texts are left out."""
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


def build_examples(report: EvaluationResult, rows: Iterable[int] | None, response: str) -> Dataset:
    """Return a dataset of prompt and response; rows without a response are left out."""
    texts = _texts_by_index(report, response)
    first_model = report.samples_of(report.models[0])
    indexes = first_model if rows is None else _validate_rows(rows, first_model)
    pairs = [
        _question_fields(first_model[index]) | {"response": text}
        for index in indexes
        if (text := texts.get(index, "")).strip() and first_model[index].prompt.strip()
    ]
    if not pairs:
        raise InvalidArgumentError(f"no row has a response by {response} (没有可用的回答)")
    return Dataset(pairs, name="examples")


def build_result_dataset(samples: Sequence[Sample]) -> Dataset:
    """Return the answered rows with their scores, in the official SDK's columns."""
    rows = [
        {
            "prompt": sample.prompt,
            "llm_tag": sample.model,
            "input_prompt": sample.prompt,
            "expected_output": sample.reference,
            "llm_output": sample.output,
            **sample.scores,
            **sample.notes,
        }
        for sample in samples
        if not sample.error and sample.prompt.strip()
    ]
    return Dataset(rows, name="evaluation", schema="prompts")


def _answered_samples(report: EvaluationResult, model: str, rows: Iterable[int] | None) -> Iterator[Sample]:
    samples = report.samples_of(model)
    for index in samples if rows is None else _validate_rows(rows, samples):
        if not samples[index].error and samples[index].prompt.strip():
            yield samples[index]


def _validate_rows(rows: Iterable[int], samples: Mapping[int, Sample]) -> list[int]:
    indexes = list(dict.fromkeys(rows))
    if unknown := [index for index in indexes if index not in samples]:
        raise InvalidArgumentError(f"rows={unknown[:5]!r}: the report has no such questions (没有这些行)")
    return indexes


def _texts_by_index(report: EvaluationResult, source: str) -> dict[int, str]:
    if source == REFERENCE:
        return {sample.index: sample.reference for sample in report.records}
    return {index: sample.output for index, sample in report.samples_of(source).items() if not sample.error}


def _question_fields(sample: Sample) -> dict[str, Any]:
    context = {name: sample.row[name] for name in CONTEXT if sample.row.get(name)}
    return {"prompt": sample.prompt} | context
