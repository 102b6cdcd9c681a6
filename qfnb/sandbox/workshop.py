"""Where runs are trained: one at a time, on a worker thread, every report of the optimiser kept."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from .store import Store

if TYPE_CHECKING:
    from .engine import Step

FAILED_BY_END = "沙盒在训练中被关闭 / the sandbox ended while training"
WAITING, RUNNING, DONE, FAILED, STOPPED = "Waiting", "Running", "Done", "Failed", "Stopped"

PREPARING = 10
"""Percent of a run that telling facts from rules counts for, when it is needed."""

log = logging.getLogger("qfnb.sandbox")


class Workshop:
    """Takes runs, trains them in order, and writes what happens into the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: queue.Queue[str | None] = queue.Queue()
        self._stops: dict[str, threading.Event] = {}
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.busy = 0
        for task in store.all("task"):
            if task["status"] in {WAITING, RUNNING}:
                store.update(task["id"], status=FAILED, message=FAILED_BY_END, finished=time.time())

    def take(self, task_id: str) -> None:
        """Queue a run."""
        self._stops[task_id] = threading.Event()
        self.busy += 1
        self._waiting.put(task_id)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="workshop", daemon=True)
            self._thread.start()

    def stop(self, task_id: str) -> bool:
        """Stop a run; tell whether it was still to be stopped."""
        task = self._store.get("task", task_id)
        if task is None or task["status"] not in {WAITING, RUNNING}:
            return False
        self._stops[task_id].set()
        if task["status"] == WAITING:
            self._store.update(task_id, status=STOPPED, finished=time.time())
        return True

    def close(self) -> None:
        """End at once; a run that is under way is marked as failed at the next start."""
        self._closing.set()
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _work(self) -> None:
        while (task_id := self._waiting.get()) is not None and not self._closing.is_set():
            try:
                if not self._stops[task_id].is_set():
                    self._train(task_id)
            except Exception as error:
                log.exception("run %s failed", task_id)
                self._store.update(
                    task_id, status=FAILED, message=f"{type(error).__name__}: {error}", finished=time.time()
                )
            finally:
                self.busy -= 1

    def _train(self, task_id: str) -> None:
        from .engine import Hyperparameters, train  # noqa: PLC0415 - numpy

        task = self._store.get("task", task_id)
        assert task is not None
        pairs, held_out = split(rows(self._store, task["datasets"]), task["split_ratio"])
        self._store.update(task_id, status=RUNNING, percent=0, started=time.time())
        watch = _Watch(self._store, task_id, task, self._stops[task_id], self._closing)
        values = Hyperparameters(**task["effective"])
        model = train(pairs, hyperparameters=values, validation=held_out, observer=watch)
        if self._closing.is_set():
            return
        self._store.write_file(f"{task_id}.npz", model.save())
        if model.meta["stopped"]:
            self._store.update(task_id, status=STOPPED, finished=time.time())
            return
        from .scores import platform_metrics  # noqa: PLC0415

        metrics = platform_metrics(model, held_out)
        self._store.update(task_id, status=DONE, percent=100, metrics=metrics, finished=time.time())


class _Watch:
    """Writes the optimiser's reports down, and tells it to stop."""

    def __init__(
        self,
        store: Store,
        task_id: str,
        task: dict[str, Any],
        stop: threading.Event,
        closing: threading.Event,
    ) -> None:
        self._store, self._task_id, self._task = store, task_id, task
        self._stop, self._closing = stop, closing
        self._prepared = 0

    def __call__(self, step: Step) -> bool:
        if step.phase == "preparing":
            self._prepared = round(PREPARING * _share(step))
            self._store.update(self._task_id, phase="preparing", percent=self._prepared)
        else:
            shown = step.training_loss if step.validation_loss is None else step.validation_loss
            point = {
                "step": step.step,
                "epoch": round(step.epoch / self._task["passes_per_epoch"], 3),
                "trainingLoss": round(step.training_loss, 5),
                "perplexity": round(math.exp(min(shown, 50)), 5),
            }
            if step.validation_loss is not None:
                point["validationLoss"] = round(step.validation_loss, 5)
            self._store.add_point(self._task_id, point)
            percent = self._prepared + round((99 - self._prepared) * _share(step))
            self._store.update(self._task_id, phase="training", percent=percent)
        return not (self._stop.is_set() or self._closing.is_set())


def _share(step: Step) -> float:
    return min(1.0, step.step / max(step.total_steps, 1))


def rows(store: Store, dataset_ids: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of released datasets."""
    found: list[tuple[str, str]] = []
    for dataset_id in dataset_ids:
        dataset = store.get("dataset", dataset_id)
        assert dataset is not None
        found += [(prompt, answer) for prompt, answer in dataset["rows"]]
    return found


def split(pairs: list[tuple[str, str]], percent: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return pairs for training and, every so many, pairs held out for validation; always the same ones."""
    if percent <= 0 or len(pairs) < 10:
        return pairs, []
    every = max(2, round(100 / min(percent, 50)))
    held_out = pairs[every - 1 :: every]
    return [pair for index, pair in enumerate(pairs) if (index + 1) % every], held_out
