"""How far a judge can be trusted: its agreement with the labels of people, and its bias by
position.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from ...base.language import tr
from ...errors import InvalidArgumentError
from ..label_journal import (
    MIRRORED,
    LabelsError,
    joint_verdict,
    latest_labels,
    pair_item,
    score_item,
)
from ..samples import Sample
from ..stats.intervals import ROUGH_ROWS, Interval, Kappa, mean_interval, measure_kappa
from . import text
from .data import ReportData

MAX_SCORE: Final = 10  # the highest score that people give by hand
Models = tuple[str, str]


@dataclass(frozen=True)
class HumanAgreement:
    """How far a metric agrees with the labels of people.

    Attributes:
        kappa: Cohen's, over the labels on which the metric has a verdict too.
        is_weighted: whether disagreements count by their square, as for scores.
        missing: labels on which the metric has no verdict.
    """

    metric: str
    kappa: Kappa
    is_weighted: bool
    missing: int

    def __repr__(self) -> str:
        metric = text.metric_title(self.metric)
        kappa = self.kappa
        if not kappa.n:
            return tr(
                "{metric}: no labels of people yet to say how far it can be trusted; "
                "`qfnb.label(report)` asks for them.",
                metric=metric,
            )
        values = {
            "metric": metric,
            "share": text.format_share(kappa.share),
            "n": f"{kappa.n:,}",
            "kappa": text.format_score(kappa.value),
            "bounds": text.format_interval(kappa.interval.low, kappa.interval.high),
        }
        if math.isnan(kappa.value):
            return tr(
                "{metric} agrees with people on {share} of {n} labels; only one label occurs, so "
                "no kappa.",
                **values,
            )
        if self.is_weighted:
            line = tr(
                "{metric} agrees with people on {share} of {n} labels: weighted kappa {kappa} "
                "({bounds}).",
                **values,
            )
        else:
            line = tr(
                "{metric} agrees with people on {share} of {n} labels: kappa {kappa} ({bounds}).",
                **values,
            )
        if kappa.n >= ROUGH_ROWS:
            return line
        rough = tr("The interval is rough: there are fewer than {n} labels.", n=ROUGH_ROWS)
        return f"{line} {rough}"


def label_scale(report: ReportData) -> tuple[float, float]:
    """Return the scale on which people score single answers: the judge's, else right or wrong."""
    metric = next(iter(report.judges), "")
    low, high = report.scales.get(metric, (0.0, 1.0))
    if low == 0 and high == int(high) and high <= MAX_SCORE:
        return (low, high)
    return (0.0, 1.0)


def measure_agreement(
    report: ReportData, metric: str | None = None, models: Models | None = None
) -> HumanAgreement:
    """Return how far a metric agrees with the labels of people.

    Args:
        report: the report.
        metric: default the first; of pairs its verdict is which answer has the better score.
        models: two of the report, default all pairs of them.

    Raises:
        InvalidArgumentError: the report does not have the metric.
    """
    name = report.resolve_metric(metric)
    rows: list[tuple[object, object]] = []
    is_weighted = False
    if len(report.models) == 1 or (models and models[0] == models[1]):
        is_weighted = label_scale(report) != (0, 1)
        rows += _score_rows(report, name, models[0] if models else report.models[0])
    else:
        for pair in [models] if models else combinations(report.models, 2):
            rows += _pair_rows(report, name, pair)
    humans = []
    judges = []
    for human, judge in rows:
        if judge is not None:
            humans.append(human)
            judges.append(judge)
    kappa = measure_kappa(humans, judges, is_weighted=is_weighted)
    return HumanAgreement(name, kappa, is_weighted, len(rows) - len(humans))


def _score_rows(
    report: ReportData, metric: str, model: str
) -> Iterator[tuple[float, float | None]]:
    """Yield the scores of people and of a metric, None where it has none."""
    scale = label_scale(report)
    samples = report.samples_of(model).values()
    items = {score_item(sample, scale): sample for sample in samples if not sample.error}
    for key, people in latest_labels(items).items():
        word = joint_verdict(people, items[key].output)
        if word is not None:
            score = items[key].score(metric)
            yield float(word), None if math.isnan(score) else score


