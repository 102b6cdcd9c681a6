"""How far a metric agrees with the labels of people, and what the data show about a judge, in
sentences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from ...base.language import tr
from ..labels.journal import joint_verdict, latest_labels, pair_item, score_item
from ..samples import Sample
from ..stats.intervals import ROUGH_ROWS, Interval
from ..stats.raters import Kappa, measure_kappa
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

    @property
    def n(self) -> int:
        """The number of labels that are compared."""
        return self.kappa.n

    def __repr__(self) -> str:
        return agreement_sentence(self)


def label_scale(report: ReportData) -> tuple[float, float]:
    """Return the scale on which people score single answers: the judge's, else right or wrong."""
    scales = (report.scales.get(metric, (0.0, 1.0)) for metric in report.judges)
    low, high = next(scales, (0.0, 1.0))
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
    if len(report.models) == 1 or (models and models[0] == models[1]):
        rows = _score_rows(report, name, report.models[0] if models is None else models[0])
        return _agreement(name, rows, is_weighted=label_scale(report) != (0, 1))
    if models:
        pairs = [models]
    else:
        pairs = [*combinations(report.models, 2)]
    return _agreement(
        name, [row for pair in pairs for row in pair_rows(report, name, pair)], is_weighted=False
    )


def _agreement(
    metric: str, rows: Sequence[tuple[object, object]], *, is_weighted: bool
) -> HumanAgreement:
    both = [(human, judge) for human, judge in rows if judge is not None]
    kappa = measure_kappa(
        [human for human, _ in both], [judge for _, judge in both], is_weighted=is_weighted
    )
    return HumanAgreement(metric, kappa, is_weighted, len(rows) - len(both))


def _score_rows(report: ReportData, metric: str, model: str) -> list[tuple[float, float | None]]:
    """Return the scores of people and of a metric, None where it has none."""
    scale = label_scale(report)
    samples = [s for s in report.samples_of(model).values() if not s.error]
    items = {score_item(sample, scale): sample for sample in samples}
    rows = []
    for key, people in latest_labels(items).items():
        if (word := joint_verdict(people, items[key].output)) is not None:
            score = items[key].score(metric)
            rows.append((float(word), None if math.isnan(score) else score))
    return rows


def pair_rows(report: ReportData, metric: str, models: Models) -> list[tuple[str, str | None]]:
    """Return the verdicts of people and of a metric on the pairs that people have labelled."""
    items = {pair_item(*pair): pair for pair in answer_pairs(report, models)}
    outcomes = {
        each.index: each.outcome if each.first == models[0] else _mirror(each.outcome)
        for each in report.verdicts
        if each.metric == metric and {each.first, each.second} == {*models} and not each.repeat
    }
    rows = []
    for key, people in latest_labels(items).items():
        first, second = items[key]
        if (human := joint_verdict(people, first.output)) is not None:
            if first.index in outcomes:
                judge = outcomes[first.index]
            else:
                judge = _preferred(report, metric, first, second)
            rows.append((human, judge))
    return rows


def answer_pairs(report: ReportData, models: Models) -> list[tuple[Sample, Sample]]:
    """Return the answers of two models to the questions that both have answered."""
    second = report.samples_of(models[1])
    pairs = [
        (s, second[index]) for index, s in report.samples_of(models[0]).items() if index in second
    ]
    return [pair for pair in pairs if not pair[0].error and not pair[1].error]


def _mirror(outcome: str | None) -> str | None:
    return {"first": "second", "second": "first"}.get(outcome or "", outcome)


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


def agreement_sentence(agreement: HumanAgreement) -> str:
    """Return how far a metric agrees with people; without labels how to give some."""
    metric = text.metric_title(agreement.metric)
    kappa = agreement.kappa
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
    }
    if math.isnan(kappa.value):
        return tr(
            "{metric} agrees with people on {share} of {n} labels; only one label occurs, so no "
            "kappa.",
            **values,
        )
    values["bounds"] = text.format_interval(kappa.interval.low, kappa.interval.high)
    if agreement.is_weighted:
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
    rough = tr("The interval is rough: there are fewer than {n} labels.", n=ROUGH_ROWS)
    if kappa.n < ROUGH_ROWS:
        return f"{line} {rough}"
    return line


@dataclass(frozen=True)
class Measure:
    """A number with its interval, and the rows it is from."""

    value: float
    interval: Interval
    n: int


def position_lines(
    name: str, judge: str, flips: Measure | None, first: Measure | None
) -> Iterator[str]:
    """Yield how often verdicts change with the sides, and how often the first side wins."""
    metric = text.metric_title(name)
    if flips is None or first is None:
        yield tr(
            "{metric}, position: {judge} sees one answer at a time.", metric=metric, judge=judge
        )
        return
    yield tr(
        "{metric}, position: {share} ({bounds}) of {n} verdicts change when the sides are swapped.",
        metric=metric,
        share=text.format_share(flips.value),
        bounds=_percent_bounds(flips.interval),
        n=f"{flips.n:,}",
    )
    if first.n:
        yield tr(
            "{metric}, position: the answer shown first wins {share} ({bounds}) of {n} decisions; "
            "50% is fair.",
            metric=metric,
            share=text.format_share(first.value),
            bounds=_percent_bounds(first.interval),
            n=f"{first.n:,}",
        )


def length_line(name: str, length: Measure, control: str) -> str:
    """Return how the score depends on the length; `control` is the metric that is held constant."""
    metric = text.metric_title(name)
    if math.isnan(length.value):
        return tr(
            "{metric}, length: {n} answers cannot show whether longer ones are preferred.",
            metric=metric,
            n=length.n,
        )
    values = {
        "metric": metric,
        "size": text.format_difference(length.value),
        "bounds": text.format_interval(length.interval.low, length.interval.high, plus=True),
    }
    if not control:
        return tr(
            "{metric}, length: {size} ({bounds}) with each doubling; quality is not held constant.",
            **values,
        )
    values["control"] = text.metric_title(control)
    return tr(
        "{metric}, length: {size} ({bounds}) with each doubling, at the same {control}.", **values
    )


def self_line(name: str, measure: Measure | None, obstacle: str) -> str:
    """Return how much the judge prefers its own family, or why that is not known."""
    metric = text.metric_title(name)
    if measure is None:
        return tr(
            "{metric}, self-preference cannot be measured: {reason}.",
            metric=metric,
            reason=obstacle,
        )
    return tr(
        "{metric}, self-preference: {size} ({bounds}) in wins of its own family, compared with "
        "people; {n} labels.",
        metric=metric,
        size=text.format_difference(measure.value),
        bounds=text.format_interval(measure.interval.low, measure.interval.high, plus=True),
        n=f"{measure.n:,}",
    )


def call_lines(name: str, judge: str, asked: int | None, replayed: int | None) -> Iterator[str]:
    """Yield how many verdicts were asked, and how many came from the journal; nothing where that is
    not known.
    """
    if asked is not None and replayed is not None:
        yield tr(
            "{metric}: {judge} was called {asked} times; {replayed} replies are from the journal "
            "(`--fresh`: again).",
            metric=text.metric_title(name),
            judge=judge,
            asked=f"{asked:,}",
            replayed=f"{replayed:,}",
        )


def _percent_bounds(interval: Interval) -> str:
    return f"{text.format_share(interval.low)}–{text.format_share(interval.high)}"
