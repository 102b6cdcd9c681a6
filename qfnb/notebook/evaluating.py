"""Evaluations in the background, from the first question to the report; followed and cancelled anywhere."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import QianfanError
from ..views.evaluation_panel import Asking, EvaluationProgress

if TYPE_CHECKING:
    from ..evaluation.report import EvaluationResult
    from ..evaluation.underway import Evaluation
    from ..resources.tally import BatchProgress


class Judge:
    """A model that judges; what it is asked can be followed and cancelled."""

    def __init__(self, model: Any) -> None:
        self.label = getattr(model, "endpoint", None) or getattr(model, "model", None)
        self._model, self._cancelled = model, False
        self._task: Any = None

    def batch_do(self, texts: Sequence[str], worker_num: int | None = None, **options: Any) -> Any:
        """Ask many questions."""
        asked = self._model.get_res() if hasattr(self._model, "get_res") else self._model
        self._task = asked.batch_do(texts, worker_num=worker_num, **options)
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
        now: BatchProgress | None = self._task.progress if self._task is not None else None
        return None if now is None or now.over else now


class Running:
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
        evaluation: Evaluation,
        asked: Sequence[bool],
        count: int,
        judges: Sequence[Judge] = (),
        *,
        done: Callable[[Running, EvaluationResult], object] = lambda *_: None,
    ) -> None:
        self.evaluation = evaluation
        self.error: Exception | None = None
        self._asked, self._count, self._judges, self._done = asked, count, judges, done
        self._cancelled, self._started = False, time.time()
        self._report: EvaluationResult | None = None
        self._ended: float | None = None
        work = contextvars.copy_context().run
        threading.Thread(target=work, args=(self._work,), name="qfeval", daemon=True).start()

    @property
    def progress(self) -> EvaluationProgress:
        """How far it is, as a value."""
        ended, batches = self._ended, iter(self.evaluation.batches)
        judging = next((now for judge in self._judges if (now := judge.progress)), None)
        asking = [
            Asking(label, batch.progress if asked and (batch := next(batches, None)) else None)
            for label, asked in zip(self.evaluation.models, self._asked, strict=True)
        ]
        answered = all(each.batch is not None and each.batch.over for each in asking)
        going = "scoring" if answered or self.evaluation.steps[1] or judging else "asking"
        return EvaluationProgress(
            models=tuple(asking),
            questions=self._count,
            state=going if ended is None else "failed" if self.error else "done",  # type: ignore[arg-type]
            steps=self.evaluation.steps,
            judging=judging,
            cancelled=self._cancelled,
            reason="" if self.error is None else str(self.error) or type(self.error).__name__,
            started_at=self._started,
            ended_at=ended,
            report=self._report if ended else None,
        )

    def cancel(self) -> None:
        """Ask nothing more, neither models nor judges; what was answered is scored."""
        if self._ended is None:
            self._cancelled = True
            self.evaluation.cancel()
            for judge in self._judges:
                judge.cancel()

    def report(self) -> EvaluationResult:
        """Wait for the end, and return the report."""
        while self._ended is None:
            time.sleep(0.02)
        if self.error is not None:
            raise self.error
        assert self._report is not None
        return self._report

    def _work(self) -> None:
        try:
            self._report = counted(self.evaluation.report())
            self._done(self, self._report)
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self.error = error
        finally:
            self._ended = time.time()

    def __getattr__(self, name: str) -> Any:
        """Say what to do for those who want the report's tables too early."""
        raise AttributeError(
            f"no {name!r} yet: the evaluation is under way (评估进行中); `%qfeval wait` first, or .report()"
        )

    def __repr__(self) -> str:
        return repr(self.evaluation)


def counted(report: EvaluationResult) -> EvaluationResult:
    """Return a report with its intervals and tests computed, which takes a second and happens once."""
    _ = report.scored, report.comparisons, report.used
    return report


class StoppedEarly(QianfanError):
    """Not every model could be asked to the end; what was answered is in the report."""