def _pair_rows(report: ReportData, metric: str, models: Models) -> Iterator[tuple[str, str | None]]:
    """Yield the verdicts of people and of a metric on the pairs that people have labelled."""
    items = {}
    second_samples = report.samples_of(models[1])
    for index, first in report.samples_of(models[0]).items():
        second = second_samples.get(index)
        if second is not None and not first.error and not second.error:
            items[pair_item(first, second)] = (first, second)
    outcomes: dict[int, str | None] = {}
    for each in report.verdicts:
        if each.metric == metric and {each.first, each.second} == {*models} and not each.repeat:
            outcome: str | None = each.outcome
            if each.first != models[0] and outcome is not None:
                outcome = MIRRORED.get(outcome, outcome)
            outcomes[each.index] = outcome
    for key, people in latest_labels(items).items():
        first, second = items[key]
        human = joint_verdict(people, first.output)
        if human is not None and first.index in outcomes:
            yield human, outcomes[first.index]
        elif human is not None:
            yield human, _preferred(report, metric, first, second)


def _preferred(report: ReportData, metric: str, first: Sample, second: Sample) -> str | None:
    a = first.score(metric)
    b = second.score(metric)
    if math.isnan(a) or math.isnan(b):
        return None
    if a == b:
        return "tie"
    if (a > b) != (metric in report.lower_is_better):
        return "first"
    return "second"


@dataclass(frozen=True)
class Measure:
    """A share with its interval, and the rows it is from."""

    value: float
    interval: Interval
    n: int

    @property
    def shares(self) -> dict[str, str]:
        """What sentences say of it."""
        low = text.format_share(self.interval.low)
        high = text.format_share(self.interval.high)
        share = text.format_share(self.value)
        return {"share": share, "bounds": f"{low}–{high}", "n": f"{self.n:,}"}


@dataclass(frozen=True)
class JudgeQuality:
    """What the data of a report show about a judge.

    Attributes:
        judge: name of the model.
        agreement: with the labels of people.
        flips: share of pairs whose verdict changes when the sides are swapped; None for points of
            single answers.
        first_share: share of the verdicts for a side that prefer the answer shown first, 0.5 is
            fair; None likewise.
    """

    metric: str
    judge: str
    agreement: HumanAgreement
    flips: Measure | None
    first_share: Measure | None

    def lines(self) -> list[str]:
        """Return the findings, a sentence each."""
        metric = text.metric_title(self.metric)
        lines = [repr(self.agreement)]
        if self.flips is None or self.first_share is None:
            lines.append(
                tr(
                    "{metric}, position: {judge} sees one answer at a time.",
                    metric=metric,
                    judge=self.judge,
                )
            )
            return lines
        lines.append(
            tr(
                "{metric}, position: {share} ({bounds}) of {n} verdicts change when the sides are "
                "swapped.",
                metric=metric,
                **self.flips.shares,
            )
        )
        if self.first_share.n:
            lines.append(
                tr(
                    "{metric}, position: the answer shown first wins {share} ({bounds}) of {n} "
                    "decisions; 50% is fair.",
                    metric=metric,
                    **self.first_share.shares,
                )
            )
        return lines

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def measure_judge(report: ReportData, metric: str | None = None) -> JudgeQuality:
    """Return the reliability of a judge by the data of a report.

    Args:
        report: the report.
        metric: one that a judge gives, default the first.

    Raises:
        InvalidArgumentError: no judge gives the metric.
    """
    name = metric or next(iter(report.judges), "")
    if name not in report.judges:
        names = tr(", ").join(report.judges) or tr("none")
        raise InvalidArgumentError(
            tr("metric={metric}: judges give {names}", metric=repr(metric), names=names)
        )
    agreement = measure_agreement(report, name)
    verdicts = [each for each in report.verdicts if each.metric == name]
    if not verdicts:
        return JudgeQuality(name, report.judges[name], agreement, None, None)
    flips = []
    firsts = []
    for each in verdicts:
        if each.outcome is not None:
            flips.append((each.index, each.given_order != each.swapped_order))
        for winner, first in ((each.given_order, "first"), (each.swapped_order, "second")):
            if winner not in {None, "tie"}:
                firsts.append((each.index, winner == first))
    return JudgeQuality(name, report.judges[name], agreement, _share(flips), _share(firsts))


def judge_lines(report: ReportData) -> list[str]:
    """Return the reliability of the judges of a report, a sentence each."""
    lines = []
    try:
        for metric in report.judges:
            if metric in report.metric_names:
                lines += measure_judge(report, metric).lines()
    except LabelsError as error:
        return [str(error)]
    return lines


def _share(rows: Sequence[tuple[int, bool]]) -> Measure:
    """Return how often something holds; rows of one question are a cluster."""
    values = []
    indexes = []
    for index, holds in rows:
        indexes.append(index)
        values.append(float(holds))
    clusters = None if len({*indexes}) == len(indexes) else indexes
    value = sum(values) / len(values) if values else math.nan
    return Measure(value, mean_interval(values, clusters), len(values))
