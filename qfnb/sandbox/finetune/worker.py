"""Training: what a run learns from, and the worker thread that trains one run after the other.

After a crash the next server trains unfinished runs again from the start, which gives the same model; a run during
which the server ended too often fails.
"""

import contextlib
import itertools
import logging
import math
import queue
import re
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from ..datasets import row_formats, rows
from ..datasets.row_parser import RowParser
from ..engines.protocol import Step
from ..engines.registry import EngineRegistry
from ..state.clock import Clock
from ..state.store import Document, Store, raise_if_faulted
from ..state.world import background_worker
from ..storage import objects

Pairs = list[tuple[str, str]]

BOS_PREFIX = "bos:/"
CONVERSATION_FORMAT = "PromptResponse"

_SENTENCE_END = re.compile(r"(?<=[。！？!?；\n])|(?<=\.\s)")

MIN_PAIRS_FOR_VALIDATION = 10
"""Fewer pairs are all used for training."""


def load_run_pairs(store: Store, task: Document, *, include_earlier: bool = True) -> tuple[Pairs, Pairs]:
    """Return the pairs for training and those held out for validation.

    Args:
        store: the sandbox's store.
        task: the run.
        include_earlier: whether to include the data of the run that it continues.
    """
    run_pairs: Pairs = []
    start = 0 if include_earlier else task["before"]
    for source, rate in list(zip(task["datasets"], task["rates"], strict=True))[start:]:
        run_pairs += sample(read_source_pairs(store, source), rate)
    return split_validation(continuation_pairs(run_pairs) if task["texts"] else run_pairs, task["split_ratio"])


def read_source_pairs(store: Store, source: str) -> Pairs:
    """Return the pairs of a dataset or of an object in the bucket; a text has no prompt, a prompt no response.

    Raises:
        ValueError: it does not exist, or has an invalid line.
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
    """Return a share of the rows, evenly spread, or for rates above 1 all of them several times."""
    repeats, fraction = divmod(rate, 1)
    partial = [
        row for index, row in enumerate(rows) if math.floor((index + 1) * fraction) > math.floor(index * fraction)
    ]
    return rows * int(repeats) + partial


def continuation_pairs(texts: Pairs) -> Pairs:
    """Return each sentence of the texts with the next one, and of a single sentence its two halves."""
    result: Pairs = []
    for _, text in texts:
        parts = [part for part in _SENTENCE_END.split(text) if part.strip()]
        if len(parts) < 2:
            parts = [text[: len(text) // 2], text[len(text) // 2 :]]
        result += [pair for pair in itertools.pairwise(parts) if all(pair)]
    return result


def split_validation(rows: Pairs, percent: int) -> tuple[Pairs, Pairs]:
    """Return the rows for training and, at a fixed stride, those held out for validation."""
    if percent <= 0 or len(rows) < MIN_PAIRS_FOR_VALIDATION:
        return rows, []
    stride = max(2, round(100 / min(percent, 50)))
    held_out = rows[stride - 1 :: stride]
    return [row for index, row in enumerate(rows) if (index + 1) % stride], held_out


WAITING, RUNNING, DONE, FAILED, STOPPED = "Waiting", "Running", "Done", "Failed", "Stopped"
FINAL_STATUSES = {DONE, FAILED, STOPPED}

MAX_STARTS = 3
KILLED_MESSAGE = f"沙盒在训练中被关闭 {MAX_STARTS} 次 / the sandbox ended {MAX_STARTS} times while training this"

PREPARING_PERCENT = 10
"""Percent of a run's progress for the preparation of the engine, if it needs any."""

log = logging.getLogger("qfnb.sandbox")


@background_worker
class TrainingWorker:
    """Trains queued runs in order, and records their progress in the store."""

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
        """Wait until the clock lets a run start; return whether to train it."""
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
        base = self._engines.read_model(task["base"])
        model = self._engines.find_training_engine(task["engine"]).train(
            pairs, task["effective"], validation=held_out, observer=self._progress_recorder(task), initial_model=base
        )
        if self._closing.is_set():  # an orderly end does not count as a crash
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

    def _progress_recorder(self, task: Document) -> Callable[[Step], bool]:
        """Return the observer of a training: it records each step, and returns whether to go on."""
        task_id, stop, prepared = task["id"], self._stops[task["id"]], 0

        def record(step: Step) -> bool:
            nonlocal prepared
            fraction = min(1.0, step.step / max(step.total_steps, 1))
            if step.phase == "preparing" and not step.quiet:
                prepared = round(PREPARING_PERCENT * fraction)
                self._store.update(task_id, phase="preparing", percent=prepared)
            elif not step.quiet:
                self._store.add_point(task_id, _loss_point(step, task["passes_per_epoch"]))
                percent = prepared + round((99 - prepared) * fraction)
                self._store.update(task_id, phase="training", percent=percent)
            return not (stop.is_set() or self._closing.is_set())

        return record

    def _finish(self, task_id: str, status: str, **fields: Any) -> None:
        self._store.update(task_id, status=status, finished=self._clock.now(), **fields)


def _loss_point(step: Step, passes_per_epoch: int) -> Document:
    """Return a point of a run's loss curve; the perplexity is that of the validation, if the step has one."""
    loss = step.training_loss if step.validation_loss is None else step.validation_loss
    point = {
        "step": step.step,
        "epoch": round(step.epoch / passes_per_epoch, 3),
        "trainingLoss": round(step.training_loss, 5),
        "perplexity": round(math.exp(min(loss, 50)), 5),
    }
    return point if step.validation_loss is None else point | {"validationLoss": round(loss, 5)}
