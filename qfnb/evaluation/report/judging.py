"""How far a judge can be trusted: agreement with people, bias by position and length, preference
for its own family.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from ...base.language import tr
from ...errors import InvalidArgumentError
from ..judges.verdicts import PairVerdict
from ..labels.journal import LabelsError
from ..samples import Sample
from ..stats.aggregates import cluster_labels
from ..stats.intervals import LEVEL, NO_INTERVAL, interval_with_ends, mean_interval
from ..stats.raters import clustered_slope
from . import agreement
from .agreement import HumanAgreement, Measure, answer_pairs, measure_agreement, pair_rows
from .data import ReportData

MIN_ROWS: Final = 10  # rows below which no slope is computed
FAMILIES: Final = (
    "ernie", "deepseek", "qwen", "llama", "chatglm", "glm", "kimi", "doubao", "minimax", "baichuan",
    "internlm",
    "gemma", "mixtral", "mistral", "gpt", "claude", "gemini", "hunyuan",
)  # fmt: skip
"""Families of models, as their names begin."""

_SHARES: Final = {"first": 1.0, "second": -1.0, "tie": 0.0}


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
        length: by how much the difference of the scores grows with each doubling of the length, the
            models' mean difference and `control` held constant; NaN where lengths or rows cannot
            show it.
        control: the metric that stands for quality in it, "" without one.
        self_preference: by how much more often the judge's own family wins before it than before
            people; None where it cannot be measured.
        obstacle: why not, "" otherwise.
        asked, replayed: calls of the judge, and verdicts from its journal; None where that is not
        known.
    """

    metric: str
    judge: str
    agreement: HumanAgreement
    flips: Measure | None
    first_share: Measure | None
    length: Measure
    control: str
    self_preference: Measure | None
    obstacle: str
    asked: int | None = None
    replayed: int | None = None

    def lines(self) -> list[str]:
        """Return the findings, a sentence each."""
        return [
            repr(self.agreement),
            *agreement.position_lines(self.metric, self.judge, self.flips, self.first_share),
            agreement.length_line(self.metric, self.length, self.control),
            agreement.self_line(self.metric, self.self_preference, self.obstacle),
            *agreement.call_lines(self.metric, self.judge, self.asked, self.replayed),
        ]

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def measure_judge(
    report: ReportData, metric: str | None = None, families: Mapping[str, str] | None = None
) -> JudgeQuality:
    """Return the reliability of a judge by the data of a report.

    Args:
        report: the report.
        metric: one that a judge gives, default the first.
        families: {label of a model, or name of the judge: its family}, where the name does not say
            it.

    Raises:
        InvalidArgumentError: no judge gives the metric.
    """
    name = metric or next(iter(report.judges), "")
    if name not in report.judges:
        names = tr(", ").join(report.judges) or tr("none")
        raise InvalidArgumentError(
            tr("metric={metric}: judges give {names}", metric=repr(metric), names=names)
        )
    verdicts = [each for each in report.verdicts if each.metric == name]
    length, control = _length_bias(report, name)
    preference, obstacle = _self_preference(report, name, families or {})
    numbers: Mapping[str, int] = next(
        (s for s in report.summaries.values() if f"{name}_asked" in s), {}
    )
    return JudgeQuality(
        metric=name,
        judge=report.judges[name],
        agreement=measure_agreement(report, name),
        flips=_flips(verdicts) if verdicts else None,
        first_share=_first_share(verdicts) if verdicts else None,
        length=length,
        control=control,
        self_preference=preference,
        obstacle=obstacle,
        asked=numbers.get(f"{name}_asked"),
        replayed=numbers.get(f"{name}_replayed"),
    )


def judge_lines(report: ReportData) -> list[str]:
    """Return the reliability of the judges of a report, a sentence each."""
    try:
        qualities = [
            measure_judge(report, metric)
            for metric in report.judges
            if metric in report.metric_names
        ]
    except LabelsError as error:
        return [str(error)]
    return [line for quality in qualities for line in quality.lines()]


def _flips(verdicts: Sequence[PairVerdict]) -> Measure:
    """Return the share of pairs whose verdict changes with the sides; rows of one question are a
    cluster.
    """
    judged = [each for each in verdicts if each.outcome is not None]
    values = [float(each.given_order != each.swapped_order) for each in judged]
    return _mean(values, [each.index for each in judged])


