"""`batch_do`: many calls, a limited number at a time; results keep the order of the inputs.

A failed call is an exception at its index. No call is sent twice, and none only to warm up. An error that every
call would meet (the key, the account) ends the batch early and keeps the results so far.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..._jobs.background_batch import BackgroundBatch
from ..._jobs.batch_progress import BatchProgress, RowFailure
from ..._jobs.row_result import RowResult, results_to_frame, summarize_error
from ..._jobs.worker_pool import WorkerPool
from ...errors import InvalidArgumentError
from .reply import Reply, row_result_of

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class BatchTask(BackgroundBatch, Generic[T]):
    """A batch whose results are kept in memory. Source: seed 003 (批量推理)."""

    def __init__(self, calls: Sequence[Callable[[], Coroutine[Any, Any, T]]], workers: int) -> None:
        super().__init__(BatchProgress(total=len(calls)))
        self._calls: list[Callable[[], Coroutine[Any, Any, T]] | None] = list(calls)
        self._results: list[T | BaseException | None] = [None] * len(calls)
        self._finished_indexes: list[int] = []
        self._indexes = iter(range(len(calls)))
        self._control.worker_pool = WorkerPool(self._next_index, self._run_call, workers)
        self._start()

    def total_count(self) -> int:
        """Return the number of calls."""
        return len(self._results)

    task_count = total_count

    def results(self) -> list[T | Exception]:
        """Wait for the end, then return one reply or exception for each input, in order."""
        self.wait()
        return [self._result_at(index) for index in range(len(self))]

    def as_completed(self) -> Iterator[BatchItem[T]]:
        """Iterate over the calls in the order in which they finish; `.index` is the index of the input."""
        position = 0
        while position < len(self):
            self._wait_until(lambda: len(self._finished_indexes) > position or self._is_done())  # noqa: B023 - used at once
            if position >= len(self._finished_indexes):
                return
            yield BatchItem(self, self._finished_indexes[position])
            position += 1

    def to_frame(self) -> pd.DataFrame:
        """Wait for the end, then return a DataFrame: one row per input, the columns of `RowResult`, and `reply`."""
        results = self.results()
        rows = [
            row_result_of(r) if isinstance(r, Reply) else RowResult.from_error(_to_error(r)) for r in results
        ]
        replies: list[Any] = [r if isinstance(r, Reply) else None for r in results]
        return results_to_frame(rows).assign(reply=replies)

    def __iter__(self) -> Iterator[BatchItem[T]]:
        return (BatchItem(self, index) for index in range(len(self)))

    def __len__(self) -> int:
        return len(self._results)

    async def _run(self) -> None:
        assert self._control.worker_pool is not None
        await self._control.worker_pool.run()

    async def _next_index(self) -> int | None:
        return next(self._indexes, None)

    async def _run_call(self, index: int) -> None:
        call, self._calls[index] = self._calls[index], None
        assert call is not None, "each call is sent once"
        try:
            value = await call()
        except Exception as error:  # noqa: BLE001 - it is the result at this index
            self._results[index] = error
            self._control.counter.record_failure(_row_failure(index, error), getattr(error, "attempts", 1))
            self._control.abort_if_hopeless(error)
        else:
            self._results[index] = value
            self._count_result(value)
            self._control.abort_if_hopeless(None)
        self._finished_indexes.append(index)
        self._control.notify_waiters()

    def _count_result(self, value: T) -> None:
        if isinstance(value, Reply):
            usage, attempts = value.usage, int(value.statistic.get("attempts", 1))
            self._control.counter.record_answer(
                usage.prompt_tokens, usage.completion_tokens, value.cost, attempts
            )
            if value.from_sandbox and not self._control.counter.progress.from_sandbox:
                self._control.update(from_sandbox=True)
        else:
            self._control.counter.record_answer(None, None, None, 1)

    def _is_done(self) -> bool:
        return self._future is not None and self._future.done()

    def _result_at(self, index: int) -> Any:
        """Return a call's reply or error; a `CancelledError` with the reason for a call that was never sent."""
        value = self._results[index]
        if value is None:
            reason = self._control.counter.progress.reason
            return concurrent.futures.CancelledError(*([reason] if reason else []))
        return value


class BatchItem(Generic[T]):
    """One call of a batch; `.result()` waits, and returns the reply or the exception."""

    def __init__(self, task: BatchTask[T], index: int) -> None:
        self._task, self.index = task, index

    def done(self) -> bool:
        """Return whether the call has ended."""
        return self._task._results[self.index] is not None or self._task._is_done()  # noqa: SLF001

    def result(self) -> T | Exception:
        """Wait for the end of this call, and return its reply or exception."""
        self._task._wait_until(self.done)  # noqa: SLF001 - an item is a view of its task
        value: T | Exception = self._task._result_at(self.index)  # noqa: SLF001
        return value


def _row_failure(index: int, error: BaseException) -> RowFailure:
    return RowFailure(index, "", type(error).__name__, summarize_error(error))


def _to_error(value: object) -> BaseException:
    return value if isinstance(value, BaseException) else TypeError(f"{type(value).__name__} is no reply")


def validate_rows(field: str, rows: object, label: str) -> Iterable[Any]:
    """Return the rows of a batch; a text or a mapping, which can be iterated too, is not a list of rows.

    Args:
        field: the argument's name, for the message.
        rows: the argument.
        label: what the list holds, for the message.

    Raises:
        InvalidArgumentError: it is not a list or another iterable.
    """
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            f"{field}={rows!r:.60}: it is a list of {label}, one for each row (须为列表)"
        )
    return rows


def validate_no_stream(options: Mapping[str, Any], prefix: str = "") -> None:
    """Reject `stream=True`: a row of a batch is answered whole.

    Raises:
        InvalidArgumentError: the options ask for a stream.
    """
    if options.get("stream"):
        raise InvalidArgumentError(f"{prefix}stream={options['stream']!r}: a row of a batch comes as a whole")


def prepare_row(
    field: str, index: int, item: Any, prepare: Callable[..., T], options: Mapping[str, Any]
) -> T:
    """Return the prepared call of one row.

    Args:
        field: the argument's name, for the message.
        index: the index of the row, from 0.
        item: the row.
        prepare: prepares the call of a row.
        options: keyword arguments of `prepare`.

    Raises:
        InvalidArgumentError: the row or an option is wrong; the message begins with `field[index]`.
    """
    try:
        return prepare(item, **options)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"{field}[{index}]: {error}") from None
