"""A training on a thread of its own: started, waited for, stopped, stored, its events passed on."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from .. import connect
from .._jobs.background_job import BackgroundJob
from ..base.language import tr
from ..errors import InvalidArgumentError, QianfanError, TrainingError
from ..transport import event_loop
from ..transport.client import CallOptions
from ..transport.response import Response
from ..wire import finetune_v2 as wire
from .actions import LoadDataSetAction, validate_new_actions
from .base import BaseAction, Facts, Pipeline, StoppedError, Trainer
from .consts import ActionState, FinetuneStatus
from .event import Event, EventHandler, validate_handler
from .model_info import ModelInfo, get_trainer_model_list
from .progress import STAGE_BY_ACTION, Stage, TrainingProgress
from .run_store import RunRecord, json_facts
from .train_action import TrainAction

SAVE_INTERVAL_S: Final = 2.0
"""Seconds between two writes of a progress whose status has not changed."""

REFRESH_TIMEOUT_S: Final = 5.0
"""Seconds that attaching a training waits for the platform's answer."""

LIST_TIMEOUT_S: Final = 2.0
"""Seconds that a list of trainings waits for the platform's answers."""

MAX_REFRESHED: Final = 8
"""Trainings of which a list asks the platform."""

_STATUS_OF_RUN: Final = {
    wire.PENDING: FinetuneStatus.Created,
    wire.RUNNING: FinetuneStatus.Training,
    wire.DONE: FinetuneStatus.TrainFinished,
    wire.FAILED: FinetuneStatus.TrainFailed,
    wire.STOPPED: FinetuneStatus.TrainStopped,
}

_TRAINING_STATUSES: Final = (*_STATUS_OF_RUN.values(), FinetuneStatus.DatasetLoaded)
"""Statuses that the platform can tell; of the steps after the training only a kernel knows."""

log = logging.getLogger("qfnb.trainer")


