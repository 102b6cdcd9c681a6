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

from ..wire import batches as wire
from .store import Document, Store, fail_if_doomed

if TYPE_CHECKING:
    from .world import World

T = TypeVar("T")

SLICE, PAUSE = 0.02, 0.001
"""Seconds of work between two looks around, and of rest after them for the requests that are waiting."""

ENDS = {
    "failed_at": wire.FAILED,
    "expired_at": wire.EXPIRED,
    "cancelled_at": wire.STOPPED,
    "completed_at": wire.DONE,
}
MOMENTS = ENDS | dict.fromkeys(("cancelling_at", "finalizing_at", "in_progress_at"), wire.RUNNING)
"""What a job's document notes the time of, and the status that each stands for, the strongest first."""

Job = Callable[["World", Document], Iterator[None]]
JOBS: dict[str, Job] = {}

log = logging.getLogger("qfnb.sandbox")


def works_off(kind: str) -> Callable[[Job], Job]:
    """Register the job of a kind of document."""

    def register(job: Job) -> Job:
        JOBS[kind] = job
        return job

    return register


def status_of(document: Document) -> str:
    """Return where a job is: told by moments, which are only ever added, so that two writers cannot clash."""
    return next((status for moment, status in MOMENTS.items() if document.get(moment)), wire.QUEUING)


def is_over(document: Document) -> bool:
    """Tell whether nothing more will happen to a job."""
    return any(document.get(moment) for moment in ENDS)


class Backlog:
    """Works off the jobs of a world; unfinished ones of an earlier server come first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: queue.Queue[tuple[str, Iterator[None]] | None] = queue.Queue()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        for kind in JOBS:
            for document in world.store.all(kind):
                if not is_over(document):
                    self.take(kind, document)

    @property
    def busy(self) -> int:
        """How many jobs are not over."""
        return self._waiting.unfinished_tasks

    def take(self, kind: str, document: Document) -> None:
        """Queue the job of a document."""
        self._waiting.put((document["id"], self._job(kind, document)))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="backlog", daemon=True)
            self._thread.start()

    def _job(self, kind: str, document: Document) -> Iterator[None]:
        fail_if_doomed(document)
        yield from JOBS[kind](self._world, document)

    def close(self) -> None:
        """End after the slice that is under way; the next server goes on from there."""
        self._closing.set()
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _work(self) -> None:
        while (turn := self._waiting.get()) is not None and not self._closing.is_set():
            if self._advance(*turn):
                self._waiting.put(turn)
                self._waiting.task_done()
                time.sleep(PAUSE)
            else:
                self._world.touch()  # before it counts as done, so that nobody sees a long idle time
                self._waiting.task_done()

    def _advance(self, id_: str, job: Iterator[None]) -> bool:
        """Do one slice of a job; tell whether there is more."""
        try:
            next(job)
        except StopIteration:
            return False
        except Exception as error:
            log.exception("batch %s failed", id_)
            problem = {"code": "internal_error", "message": f"{type(error).__name__}: {error}"}
            with contextlib.suppress(sqlite3.Error):  # the store may be what failed
                self._world.store.update(id_, failed_at=self._world.clock.now(), errors=[problem])
            return False
        return True


def journalled(
    store: Store,
    job: str,
    rows: Sequence[T],
    answer: Callable[[int, T], Any],
    over: Callable[[dict[int, Any]], bool],
) -> Generator[None, None, dict[int, Any]]:
    """Answer the rows that the journal lacks, a slice at a time; return all results by number.

    Args:
        store: where the journal is.
        job: its name there.
        rows: what is to be answered.
        answer: a row's number and the row to its result, which JSON can hold.
        over: what is done so far to whether to leave the rest; asked between two slices.
    """
    done = {number: result for point in store.points(job) for number, result in point["rows"]}
    todo = deque(number for number in range(len(rows)) if number not in done)
    while todo and not over(done):
        until, slice_ = time.monotonic() + SLICE, {}
        while todo and time.monotonic() < until:
            number = todo.popleft()
            slice_[number] = answer(number, rows[number])
        if slice_:
            store.add_point(job, {"step": min(slice_), "rows": list(slice_.items())})
        done |= slice_
        yield
    return done


def shuffled(numbers: Sequence[int]) -> list[int]:
    """Return the numbers out of order: always the same way, and never as they came when there are two."""
    mixed = sorted(numbers, key=lambda number: hashlib.sha256(str(number).encode()).digest())
    return mixed[::-1] if mixed == list(numbers) else mixed
