"""Evaluations in the background, from the first question to the report; any thread can follow and
cancel them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .._jobs.background_batch import BatchProgress
from .._jobs.background_job import BackgroundJob
from ..base.language import tr
from ..base.text import labelled
from ..errors import QianfanError
from .report import EvaluationResult
from .run import EvaluationRun
from .samples import client_of, model_label

State = Literal["asking", "scoring", "done", "failed"]


class EvaluationStoppedEarly(QianfanError):
    """A batch ended before all its questions were asked; the report has what was answered."""


@dataclass(frozen=True)
class ModelProgress:
    """How far a model is; `batch` is None when it answers on the platform, which reports no
    progress.
    """

    model: str
    batch: BatchProgress | None


@dataclass(frozen=True)
class EvaluationProgress:
    """How far an evaluation is."""

    models: Sequence[ModelProgress]  # the models, the baseline first
    questions: int  # number of questions for each of them
    state: State = "asking"
    # of the scoring, done and in all; (0, 0) before it begins
    scoring_steps: tuple[int, int] = (0, 0)
    judge_progress: BatchProgress | None = None  # of the judge that is at work, None without one
    cancelled: bool = False  # no more questions are sent
    reason: str = ""  # why it failed
    started_at: float = 0.0  # Unix seconds
    ended_at: float | None = None  # Unix seconds
    # once it is done
    report: EvaluationResult | None = field(default=None, repr=False, compare=False)
    prompts: int = 1  # prompts that each model is asked by: `models` then has it once for each
    repeats: int = 1  # answers to each question

    @property
    def is_finished(self) -> bool:
        """Whether the report is there, or the evaluation failed."""
        return self.ended_at is not None

    def raise_if_stopped(self) -> None:
        """Raise the reason when a batch stopped early, unless the evaluation was cancelled.

        Raises:
            EvaluationStoppedEarly: a batch stopped.
        """
        reasons = [
            labelled(model.model, model.batch.reason)
            for model in self.models
            if model.batch and model.batch.state == "stopped"
        ]
        if reasons and not self.cancelled:
            raise EvaluationStoppedEarly(
                tr(
                    "{reasons}\nThe report has what was answered; run the cell again to go on.",
                    reasons=tr("; ").join(reasons),
                )
            )


class CancellableJudge:
    """A model that judges; its calls can be followed and cancelled."""

    def __init__(self, model: Any) -> None:
        self.label = model_label(model)
        self.judge_model = model
        self._cancelled = False
        self._task: Any = None

    def batch_do(self, texts: Sequence[str], worker_num: int | None = None, **options: Any) -> Any:
        """Send prompts; see `ChatCompletion.batch_do`."""
        client = client_of(self.judge_model)
        self._task = client.batch_do(texts, worker_num=worker_num, **options)
        if self._cancelled:
            self._task.cancel()
        return self._task

    def cancel(self) -> None:
        """Send no more prompts; answers that were not judged have no score."""
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    @property
    def progress(self) -> BatchProgress | None:
        """The progress of its calls, None while it has none."""
        progress: BatchProgress | None = self._task and self._task.progress
        if progress is None or progress.is_finished:
            return None
        return progress


class BackgroundEvaluation(BackgroundJob):
    """An evaluation from its first question to its report, in a thread of its own.

    Args:
        evaluation: the started run.
        judges: what is cancelled with it.
        on_report: called with the evaluation and its report.

    Attributes:
        error: why it failed.
    """

    def __init__(
        self,
        evaluation: EvaluationRun,
        judges: Sequence[CancellableJudge] = (),
        *,
        on_report: Callable[[BackgroundEvaluation, EvaluationResult], object] = lambda *_: None,
    ) -> None:
        super().__init__()
        self.evaluation = evaluation
        self.error: Exception | None = None
        self._judges = judges
        self._on_report = on_report
        self._cancelled = False
        self._started_at = time.time()
        self._report: EvaluationResult | None = None
        self._ended_at: float | None = None
        self._start_thread(self._run, "qfnb-evaluation")

    @property
    def progress(self) -> EvaluationProgress:
        """The present progress, as a value."""
        ended_at = self._ended_at
        evaluation = self.evaluation
        judge_progress = next(filter(None, (judge.progress for judge in self._judges)), None)
        models = []
        is_answered = True
        for label, batch in zip(evaluation.models, evaluation.model_batches, strict=True):
            progress = None if batch is None else batch.progress
            models.append(ModelProgress(label, progress))
            is_answered &= progress is not None and progress.is_finished
        state: State = "asking"
        if ended_at is not None:
            if self.error:
                state = "failed"
            else:
                state = "done"
        elif is_answered or evaluation.scoring_steps[1] or judge_progress:
            state = "scoring"
        return EvaluationProgress(
            models=models,
            questions=evaluation.question_count,
            state=state,
            scoring_steps=evaluation.scoring_steps,
            judge_progress=judge_progress,
            cancelled=self._cancelled,
            reason="" if self.error is None else str(self.error) or type(self.error).__name__,
            started_at=self._started_at,
            ended_at=ended_at,
            report=self._report if ended_at else None,
            prompts=evaluation.prompt_count,
            repeats=evaluation.repeat_count,
        )

    def cancel(self) -> None:
        """Send no more questions and prompts, to models and judges; what was answered is scored."""
        if self._ended_at is None:
            self._cancelled = True
            self.evaluation.cancel()
            for judge in self._judges:
                judge.cancel()

    def report(self) -> EvaluationResult:
        """Wait for the end, and return the report; an interrupt ends the wait, not the evaluation.

        Raises:
            QianfanError: the evaluation failed; any other exception of an evaluator is raised too.
        """
        self._wait_for_end()
        assert self._report is not None
        return self._report

    def _on_interrupt(self) -> str:
        """Let the evaluation go on: the models answer even while no cell waits."""
        return tr("the evaluation goes on in the background; cancel() ends it")

    def _run(self) -> None:
        try:
            self._report = with_statistics(self.evaluation.report())
            self._on_report(self, self._report)
        except Exception as error:
            self.error = error
            raise
        finally:
            self._ended_at = time.time()

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the report, for which it waits: `rep.save("report.html")` in the
        next cell.
        """
        if name.startswith("_") or name not in {
            *dir(EvaluationResult),
            *EvaluationResult.__dataclass_fields__,
        }:
            raise AttributeError(f"neither an evaluation nor its report has {name!r}")
        return getattr(self.report(), name)

    def __repr__(self) -> str:
        return repr(self.evaluation)


def with_statistics(report: EvaluationResult) -> EvaluationResult:
    """Return a report with its intervals and tests computed, which takes a second and happens
    once.
    """
    _ = report.model_scores, report.comparisons, report.model_usage
    return report
