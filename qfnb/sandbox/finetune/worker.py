"""Where runs are trained: one at a time, on a worker thread, every report of the optimiser kept.

A server that was killed trains its unfinished runs again from the start, which makes the same model; a run
that was under way at the end of too many servers fails.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import queue
import re
import sqlite3
import threading
from typing import Any

from ..datasets import row_formats, rows
from ..datasets.row_parser import RowParser
from ..engines.protocol import Step
from ..engines.registry import EngineRegistry
from ..state.lifecycle import Clock
from ..state.store import Document, Store, raise_if_faulted
from ..state.world import background_worker
from ..storage import objects

Pairs = list[tuple[str, str]]

BOS_PREFIX = "bos:/"
CONVERSATION_FORMAT = "PromptResponse"

_SENTENCE_END = re.compile(r"(?<=[。！？!?；\n])|(?<=\.\s)")

MIN_PAIRS_FOR_VALIDATION = 10
"""Pairs below which nothing is held out."""


def load_run_pairs(store: Store, task: Document, *, include_earlier: bool = True) -> tuple[Pairs, Pairs]:
    """Return the pairs for training and those held out for validation.

    Args:
        store: where the data is.
        task: the run.
        include_earlier: with the data of the run that it goes on from, if there is one.
    """
    run_pairs: Pairs = []
    start = 0 if include_earlier else task["before"]
    for source, rate in list(zip(task["datasets"], task["rates"], strict=True))[start:]:
        run_pairs += sample(read_source_pairs(store, source), rate)
    return split_validation(
        continuation_pairs(run_pairs) if task["texts"] else run_pairs, task["split_ratio"]
    )


def read_source_pairs(store: Store, source: str) -> Pairs:
    """Return the pairs of a dataset or of an object in the bucket; a text has no prompt, a query no answer.

    Raises:
        ValueError: it is gone, or a line of it is wrong.
    """
    if source.startswith(BOS_PREFIX):
        return _read_file_pairs(store, source)
    dataset = store.get("dataset", source)
    if dataset is None:
        raise ValueError(f"{source} does not exist")
    return rows.read_pairs(store, dataset)


def _read_file_pairs(store: Store, address: str) -> Pairs:
    content = objects.read_object(store, address)
    if content is None:
        raise ValueError(f"{address} does not exist")
    is_text = address.endswith(".txt")
    parser = RowParser(row_formats.TEXT if is_text else CONVERSATION_FORMAT, annotated=True)
    parser.parse_file(address.rpartition("/")[2], content)
    if parser.problems:
        raise ValueError(str(parser.problems[0]))
    return [row_formats.last_pair(row) for _, row in parser.named_rows]


def sample(rows: Pairs, rate: float) -> Pairs:
    """Return a share of the rows, evenly spread, or all of them several times; always the same ones."""
    repeats, fraction = divmod(rate, 1)
    partial = [
        row
        for index, row in enumerate(rows)
        if math.floor((index + 1) * fraction) > math.floor(index * fraction)
    ]
    return rows * int(repeats) + partial


def continuation_pairs(texts: Pairs) -> Pairs:
    """Return what a text teaches: after each sentence comes the next, after half of a single one the rest."""
    result: Pairs = []
    for _, text in texts:
        parts = [part for part in _SENTENCE_END.split(text) if part.strip()]
        if len(parts) < 2:
            parts = [text[: len(text) // 2], text[len(text) // 2 :]]
        result += [pair for pair in itertools.pairwise(parts) if all(pair)]
    return result


def split_validation(rows: Pairs, percent: int) -> tuple[Pairs, Pairs]:
    """Return rows for training and, every so many, rows held out for validation; always the same ones."""
    if percent <= 0 or len(rows) < MIN_PAIRS_FOR_VALIDATION:
        return rows, []
    stride = max(2, round(100 / min(percent, 50)))
    held_out = rows[stride - 1 :: stride]
    return [row for index, row in enumerate(rows) if (index + 1) % stride], held_out


WAITING, RUNNING, DONE, FAILED, STOPPED = "Waiting", "Running", "Done", "Failed", "Stopped"
FINAL_STATUSES = {DONE, FAILED, STOPPED}

MAX_STARTS = 3
KILLED_MESSAGE = (
    f"沙盒在训练中被关闭 {MAX_STARTS} 次 / the sandbox ended {MAX_STARTS} times while training this"
)

PREPARING_PERCENT = 10
"""Percent of a run that telling facts from rules counts for, when it is needed."""

log = logging.getLogger("qfnb.sandbox")


@background_worker
class TrainingWorker:
    """Takes runs, trains them in order, and writes what happens into the store."""

    name = "trainings"

    def __init__(self, store: Store, clock: Clock, engines: EngineRegistry) -> None:
        self._store, self._clock, self._engines = store, clock, engines
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
        """Stop a run; tell whether it was still to be stopped."""
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
        """End at once; a run that is under way begins anew with the next server."""
        self._closing.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _resume_run(self, task: Document) -> None:
        """Go on with a run of an earlier server."""
        if task["stopping"]:
            self._finish(task["id"], STOPPED)
        elif task["starts"] >= MAX_STARTS:
            self._finish(task["id"], FAILED, message=KILLED_MESSAGE)
        else:
            self._store.drop_points(task["id"])
            self._store.update(task["id"], status=WAITING, phase="", percent=0)
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
        """Wait for a run's turn; tell whether it is to be trained."""
        task, stop = self._store.get("task", task_id), self._stops[task_id]
        if task is None or stop.is_set():  # it may have been stopped, and deleted, before its turn
            return False
        if not self._clock.wait_until(task["plan"][-2][1], stop, self._closing):
            return False
        with self._lock:
            if stop.is_set():
                return False
            changes = {"status": RUNNING, "started": self._clock.now(), "starts": task["starts"] + 1}
            self._store.update(task_id, **changes)
        return True

    def _train(self, task_id: str) -> None:
        task = self._store.get("task", task_id)
        assert task is not None
        raise_if_faulted(task)
        pairs, held_out = load_run_pairs(self._store, task)
        recorder = _ProgressRecorder(self._store, task_id, task, self._stops[task_id], self._closing)
        engine, base = (
            self._engines.find_training_engine(task["engine"]),
            self._engines.read_model(task["base"]),
        )
        model = engine.train(
            pairs, task["effective"], validation=held_out, observer=recorder, initial_model=base
        )
        if self._closing.is_set():  # an orderly end is not held against the run
            self._store.update(task_id, status=WAITING, starts=task["starts"] - 1)
            return
        self._store.write_file(f"{task_id}.npz", model.save(task_id))
        metrics = None
        if not model.stopped and not task["texts"]:
            from .scores import platform_metrics  # noqa: PLC0415

            metrics = platform_metrics(model, held_out)
        with self._lock:
            if self._stops[task_id].is_set():
                self._finish(task_id, STOPPED)
            else:
                self._finish(task_id, DONE, percent=100, metrics=metrics or {})

    def _finish(self, task_id: str, status: str, **fields: Any) -> None:
        self._store.update(task_id, status=status, finished=self._clock.now(), **fields)


class _ProgressRecorder:
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
        if step.quiet:
            return not (self._stop.is_set() or self._closing.is_set())
        if step.phase == "preparing":
            self._prepared = round(PREPARING_PERCENT * _completed_fraction(step))
            self._store.update(self._task_id, phase="preparing", percent=self._prepared)
        else:
            loss = step.training_loss if step.validation_loss is None else step.validation_loss
            point = {
                "step": step.step,
                "epoch": round(step.epoch / self._task["passes_per_epoch"], 3),
                "trainingLoss": round(step.training_loss, 5),
                "perplexity": round(math.exp(min(loss, 50)), 5),
            }
            if step.validation_loss is not None:
                point["validationLoss"] = round(step.validation_loss, 5)
            self._store.add_point(self._task_id, point)
            percent = self._prepared + round((99 - self._prepared) * _completed_fraction(step))
            self._store.update(self._task_id, phase="training", percent=percent)
        return not (self._stop.is_set() or self._closing.is_set())


def _completed_fraction(step: Step) -> float:
    return min(1.0, step.step / max(step.total_steps, 1))
