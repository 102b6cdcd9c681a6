"""A sweep at work: its trainings queued, started, taken over or stopped, and their models
evaluated.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Self

from ..._jobs.background_job import BackgroundJob
from ...base.language import tr
from ...config import settings
from ...dataset.typed_dataset import Dataset
from ...errors import APIError, InvalidArgumentError, QianfanError, RateLimitError, TrainingError
from ...evaluation.background import with_statistics
from ...evaluation.report import EvaluationResult
from ...evaluation.run import EvaluationRun
from ...transport import interrupt_safe
from ..actions import LoadDataSetAction
from ..finetune import LLMFinetune
from ..trackers import Tracker
from . import store
from .plan import SweepEstimate, estimate_sweep
from .progress import SweepProgress

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_PARALLEL: Final = 2
"""Trainings at a time, where the user does not say."""

LIMIT_WORDS: Final = ("limit", "quota", "exceed", "toomany", "concurren")
"""Words in the code of an error that says that the account trains as many models as it may."""

_live_trainers: weakref.WeakValueDictionary[str, LLMFinetune] = weakref.WeakValueDictionary()
"""The trainers that sweeps of this kernel have started, by the id of their run."""


class Sweep(BackgroundJob):
    """Trainings with different settings; made by `qfnb.sweep`.

    A training with the same data, model and settings that runs or has a result is taken over: the
    same cell after a kernel restart trains nothing twice.

    Attributes:
        trainers: the trainer of each training, by its label.
        id: `sweep-...`, by which `attach_sweep` and `%qftrain attach` go on with it in another
            kernel; "" where its data cannot be stored.
    """

    def __init__(
        self,
        trainers: Mapping[str, LLMFinetune],
        *,
        parallel: int = DEFAULT_PARALLEL,
        again: bool = False,
        evaluate: Callable[[Mapping[str, LLMFinetune]], EvaluationRun] | None = None,
        arguments: store.Arguments | None = None,
    ) -> None:
        super().__init__()
        if arguments:
            self.id = store.sweep_id(arguments)
        else:
            self.id = ""
        self._arguments = arguments
        self.trainers = dict(trainers)
        self._wished_parallel = self._parallel = parallel
        self._again = again
        self._evaluate = evaluate
        self._running = list[str]()
        self._waiting = deque(self.trainers)
        self._reused = set[str]()
        self._problems = dict[str, str]()
        self._changed = interrupt_safe.InterruptSafeEvent()
        self._stop = interrupt_safe.InterruptSafeEvent()
        self._notice = self._evaluation_error = ""
        self._started_at: float | None = None
        self._ended_at: float | None = None
        self._evaluation: EvaluationRun | None = None
        self._report: EvaluationResult | None = None

    def estimate(self) -> SweepEstimate:
        """Return what the sweep takes in tokens, time and money; nothing is started."""
        trainers = [*self.trainers.values()]
        load = next(
            action for action in trainers[0].actions if isinstance(action, LoadDataSetAction)
        )
        return estimate_sweep(trainers, load.dataset, self._wished_parallel)

    def start(self) -> Self:
        """Start, and return at once; a sweep that has ended starts what failed or was stopped.

        Raises:
            InvalidArgumentError: it is running already.
        """
        if self.is_running:
            raise InvalidArgumentError(
                tr("this sweep is running already: wait() for it, or stop() it")
            )
        if self._arguments:
            store.save(self.id, [*self.trainers], self._arguments)
        self._stop.clear()
        self._waiting = deque(label for label in self.trainers if label not in self.progress.done)
        self._problems = {}
        self._notice = ""
        self._parallel = self._wished_parallel
        self._started_at = time.time()
        self._ended_at = None
        self._start_thread(self._run, "qfnb-sweep")
        return self

    def run(self) -> Self:
        """Start, and wait for the end."""
        return self.start().wait()

    def wait(self, timeout: float | None = None) -> Self:
        """Wait for the end, at most `timeout` seconds; a training that fails does not raise, its
        row says so.

        Raises:
            InvalidArgumentError: it was not started.
            TrainingError: no training has a result.
        """
        if self._future is None:
            raise InvalidArgumentError(tr("the sweep was not started: call start() or run()"))
        self._wait_for_end(timeout)
        return self

    def stop(self) -> Self:
        """Stop all trainings that run, start no others, and ask no more questions."""
        self._stop.set()
        if self._evaluation is not None:
            self._evaluation.cancel()
        for label in [*self._running]:
            self.trainers[label].stop()
        self._changed.set()
        return self

    def cancel(self) -> None:
        """Stop the sweep, as `stop` does."""
        self.stop()

    @property
    def progress(self) -> SweepProgress:
        """The progress so far, as a value."""
        return SweepProgress(
            {label: trainer.progress for label, trainer in self.trainers.items()},
            tuple(self._waiting),
            frozenset(self._reused),
            dict(self._problems),
            self._parallel,
            self._notice,
            self._started_at,
            self._ended_at,
            self._stop.is_set(),
            self._evaluation is not None and self._report is None and self._ended_at is None,
            self._report,
            self._evaluation_error,
            self.id,
        )

    @property
    def report(self) -> EvaluationResult | None:
        """The evaluation of every published model against the base, None before its end or without
        questions.
        """
        return self._report

    @property
    def best(self) -> LLMFinetune | None:
        """The trainer whose model answers best, without an evaluation that with the lowest
        validation loss.
        """
        progress = self.progress
        choice = progress.choose()
        return self.trainers.get(choice.label if choice is not None else progress.lowest_loss)

    def curves(self) -> pd.DataFrame:
        """Return the loss curves of all trainings as one table, with their labels and settings."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        frames = [
            trainer.curves().assign(training=label) for label, trainer in self.trainers.items()
        ]
        return pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)

    def __repr__(self) -> str:
        progress = self.progress
        if self.id:
            name = f"Sweep {self.id}"
        else:
            name = "Sweep"
        return f"<{name} of {len(progress.trainings)} trainings: {len(progress.done)} done>"

    def _on_interrupt(self) -> str:
        return tr("the sweep goes on; stop() ends all its trainings, wait() waits again")

    def _run(self) -> None:
        try:
            self._train_all()
            published = {
                label: row
                for label, row in self.trainers.items()
                if row.output.get("model") is not None
            }
            if self._evaluate is not None and published and not self._stop.is_set():
                self._compare(published)
        finally:
            self._ended_at = time.time()
        if not self.progress.done and not self._stop.is_set():
            reasons = [
                *self._problems.values(),
                *(row.error for row in self.progress.trainings.values() if row.error),
            ]
            raise TrainingError(
                tr(
                    "no training of the sweep has a result: {reason}",
                    reason=next(iter(reasons), ""),
                )
            )

    def _train_all(self) -> None:
        while self._running or (self._waiting and not self._stop.is_set()):
            self._changed.clear()
            # trainings outside of the sweep hold the account's limit
            if self._collect_ended() and not self._running:
                self._stop.wait(settings().train_status_polling_interval)
            while self._waiting and len(self._running) < self._parallel and not self._stop.is_set():
                self._begin(self._waiting.popleft())
            if self._running:
                self._changed.wait()

    def _collect_ended(self) -> bool:
        """Take note of the trainings that have ended; return whether one has to wait for the
        account's limit.
        """
        is_refused = False
        for label in [label for label in self._running if not self.trainers[label].is_running]:
            self._running.remove(label)
            if (reason := _limit_reason(self.trainers[label])) and not self._stop.is_set():
                self._waiting.appendleft(label)
                self._notice = reason
                is_refused = True
        if is_refused:
            self._parallel = max(1, len(self._running))
        return is_refused

    def _begin(self, label: str) -> None:
        """Start a training, or take over the one that exists."""
        try:
            trainer = self._take_over(label)
            if not trainer.is_running and not _has_ended_well(trainer):
                if trainer.progress.started_at is None:
                    self._bring_data(trainer)
                trainer.start(retry=trainer.progress.finished)
        except QianfanError as error:
            self._problems[label] = str(error)
            return
        if trainer.is_running:
            _live_trainers[trainer.id] = trainer
            self._running.append(label)
            trainer.call_at_end(self._changed.set)
            if self._stop.is_set():
                trainer.stop()

    def _take_over(self, label: str) -> LLMFinetune:
        """Return the trainer of a label: that of the same training, where there is one already."""
        trainer = self.trainers[label]
        if self._again:
            record = None
        else:
            record = trainer.find_same()
        if record is None:
            return trainer
        live = _live_trainers.get(record.id)
        same = self.trainers[label] = (
            live if live is not None and live.is_running else trainer.adopt(record)
        )
        self._reused.add(label)
        for handler in trainer.event_handlers:
            if same is not trainer:
                same.add_event_handler(handler)
            if isinstance(handler, Tracker):
                handler.log_progress(same.progress)
        return same

    def _bring_data(self, trainer: LLMFinetune) -> None:
        """Upload the rows once, before trainings that run at a time would each do it."""
        load = next(action for action in trainer.actions if isinstance(action, LoadDataSetAction))
        for source in (load.dataset, *(source for source, _ in load.sources)):
            if isinstance(source, Dataset):
                source.release(stop_event=self._stop)

    def _compare(self, published: Mapping[str, LLMFinetune]) -> None:
        """Ask the base model and every published model the questions; what goes wrong is told, not
        raised.
        """
        assert self._evaluate is not None
        try:
            self._evaluation = self._evaluate(published)
            self._report = with_statistics(self._evaluation.report())
        except QianfanError as error:
            self._evaluation_error = str(error)


def _limit_reason(trainer: LLMFinetune) -> str:
    """Return what the platform said when it refused a training for the account's limit, "" for
    anything else.
    """
    if not trainer.result:
        error = None
    else:
        error = trainer.result[0].get("error")
    if not isinstance(error, APIError) or trainer.progress.task_id:
        return ""
    code = str(error.error_code).lower()
    is_limit = isinstance(error, RateLimitError) or any(word in code for word in LIMIT_WORDS)
    if is_limit:
        return str(error).split("\n")[0]
    return ""


def _has_ended_well(trainer: LLMFinetune) -> bool:
    return trainer.progress.finished and trainer.ppls[0].current is None
