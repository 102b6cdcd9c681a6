"""Canary rows: the first rows of a batch are sent before the others, and the batch stops when all of them fail."""

import asyncio

from .._jobs.background_batch import BatchControl
from .._jobs.row_result import summarize_error


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
        self._control, self._count, self._admitted, self._settled = control, count, 0, asyncio.Event()

    async def admit(self) -> None:
        """Wait until one more row may be sent: at once for a canary row, later for the others."""
        if self._admitted >= self._count:
            await self._settled.wait()
        self._admitted += 1

    def admit_all(self) -> None:
        """Let no row wait any longer: there are fewer rows than canary rows."""
        self._settled.set()

    def record(self, fault: Exception | None) -> None:
        """Let the others pass after a row that is not at fault; stop the batch when all canary rows were.

        Args:
            fault: the row's own error; None for an answer or a transient error.
        """
        self.remaining = self.remaining - 1 if fault else 0
        if self.remaining:
            return
        if fault is not None:
            reason = f"前几行全部失败 / the first rows all failed: {summarize_error(fault)}"
            self._control.finish("stopped", reason)
        self._settled.set()
