"""Trainings and reports as files of TensorBoard."""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import re
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..redact import redact
from .event import Event, EventHandler
from .progress import TrainingProgress

log = logging.getLogger("qfnb.trainer")


class TensorBoardTracker(EventHandler):
    """Writes the curve, the settings and the end of one training; `report.log_to(tracker)` adds an
    evaluation.

    Pass it as `event_handler`, or to `trainer.add_event_handler`. A disk that does not take the
    files never stops a training: the reason is logged once, and what is missing is written with the
    next event.

    Args:
        log_dir: the folder of the run, e.g. runs/teahouse.

    Raises:
        InvalidArgumentError: the package is not installed; says which extra of qfnb has it.
    """

    def __init__(self, log_dir: str | Path) -> None:
        try:
            self._package = importlib.import_module("tensorboardX")
        except ImportError as error:
            raise InvalidArgumentError(
                tr(
                    "{name} needs {package}: pip install 'qfnb[{extra}]'",
                    name=type(self).__name__,
                    package=error.name,
                    extra="tensorboard",
                )
            ) from None
        self._log_dir = Path(log_dir).expanduser()
        self._writer: Any = None
        self._lock = threading.RLock()
        self._progress = TrainingProgress("", ())
        self._last_step = -1
        self._problem = ""
        self._settings: dict[str, str] = {}

    def dispatch(self, event: Event) -> None:
        """Write what an event of a training adds."""
        with self._lock:
            self.log_progress(self._progress.with_event(event))

    def log_progress(self, progress: TrainingProgress) -> None:
        """Write what a progress adds: `tracker.log_progress(trainer.progress)` for a training that
        has ended.
        """
        with self._lock:
            self._progress = progress
            try:
                self._write(_settings(progress))
                for point in progress.points:
                    if point.step > self._last_step:
                        self._write({}, point.numbers(), point.step)
                        self._last_step = point.step
                if progress.finished:
                    self._write({}, _scores(progress), max(0, self._last_step))
                    self._close()
                self._problem = ""
            except OSError as error:
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

    def log_numbers(
        self, numbers: Mapping[str, float], settings: Mapping[str, object] | None = None
    ) -> None:
        """Write numbers beside the curve, at its last step; errors of the disk are raised.

        Args:
            numbers: by name; what is not finite is left out.
            settings: texts by name, such as where the numbers are from.
        """
        with self._lock:
            self._write(settings or {}, numbers, max(0, self._last_step))
            if self._progress.finished or self._progress.started_at is None:
                self._close()

    def _write(
        self, settings: Mapping[str, object], numbers: Mapping[str, float] = {}, step: int = 0
    ) -> None:
        """Write the settings that are new or have changed, and the numbers that are finite."""
        if self._writer is None:
            # The name of a file is a time in seconds: without a suffix the next writer would
            # replace the file of this one.
            suffix = f".{secrets.token_hex(4)}"
            self._writer = self._package.SummaryWriter(str(self._log_dir), filename_suffix=suffix)
        for name, value in settings.items():
            text = "" if value is None else str(value)
            if text and self._settings.get(name) != text:
                self._writer.add_text(_clean_name(name), text)
                self._settings[name] = text
        for name, number in numbers.items():
            if math.isfinite(number):
                self._writer.add_scalar(_clean_name(name), number, step)
        self._writer.flush()

    def _close(self) -> None:
        """End the file; numbers that follow begin another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _clean_name(name: str) -> str:
    """Return a name of letters of any script, digits and `_ . - / space`."""
    return re.sub(r"[^\w.\-/ ]", "_", name)


def _settings(progress: TrainingProgress) -> dict[str, object]:
    """Return the settings of a training: its model, mode and platform."""
    origin = "qianfan" if progress.run_state else ""
    if progress.from_sandbox:
        origin = "sandbox"
    names = ("title", "train_mode", "parameter_scale", "task_id")
    settings = {name: getattr(progress, name) for name in names}
    return {**settings, "origin": origin, **progress.hyper_parameters}


def _scores(progress: TrainingProgress) -> dict[str, float]:
    """Return the platform's scores on the rows that it held out, those that are numbers."""
    scores: dict[str, float] = {}
    for name, value in progress.metrics.items():
        with contextlib.suppress(TypeError, ValueError):
            scores[f"held_out/{name}"] = float(value)
    return scores
