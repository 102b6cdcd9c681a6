"""Evaluations in the background, from the first question to the report; followed and cancelled anywhere."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import QianfanError
from ..views.evaluation.panel import EvaluationProgress, ModelProgress

if TYPE_CHECKING:
    from .._jobs.batch_progress import BatchProgress
    from .report.data import EvaluationResult
    from .run import EvaluationRun


class CancellableJudge:
    """A model that judges; what it is asked can be followed and cancelled."""

    def __init__(self, model: Any) -> None:
        self.label = getattr(model, "endpoint", None) or getattr(model, "model", None)
        self._model, self._cancelled = model, False
        self._task: Any = None

    def batch_do(self, texts: Sequence[str], worker_num: int | None = None, **options: Any) -> Any:
        """Ask many questions."""
        client = self._model.get_res() if hasattr(self._model, "get_res") else self._model
        self._task = client.batch_do(texts, worker_num=worker_num, **options)
        if self._cancelled:
            self._task.cancel()
        return self._task

    def cancel(self) -> None:
        """Ask nothing more; what was not judged has no score."""
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    @property
    def progress(self) -> BatchProgress | None:
        """How far it is, None while it is not at work."""
        progress: BatchProgress | None = self._task.progress if self._task is not None else None
        return None if progress is None or progress.is_finished else progress


class BackgroundEvaluation:
    """An evaluation from its first question to its report, in a thread of its own.

    Args:
        evaluation: what was started.
        asked: of each model, whether a batch asks it.
        count: how many questions.
        judges: what is cancelled with it.
        done: is called with the report.

    Attributes:
        error: what ended it badly.
    """

    def __init__(
        self,
        evaluation: EvaluationRun,
        uses_batch: Sequence[bool],
        question_count: int,
        judges: Sequence[CancellableJudge] = (),
        *,
        on_report: Callable[[BackgroundEvaluation, EvaluationResult], object] = lambda *_: None,
    ) -> None:
        self.evaluation = evaluation
        self.error: Exception | None = None
        self._uses_batch, self._question_count, self._judges, self._on_report = (
            uses_batch,
            question_count,
            judges,
            on_report,
        )
        self._cancelled, self._started_at = False, time.time()
        self._report: EvaluationResult | None = None
        self._ended_at: float | None = None
        run_in_context = contextvars.copy_context().run
        threading.Thread(target=run_in_context, args=(self._run,), name="qfeval", daemon=True).start()

    @property
    def progress(self) -> EvaluationProgress:
        """How far it is, as a value."""
        ended_at, batches = self._ended_at, iter(self.evaluation.batches)
        judge_progress = next((progress for judge in self._judges if (progress := judge.progress)), None)
        models = [
            ModelProgress(label, batch.progress if uses_batch and (batch := next(batches, None)) else None)
            for label, uses_batch in zip(self.evaluation.models, self._uses_batch, strict=True)
        ]
        is_answered = all(model.batch is not None and model.batch.is_finished for model in models)
        state = "scoring" if is_answered or self.evaluation.scoring_steps[1] or judge_progress else "asking"
        return EvaluationProgress(
            models=tuple(models),
            questions=self._question_count,
            state=state if ended_at is None else "failed" if self.error else "done",  # type: ignore[arg-type]
            scoring_steps=self.evaluation.scoring_steps,
            judge_progress=judge_progress,
            cancelled=self._cancelled,
            reason="" if self.error is None else str(self.error) or type(self.error).__name__,
            started_at=self._started_at,
            ended_at=ended_at,
            report=self._report if ended_at else None,
        )

    def cancel(self) -> None:
        """Ask nothing more, neither models nor judges; what was answered is scored."""
        if self._ended_at is None:
            self._cancelled = True
            self.evaluation.cancel()
            for judge in self._judges:
                judge.cancel()

    def report(self) -> EvaluationResult:
        """Wait for the end, and return the report."""
        while self._ended_at is None:
            time.sleep(0.02)
        if self.error is not None:
            raise self.error
        assert self._report is not None
        return self._report

    def _run(self) -> None:
        try:
            self._report = with_statistics(self.evaluation.report())
            self._on_report(self, self._report)
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self.error = error
        finally:
            self._ended_at = time.time()

    def __getattr__(self, name: str) -> Any:
        """Say what to do for those who want the report's tables too early."""
        raise AttributeError(
            f"no {name!r} yet: the evaluation is under way (评估进行中); `%qfeval wait` first, or .report()"
        )

    def __repr__(self) -> str:
        return repr(self.evaluation)


def with_statistics(report: EvaluationResult) -> EvaluationResult:
    """Return a report with its intervals and tests computed, which takes a second and happens once."""
    _ = report.model_scores, report.comparisons, report.model_usage
    return report


class EvaluationStoppedEarly(QianfanError):
    """Not every model could be asked to the end; what was answered is in the report."""
