"""The columns of a report's tables, and tables as DataFrames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING, Any

from ...base.text import replace_surrogates
from ..samples import Sample
from ..stats.repeats import RepeatScore

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FrameColumn:
    """A column of a table: its name, and how a row gives its value."""

    name: str
    value_of: Callable[[Any], Any]


def _columns(names: str) -> tuple[FrameColumn, ...]:
    """Return columns that are attributes of a row; `name=path` has another name than the
    attribute.
    """
    pairs = [name.split("=") for name in names.split()]
    return tuple(FrameColumn(pair[0], attrgetter(pair[-1])) for pair in pairs)


SAMPLE_COLUMNS = _columns(
    "model index prompt reference output latency_s=seconds cost tokens finish_reason error"
)
SUMMARY_COLUMNS = _columns(
    "model metric n total failed missing coverage mean ci_low=interval.low ci_high=interval.high "
    "worst best "
    "method=interval.method"
)
PAIR_COLUMNS = _columns(
    "metric baseline candidate difference=test.difference ci_low=test.interval.low "
    "ci_high=test.interval.high "
    "p_value=test.p_value p_holm effect=test.effect wins=test.wins losses=test.losses "
    "ties=test.ties n=test.n "
    "detectable=test.detectable needed=test.needed method=test.method verdict "
    "ci_level=test.interval.level comparisons=n_comparisons"
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
_REPEAT = _columns("repeat")


def repeat_columns(scores: Sequence[RepeatScore]) -> list[FrameColumn]:
    """Return the columns of repeats, with one for each k of pass@k."""
    ks = dict.fromkeys(each.k for score in scores for each in score.passes)
    return [*REPEAT_COLUMNS, *(FrameColumn(f"pass@{k}", partial(_pass, k)) for k in ks)]


def sample_columns(
    metrics: Iterable[str],
    notes: Iterable[str],
    row_columns: Iterable[str],
    *,
    is_repeated: bool = False,
) -> list[FrameColumn]:
    """Return the columns of samples; notes and row columns whose name is used already are left out.

    Args:
        metrics: their names.
        notes: names of texts that evaluators gave.
        row_columns: the other columns of the dataset.
        is_repeated: whether questions were answered several times.
    """
    columns = {
        column.name: column for column in (*SAMPLE_COLUMNS, *(_REPEAT if is_repeated else ()))
    }
    columns |= {name: FrameColumn(name, methodcaller("score", name)) for name in metrics}
    for name in notes:
        columns.setdefault(name, FrameColumn(name, partial(_note, name)))
    for name in row_columns:
        columns.setdefault(name, FrameColumn(name, partial(_row_cell, name)))
    return [*columns.values()]


def build_frame(columns: Sequence[FrameColumn], rows: Sequence[Any]) -> pd.DataFrame:
    """Return rows as a DataFrame with these columns."""
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    return pd.DataFrame(
        {column.name: [_to_cell(column.value_of(row)) for row in rows] for column in columns}
    )


def _to_cell(value: Any) -> Any:
    """Return a cell that a DataFrame can hold: it takes no half of a surrogate pair."""
    if isinstance(value, str):
        return replace_surrogates(value)
    return value


def _note(name: str, sample: Sample) -> str:
    return sample.notes.get(name, "")


def _pass(k: int, score: RepeatScore) -> float:
    return next((each.mean for each in score.passes if each.k == k), math.nan)


def _row_cell(name: str, sample: Sample) -> Any:
    return sample.row.get(name)
