"""What changed from one model to another: questions scored differently, and the characters that differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .samples import Sample

if TYPE_CHECKING:
    from rapidfuzz.distance import Opcodes

Op = Literal["equal", "delete", "insert"]
Edit = tuple[Op, str]


@dataclass(frozen=True)
class Change:
    """A question that two models answered with different scores.

    Attributes:
        index: its place in the dataset.
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
        """What was kept, deleted and inserted from `before` to `after`, character by character."""
        return difference(self.before, self.after)


def between(
    first: Mapping[int, Sample], second: Mapping[int, Sample], metric: str, *, less: bool = False
) -> tuple[Change, ...]:
    """Return the questions on which two models score differently, the worst regression first.

    Args:
        first: samples of a model by place.
        second: those of the other one.
        metric: by which.
        less: whether less of it is better.
    """
    found = [
        _change(sample, second[index], metric, less=less)
        for index, sample in first.items()
        if index in second
    ]
    return tuple(
        sorted((change for change in found if _is_one(change.gain)), key=lambda c: (c.gain, c.index))
    )


def difference(before: str, after: str) -> tuple[Edit, ...]:
    """Return the shortest list of edits that makes one text the other; joined, the parts are the texts."""
    from rapidfuzz.distance import Indel  # noqa: PLC0415 - only those who look at differences need it

    return tuple(_edits(before, after, Indel.opcodes(before, after)))


def _edits(before: str, after: str, codes: Opcodes) -> Iterator[Edit]:
    """Yield edits; of what was replaced the old text comes first."""
    gone = new = ""
    for code in codes:
        if code.tag == "equal":
            yield from _changed(gone, new)
            yield "equal", before[code.src_start : code.src_end]
            gone = new = ""
        else:
            gone += before[code.src_start : code.src_end]
            new += after[code.dest_start : code.dest_end]
    yield from _changed(gone, new)


def _changed(gone: str, new: str) -> Iterator[Edit]:
    if gone:
        yield "delete", gone
    if new:
        yield "insert", new


def _change(before: Sample, after: Sample, metric: str, *, less: bool) -> Change:
    a, b = before.score(metric), after.score(metric)
    gain = a - b if less else b - a
    return Change(before.index, before.prompt, before.reference, before.output, after.output, a, b, gain)


def _is_one(gain: float) -> bool:
    return gain != 0 and not math.isnan(gain)
