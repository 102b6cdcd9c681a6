"""The worker thread that trains one run after the other.

After a crash the next server trains unfinished runs again from the start, which gives the same
model; a run during which the server ended too often fails.
"""

import contextlib
import logging
import queue
import sqlite3
import threading
from typing import Any

from qfnb.base.language import tr, tr_noop

from ..engines.protocol import Pair, TrainedModel
from ..engines.registry import EngineRegistry
from ..state.clock import Clock
from ..state.store import Document, Store, raise_if_faulted
from ..state.world import background_worker
from . import run_data
from .recorder import RunRecorder

WAITING = "Waiting"
RUNNING = "Running"
DONE = "Done"
FAILED = "Failed"
STOPPED = "Stopped"
FINAL_STATUSES = {DONE, FAILED, STOPPED}

MAX_STARTS = 3
KILLED_MESSAGE = tr_noop(
    "the sandbox ended three times while training this, perhaps for lack of memory: close other "
    "programs, "
    "then start the run again"
)

log = logging.getLogger("qfnb.sandbox")


@background_worker
class TrainingWorker:
    """Trains queued runs in order, and records their progress in the store."""

    name = "trainings"

    def __init__(self, store: Store, clock: Clock, engines: EngineRegistry) -> None:
        self._store = store
        self._clock = clock
        self._engines = engines
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._stops: dict[str, threading.Event] = {}
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.busy = 0
        for task in store.all("task"):
            if task["status"] not in FINAL_STATUSES:
                self._resume_run(task)

    def enqueue(self, task_id: str) -> None:
        """Queue a run."""
        self._stops[task_id] = threading.Event()
        with self._lock:
            self.busy += 1
        self._queue.put(task_id)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run_loop, name="training", daemon=True)
            self._thread.start()

    def stop(self, task_id: str) -> bool:
        """Stop a run; return whether it had not ended yet."""
        with self._lock:
            task = self._store.get("task", task_id)
            if task is None or task["status"] in FINAL_STATUSES:
                return False
            self._stops[task_id].set()
            if task["status"] == WAITING:
                self._finish(task_id, STOPPED)
            else:
                self._store.update(task_id, stopping=True)
        return True

    def close(self) -> None:
        """End at once; the next server trains the current run again."""
        self._closing.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _resume_run(self, task: Document) -> None:
        """Queue a run of an earlier server, or end it."""
        if task["stopping"]:
            self._finish(task["id"], STOPPED)
        elif task["starts"] >= MAX_STARTS:
            self._finish(task["id"], FAILED, message=tr(KILLED_MESSAGE))
        else:
            self._store.drop_points(task["id"])
            self._store.update(task["id"], status=WAITING, phase="", percent=0, checkpoints=[])
            self.enqueue(task["id"])

    def _run_loop(self) -> None:
        while (task_id := self._queue.get()) is not None and not self._closing.is_set():
            try:
                if self._wait_for_turn(task_id):
                    self._train(task_id)
            except Exception as error:
                log.exception("run %s failed", task_id)
                with contextlib.suppress(sqlite3.Error):  # the store may be what failed
                    self._finish(task_id, FAILED, message=f"{type(error).__name__}: {error}")
            finally:
                with self._lock:
                    self.busy -= 1

    def _wait_for_turn(self, task_id: str) -> bool:
        """Wait until the clock lets a run start; return whether to train it."""
        task = self._store.get("task", task_id)
        stop = self._stops[task_id]
        if task is None or stop.is_set():  # it may have been stopped, and deleted, before its turn
            return False
        if not self._clock.wait_until(task["plan"][-2][1], stop, self._closing):
            return False
        with self._lock:
            if stop.is_set():
                return False
            changes = {
                "status": RUNNING,
                "started": self._clock.now(),
                "starts": task["starts"] + 1,
            }
            self._store.update(task_id, **changes)
        return True

    def _train(self, task_id: str) -> None:
        task = self._store.get("task", task_id)
        assert task is not None
        raise_if_faulted(task)
        recorder = RunRecorder(
            self._store, task, lambda: self._stops[task_id].is_set() or self._closing.is_set()
        )
        model, held_out = self._train_model(task, recorder)
        if self._closing.is_set():  # an orderly end does not count as a crash
            self._store.update(task_id, status=WAITING, starts=task["starts"] - 1)
            return
        self._store.write_file(f"{task_id}.npz", model.save(task_id))
        metrics: Document = dict(recorder.rewards)
        if not self._stops[task_id].is_set() and not task["texts"]:
            from .scores import platform_metrics  # noqa: PLC0415

            metrics |= {**platform_metrics(model, held_out), **model.metrics}
        with self._lock:
            if self._stops[task_id].is_set():
                self._finish(task_id, STOPPED)
            else:
                self._finish(
                    task_id, DONE, percent=100, metrics=metrics, message=recorder.early_stop
                )

    def _train_model(
        self, task: Document, recorder: RunRecorder
    ) -> tuple[TrainedModel, list[Pair]]:
        """Return the model of a run, and the held-out pairs."""
        engine = self._engines.find_training_engine(task["engine"])
        base = self._engines.read_model(task["base"])
        values = task["effective"]
        if (loss := run_data.PREFERENCE_LOSSES.get(task["mode"])) is None:
            pairs, held_out = run_data.load_pairs(self._store, task)
            model = engine.train(
                pairs, values, validation=held_out, observer=recorder, initial_model=base
            )
            return model, held_out
        rows, held_out_rows, earlier_pairs = run_data.load_preferences(self._store, task)
        model = engine.train_preferences(
            rows,
            values,
            loss=loss,
            validation=held_out_rows,
            observer=recorder,
            initial_model=base,
            earlier_pairs=earlier_pairs,
        )
        return model, [(row.prompt, row.chosen) for row in held_out_rows if row.chosen]

    def _finish(self, task_id: str, status: str, **fields: Any) -> None:
        self._store.update(task_id, status=status, finished=self._clock.now(), **fields)
