"""Questions that two models answered with different scores, and the characters that differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..samples import Sample

if TYPE_CHECKING:
    from rapidfuzz.distance import Opcodes

Op = Literal["equal", "delete", "insert"]
Edit = tuple[Op, str]


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
    def edits(self) -> tuple[Edit, ...]:
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


def diff_texts(before: str, after: str) -> tuple[Edit, ...]:
    """Return the shortest list of edits that turns one text into the other; the parts add up to the texts."""
    from rapidfuzz.distance import Indel  # noqa: PLC0415 - only those who look at differences need it

    return tuple(_merge_opcodes(before, after, Indel.opcodes(before, after)))


def _merge_opcodes(before: str, after: str, codes: Opcodes) -> Iterator[Edit]:
    """Yield edits; of a replacement the deleted text comes first."""
    deleted = inserted = ""
    for code in codes:
        if code.tag == "equal":
            yield from _replacement_edits(deleted, inserted)
            yield "equal", before[code.src_start : code.src_end]
            deleted = inserted = ""
        else:
            deleted += before[code.src_start : code.src_end]
            inserted += after[code.dest_start : code.dest_end]
    yield from _replacement_edits(deleted, inserted)


def _replacement_edits(deleted: str, inserted: str) -> Iterator[Edit]:
    if deleted:
        yield "delete", deleted
    if inserted:
        yield "insert", inserted


def _build_change(before: Sample, after: Sample, metric: str, *, lower_is_better: bool) -> Change:
    a, b = before.score(metric), after.score(metric)
    gain = a - b if lower_is_better else b - a
    return Change(before.index, before.prompt, before.reference, before.output, after.output, a, b, gain)
