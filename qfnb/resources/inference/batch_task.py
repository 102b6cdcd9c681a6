"""`batch_do`: many calls, a limited number at a time; results keep the order of the inputs.

A failed call is an exception at its index. No call is sent twice, and none only to warm up. An
error that every call would meet (the key, the account) ends the batch early and keeps the results
so far.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..._jobs.background_batch import BackgroundBatch, BatchProgress, RowFailure
from ..._jobs.row_result import results_to_frame, summarize_error
from ..._jobs.worker_pool import WorkerPool
from ...base.language import tr
from ...errors import InvalidArgumentError
from .reply import ReplyT, failed_result, row_result_of

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class BatchTask(BackgroundBatch, Generic[ReplyT]):
    """A batch whose results are kept in memory. Source: seed 003 (batch inference)."""

    def __init__(
        self, calls: Sequence[Callable[[], Coroutine[Any, Any, ReplyT]]], workers: int
    ) -> None:
        super().__init__(BatchProgress(total=len(calls)))
        self._calls = list(calls)
        self._results: list[ReplyT | Exception | None] = [None] * len(calls)
        self._finished_indexes: list[int] = []
        self._indexes = iter(range(len(calls)))
        self._pool = self._control.worker_pool = WorkerPool(
            self._next_index, self._run_call, workers
        )
        self._start()

    def total_count(self) -> int:
        """Return the number of calls."""
        return len(self._results)

    task_count = __len__ = total_count

    def get_future_list(self) -> list[BatchItem[ReplyT]]:
        """Return the calls, in the order of the inputs; each has `result()` and `done()`."""
        return list(self)

    def results(self) -> list[ReplyT | Exception]:
        """Wait for the end, then return one reply or exception for each input, in order."""
        self.wait()
        return [self._result_at(index) for index in range(len(self))]

    def as_completed(self) -> Iterator[BatchItem[ReplyT]]:
        """Iterate over the calls in the order in which they finish; `.index` is the index of the
        input.
        """
        for position in range(len(self)):
            self._wait_until(lambda: len(self._finished_indexes) > position or not self.is_running)  # noqa: B023
            if position >= len(self._finished_indexes):
                return
            yield BatchItem(self, self._finished_indexes[position])

    def to_frame(self) -> pd.DataFrame:
        """Wait for the end, then return a DataFrame: one row per input, the columns of `RowResult`,
        and `reply`.
        """
        self.wait()
        rows = []
        replies: list[Any] = []
        for index in range(len(self)):
            result = self._stored_result(index)
            if isinstance(result, Exception):
                rows.append(failed_result(result))
                replies.append(None)
            else:
                rows.append(row_result_of(result))
                replies.append(result)
        return results_to_frame(rows).assign(reply=replies)

    def __iter__(self) -> Iterator[BatchItem[ReplyT]]:
        return (BatchItem(self, index) for index in range(len(self)))

    async def _run(self) -> None:
        await self._pool.run()

    async def _next_index(self) -> int | None:
        return next(self._indexes, None)

    async def _run_call(self, index: int) -> None:
        control = self._control
        try:
            reply = await self._calls[index]()
        except Exception as error:  # noqa: BLE001 - it is the result at this index
            self._results[index] = error
            failure = RowFailure(index, "", type(error).__name__, summarize_error(error))
            control.record_failure(failure, getattr(error, "attempts", 1))
            control.abort_if_hopeless(error)
        else:
            self._results[index] = reply
            usage = reply.usage
            control.record_answer(
                usage.prompt_tokens,
                usage.completion_tokens,
                reply.cost_range,
                int(reply.statistic.get("attempts", 1)),
            )
            if reply.from_sandbox and not control.progress.from_sandbox:
                control.update(from_sandbox=True)
            control.abort_if_hopeless(None)
        self._finished_indexes.append(index)
        control.notify_waiters()

    def awaited_results(self) -> list[Any]:
        """Return `results()` with streams as async iterators over their pieces."""
        results: list[Any] = self.results()
        return [iterate_pieces(each) if isinstance(each, Iterator) else each for each in results]

    def _result_at(self, index: int) -> Any:
        """Return a call's reply, in a batch of streams an iterator over its pieces, or its
        error.
        """
        result = self._stored_result(index)
        if pieces := getattr(result, "pieces", ()):
            return iter(pieces)
        return result

    def _stored_result(self, index: int) -> ReplyT | Exception:
        """Return a call's reply or error; a `CancelledError` with the reason for a call that was
        never sent.
        """
        if (result := self._results[index]) is not None:
            return result
        reason = self._control.progress.reason
        return concurrent.futures.CancelledError(*([reason] if reason else []))


class BatchItem(Generic[ReplyT]):
    """One call of a batch; `.result()` waits, and returns the reply or the exception."""

    def __init__(self, task: BatchTask[ReplyT], index: int) -> None:
        self._task = task
        self.index = index

    def done(self) -> bool:
        """Return whether the call has ended."""
        return self._task._results[self.index] is not None or not self._task.is_running  # noqa: SLF001

    def result(self) -> Any:
        """Wait for the end of this call, and return its reply, or the pieces of its stream, or its
        exception.
        """
        self._task._wait_until(self.done)  # noqa: SLF001 - an item is a view of its task
        return self._task._result_at(self.index)  # noqa: SLF001


async def iterate_pieces(pieces: Iterable[T]) -> AsyncIterator[T]:
    """Iterate over pieces that have arrived, as over a stream that is awaited."""
    for piece in pieces:
        yield piece


def validate_rows(field: str, rows: object, label: str) -> Iterable[Any]:
    """Return the rows of a batch; a text or a mapping, which can be iterated too, is not a list of
    rows.

    Args:
        field: the argument's name, for the message.
        rows: the argument.
        label: what the list holds, for the message.

    Raises:
        InvalidArgumentError: it is not a list or another iterable.
    """
    if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            tr(
                "{field}={rows!r:.60}: must be a list of {label}, one for each row",
                field=field,
                rows=rows,
                label=label,
            )
        )
    return rows


async def refuse_row(error: InvalidArgumentError) -> Any:
    """Raise the error of a row that cannot be sent, when it is its turn."""
    raise error
