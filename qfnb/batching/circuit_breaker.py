"""How many rows may be in flight: the first few alone, one during an outage, otherwise what the user wants."""

from __future__ import annotations

import asyncio
from typing import Final

from .._jobs.background_batch import BatchControl
from .._jobs.row_result import is_transient, summarize_error
from ..transport import clock

OUTAGE_FAILURES: Final = 10
"""Transient failures in a row, or as many as workers if these are more, that mean an outage."""

MAX_OUTAGE_S: Final = 600.0
"""Seconds that an outage may last before the batch stops."""

FIRST_DELAY_S, MAX_DELAY_S = 5.0, 60.0
"""Seconds before the first row that is tried during an outage, and at most before each further one."""


class CircuitBreaker:
    """Judges the platform by the results of the rows; on the I/O loop only, except `resize`.

    Args:
        control: the state of the batch.
        worker_count: rows in flight that the user wants, 1 to 1000.
        canary: rows that are sent first; when all of them fail by their own fault, the batch stops.

    Attributes:
        worker_count: as above; `resize` changes it.
        is_down: whether there is an outage.
        remaining_canaries: first rows whose results are not known; 0 once the others may be sent.
    """

    def __init__(self, control: BatchControl, worker_count: int, canary: int = 0) -> None:
        self.worker_count, self.is_down = worker_count, False
        self._control, self._canary = control, canary
        self.remaining_canaries, self._rows_admitted, self._consecutive_failures = canary, 0, 0
        self._canary_settled = asyncio.Event()

    @property
    def allowed_workers(self) -> int:
        """Rows that may be in flight at the start."""
        return min(self.remaining_canaries or self.worker_count, self.worker_count)

    def resize(self, workers: int) -> None:
        """Change the number of rows in flight, from any thread; canaries and an outage delay it."""
        self.worker_count = workers
        self._control.call_on_loop(self._resize_pool)

    async def admit_row(self) -> None:
        """Wait, while canaries remain, until one more row may be sent."""
        if self._rows_admitted >= self._canary:
            await self._canary_settled.wait()
        self._rows_admitted += 1

    def admit_all(self) -> None:
        """Let no row wait any longer: there are fewer rows than canaries."""
        self._canary_settled.set()

    def record(self, error: Exception | None) -> None:
        """Take one more result into account: resume all workers, stop the batch, or wait for an outage.

        Args:
            error: why the row failed, None for an answer.
        """
        has_transient_error = error is not None and is_transient(error)
        self._consecutive_failures = self._consecutive_failures + 1 if has_transient_error else 0
        if self.remaining_canaries:
            self._record_canary(None if has_transient_error else error)
        elif self.is_down and error is None:
            self.is_down = False
            self._resize_pool()
        elif not self.is_down and self._consecutive_failures >= max(OUTAGE_FAILURES, self.worker_count):
            self.is_down = True
            assert error is not None, "only failures are counted"
            self._control.spawn(self._wait_out_outage(summarize_error(error)))

    def _resize_pool(self) -> None:
        if self._control.worker_pool is not None and not self.remaining_canaries and not self.is_down:
            self._control.worker_pool.resize(self.worker_count)

    def _record_canary(self, fault: Exception | None) -> None:
        """Settle the canaries by a row that does not fail by its own fault, or by the last that does."""
        self.remaining_canaries = self.remaining_canaries - 1 if fault else 0
        if self.remaining_canaries:
            return
        if fault is None:
            self._resize_pool()
        else:
            reason = f"前几行全部失败 / the first rows all failed: {summarize_error(fault)}"
            self._control.finish("stopped", reason)
        self._canary_settled.set()

    async def _wait_out_outage(self, reason: str) -> None:
        """Send one row now and then until the platform answers again."""
        control, pool = self._control, self._control.worker_pool
        started_at, delay = clock.now(), FIRST_DELAY_S
        while pool is not None and self.is_down and pool is control.worker_pool and not pool.is_stopping:
            if clock.now() - started_at > MAX_OUTAGE_S:
                control.finish("stopped", f"平台持续不可用 / no answer for {MAX_OUTAGE_S:g} s: {reason}")
                return
            pool.pause()
            control.update("waiting", reason=f"平台暂时不可用，稍后再试 / waiting for the platform: {reason}")
            await control.sleep(delay)
            pool.resize(1)
            if not control.is_paused:
                pool.resume()
            control.set_running()
            delay, failures = min(delay * 2, MAX_DELAY_S), self._consecutive_failures
            while self._consecutive_failures == failures and pool.in_flight + pool.idle_workers:
                if pool.is_stopping:
                    return
                await clock.sleep(0.05)
