"""A server that runs inside the client's event loop: it acts once whenever that loop has nothing to
do.

So the same call has the same scheduling points every time, and a piece of an answer is never read
with the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[[bytes], list[bytes]]
"""Returns the pieces of an answer to a request."""


@dataclass
class _Connection:
    socket: socket.socket
    unread: bytes = b""
    unsent: deque[bytes] = field(default_factory=deque)
    is_frozen: bool = False

    def request(self) -> bytes | None:
        """Take one whole request off what was read; None while it is not complete."""
        head, end, body = self.unread.partition(b"\r\n\r\n")
        lower = head.lower()
        length = (
            int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
            if b"content-length:" in lower
            else 0
        )
        if b"transfer-encoding: chunked" in lower:
            length = body.index(b"0\r\n\r\n") + 5 if body.endswith(b"0\r\n\r\n") else len(body) + 1
        if not end or len(body) < length:
            return None
        request = head + end + body[:length]
        self.unread = body[length:]
        return request


class LockstepServer:
    """Listens on loopback; `step` is called by the selector of the client's loop."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.setblocking(False)
        self.connections: list[_Connection] = []
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def step(self) -> bool:
        """Accept, read or send once; return whether there was anything to do."""
        with contextlib.suppress(BlockingIOError):
            accepted, _ = self._listener.accept()
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.append(_Connection(accepted))
            return True
        return any(self._serve(connection) for connection in list(self.connections))

    def freeze(self) -> None:
        """Send nothing more on the present connections: only what the client closes ends; deletions
        are answered.
        """
        for connection in self.connections:
            connection.is_frozen = True
            connection.unsent.clear()

    def thaw(self) -> None:
        """Answer requests again."""
        for connection in self.connections:
            connection.is_frozen = False

    def close_connections(self) -> None:
        """Hang up."""
        for connection in self.connections:
            connection.socket.close()
        self.connections.clear()

    def close(self) -> None:
        self.close_connections()
        self._listener.close()

    def _serve(self, connection: _Connection) -> bool:
        try:
            chunk = connection.socket.recv(1 << 20)
        except BlockingIOError:
            return self._send(connection)
        except OSError:
            chunk = b""
        if not chunk:
            connection.socket.close()
            self.connections.remove(connection)
            return True
        connection.unread += chunk
        while (request := connection.request()) is not None:
            if not connection.is_frozen or request.startswith(b"DELETE"):
                connection.unsent.extend(self._answer(request))
        return True

    def _send(self, connection: _Connection) -> bool:
        if not connection.unsent:
            return False
        with contextlib.suppress(OSError):  # the client has left: the next `recv` says so
            connection.socket.sendall(connection.unsent.popleft())
        return True


class LockstepSelector:
    """The selector of a loop: before it waits, the server acts."""

    def __init__(self, selector: Any, server: LockstepServer) -> None:
        self._selector = selector
        self._server = server

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout > 0:
            return self._selector.select(0 if self._server.step() else timeout)
        return self._selector.select(timeout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


@contextlib.contextmanager
def in_lockstep(
    loop: asyncio.AbstractEventLoop, server: LockstepServer, call: Callable[..., Any]
) -> Any:
    """Let a server act in a loop that runs in another thread; `call` runs a function there."""
    internals: Any = loop
    selector = internals._selector

    def set_selector(value: Any) -> None:
        internals._selector = value

    call(set_selector, LockstepSelector(selector, server))
    yield
    call(set_selector, selector)
