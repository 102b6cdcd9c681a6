"""Canary rows and the circuit breaker: how many rows may be in flight, judged by the results so
far.

The first rows are sent before the others, and the batch stops when all of them fail. During an
outage of the platform one row is tried now and then.
"""

import asyncio
import time
from typing import Final

from .._jobs.background_batch import BatchControl
from .._jobs.row_result import is_transient, summarize_error
from ..base.language import tr
from ..errors import ConnectionFailed
from ..transport import clock

OUTAGE_FAILURES: Final = 10
"""Transient failures in a row, or as many as workers if these are more, that mean an outage."""

UNREACHABLE_FAILURES: Final = 3
"""The same for a host that cannot be reached, as long as no row was answered: there is no network,
or no such host.
"""

MAX_OUTAGE_S: Final = 600.0
"""Seconds that an outage may last before the batch stops."""

FIRST_DELAY_S = 5.0
MAX_DELAY_S = 60.0
"""Seconds before the first row that is tried during an outage, and at most before each further
one.
"""


class CanaryRows:
    """Holds the other rows back until a canary row is answered; on the I/O loop only.

    Args:
        control: the state of the batch.
        count: number of canary rows; 0 lets all rows pass.

    Attributes:
        remaining: canary rows whose results are not known; 0 once the others may be sent.
    """

    def __init__(self, control: BatchControl, count: int) -> None:
        self.remaining = count
        self._control = control
        self._count = count
        self._admitted = 0
        self._settled = asyncio.Event()

    async def admit(self) -> None:
        """Wait until one more row may be sent: at once for a canary row, later for the others."""
        if self._admitted >= self._count:
            await self._settled.wait()
        self._admitted += 1

    def admit_all(self) -> None:
        """Let no row wait any longer: there are fewer rows than canary rows."""
        self._settled.set()

    def record(self, fault: Exception | None) -> None:
        """Let the others pass after a row that is not at fault; stop the batch when all canary rows
        were.

        Args:
            fault: the row's own error; None for an answer or a transient error.
        """
        self.remaining = self.remaining - 1 if fault else 0
        if self.remaining:
            return
        if fault is not None:
            reason = tr("the first rows all failed: {error}", error=summarize_error(fault))
            self._control.finish("stopped", reason)
        self._settled.set()


class CircuitBreaker:
    """Judges the platform by the results of the rows; on the I/O loop only, except `resize`.

    Args:
        control: the state of the batch.
        worker_count: rows in flight that the user wants, 1 to 1000.
        canary_count: rows that are sent before the others.

    Attributes:
        worker_count: as above; `resize` changes it.
        canaries: the rows that are sent before the others.
        is_down: whether there is an outage.
    """

    def __init__(self, control: BatchControl, worker_count: int, canary_count: int = 0) -> None:
        self.worker_count = worker_count
        self.is_down = False
        self.canaries = CanaryRows(control, canary_count)
        self._control = control
        self._consecutive_failures = 0

    @property
    def allowed_workers(self) -> int:
        """Rows that may be in flight at the start."""
        return min(self.canaries.remaining or self.worker_count, self.worker_count)

    def resize(self, workers: int) -> None:
        """Change the number of rows in flight, from any thread; canaries and an outage delay it."""
        self.worker_count = workers
        self._control.call_on_loop(self._resize_pool)

    def record(self, error: Exception | None) -> None:
        """Take one more result into account: resume all workers, stop the batch, or wait for an
        outage.

        Args:
            error: why the row failed, None for an answer.
        """
        has_transient_error = error is not None and is_transient(error)
        self._consecutive_failures = self._consecutive_failures + 1 if has_transient_error else 0
        if self.canaries.remaining:
            fault = None if has_transient_error else error
            self.canaries.record(fault)
            if fault is None:
                self._resize_pool()
        elif self.is_down and error is None:
            self.is_down = False
            self._resize_pool()
        elif (
            not self.is_down
            and error is not None
            and self._consecutive_failures >= self._outage_failures(error)
        ):
            self.is_down = True
            self._control.spawn(self._wait_out_outage(summarize_error(error)))

    def _outage_failures(self, error: Exception) -> int:
        """Return how many failures in a row mean an outage."""
        is_unreachable = isinstance(error, ConnectionFailed) and not error.sent
        if is_unreachable and not self._control.counter.ok:
            return UNREACHABLE_FAILURES
        return max(OUTAGE_FAILURES, self.worker_count)

    def _resize_pool(self) -> None:
        if (
            self._control.worker_pool is not None
            and not self.canaries.remaining
            and not self.is_down
        ):
            self._control.worker_pool.resize(self.worker_count)

    async def _wait_out_outage(self, reason: str) -> None:
        """Send one row now and then until the platform answers again."""
        control = self._control
        pool = self._control.worker_pool
        started_at = clock.now()
        delay = FIRST_DELAY_S
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + MAX_OUTAGE_S))
        words = tr(
            "no answer from the platform: {reason}; tried again until {time}, then the batch "
            "stops; "
            "answers so far are kept",
            reason=reason,
            time=until,
        )
        while (
            pool is not None
            and self.is_down
            and pool is control.worker_pool
            and not pool.is_stopping
        ):
            if clock.now() - started_at > MAX_OUTAGE_S:
                control.finish(
                    "stopped",
                    tr(
                        "no answer for {seconds:g} s: {reason}", seconds=MAX_OUTAGE_S, reason=reason
                    ),
                )
                return
            pool.pause()
            control.update("waiting", reason=words)
            await control.sleep(delay)
            pool.resize(1)
            if not control.is_paused:
                pool.resume()
            control.set_running()
            control.update(reason=words)
            delay = min(delay * 2, MAX_DELAY_S)
            failures = self._consecutive_failures
            while self._consecutive_failures == failures and pool.in_flight + pool.idle_workers:
                if pool.is_stopping:
                    return
                await clock.sleep(0.05)
