"""Batches that are to be worked off: on one thread, in turns, every slice written down before it counts.

A job is a generator over a document of the store. It yields after each slice of work, so that a long batch
does not keep a short one waiting; a server that was killed takes its jobs up again where the journal ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ...wire import batches as wire
from .store import Document, Store, raise_if_faulted

if TYPE_CHECKING:
    from .world import World

T = TypeVar("T")

SLICE_SECONDS, PAUSE_SECONDS = 0.02, 0.001
"""Seconds of work between two looks around, and of rest after them for the requests that are waiting."""

FINAL_STATUSES = {
    "failed_at": wire.FAILED,
    "expired_at": wire.EXPIRED,
    "cancelled_at": wire.STOPPED,
    "completed_at": wire.DONE,
}
STATUSES = FINAL_STATUSES | dict.fromkeys(("cancelling_at", "finalizing_at", "in_progress_at"), wire.RUNNING)
"""What a job's document notes the time of, and the status that each stands for, the strongest first."""

JobHandler = Callable[["World", Document], Iterator[None]]
JOB_HANDLERS: dict[str, JobHandler] = {}

log = logging.getLogger("qfnb.sandbox")


def job_handler(kind: str) -> Callable[[JobHandler], JobHandler]:
    """Register the job of a kind of document."""

    def register(handler: JobHandler) -> JobHandler:
        JOB_HANDLERS[kind] = handler
        return handler

    return register


def job_status(document: Document) -> str:
    """Return where a job is: told by moments, which are only ever added, so that two writers cannot clash."""
    return next((status for field, status in STATUSES.items() if document.get(field)), wire.QUEUING)


def is_finished(document: Document) -> bool:
    """Tell whether nothing more will happen to a job."""
    return any(document.get(field) for field in FINAL_STATUSES)


class JobQueue:
    """Works off the jobs of a world; unfinished ones of an earlier server come first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queue: queue.Queue[tuple[str, Iterator[None]] | None] = queue.Queue()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        for kind in JOB_HANDLERS:
            for document in world.store.all(kind):
                if not is_finished(document):
                    self.enqueue(kind, document)

    @property
    def unfinished(self) -> int:
        """How many jobs are not over."""
        return self._queue.unfinished_tasks

    def enqueue(self, kind: str, document: Document) -> None:
        """Queue the job of a document."""
        self._queue.put((document["id"], self._steps(kind, document)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="backlog", daemon=True)
            self._thread.start()

    def _steps(self, kind: str, document: Document) -> Iterator[None]:
        raise_if_faulted(document)
        yield from JOB_HANDLERS[kind](self._world, document)

    def close(self) -> None:
        """End after the slice that is under way; the next server goes on from there."""
        self._closing.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None and not self._closing.is_set():
            if self._run_slice(*entry):
                self._queue.put(entry)
                self._queue.task_done()
                time.sleep(PAUSE_SECONDS)
            else:
                self._world.record_activity()  # before it counts as done, so that nobody sees a long idle time
                self._queue.task_done()

    def _run_slice(self, id_: str, steps: Iterator[None]) -> bool:
        """Do one slice of a job; tell whether there is more."""
        try:
            next(steps)
        except StopIteration:
            return False
        except Exception as error:
            log.exception("batch %s failed", id_)
            detail = {"code": "internal_error", "message": f"{type(error).__name__}: {error}"}
            with contextlib.suppress(sqlite3.Error):  # the store may be what failed
                self._world.store.update(id_, failed_at=self._world.clock.now(), errors=[detail])
            return False
        return True


def with_checkpoints(
    store: Store,
    job: str,
    rows: Sequence[T],
    answer_row: Callable[[int, T], Any],
    should_stop: Callable[[dict[int, Any]], bool],
) -> Generator[None, None, dict[int, Any]]:
    """Answer the rows that the journal lacks, a slice at a time; return all results by number.

    Args:
        store: where the journal is.
        job: its name there.
        rows: what is to be answered.
        answer_row: a row's number and the row to its result, which JSON can hold.
        should_stop: what is done so far to whether to leave the rest; asked between two slices.
    """
    results = {number: result for point in store.points(job) for number, result in point["rows"]}
    pending = deque(number for number in range(len(rows)) if number not in results)
    while pending and not should_stop(results):
        deadline, new_results = time.monotonic() + SLICE_SECONDS, {}
        while pending and time.monotonic() < deadline:
            number = pending.popleft()
            new_results[number] = answer_row(number, rows[number])
        if new_results:
            store.add_point(job, {"step": min(new_results), "rows": list(new_results.items())})
        results |= new_results
        yield
    return results


def stable_shuffle(numbers: Sequence[int]) -> list[int]:
    """Return the numbers out of order: always the same way, and never as they came when there are two."""
    shuffled = sorted(numbers, key=lambda number: hashlib.sha256(str(number).encode()).digest())
    return shuffled[::-1] if shuffled == list(numbers) else shuffled