def _first_share(verdicts: Sequence[PairVerdict]) -> Measure:
    """Return the share of the verdicts for a side that prefer the one shown first."""
    rows = [
        (each.index, each.given_order == "first")
        for each in verdicts
        if each.given_order not in {None, "tie"}
    ]
    rows += [
        (each.index, each.swapped_order == "second")
        for each in verdicts
        if each.swapped_order not in {None, "tie"}
    ]
    return _mean([float(is_first) for _, is_first in rows], [index for index, _ in rows])


def _mean(values: Sequence[float], clusters: Sequence[int]) -> Measure:
    if len(set(clusters)) == len(clusters):
        labels = None
    else:
        labels = clusters
    if values:
        value = sum(values) / len(values)
    else:
        value = math.nan
    return Measure(value, mean_interval(values, labels), len(values))


def _length_bias(report: ReportData, metric: str) -> tuple[Measure, str]:
    """Return how the judge's score depends on the length of the answer, and the metric that is held
    constant.

    Of several models the differences on the same question are taken, and each pair has an intercept
    of its own.
    """
    others = [name for name in report.metric_names if name not in report.judges]
    samples = {
        model: [s for s in report.samples_of(model).values() if not s.error]
        for model in report.models
    }
    control = next(
        (name for name in others if all(_is_scored(each, name) for each in samples.values())), ""
    )
    names = [metric, *([control] if control else [])]
    rows: list[tuple[Sample, str, list[float]]] = [
        (each, "", [math.log2(1 + len(each.output)), *(each.score(name) for name in names)])
        for each in (samples[report.models[0]] if len(report.models) == 1 else ())
    ]
    for models in combinations(report.models, 2):
        for a, b in answer_pairs(report, models):
            ratio = math.log2((1 + len(b.output)) / (1 + len(a.output)))
            rows.append(
                (a, str(models), [ratio, *(b.score(name) - a.score(name) for name in names)])
            )
    rows = [row for row in rows if not any(map(math.isnan, row[2]))]
    if len(rows) < MIN_ROWS:
        return Measure(math.nan, NO_INTERVAL, len(rows)), control
    groups = [*dict.fromkeys(group for _, group, _ in rows)]
    x, y, *controls = zip(*(numbers for *_, numbers in rows), strict=True)
    controls = [column for column in controls if len(set(column)) > 1]
    intercepts = [[float(group == name) for _, group, _ in rows] for name in groups]
    clusters = cluster_labels([sample for sample, *_ in rows], report.cluster) or [
        str(s.index) for s, *_ in rows
    ]
    slope, interval = clustered_slope(y, [x, *controls, *intercepts], clusters)
    return Measure(slope, interval, len(rows)), control if controls else ""


def _is_scored(samples: Sequence[Sample], metric: str) -> bool:
    return not any(math.isnan(sample.score(metric)) for sample in samples)


def model_family(name: str) -> str:
    """Return the family that a model's name begins with, "" where it says none."""
    return next((each for each in FAMILIES if re.search(rf"(?<![a-z]){each}", name.casefold())), "")


def _self_preference(
    report: ReportData, metric: str, families: Mapping[str, str]
) -> tuple[Measure | None, str]:
    """Return by how much the judge's family wins more often before it than before people, or why
    that is not known.
    """
    judge = report.judges[metric]
    family = families.get(judge) or model_family(judge)
    of_models = {
        model: families.get(model) or model_family(_model_of(report, model))
        for model in report.models
    }
    if not family or not all(of_models.values()):
        unknown = [name for name, each in [(judge, family), *of_models.items()] if not each]
        return None, tr("the family of {names} is not known", names=tr(", ").join(unknown))
    pairs = [
        pair
        for pair in combinations(report.models, 2)
        if (of_models[pair[0]] == family) != (of_models[pair[1]] == family)
    ]
    if not pairs:
        return None, tr("it takes a model of {family} and one of another family", family=family)
    values = []
    for pair in pairs:
        if of_models[pair[0]] == family:
            sign = 1
        else:
            sign = -1
        rows = [
            (human, each) for human, each in pair_rows(report, metric, pair) if each is not None
        ]
        values += [sign * (_SHARES[each] - _SHARES[human]) / 2 for human, each in rows]
    if len(values) < 2:
        return None, tr("without labels of people it cannot be told from better answers")
    interval = interval_with_ends(values, None, (-1.0, 1.0), LEVEL)
    return Measure(sum(values) / len(values), interval, len(values)), ""


def _model_of(report: ReportData, label: str) -> str:
    if label in report.cells:
        return report.cells[label][1]
    return label
