"""An event loop whose time jumps to the next timer, with the library's clock on it: minutes pass at
once, exactly.
"""

import asyncio
import heapq
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from qfnb.transport import clock


class VirtualLoop(asyncio.SelectorEventLoop):
    """Does not wait: when nothing is ready, its time is that of the next timer."""

    seconds = 0.0

    def time(self) -> float:
        return self.seconds

    def _run_once(self) -> None:
        # it would not be waited for, the next would
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        if not self._ready and self._scheduled:
            self.seconds = max(self.seconds, self._scheduled[0].when())
        super()._run_once()


def run_virtually(simulation: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in virtual time from second 0; `clock.now` and `clock.sleep` follow it."""
    loop = VirtualLoop()
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner(loop_factory=lambda: loop) as runner:
        patch.setattr(clock, "time", SimpleNamespace(monotonic=loop.time, time=loop.time))
        patch.setattr(clock, "_virtual_start", 0.0)
        patch.setattr(clock, "_real_start", 0.0)
        patch.setattr(clock, "_skipped_s", 0.0)
        return runner.run(simulation)
