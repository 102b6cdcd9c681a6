"""A time-out for the head of a request, which uvicorn does not have: who never completes one is
disconnected.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_TIMEOUT_S: Final = 30.0
"""Seconds from the connection, or from the first byte of a further request, until the head must be
complete.
"""

_Protocol: Any = AutoHTTPProtocol


class HeadTimeoutProtocol(_Protocol):  # type: ignore[misc]
    """uvicorn's protocol; a connection without a request, and one whose head comes too slowly, is
    closed.
    """

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, and see whether they complete a head or begin one."""
        previous = self.cycle
        super().data_received(data)
        if self.cycle is not previous:
            self._stop_timer()
        elif previous is None or previous.response_complete:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = asyncio.get_running_loop().call_later(
                HEAD_TIMEOUT_S, self.transport.close
            )

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
