"""Rows of a report as datasets: preferences and pairs to train on, and the rows as they were measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..dataset import Dataset
from ..errors import InvalidArgumentError

if TYPE_CHECKING:
    from .report import EvaluationResult
    from .samples import Sample

REFERENCE: Final = "reference"
CONTEXT: Final = ("history", "system")
"""What belongs to a question besides its last prompt."""


def preferences(report: EvaluationResult, rows: Iterable[int] | None, rejected: str, chosen: str) -> Dataset:
    """Return a dataset of prompt, chosen, rejected; rows without two different texts are left out."""
    texts = _texts(report, chosen)
    found = [
        _asked(sample) | {"chosen": text, "rejected": sample.output}
        for sample in _selected(report, rejected, rows)
        if (text := texts.get(sample.index, "")).strip()
        and sample.output.strip()
        and text.strip() != sample.output.strip()
    ]
    if not found:
        raise InvalidArgumentError(
            f"no row has two different texts: {chosen} as chosen, {rejected} as rejected (没有可用的偏好对)"
        )
    return Dataset(found, name="preferences", schema="preference")


def examples(report: EvaluationResult, rows: Iterable[int] | None, response: str) -> Dataset:
    """Return a dataset of prompt and response; rows without a response are left out."""
    texts = _texts(report, response)
    first = report.of(report.models[0])
    places = first if rows is None else _known(rows, first)
    found = [
        _asked(first[place]) | {"response": text}
        for place in places
        if (text := texts.get(place, "")).strip() and first[place].prompt.strip()
    ]
    if not found:
        raise InvalidArgumentError(f"no row has a response by {response} (没有可用的回答)")
    return Dataset(found, name="examples")


def measured(samples: Sequence[Sample]) -> Dataset:
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


def _selected(report: EvaluationResult, model: str, rows: Iterable[int] | None) -> Iterator[Sample]:
    samples = report.of(model)
    for place in samples if rows is None else _known(rows, samples):
        if not samples[place].error and samples[place].prompt.strip():
            yield samples[place]


def _known(rows: Iterable[int], samples: Mapping[int, Sample]) -> list[int]:
    places = list(dict.fromkeys(rows))
    if unknown := [place for place in places if place not in samples]:
        raise InvalidArgumentError(f"rows={unknown[:5]!r}: the report has no such questions (没有这些行)")
    return places


def _texts(report: EvaluationResult, whose: str) -> dict[int, str]:
    if whose == REFERENCE:
        return {sample.index: sample.reference for sample in report.records}
    return {place: sample.output for place, sample in report.of(whose).items() if not sample.error}


def _asked(sample: Sample) -> dict[str, Any]:
    context = {name: sample.row[name] for name in CONTEXT if sample.row.get(name)}
    return {"prompt": sample.prompt} | context
