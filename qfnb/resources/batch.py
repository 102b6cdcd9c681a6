"""Many calls at once, bounded: `batch_do` returns at once, results keep the order of the inputs.

Workers on the I/O loop pull from one source. A failed call is an exception in its place; no call is sent
twice, and nothing is sent merely to warm up. What is the matter with all rows (the key, the account) ends
the batch early, and what is done is kept.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .crew import Crew
from .outcome import Outcome, first_line, frame
from .reply import Reply
from .tally import BatchProgress, Failure
from .underway import Underway

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class BatchTask(Underway, Generic[T]):
    """A batch whose results are kept in memory. Source: seed 003 (批量推理)."""

    def __init__(self, calls: Sequence[Callable[[], Coroutine[Any, Any, T]]], workers: int) -> None:
        super().__init__(BatchProgress(total=len(calls)))
        self._calls: list[Callable[[], Coroutine[Any, Any, T]] | None] = list(calls)
        self._outcomes: list[T | BaseException | None] = [None] * len(calls)
        self._order: list[int] = []
        self._pending = iter(range(len(calls)))
        self._crew = Crew(self._next, self._work, workers)
        self._start()

    def total_count(self) -> int:
        """Return how many calls there are."""
        return len(self._outcomes)

    task_count = total_count

    def results(self) -> list[T | Exception]:
        """Wait, then return one reply or one exception for each input, in order."""
        self.wait()
        return [self._outcome(index) for index in range(len(self))]

    def as_completed(self) -> Iterator[BatchItem[T]]:
        """Iterate over the calls in the order in which they finish; `.index` is the place in the input."""
        place = 0
        while place < len(self):
            self._until(lambda: len(self._order) > place or self._is_over())  # noqa: B023 - used at once
            if place >= len(self._order):
                return
            yield BatchItem(self, self._order[place])
            place += 1

    def to_frame(self) -> pd.DataFrame:
        """Wait, then return a DataFrame with a row per input: text, tokens, cost, error and the reply."""
        results = self.results()
        outcomes = [Outcome.of(r) if isinstance(r, Reply) else Outcome.failed(_error(r)) for r in results]
        replies: list[Any] = [r if isinstance(r, Reply) else None for r in results]
        return frame(outcomes).assign(reply=replies)

    def __iter__(self) -> Iterator[BatchItem[T]]:
        return (BatchItem(self, index) for index in range(len(self)))

    def __len__(self) -> int:
        return len(self._outcomes)

    async def _run(self) -> None:
        assert self._crew is not None
        await self._crew.run()

    async def _next(self) -> int | None:
        return next(self._pending, None)

    async def _work(self, index: int) -> None:
        call, self._calls[index] = self._calls[index], None
        assert call is not None, "a call is made once"
        try:
            value = await call()
        except Exception as error:  # noqa: BLE001 - it is handed to the caller in its place
            self._outcomes[index] = error
            self._tally.missed(_failure(index, error), getattr(error, "attempts", 1))
            self._judge(error)
        else:
            self._outcomes[index] = value
            self._count(value)
            self._judge(None)
        self._order.append(index)
        self._tell()

    def _count(self, value: T) -> None:
        if isinstance(value, Reply):
            usage, tries = value.usage, int(value.statistic.get("attempts", 1))
            self._tally.answered(usage.prompt_tokens, usage.completion_tokens, value.cost, tries)
            if value.from_sandbox and not self._tally.progress.from_sandbox:
                self._note(from_sandbox=True)
        else:
            self._tally.answered(None, None, None, 1)

    def _is_over(self) -> bool:
        return self._running is not None and self._running.done()

    def _outcome(self, index: int) -> Any:
        """Return a call's reply or error; of a call that was not made, why."""
        value = self._outcomes[index]
        if value is None:
            reason = self._tally.progress.reason
            return concurrent.futures.CancelledError(*([reason] if reason else []))
        return value


class BatchItem(Generic[T]):
    """One call of a batch; `.result()` waits and returns the reply, or the exception as a value."""

    def __init__(self, task: BatchTask[T], index: int) -> None:
        self._task, self.index = task, index

    def done(self) -> bool:
        """Tell whether `.result()` returns at once."""
        return self._task._outcomes[self.index] is not None or self._task._is_over()  # noqa: SLF001

    def result(self) -> T | Exception:
        """Wait for this one."""
        self._task._until(self.done)  # noqa: SLF001 - an item is a view of its task
        value: T | Exception = self._task._outcome(self.index)  # noqa: SLF001
        return value


def _failure(index: int, error: BaseException) -> Failure:
    return Failure(index, "", type(error).__name__, first_line(error))


def _error(value: object) -> BaseException:
    return value if isinstance(value, BaseException) else TypeError(f"{type(value).__name__} is no reply")
