"""The result of an evaluation: rows as they were measured, and the tables that are computed from them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from . import statistics

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sample:
    """One question asked of one model; a failed one has an error and no scores."""

    model: str
    index: int
    prompt: str
    reference: str
    output: str
    scores: dict[str, float]
    seconds: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, and how a row gives it."""

    name: str
    of: Callable[[Any], Any]


SAMPLE_COLUMNS = (
    Column("model", lambda s: s.model),
    Column("index", lambda s: s.index),
    Column("prompt", lambda s: s.prompt),
    Column("reference", lambda s: s.reference),
    Column("output", lambda s: s.output),
    Column("latency_s", lambda s: s.seconds),
    Column("error", lambda s: s.error),
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
    Column("wins", lambda p: p.test.wins),
    Column("losses", lambda p: p.test.losses),
    Column("ties", lambda p: p.test.ties),
    Column("n", lambda p: p.test.n),
    Column("method", lambda p: p.test.method),
    Column("verdict", lambda p: p.verdict),
)


@dataclass(frozen=True)
class Comparison:
    """Two models on one metric."""

    metric: str
    baseline: str
    candidate: str
    test: statistics.PairedTest
    p_holm: float

    @property
    def verdict(self) -> str:
        """What the test shows, in words."""
        if self.p_holm < 1 - statistics.LEVEL:
            better = self.candidate if self.test.difference > 0 else self.baseline
            return f"{better} is better"
        return f"no difference shown (smallest detectable: {self.test.detectable:.2f})"


@dataclass(frozen=True, repr=False)
class EvaluationResult:
    """Which model answered how well, on the same questions.

    Attributes:
        samples: every question of every model.
        models: labels, the baseline first.
        names: metric names, in the evaluators' order.
        platform: the platform's own numbers by model, when it did the evaluation.
    """

    samples: tuple[Sample, ...]
    models: tuple[str, ...]
    names: tuple[str, ...]
    platform: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def samples_df(self) -> pd.DataFrame:
        """One row per model and question, with the answer, each metric, latency_s and error."""
        columns = [*SAMPLE_COLUMNS, *(Column(name, _score(name)) for name in self.names)]
        return _frame(columns, self.samples)

    @cached_property
    def summary_df(self) -> pd.DataFrame:
        """One row per model and metric: n answered, failed, mean, 95 % interval and its method."""
        rows = [self._summary(model, name) for model in self.models for name in self.names]
        columns = ("model", "metric", "n", "failed", "mean", "ci_low", "ci_high", "method")
        return _frame([Column(name, itemgetter(name)) for name in columns], rows)

    @cached_property
    def pairs_df(self) -> pd.DataFrame:
        """One row per pair of models and metric, with interval, p-values and verdict."""
        return _frame(PAIR_COLUMNS, self.comparisons)

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every pair of models on every metric; p-values are corrected over all of them (Holm)."""
        pairs = [(n, a, b) for n in self.names for a, b in itertools.combinations(self.models, 2)]
        tests = [statistics.paired(*self._both(n, a, b)) for n, a, b in pairs]
        corrected = statistics.holm([test.p_value for test in tests])
        return tuple(
            Comparison(*pair, test, p) for pair, test, p in zip(pairs, tests, corrected, strict=True)
        )

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """{model: {metric: mean}}, as the official SDK gives it; the platform's own numbers come first."""
        if self.platform:
            return {model: dict(told) for model, told in self.platform.items()}
        return {m: {n: self._summary(m, n)["mean"] for n in self.names} for m in self.models}

    def to_json(self) -> str:
        """Return everything as JSON: samples, summary, pairs."""
        tables = {"samples": self.samples_df, "summary": self.summary_df, "pairs": self.pairs_df}
        return json.dumps(
            {k: json.loads(v.to_json(orient="records")) for k, v in tables.items()}, ensure_ascii=False
        )

    def scores(self, model: str, name: str) -> list[float]:
        """Return a model's scores on the questions that it answered."""
        found = (s.scores[name] for s in self.samples if s.model == model and not s.error)
        return [value for value in found if not math.isnan(value)]

    def conclusion(self) -> str:
        """Return what the evaluation shows, a sentence per comparison on the first metric."""
        lines = []
        for pair in self.comparisons:
            if pair.metric == self.names[0]:
                test = pair.test
                lines.append(
                    f"{pair.candidate} vs {pair.baseline}, {pair.metric}: {test.difference:+.3f} "
                    f"[{test.interval.low:+.3f}, {test.interval.high:+.3f}], p = {pair.p_holm:.2g} "
                    f"({test.method}, n = {test.n}) — {pair.verdict}"
                )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"{self.summary_df.to_string(index=False, float_format='%.3f')}\n{self.conclusion()}".rstrip()

    def _summary(self, model: str, name: str) -> dict[str, Any]:
        values = self.scores(model, name)
        interval = statistics.mean_interval(values)
        return {
            "model": model,
            "metric": name,
            "n": len(values),
            "failed": sum(s.model == model and bool(s.error) for s in self.samples),
            "mean": sum(values) / len(values) if values else math.nan,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "method": interval.method,
        }

    def _both(self, name: str, a: str, b: str) -> tuple[list[float], list[float]]:
        """Return the scores on the questions that both models answered."""
        first = {s.index: s.scores[name] for s in self.samples if s.model == a and not s.error}
        second = {s.index: s.scores[name] for s in self.samples if s.model == b and not s.error}
        shared = [index for index in first if index in second]
        return [first[i] for i in shared], [second[i] for i in shared]


def _score(name: str) -> Callable[[Sample], float]:
    return lambda sample: sample.scores.get(name, math.nan)


def _frame(columns: Sequence[Column], rows: Sequence[Any]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only tables should pay

    return pd.DataFrame({column.name: [column.of(row) for row in rows] for column in columns})
