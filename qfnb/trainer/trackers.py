"""Trainings and reports in an experiment tracker: TensorBoard, MLflow, SwanLab, Weights & Biases.

Each is an extra of qfnb, and is imported when its tracker is made.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import re
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..redact import redact
from .event import Event, EventHandler
from .progress import TrainingProgress

MAX_MLFLOW_METRICS: Final = 1000
"""Metrics that MLflow takes in one call."""

Numbers = Mapping[str, float]

log = logging.getLogger("qfnb.trainer")


class Tracker(EventHandler, ABC):
    """Logs the curve, the settings and the end of one training; `report.log_to(tracker)` adds an
    evaluation.

    Pass it as `event_handler`, or to `trainer.add_event_handler`. What a tracker does not take
    never stops a training: the reason is logged once, and what is missing is sent with the next
    event.

    Raises:
        InvalidArgumentError: the package is not installed; says which extra of qfnb has it.
    """

    package: ClassVar[str]
    extra: ClassVar[str]

    def __init__(self) -> None:
        try:
            self._package = importlib.import_module(self.package)
        except ImportError as error:
            name = type(self).__name__
            missing = error.name or self.package
            raise InvalidArgumentError(
                tr(
                    "{name} needs {package}: pip install 'qfnb[{extra}]'",
                    name=name,
                    package=missing,
                    extra=self.extra,
                )
            ) from None
        self._lock = threading.RLock()
        self._progress = TrainingProgress("", ())
        self._last_step = -1
        self._problem = ""
        self._settings: dict[str, str] = {}

    def dispatch(self, event: Event) -> None:
        """Log what an event of a training adds."""
        with self._lock:
            self.log_progress(self._progress.with_event(event))

    def log_progress(self, progress: TrainingProgress) -> None:
        """Log what a progress adds: `tracker.log_progress(trainer.progress)` for a training that
        has ended.
        """
        with self._lock:
            self._progress = progress
            try:
                self._log_progress(progress)
                self._problem = ""
            except Exception as error:  # noqa: BLE001 - of somebody else's package, or of its server
                problem = redact(f"{type(error).__name__}: {error}")
                if problem != self._problem:
                    text = tr(
                        "{tracker} did not take the curve: {reason}\n"
                        "the training goes on, and the next event sends it again",
                        tracker=type(self).__name__,
                        reason=problem,
                    )
                    log.warning(text)
                self._problem = problem

    def log_numbers(self, numbers: Numbers, settings: Mapping[str, object] | None = None) -> None:
        """Log numbers beside the curve, at its last step; errors of the tracker are raised.

        Args:
            numbers: by name; what is not finite is left out.
            settings: texts by name, such as where the numbers are from.
        """
        with self._lock:
            self._log_settings(settings or {})
            self._log_rows([(max(0, self._last_step), numbers)])
            if self._progress.finished or self._progress.started_at is None:
                self._close(self._progress)

    def _log_progress(self, progress: TrainingProgress) -> None:
        self._log_settings(_settings(progress))
        points = [point for point in progress.points if point.step > self._last_step]
        self._log_rows([(point.step, point.numbers()) for point in points])
        self._last_step = max((point.step for point in points), default=self._last_step)
        if progress.finished:
            self._log_rows([(max(0, self._last_step), _scores(progress))])
            self._close(progress)

    def _log_settings(self, settings: Mapping[str, object]) -> None:
        values = {
            clean_name(name): str(value)
            for name, value in settings.items()
            if value is not None and value != ""
        }
        changed = {
            name: value for name, value in values.items() if self._settings.get(name) != value
        }
        if changed:
            self._write_settings(changed)
            self._settings |= changed

    def _log_rows(self, rows: Sequence[tuple[int, Numbers]]) -> None:
        finite = [
            (
                step,
                {
                    clean_name(name): value
                    for name, value in numbers.items()
                    if math.isfinite(value)
                },
            )
            for step, numbers in rows
        ]
        if any(numbers for _, numbers in finite):
            self._write_rows([(step, numbers) for step, numbers in finite if numbers])

    @abstractmethod
    def _write_settings(self, settings: Mapping[str, str]) -> None:
        """Write settings that are new or have changed."""

    @abstractmethod
    def _write_rows(self, rows: Sequence[tuple[int, Numbers]]) -> None:
        """Write numbers by step."""

    @abstractmethod
    def _close(self, progress: TrainingProgress) -> None:
        """End the run; numbers that follow open it again."""


class TensorBoardTracker(Tracker):
    """Writes event files that TensorBoard reads.

    Args:
        log_dir: the folder of the run, e.g. runs/teahouse.
    """

    package = "tensorboardX"
    extra = "tensorboard"

    def __init__(self, log_dir: str | Path) -> None:
        super().__init__()
        self._log_dir = Path(log_dir).expanduser()
        self._writer = None

    @property
    def _open_writer(self) -> Any:
        # The name of a file is a time in seconds: without a suffix the next writer would replace
        # the file of this one.
        suffix = f".{secrets.token_hex(4)}"
        self._writer = self._writer or self._package.SummaryWriter(
            str(self._log_dir), filename_suffix=suffix
        )
        return self._writer

    def _write_settings(self, settings: Mapping[str, str]) -> None:
        for name, value in settings.items():
            self._open_writer.add_text(name, value)

    def _write_rows(self, rows: Sequence[tuple[int, Numbers]]) -> None:
        for step, numbers in rows:
            for name, value in numbers.items():
                self._open_writer.add_scalar(name, value, step)
        self._open_writer.flush()

    def _close(self, progress: TrainingProgress) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class MLflowTracker(Tracker):
    """Logs to MLflow, as one run.

    Args:
        experiment: its name; it is made where there is none.
        name: of the run; default: one of MLflow's.
        tracking_uri: a server or a folder; default: MLflow's own setting.
        run_id: go on with this run, after a kernel restart say.
    """

    package = "mlflow"
    extra = "mlflow"

    def __init__(
        self,
        experiment: str = "qfnb",
        name: str | None = None,
        *,
        tracking_uri: str | None = None,
        run_id: str = "",
    ) -> None:
        super().__init__()
        self._experiment = experiment
        self._name = name
        self._uri = tracking_uri
        self.run_id = run_id
        self._client = None

    def _open_run(self) -> Any:
        """Return the client, once there is a run."""
        client = self._client = self._client or self._package.MlflowClient(self._uri)
        if not self.run_id:
            experiment = client.get_experiment_by_name(self._experiment)
            if experiment:
                experiment_id = experiment.experiment_id
            else:
                experiment_id = client.create_experiment(self._experiment)
            self.run_id = client.create_run(experiment_id, run_name=self._name).info.run_id
        return client

    def _write_settings(self, settings: Mapping[str, str]) -> None:
        client = self._open_run()
        entities = self._package.entities
        client.log_batch(
            self.run_id, tags=[entities.RunTag(name, value) for name, value in settings.items()]
        )

    def _write_rows(self, rows: Sequence[tuple[int, Numbers]]) -> None:
        client = self._open_run()
        metric = self._package.entities.Metric
        now = int(time.time() * 1000)
        metrics = [
            metric(name, value, now, step)
            for step, numbers in rows
            for name, value in numbers.items()
        ]
        for start in range(0, len(metrics), MAX_MLFLOW_METRICS):
            client.log_batch(self.run_id, metrics=metrics[start : start + MAX_MLFLOW_METRICS])

    def _close(self, progress: TrainingProgress) -> None:
        if self.run_id:
            if progress.failed:
                end = "FAILED"
            elif progress.stopped:
                end = "KILLED"
            else:
                end = "FINISHED"
            self._open_run().set_terminated(self.run_id, end)


class _RunTracker(Tracker):
    """Logs to a package whose `init` opens a run with `config` and `log`."""

    def __init__(self, project: str = "qfnb", **options: Any) -> None:
        super().__init__()
        self._options: dict[str, Any] = {"project": project, **options}
        self._run: Any = None

    @property
    def _open_run(self) -> Any:
        self._run = self._run or self._package.init(**self._options)
        return self._run

    def _write_settings(self, settings: Mapping[str, str]) -> None:
        self._open_run.config.update(dict(settings))

    def _write_rows(self, rows: Sequence[tuple[int, Numbers]]) -> None:
        for step, numbers in rows:
            self._open_run.log(dict(numbers), step=step)

    def _close(self, progress: TrainingProgress) -> None:
        if self._run is not None:
            self._options |= {"id": self._run.id, "resume": "allow"}
            self._finish(progress)
            self._run = None

    @abstractmethod
    def _finish(self, progress: TrainingProgress) -> None:
        """End the run that is open."""


class WandbTracker(_RunTracker):
    """Logs to Weights & Biases, as one run.

    Args:
        project: its name.
        **options: of `wandb.init`: name, group, mode="offline", id to go on with a run, ...
    """

    package = "wandb"
    extra = "wandb"

    def __init__(self, project: str = "qfnb", **options: Any) -> None:
        super().__init__(project, **{"reinit": "create_new", **options})

    def _finish(self, progress: TrainingProgress) -> None:
        self._run.finish(exit_code=1 if progress.failed else 0)


class SwanLabTracker(_RunTracker):
    """Logs to SwanLab, as one run; SwanLab has one at a time in a process.

    Args:
        project: its name.
        **options: of `swanlab.init`: name, mode="offline", id to go on with a run, ...
    """

    package = "swanlab"
    extra = "swanlab"

    def _finish(self, progress: TrainingProgress) -> None:
        if not progress.failed:
            failure = None
        else:
            failure = progress.error
        self._package.finish(state="crashed" if failure else "success", error=failure)


def clean_name(name: str) -> str:
    """Return a name that every tracker takes: letters of any script, digits and `_ . - / space`."""
    return re.sub(r"[^\w.\-/ ]", "_", name)


def _settings(progress: TrainingProgress) -> dict[str, object]:
    """Return the settings of a training: its model, mode and platform."""
    if progress.from_sandbox:
        origin = "sandbox"
    elif progress.run_state:
        origin = "qianfan"
    else:
        origin = ""
    names = ("title", "train_mode", "parameter_scale", "task_id")
    return {name: getattr(progress, name) for name in names} | {
        "origin": origin,
        **progress.hyper_parameters,
    }


def _scores(progress: TrainingProgress) -> dict[str, float]:
    """Return the platform's scores on the rows that it held out, those that are numbers."""
    scores: dict[str, float] = {}
    for name, value in progress.metrics.items():
        with contextlib.suppress(TypeError, ValueError):
            scores[f"held_out/{name}"] = float(value)
    return scores