class BackgroundTrainer(Trainer, BackgroundJob, EventHandler):
    """A pipeline of actions on a thread of its own; see `LLMFinetune` for what users call.

    It handles the events of its pipeline: it folds them into the progress, stores that, and passes
    them on.
    """

    train_mode: str = wire.SFT

    def __init__(
        self, run: RunRecord, actions: Sequence[BaseAction], handler: EventHandler | None
    ) -> None:
        Trainer.__init__(self)
        BackgroundJob.__init__(self)
        self._run = run
        validate_handler(handler)
        if handler is not None:
            self._handlers = [handler]
        else:
            self._handlers = []
        self._lock = threading.RLock()
        self._saved_at = 0.0
        pipeline = Pipeline(actions)
        pipeline.register_event_handler(self)
        pipeline.on_progress = self.save
        for action in pipeline.actions:
            action.record = run
        self.ppls = [pipeline]
        self._progress = self._load_saved_progress() or TrainingProgress(
            self.train_type,
            _stages(pipeline.actions),
            run_id=run.id,
            **_train_settings(pipeline.actions, run),
        )

    @property
    def id(self) -> str:
        """The id of the training on this computer, `run-...`."""
        return self._run.id

    @property
    def actions(self) -> list[BaseAction]:
        """The steps of the training."""
        return self.ppls[0].actions

    @classmethod
    def train_type_list(cls) -> dict[str, ModelInfo]:
        """Return the models that the platform tunes in this mode, by name."""
        return get_trainer_model_list(cls.train_mode)

    def name_by_default(self, name: str) -> None:
        """Name the job of a training that has not begun, unless it was given a name."""
        for action in self.actions:
            if name and isinstance(action, TrainAction):
                action.default_name = name
                self._progress = replace(self._progress, job_name=action.name_in(self._run))

    def info(self) -> dict[str, Any]:
        """Return the stored facts of the training: ids, steps, settings and progress."""
        self.save(durable=False)
        return dict(self._run.facts)

    @property
    def train_type(self) -> str:
        """The model to tune."""
        return next(
            filter(None, (str(getattr(action, "train_type", "")) for action in self.actions)), ""
        )

    def start(self, join_on_exited: bool = False, *, retry: bool = False, **_: Any) -> Self:
        """Start on a worker thread and return at once; a training that was started before
        continues.

        Args:
            join_on_exited: has no effect; the platform goes on with the run when the process ends.
            retry: retry the step that was stopped or failed, as `resume` does; default: only poll
                it.

        Raises:
            InvalidArgumentError: the training is running already.
        """
        return self._start({}, retry=retry)

    def run(self, **kwargs: Any) -> Self:
        """Run and wait for the end; an interrupt ends the waiting, not the training.

        Args:
            **kwargs: `input`, a dictionary of facts for the first action.

        Raises:
            TrainingError: the run failed; other errors of its steps are raised as they are.
        """
        return self._start(dict(kwargs.get("input") or {})).wait()

    def resume(self, **kwargs: Any) -> Self:
        """Retry the step that was stopped or failed, and wait for the end; arguments as for
        `run`.
        """
        return self._start(dict(kwargs.get("input") or {}), retry=True).wait()

    def wait(self, timeout: float | None = None, **_: Any) -> Self:
        """Wait for the end, at most `timeout` seconds; a stopped training raises nothing, see
        `status`.

        Raises:
            InvalidArgumentError: the training was not started.
            QianfanError: the error that ended the training.
        """
        if self._future is None:
            return self._result_of_earlier_run()
        self._wait_for_end(timeout)
        return self

    def stop(self, **_: Any) -> Self:
        """Stop the run on the platform, and the pipeline; the platform keeps the checkpoints so
        far.
        """
        self.ppls[0].stop()
        return self

    def cancel(self) -> None:
        """Stop the training, as `stop` does."""
        self.stop()

    @property
    def status(self) -> str:
        """The status: a FinetuneStatus, or a ServiceStatus once the model is deployed."""
        return str(self.progress.status)

    @property
    def progress(self) -> TrainingProgress:
        """The progress so far, as a value."""
        with self._lock:
            return self._progress

    def refresh(self) -> None:
        """Ask the platform once how far the run is, unless it has ended; without a quick answer
        nothing changes.
        """
        task_id = getattr(self.ppls[0].current, "task_id", None)
        if not task_id or self.progress.finished:
            return
        with contextlib.suppress(QianfanError):
            answer = event_loop.run(_describe_run(str(task_id)))
            text = tr("run {run}: {state}", run=task_id, state=answer.data.run_status or "accepted")
            event = Event(None, ActionState.Running, text, answer, action_class="TrainAction")
            with self._lock:
                self._progress = self._progress.with_event(event)

    def add_event_handler(self, handler: EventHandler) -> Callable[[], None]:
        """Call a handler at each event, on the worker thread; `progress` then includes the event.

        Returns:
            A function that removes it.

        Raises:
            InvalidArgumentError: the handler has no method `dispatch`.
        """
        validate_handler(handler)
        with self._lock:
            self._handlers.insert(0, handler)

        def remove() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._handlers.remove(handler)

        return remove

    def register_event_handler(
        self, event_handler: EventHandler, ppl_id: str | None = None
    ) -> None:
        """Call a handler at each event; `ppl_id` is not used, there is one pipeline."""
        self.add_event_handler(event_handler)

    def dispatch(self, event: Event) -> None:
        """Handle an event of the pipeline."""
        with self._lock:
            previous = self._progress
            self._progress = self._progress.with_event(event)
            progress = self._progress
            handlers = list(self._handlers)
        if (
            progress.status != previous.status
            or time.monotonic() - self._saved_at > SAVE_INTERVAL_S
        ):
            self.save(durable=False)
        for handler in handlers:
            self.ppls[0].handler_calls.dispatch(handler, event)

    def _append_actions(self, actions: Sequence[BaseAction]) -> Self:
        """Add steps at the end, and start them unless the training is running."""
        pipeline = self.ppls[0]
        if not self.is_running and pipeline.current is not None and self.progress.finished:
            raise InvalidArgumentError(
                tr(
                    "{run} was stopped or has failed: resume it first, `%qftrain resume {run}`",
                    run=self.id,
                )
            )
        validate_new_actions(actions, pipeline.actions)
        for action in actions:
            action.record = self._run
        with self._lock:
            pipeline.append(actions)
            new_stages = _stages(actions)
            names = {stage.name for stage in new_stages}
            kept_stages = (stage for stage in self._progress.stages if stage.name not in names)
            self._progress = replace(self._progress, stages=(*kept_stages, *new_stages))
        self.save()
        if self.is_running:
            return self
        return self.start()

    def save(self, file: str | Path | None = None, *, durable: bool = True) -> None:
        """Store the position, the facts and the progress, so that another kernel can continue.

        Args:
            file: write them to this file too, which `load(file=...)` reads.
            durable: return only once they are on the disk.
        """
        pipeline = self.ppls[0]
        progress = self.progress
        self._saved_at = time.monotonic()
        platform = connect.current_platform()
        self._run.update(
            durable=durable,
            kind=type(self).__name__,
            name=next(
                (a.name_in(self._run) for a in pipeline.actions if isinstance(a, TrainAction)), None
            ),
            train_type=self.train_type,
            platform=platform.name,
            host=platform.host,
            status=str(progress.status),
            position=pipeline.position,
            facts=json_facts(pipeline.facts),
            actions=[action.to_dict() for action in pipeline.actions],
            progress=progress.to_json(),
        )
        if file is not None:
            Path(file).write_bytes(self.dumps() or b"")

    def __repr__(self) -> str:
        progress = self.progress
        if progress.percent is not None:
            percent = f", {progress.percent}%"
        else:
            percent = ""
        return f"<{type(self).__name__} {self.train_type}: {progress.status}{percent}>"

    def _result_of_earlier_run(self) -> Self:
        """Return the training if it ended in another kernel."""
        if not self.progress.finished:
            raise InvalidArgumentError(tr("the training was not started: call start() or run()"))
        if self.progress.error:
            raise TrainingError(self.progress.error)
        return self

    def _load_saved_progress(self) -> TrainingProgress | None:
        """Return the stored progress, None where it is missing or cannot be read."""
        saved = self._run.facts.get("progress")
        try:
            return TrainingProgress.from_json(saved) if saved else None
        except (TypeError, ValueError, KeyError):
            return None

    def _on_interrupt(self) -> str:
        return tr("the training goes on; stop() ends it, wait() waits again")

    def _start(self, facts: dict[str, Any], *, retry: bool = False) -> Self:
        if self.is_running:
            raise InvalidArgumentError(
                tr("this training is running already: wait() for it, or stop() it")
            )
        pipeline = self.ppls[0]
        self.result = []
        is_started = pipeline.position > 0 or bool(self._run.facts.get("task_id"))
        run_pipeline = (
            pipeline.resume if retry else pipeline.run_remaining if is_started else pipeline.run
        )
        # a missing key, or a sandbox that cannot start, is raised here, in the user's cell
        connect.client()
        self.save()
        self._start_thread(lambda: self._run_to_end(run_pipeline, facts), "qfnb-training")
        return self

    def _run_to_end(self, run_pipeline: Callable[[Facts], Facts], facts: Facts) -> None:
        try:
            self.result = [run_pipeline(facts)]
            # a step was added while the last one was ending
            while self.ppls[0].current is not None:
                self.result = [self.ppls[0].run_remaining()]
        except StoppedError:
            self.result = [dict(self.output)]
        except Exception as error:
            self.result = [{"error": error}]
            raise
        finally:
            self.save()


