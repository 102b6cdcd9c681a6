"""How far a sweep is, as a value, and which of its models is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...evaluation.report import EvaluationResult
from ...evaluation.stats.selection import mean_of_chosen
from ..loss_diagnostics import best_checkpoint
from ..progress import TrainingProgress


@dataclass(frozen=True)
class BestTraining:
    """The training whose model answers best, and its gain over the base model, corrected for having
    been chosen.

    Attributes:
        label: of the training.
        metric: that chose it, the first of the evaluation.
        candidates: number of models it was chosen from.
        gain: over the base model on the questions that chose it, too good for that; above 0 is
            better, whatever the metric.
        corrected: the gain to expect on new questions, see `mean_of_chosen`.
    """

    label: str
    metric: str
    candidates: int
    gain: float
    corrected: float


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is.

    Attributes:
        trainings: the progress of each, by its label.
        waiting: labels of those that have not been started.
        reused: labels of those that ran, or had a result, before.
        problems: why a training could not be started, by label.
        parallel: how many are trained at a time now.
        notice: why these are fewer than was wished, "" where they are not.
        started_at, ended_at: Unix seconds.
        is_stopped: the user has ended it.
        is_evaluating: the published models answer the questions.
        report: of the evaluation, the base model first; None without one.
        evaluation_error: why there is no report, though one was wished.
        id: of the sweep, "" where it has none.
    """

    trainings: Mapping[str, TrainingProgress]
    waiting: tuple[str, ...] = ()
    reused: frozenset[str] = frozenset()
    problems: Mapping[str, str] = field(default_factory=dict)
    parallel: int = 1
    notice: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    is_stopped: bool = False
    is_evaluating: bool = False
    report: EvaluationResult | None = field(default=None, repr=False)
    evaluation_error: str = ""
    id: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether all trainings and the evaluation have ended."""
        return self.ended_at is not None

    @property
    def from_sandbox(self) -> bool:
        """Whether a training was the sandbox's."""
        return any(training.from_sandbox for training in self.trainings.values())

    @property
    def done(self) -> dict[str, TrainingProgress]:
        """The trainings that have a result."""
        return {
            label: training
            for label, training in self.trainings.items()
            if training.finished and not training.failed and not training.stopped
        }

    @property
    def lowest_loss(self) -> str:
        """The label of the training with the lowest validation loss, "" without any."""
        losses = {
            label: best.validation_loss
            for label, training in self.trainings.items()
            if (best := best_checkpoint(training.points)) is not None
            and best.validation_loss is not None
        }
        return min(losses, key=losses.__getitem__, default="")

    def choose(self) -> BestTraining | None:
        """Return the model that answers best; None without an evaluation of two models or with too
        few questions.
        """
        if (report := self.report) is None or len(report.models) < 3 or not report.metric_names:
            return None
        metric = report.metric_names[0]
        if report.metric_names[0] in report.lower_is_better:
            sign = -1.0
        else:
            sign = 1.0
        samples = [report.samples_of(model) for model in report.models]
        shared = [index for index in samples[0] if all(index in rows for rows in samples)]
        rows = [[sign * row[index].score(metric) for row in samples] for index in shared]
        answered = [row for row in rows if all(map(math.isfinite, row))]
        gains = [[score - base for score in scores] for base, *scores in answered]
        corrected = mean_of_chosen(gains)
        if math.isnan(corrected):
            return None
        means = [math.fsum(column) / len(gains) for column in zip(*gains, strict=True)]
        best = max(range(len(means)), key=means.__getitem__)
        return BestTraining(report.models[1 + best], metric, len(means), means[best], corrected)
