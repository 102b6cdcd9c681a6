"""An evaluation under way: models are being asked, and the report comes when all of them have answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..batching.batch import Batch
from ..model import Model
from . import scoring_run
from .evaluator import LocalEvaluator
from .model_runners import ModelRuns, RunOptions
from .samples import Question, Sample, model_label, unique_labels
from .report import EvaluationResult


class EvaluationRun:
    """Models being asked the same questions; made by `EvaluationManager.start`.

    Attributes:
        models: their labels, the baseline first.
        scoring_steps: how many steps of the scoring are done, and of how many; (0, 0) before it begins.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        evaluators: Sequence[LocalEvaluator],
        pre_processors: Sequence[scoring_run.PreProcessor] = (),
        *,
        cluster: str = "",
    ) -> None:
        self.models: tuple[str, ...] = ()
        self.scoring_steps = (0, 0)
        self._questions, self._evaluators = questions, evaluators
        self._pre_processors, self._cluster = pre_processors, cluster
        self._runs = ModelRuns()
        self._report: EvaluationResult | None = None

    @property
    def question_count(self) -> int:
        """Number of questions for each model."""
        return len(self._questions)

    @property
    def model_batches(self) -> tuple[Batch | None, ...]:
        """The batch of each model, None for one that answers on the platform."""
        return tuple(self._runs.model_batches)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches that send the questions; models that answer on the platform have none."""
        return tuple(batch for batch in self.model_batches if batch is not None)

    def start(self, models: Sequence[Any], source: Any, options: RunOptions) -> None:
        """Begin to ask models; when one cannot be asked, the others are not asked on.

        Raises:
            InvalidArgumentError: one is nothing that can be asked.
        """
        for model in models:
            if isinstance(model, Model) and not model.name:
                model.auto_complete_info()
        self.models = unique_labels([model_label(model) for model in models])
        try:
            for label, model in zip(self.models, models, strict=True):
                self._runs.start(label, model, self._questions, source, options)
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Ask nothing more; `report` then has what was answered, and the rest as failed rows."""
        self._runs.cancel()

    def report(self) -> EvaluationResult:
        """Wait for the answers, score them, and return the report."""
        if self._report is None:
            samples = self._runs.collect_samples()
            self._report = build_report(
                samples,
                self._evaluators,
                self._pre_processors,
                cluster=self._cluster,
                notes=[_describe_origin(batch_run) for batch_run in self.batches],
                on_progress=self._count_steps,
            )
        return self._report

    def _count_steps(self, done: int, total: int) -> None:
        self.scoring_steps = done, total

    def __repr__(self) -> str:
        return (
            f"<evaluation of {', '.join(self.models)} on {len(self._questions)} questions: {self.batches!r}>"
        )


def build_report(
    samples: Sequence[Sample],
    evaluators: Sequence[LocalEvaluator],
    pre_processors: Sequence[scoring_run.PreProcessor] = (),
    *,
    cluster: str = "",
    notes: Sequence[str] = (),
    on_progress: scoring_run.ProgressCallback | None = None,
) -> EvaluationResult:
    """Return the report on answers."""
    scored = scoring_run.score_samples(samples, evaluators, pre_processors, on_progress)
    models = tuple(dict.fromkeys(sample.model for sample in samples))
    report = EvaluationResult(models=models, notes=tuple(notes), **scored.report_fields)
    return report.with_clusters(cluster) if cluster else report


def _describe_origin(batch_run: Batch) -> str:
    """Return where answers are from."""
    progress = batch_run.progress
    platform = "本地沙盒 sandbox" if progress.from_sandbox else batch_run.job.request.platform
    ending = f", {progress.state}: {progress.reason}" if progress.reason else ""
    return f"{progress.model}: {progress.ok} of {progress.total} answered, {platform}, batch {progress.name}{ending}"
