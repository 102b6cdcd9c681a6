"""The tables of a report: each a list of columns, a column being a name and how a row gives its value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..._jobs.row_result import replace_surrogates
from ..samples import Sample

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, and how a row gives its value."""

    name: str
    value_of: Callable[[Any], Any]


SAMPLE_COLUMNS = (
    Column("model", lambda s: s.model),
    Column("index", lambda s: s.index),
    Column("prompt", lambda s: s.prompt),
    Column("reference", lambda s: s.reference),
    Column("output", lambda s: s.output),
    Column("latency_s", lambda s: s.seconds),
    Column("cost", lambda s: s.cost),
    Column("tokens", lambda s: s.tokens),
    Column("finish_reason", lambda s: s.finish_reason),
    Column("error", lambda s: s.error),
)

SUMMARY_COLUMNS = (
    Column("model", lambda s: s.model),
    Column("metric", lambda s: s.metric),
    Column("n", lambda s: s.n),
    Column("total", lambda s: s.total),
    Column("failed", lambda s: s.failed),
    Column("missing", lambda s: s.missing),
    Column("coverage", lambda s: s.coverage),
    Column("mean", lambda s: s.mean),
    Column("ci_low", lambda s: s.interval.low),
    Column("ci_high", lambda s: s.interval.high),
    Column("worst", lambda s: s.worst),
    Column("best", lambda s: s.best),
    Column("method", lambda s: s.interval.method),
)

PAIR_COLUMNS = (
    Column("metric", lambda p: p.metric),
    Column("baseline", lambda p: p.baseline),
    Column("candidate", lambda p: p.candidate),
    Column("difference", lambda p: p.test.difference),
    Column("ci_low", lambda p: p.test.interval.low),
    Column("ci_high", lambda p: p.test.interval.high),
    Column("p_value", lambda p: p.test.p_value),
    Column("p_holm", lambda p: p.p_holm),
    Column("effect", lambda p: p.test.effect),
    Column("wins", lambda p: p.test.wins),
    Column("losses", lambda p: p.test.losses),
    Column("ties", lambda p: p.test.ties),
    Column("n", lambda p: p.test.n),
    Column("detectable", lambda p: p.test.detectable),
    Column("needed", lambda p: p.test.needed),
    Column("method", lambda p: p.test.method),
    Column("verdict", lambda p: p.verdict),
)

USAGE_COLUMNS = (
    Column("model", lambda u: u.model),
    Column("total", lambda u: u.total),
    Column("answered", lambda u: u.answered),
    Column("failed", lambda u: u.total - u.answered),
    Column("truncated", lambda u: u.truncated),
    Column("empty", lambda u: u.empty),
    Column("cost", lambda u: u.cost),
    Column("tokens", lambda u: u.tokens),
    Column("latency_p50", lambda u: u.latency_p50),
    Column("latency_p95", lambda u: u.latency_p95),
    Column("characters", lambda u: u.characters),
)


def sample_columns(metrics: Sequence[str], notes: Sequence[str], row_columns: Sequence[str]) -> list[Column]:
    """Return the columns of samples; the first of several with one name counts.

    Args:
        metrics: names of scores.
        notes: names of texts that evaluators added.
        row_columns: the dataset's other columns.
    """
    used_names = {column.name for column in SAMPLE_COLUMNS} | set(metrics)
    return [
        *SAMPLE_COLUMNS,
        *(Column(name, partial(_sample_score, name)) for name in metrics),
        *(Column(name, partial(_sample_note, name)) for name in notes if name not in used_names),
        *(
            Column(name, partial(_sample_cell, name))
            for name in row_columns
            if name not in used_names | set(notes)
        ),
    ]


def build_frame(columns: Sequence[Column], rows: Sequence[Any]) -> pd.DataFrame:
    """Return rows as a DataFrame with these columns."""
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    return pd.DataFrame({column.name: [_to_cell(column.value_of(row)) for row in rows] for column in columns})


def _to_cell(value: Any) -> Any:
    """Return a cell that a DataFrame can hold: it takes no half of a surrogate pair."""
    return replace_surrogates(value) if isinstance(value, str) else value


def _sample_score(name: str, sample: Sample) -> float:
    return sample.score(name)


def _sample_note(name: str, sample: Sample) -> str:
    return sample.notes.get(name, "")


def _sample_cell(name: str, sample: Sample) -> Any:
    return sample.row.get(name)
