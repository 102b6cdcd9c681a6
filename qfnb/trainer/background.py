"""A training on a thread of its own: started, waited for, stopped, stored, and found again when the
same training is started.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from .. import connect
from .._jobs.background_job import BackgroundJob
from ..base.language import tr
from ..base.private_files import write_atomically
from ..batching.request_spec import platform_name
from ..dataset.typed_dataset import Dataset
from ..errors import InvalidArgumentError, QianfanError, TrainingError
from ..evaluation.report.files import to_csv
from ..model import Model, Service
from ..transport import event_loop
from ..transport.client import CallOptions
from ..transport.response import Response
from ..wire import finetune as wire
from .actions import (
    DeployAction,
    EvaluateAction,
    LoadDataSetAction,
    ModelPublishAction,
    validate_new_actions,
)
from .base import BaseAction, Facts, Pipeline, StoppedError, Trainer, find_action
from .configs import resolve_train_type
from .consts import ActionState, FinetuneStatus
from .event import Event, EventHandler, call_handler, validate_handler
from .loss_diagnostics import checkpoint_rows
from .offer import read_offer, supported_scales
from .progress import STAGE_BY_ACTION, Stage, TrainingProgress
from .run_store import RunRecord, json_facts, list_runs
from .train_action import TrainAction, read_task

if TYPE_CHECKING:
    import pandas as pd

FINGERPRINT: Final = "fingerprint"
"""The stored fact that holds what a training learns from, and how; see `_fingerprint`."""

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

_ENDED_EARLY: Final = {FinetuneStatus.DatasetLoadStopped, FinetuneStatus.TrainStopped}
"""Stored states of a training that its user has stopped; the platform may call it running for a
while.
"""


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
        self._handlers = [] if handler is None else [handler]
        self._lock = threading.RLock()
        self._saved_at = 0.0
        pipeline = Pipeline(actions)
        pipeline.register_event_handler(self)
        pipeline.on_progress = self.save
        pipeline.position = min(int(run.facts.get("position", 0)), len(actions))
        pipeline.facts = _restore_objects(run.facts.get("facts") or {})
        for action in pipeline.actions:
            action.record = run
        self.ppls = [pipeline]
        if train := self._train_action:
            self.train_mode = train.train_mode
        self._progress = self._load_saved_progress() or TrainingProgress(
            self.train_type, _stages(actions), run_id=run.id, **self._train_settings()
        )

    @property
    def id(self) -> str:
        """The id of the training on this computer, `run-...`."""
        return self._run.id

    @property
    def actions(self) -> list[BaseAction]:
        """The steps of the training."""
        return self.ppls[0].actions

    @property
    def _train_action(self) -> TrainAction | None:
        return find_action(self.actions, TrainAction)

    @classmethod
    def train_type_list(cls) -> dict[str, wire.SupportedModel]:
        """Return the models that the platform tunes in this mode, by name, with their limits."""
        return {row.model: row for row in read_offer() if supported_scales(row, cls.train_mode)}

    def name_by_default(self, name: str) -> None:
        """Name the job of a training that has not begun, unless it was given a name."""
        if name and (train := self._train_action):
            train.default_name = name
            self._progress = replace(self._progress, job_name=train.name_in(self._run))

    @property
    def train_type(self) -> str:
        """The model to tune."""
        train = self._train_action
        return train.train_type if train else ""

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
        if self._future is not None:
            self._wait_for_end(timeout)
        elif not self.progress.finished:
            raise InvalidArgumentError(tr("the training was not started: call start() or run()"))
        elif self.progress.error:  # it ended in another kernel
            raise TrainingError(self.progress.error)
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
            call_handler(handler, event, self.ppls[0].failed_handlers)

    def find_same(self) -> RunRecord | None:
        """Return the newest training with the same data, model, settings and name, None where there
        is none.

        It runs, or has a result; the platform is asked whether it still has it. One that was
        stopped or has failed is none, and where this training has been started itself, there is
        none either.

        Raises:
            QianfanError: the platform does not say whether it has the training.
        """
        fingerprint = _fingerprint(self.actions)
        if self.progress.started_at is not None or not fingerprint:
            return None
        for run in list_runs():
            is_same = run.facts.get(FINGERPRINT) == fingerprint and run.id != self.id
            if is_same and _is_useful(run):
                return run
        return None

    def adopt(self, run: RunRecord) -> Self:
        """Become the training of a record: its state, with the data and event handlers of this one.

        Steps that only this one has, a deployment say, are added and started; `start()` continues
        other ones.
        """
        own = self.actions
        handlers = self._handlers
        actions = _restore_actions(run.facts)
        if isinstance(own[0], LoadDataSetAction):
            actions[0] = own[0]
        BackgroundTrainer.__init__(self, run, actions, None)
        self._handlers = handlers
        self.refresh()
        return self.add_missing_steps(own)

    def add_missing_steps(self, actions: Sequence[BaseAction]) -> Self:
        """Add and start those steps of a kind that the training lacks."""
        kinds = {*map(type, self.actions)}
        missing = [action for action in actions if type(action) not in kinds]
        if missing:
            return self._append_actions(missing)
        return self

    @property
    def checkpoints(self) -> pd.DataFrame:
        """The loss curve: step, losses in nats, rewards of preferences, and which step is kept or
        the best.
        """
        import pandas as pd  # noqa: PLC0415 - slow to import

        return pd.DataFrame(checkpoint_rows(self.progress.points))

    def curves(self, path: str | Path | None = None) -> pd.DataFrame:
        """Return the loss curve with what it is of: run, model, origin and settings, a row for each
        checkpoint.

        Args:
            path: a .csv file to write it to, as Excel opens it.

        Raises:
            InvalidArgumentError: the path ends in something else.
        """
        if path is not None and Path(path).suffix.lower() != ".csv":
            raise InvalidArgumentError(
                tr("{file}: curves are written as .csv", file=repr(Path(path).name))
            )
        progress = self.progress
        frame = self.checkpoints
        origin = "sandbox" if progress.from_sandbox else self._run.facts.get("platform")
        facts = {
            "run": self.id,
            "task_id": progress.task_id,
            "model": progress.title,
            "origin": origin,
        }
        facts |= {f"config/{name}": str(value) for name, value in progress.hyper_parameters.items()}
        frame = frame.assign(**facts)[[*facts, *frame]]
        if path is not None:
            with write_atomically(Path(path).expanduser()) as file:
                file.write(to_csv(frame))
        return frame

    @classmethod
    def _from_record(cls, run: RunRecord) -> Self:
        self = cls.__new__(cls)
        BackgroundTrainer.__init__(self, run, _restore_actions(run.facts), None)
        return self

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

    def save(self, *, durable: bool = True) -> None:
        """Store the position, the facts and the progress, so that another kernel can continue.

        Args:
            durable: return only once they are on the disk.
        """
        pipeline = self.ppls[0]
        progress = self.progress
        self._saved_at = time.monotonic()
        platform = connect.current_platform()
        train = self._train_action
        self._run.update(
            durable=durable,
            kind=type(self).__name__,
            name=train.name_in(self._run) if train else None,
            train_type=self.train_type,
            platform=platform.name,
            host=platform.host,
            status=str(progress.status),
            position=pipeline.position,
            facts=json_facts(pipeline.facts),
            actions=[action.to_dict() for action in pipeline.actions],
            progress=progress.to_json(),
        )

    def __repr__(self) -> str:
        progress = self.progress
        percent = "" if progress.percent is None else f", {progress.percent}%"
        return f"<{type(self).__name__} {self.train_type}: {progress.status}{percent}>"

    def _load_saved_progress(self) -> TrainingProgress | None:
        """Return the stored progress, None where it is missing or cannot be read."""
        saved = self._run.facts.get("progress")
        try:
            return TrainingProgress.from_json(saved) if saved else None
        except (TypeError, ValueError, KeyError):
            return None

    def _train_settings(self) -> dict[str, Any]:
        """Return the fields of the progress about the training step, {} where only the platform
        knows them.
        """
        train = self._train_action
        if train is None or not train.train_type:
            return {}
        return {
            "job_name": train.name_in(self._run),
            "train_mode": train.train_mode,
            "parameter_scale": train.train_config.parameter_scale,
            "from_sandbox": connect.current_platform().name == "sandbox",
            "training_data": getattr(self.actions[0], "data_name", ""),
        }

    def _on_interrupt(self) -> str:
        return tr("the training goes on; stop() ends it, wait() waits again")

    def _start(self, facts: dict[str, Any], *, retry: bool = False) -> Self:
        if self.is_running:
            raise InvalidArgumentError(
                tr("this training is running already: wait() for it, or stop() it")
            )
        pipeline = self.ppls[0]
        self.result = []
        if self.progress.started_at is None:
            # stored with the next state
            self._run.facts.setdefault(FINGERPRINT, _fingerprint(pipeline.actions))
        is_started = pipeline.position > 0 or bool(self._run.facts.get("task_id"))
        run_pipeline = pipeline.run_remaining if is_started else pipeline.run
        if retry:
            run_pipeline = pipeline.resume
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
        stale = []
        for run in runs:
            is_known = run.facts.get("task_id") and run.facts.get("platform") == platform.name
            can_tell = run.facts.get("status") in _TRAINING_STATUSES
            if is_known and can_tell and run.is_unfinished:
                stale.append(run)
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


def _stages(actions: Sequence[BaseAction]) -> tuple[Stage, ...]:
    stages = []
    for action in actions:
        name = type(action).__name__
        stages.append(Stage(STAGE_BY_ACTION.get(name, name), step=getattr(action, "step", None)))
    return tuple(stages)


def _is_useful(run: RunRecord) -> bool:
    """Return whether a training runs or has a result."""
    status = run.facts.get("status")
    task_id = run.facts.get("task_id")
    if status in _ENDED_EARLY:
        return False
    if not task_id:
        return status not in {FinetuneStatus.DatasetLoadFailed, FinetuneStatus.TrainFailed}
    task = read_task(str(task_id))
    return task is not None and task.run_status not in {wire.STOPPED, wire.FAILED}


def _fingerprint(actions: Sequence[BaseAction]) -> str:
    """Return the hash of what a training learns from and how, "" where only the platform knows it.

    What follows the training is not part of it: a model that is there is deployed, not trained once
    more.
    """
    load = find_action(actions, LoadDataSetAction)
    train = find_action(actions, TrainAction)
    if load is None or train is None or not load.sources:
        return ""
    settings = {
        "platform": platform_name(connect.current_platform()),
        "model": resolve_train_type(train.train_type),
        "mode": train.train_mode,
        "config": train.train_config.model_dump(mode="json", exclude_none=True),
        "name": train.job_name,
        "previous": [train.increment_task_id, train.increment_checkpoint_step],
    }
    digest = hashlib.blake2b(_to_json(settings), digest_size=16)
    for source in load.sources:
        digest.update(_to_json([_content(source), None]))  # None: as earlier versions wrote it
    return digest.hexdigest()


def _content(source: Any) -> Any:
    """Return the rows of a dataset, or where it is: its id or its address."""
    if not isinstance(source, Dataset):
        return source
    if source.id is None:
        return [dict(row) for row in source.rows]
    return source.id


def _to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str).encode(
        "utf-8", "surrogatepass"
    )


def _restore_actions(facts: Mapping[str, Any]) -> list[BaseAction]:
    """Return the actions of a stored training; of one started elsewhere, those that poll and
    publish it.
    """
    rows = facts.get("actions") or [{"type": "TrainAction"}, {"type": "ModelPublishAction"}]
    actions: list[BaseAction] = []
    for row in rows:
        if (action_class := ACTION_CLASSES.get(str(row.get("type")))) is None:
            kind = repr(row.get("type"))
            raise InvalidArgumentError(
                tr("this version of qfnb has no action {kind}: update it", kind=kind)
            )
        action = action_class()
        if "id" in row:
            action.restore(row)
        if isinstance(action, TrainAction):  # the record is newer than the stored action
            action.task_id = facts.get("task_id") or action.task_id
            action.job_id = facts.get("job_id") or action.job_id
        actions.append(action)
    return actions


ACTION_CLASSES: dict[str, type[BaseAction]] = {
    "LoadDataSetAction": LoadDataSetAction,
    "TrainAction": TrainAction,
    "ModelPublishAction": ModelPublishAction,
    "DeployAction": DeployAction,
    "EvaluateAction": EvaluateAction,
}


def _restore_objects(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts with the model and the service, which JSON does not hold."""
    restored = dict(facts)
    if version := restored.get("model_version_id"):
        run = restored.get("task_id"), restored.get("job_id")
        restored["model"] = Model(version, None, *run, set_id=restored.get("model_set_id"))
    if endpoint := restored.get("service_endpoint"):
        restored["service"] = Service(restored.get("service_id"), endpoint, restored.get("model"))
    return restored
