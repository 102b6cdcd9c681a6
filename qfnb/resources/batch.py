"""Many calls at once, bounded: `batch_do` returns at once, results keep the order of the inputs.

Workers on the I/O loop pull from one iterator. A failed call is an exception in its place; no call is sent
twice, and nothing is sent merely to warm up.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ..errors import InvalidArgumentError
from ..transport import portal

T = TypeVar("T")

DEFAULT_WORKERS = 8
MAX_WORKERS = 1000


class BatchTask(Generic[T]):
    """A running batch. Source: seed 003 (批量推理)."""

    def __init__(self, calls: Sequence[Callable[[], Coroutine[Any, Any, T]]], workers: int) -> None:
        self._futures: list[concurrent.futures.Future[T]] = [concurrent.futures.Future() for _ in calls]
        self._calls = calls
        self._finished = 0
        self._running = portal.submit(self._run(workers))

    def finished_count(self) -> int:
        """Return how many calls have an answer or an error."""
        return self._finished

    def total_count(self) -> int:
        """Return how many calls there are."""
        return len(self._futures)

    task_count = total_count

    def wait(self) -> None:
        """Wait until every call has finished; an interrupt cancels the rest."""
        try:
            while not self._running.done():
                concurrent.futures.wait([self._running], timeout=portal.SLICE)
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Stop what has not finished; finished results stay."""
        self._running.cancel()

    def results(self) -> list[T | Exception]:
        """Wait, then return one reply or one exception for each input, in order."""
        self.wait()
        return [outcome(future) for future in self._futures]

    def __iter__(self) -> Iterator[BatchItem[T]]:
        return (BatchItem(future) for future in self._futures)

    def __len__(self) -> int:
        return len(self._futures)

    def __repr__(self) -> str:
        return f"<batch {self._finished}/{len(self)}>"

    async def _run(self, workers: int) -> None:
        pending = iter(enumerate(self._calls))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(workers, len(self._calls))):
                    group.create_task(self._work(pending))
        finally:
            for future in self._futures:
                future.cancel()

    async def _work(self, pending: Iterator[tuple[int, Callable[[], Coroutine[Any, Any, T]]]]) -> None:
        for index, call in pending:
            try:
                self._futures[index].set_result(await call())
            except Exception as error:  # noqa: BLE001 - it is handed to the caller in its place
                self._futures[index].set_exception(error)
            self._finished += 1


class BatchItem(Generic[T]):
    """One call of a batch; `.result()` waits and returns the reply, or the exception as a value."""

    def __init__(self, future: concurrent.futures.Future[T]) -> None:
        self._future = future

    def result(self) -> T | Exception:
        """Wait for this one."""
        while not self._future.done():
            concurrent.futures.wait([self._future], timeout=portal.SLICE)
        value: T | Exception = outcome(self._future)
        return value


def start(calls: Sequence[Callable[[], Coroutine[Any, Any, T]]], worker_num: int | None) -> BatchTask[T]:
    """Start the calls, at most `worker_num` (1-1000, default 8) at a time.

    Raises:
        InvalidArgumentError: worker_num is out of range.
    """
    workers = DEFAULT_WORKERS if worker_num is None else worker_num
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MAX_WORKERS:
        raise InvalidArgumentError(f"worker_num={worker_num!r}: it is a whole number from 1 to {MAX_WORKERS}")
    return BatchTask(calls, workers)


async def gather(task: BatchTask[T]) -> list[T | Exception]:
    """Wait for a batch from async code; cancelling the caller cancels the batch."""
    try:
        while not task._running.done():  # noqa: SLF001 - the awaited form of wait()
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        task.cancel()
        raise
    return task.results()


def outcome(future: concurrent.futures.Future[Any]) -> Any:
    """Return a finished call's reply, or its error as a value."""
    if future.cancelled():
        return concurrent.futures.CancelledError()
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - results hold errors as values
        return error
