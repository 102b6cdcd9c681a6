"""A queue of jobs: batches and evaluations, or trainings; one thread, in turns, each slice of work
written before it counts.

A job is a generator over a document of the store. It yields after each slice of work, so that a
long batch does not block a short one. After a server was killed, the next one resumes its jobs at
their last checkpoint.
"""

import contextlib
import hashlib
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from qfnb.wire import batches as wire

from .lifecycle import Clock
from .store import Document, Store, raise_if_faulted

T = TypeVar("T")

SLICE_SECONDS = 0.02
PAUSE_SECONDS = 0.001
"""Seconds of work in one slice, and of rest after it for the requests that wait."""

FINAL_STATUSES = {wire.DONE, wire.FAILED, wire.STOPPED}
"""Statuses of a training that has ended."""

_ENDS = {
    "failed_at": wire.FAILED,
    "expired_at": wire.EXPIRED,
    "cancelled_at": wire.STOPPED,
    "completed_at": wire.DONE,
}
STATUSES = _ENDS | dict.fromkeys(("cancelling_at", "finalizing_at", "in_progress_at"), wire.RUNNING)
"""The timestamps of a job's document, and the status that each of them means, the strongest
first.
"""

log = logging.getLogger("qfnb.sandbox")


def job_status(document: Document) -> str:
    """Return a job's status: that of its strongest timestamp. Timestamps are only added, so writers
    cannot clash.
    """
    return next((status for field, status in STATUSES.items() if document.get(field)), wire.QUEUING)


def is_finished(document: Document) -> bool:
    """Return whether a job has ended: by its timestamps, a training by its status."""
    return document.get("status") in FINAL_STATUSES or any(document.get(end) for end in _ENDS)


class JobQueue:
    """Runs jobs.

    Args:
        store: where the documents of the jobs are.
        jobs: the job of each kind of document.
        on_finish: called after each job.

    Attributes:
        closing: set when the server ends.
    """

    def __init__(
        self,
        store: Store,
        jobs: Mapping[str, Callable[[Document], Iterator[None]]],
        on_finish: Callable[[], None],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._on_finish = on_finish
        self._queue: queue.Queue[tuple[str, Iterator[None]] | None] = queue.Queue()
        self.closing = threading.Event()
        self._thread: threading.Thread | None = None

    def resume(self) -> None:
        """Queue the unfinished jobs of an earlier server."""
        for kind in self._jobs:
            for document in self._store.all(kind):
                if not is_finished(document):
                    self.enqueue(kind, document)

    @property
    def unfinished(self) -> int:
        """How many jobs have not ended."""
        return self._queue.unfinished_tasks

    def enqueue(self, kind: str, document: Document) -> None:
        """Queue the job of a document."""
        self._queue.put((document["id"], self._steps(kind, document)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="job-queue", daemon=True)
            self._thread.start()

    def _steps(self, kind: str, document: Document) -> Iterator[None]:
        raise_if_faulted(document)
        yield from self._jobs[kind](document)

    def close(self) -> None:
        """Stop after the current slice; the next server continues from there."""
        self.closing.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while (entry := self._queue.get()) is not None and not self.closing.is_set():
            if self._run_slice(*entry):
                self._queue.put(entry)
                self._queue.task_done()
                time.sleep(PAUSE_SECONDS)
            else:
                # first, so that the idle time restarts before the job counts as ended
                self._on_finish()
                self._queue.task_done()

    def _run_slice(self, id_: str, steps: Iterator[None]) -> bool:
        """Run one slice of a job; return whether there is more."""
        try:
            next(steps)
        except StopIteration:
            return False
        except Exception as error:
            log.exception("job %s failed", id_)
            message = f"{type(error).__name__}: {error}"
            detail = {"code": "internal_error", "message": message}
            ended = dict.fromkeys(("failed_at", "finished"), self._store.now())
            with contextlib.suppress(sqlite3.Error):  # the store may be what failed
                self._store.update(
                    id_, status=wire.FAILED, message=message, errors=[detail], **ended
                )
            return False
        return True


def with_checkpoints(
    store: Store,
    clock: Clock,
    job: str,
    rows: Sequence[T],
    answer_row: Callable[[int, T], Any],
    should_stop: Callable[[dict[int, Any]], bool],
) -> Generator[None, None, dict[int, Any]]:
    """Answer the rows that have no checkpoint, a slice at a time; return all results by the rows'
    numbers.

    While the clock stands still no row is answered; each `advance` allows one slice.
    """
    n_changes = clock.n_changes
    results = {number: result for point in store.points(job) for number, result in point["rows"]}
    pending = deque(number for number in range(len(rows)) if number not in results)
    while pending and not should_stop(results):
        if clock.speed == 0 and clock.n_changes == n_changes:
            yield
            continue
        n_changes = clock.n_changes
        deadline = time.monotonic() + SLICE_SECONDS
        new_results = {}
        while pending and time.monotonic() < deadline:
            number = pending.popleft()
            new_results[number] = answer_row(number, rows[number])
        if new_results:
            store.add_point(job, {"step": min(new_results), "rows": list(new_results.items())})
        results |= new_results
        yield
    return results


def stable_shuffle(numbers: Sequence[int]) -> list[int]:
    """Return the numbers in another order: always the same, and never that of the input if there
    are two.
    """
    shuffled = sorted(numbers, key=lambda number: hashlib.sha256(str(number).encode()).digest())
    if shuffled == list(numbers):
        return shuffled[::-1]
    return shuffled
