"""The sandbox's clock, the states of its objects, and how long each of them lasts.

A plan is written when an object's life begins: a list of [state, until], whose last state has no
end. Durations and
plans are in the store: a change of the durations affects only what begins afterwards, and a
restarted server continues.
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
from qfnb.wire.base import JsonObject

from ..failures import FAULT_INJECTED
from .store import Document, Store, raise_if_faulted

CLOCK_ID = "clock"


class Clock:
    """Seconds since the epoch, as the sandbox's objects see them.

    Attributes:
        speed: seconds that pass in a second; 1 is real time, 0 stands still until `advance`.
        n_changes: how often it was set or advanced since the server's start.
    """

    def __init__(self, store: Store) -> None:
        self._changed = threading.Condition()
        self._store = store
        self.n_changes = 0
        stored = store.get("setting", CLOCK_ID) or store.add(
            "setting", CLOCK_ID, speed=1.0, shown=time.time(), real=time.time()
        )
        self.speed = stored["speed"]
        self._sandbox_time = stored["shown"]
        self._real_time = stored["real"]

    def now(self) -> float:
        """Return the time."""
        return float(self._sandbox_time + (time.time() - self._real_time) * self.speed)

    def set(self, speed: float | None = None, advance: float = 0.0) -> JsonObject:
        """Change the speed, or advance the time by some seconds; return the new `now` and
        `speed`.
        """
        with self._changed:
            self._sandbox_time = self.now() + advance
            self._real_time = time.time()
            if speed is not None:
                self.speed = speed
            self._store.update(
                CLOCK_ID, speed=self.speed, shown=self._sandbox_time, real=self._real_time
            )
            self.n_changes += 1
            self._changed.notify_all()
        return {"now": self.now(), "speed": self.speed}

    def wait_until(self, timestamp: float, seconds: float) -> bool:
        """Wait until a time, for some real seconds at most; return whether it has come."""
        with self._changed:
            remaining = timestamp - self.now()
            if remaining > 0:
                if self.speed:
                    seconds = min(seconds, remaining / self.speed)
                self._changed.wait(seconds)
        return self.now() >= timestamp


DURATIONS_ID = "durations"

DEFAULT_SECONDS = {
    "accept": 0.05, "queue": 0.1, "import": 0.2, "release": 0.3, "export": 0.2, "clean": 0.3,
    "publish": 0.3,
    "compress": 0.5, "new": 0.2, "deploy": 0.4, "evaluate": 0.3, "optimize": 0.2, "stop": 0.2,
}  # fmt: skip
"""How long each stage takes, in seconds; on the platform these are minutes."""

FAILED_STATES = {
    "Serving": "Failed",
    "Ready": "Fail",
    "Done": "Failed",
    "succeeded": "failed",
    2: 3,
}
"""What the last state of a plan becomes under the fault `fail`."""

Plan = list[list[Any]]


class Lifecycle:
    """Creates plans of states, and reads from them which state an object is in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        stored = store.get("setting", DURATIONS_ID) or store.add(
            "setting", DURATIONS_ID, seconds={}
        )
        self._overrides: dict[str, float] = stored["seconds"]

    @property
    def seconds(self) -> dict[str, float]:
        """How long each stage takes."""
        return DEFAULT_SECONDS | self._overrides

    def set(self, changes: Mapping[str, float]) -> dict[str, float]:
        """Change how long stages take from now on; return all durations, in seconds.

        Raises:
            ValueError: a stage is unknown, or a duration is negative.
        """
        for stage, seconds in changes.items():
            if stage not in DEFAULT_SECONDS or not (
                isinstance(seconds, (int, float)) and seconds >= 0
            ):
                raise ValueError(
                    f"{stage}={seconds!r}: the stages are {', '.join(DEFAULT_SECONDS)}, in seconds"
                )
        self._overrides |= changes
        self._store.update(DURATIONS_ID, seconds=self._overrides)
        return self.seconds

    def plan(self, *stages: tuple[Any, str], final: Any, failed: Any = None) -> Plan:
        """Return a plan: each state for as long as its stage takes, then the last state.

        `plan(("New", "new"), ("Deploying", "deploy"), final="Serving")`

        Args:
            *stages: pairs of a state and its stage, which is one of `DEFAULT_SECONDS`.
            final: the last state.
            failed: the last state under the fault `fail`; default: what `FAILED_STATES` has.
        """
        if FAULT_INJECTED.get():
            final = failed or FAILED_STATES.get(final, final)
        until = self._clock.now()
        plan = []
        for state, stage in stages:
            until += self.seconds[stage]
            plan.append([state, until])
        return [*plan, [final, None]]

    def state(self, plan: Plan) -> Any:
        """Return the current state of a plan."""
        now = self._clock.now()
        return next(state for state, until in plan if until is None or now < until)

    def final_since(self, plan: Plan) -> float | None:
        """Return when the last state began, None when it has not begun."""
        started_at: float = plan[-2][1] if len(plan) > 1 else 0.0
        if self._clock.now() >= started_at:
            return started_at
        return None


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
    results: dict[int, Any] = {}
    for point in store.points(job):
        results.update(point["rows"])
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