def refresh_runs(runs: Sequence[RunRecord]) -> None:
    """Ask the platform once how far those of some trainings are that have not ended, the newest of
    them: a kernel that wrote of one just now may be gone.

    Only the records in memory change, not what is stored; without a quick answer nothing does.
    """
    with contextlib.suppress(QianfanError):
        platform = connect.platform_info()
        known = [
            run
            for run in runs
            if run.facts.get("task_id") and run.facts.get("platform") == platform.name
        ]
        stale = [
            run
            for run in known
            if run.is_unfinished and run.facts.get("status") in _TRAINING_STATUSES
        ]
        if stale and platform.host:  # no sandbox is started for it
            event_loop.run(_refresh_all(stale[:MAX_REFRESHED]))


async def _refresh_all(runs: Sequence[RunRecord]) -> None:
    await asyncio.gather(*map(_refresh_run, runs))


async def _refresh_run(run: RunRecord) -> None:
    with contextlib.suppress(QianfanError):
        task = (await _describe_run(str(run.facts["task_id"]), LIST_TIMEOUT_S)).data
        progress = {**run.facts["progress"], "percent": task.run_progress}
        status = _STATUS_OF_RUN.get(task.run_status or "")
        # of what follows only its kernel knows
        if status is not None and not progress.get("model_version_id"):
            run.facts |= {"status": str(status), "progress": progress}
            run.is_asked = True


async def _describe_run(task_id: str, timeout_s: float = REFRESH_TIMEOUT_S) -> Response[wire.Task]:
    options = CallOptions(timeout=timeout_s, attempts=1)
    return await (await connect.aclient()).send(
        wire.DESCRIBE_TASK, wire.TaskRef(task_id=task_id), options=options
    )


def _train_settings(actions: Sequence[BaseAction], run: RunRecord) -> dict[str, Any]:
    """Return the fields of the progress about the training step, {} where only the platform knows
    them.
    """
    action = next((action for action in actions if isinstance(action, TrainAction)), None)
    if action is None or not action.train_type:
        return {}
    return {
        "job_name": action.name_in(run),
        "train_mode": action.train_mode,
        "parameter_scale": action.train_config.parameter_scale,
        "from_sandbox": connect.current_platform().name == "sandbox",
        "training_data": next(
            (row.data_name for row in actions if isinstance(row, LoadDataSetAction)), ""
        ),
    }


def _stages(actions: Sequence[BaseAction]) -> tuple[Stage, ...]:
    stages = []
    for action in actions:
        name = type(action).__name__
        stages.append(Stage(STAGE_BY_ACTION.get(name, name), step=getattr(action, "step", None)))
    return tuple(stages)
