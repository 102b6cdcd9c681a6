"""A server with faults and limits that writes down what became of every request, for
`benchmarks/shards.py faults`.

`python benchmarks/faulty_server.py '{"log": "requests.log", "faults": 0.1, "rpm": 6000}'` prints
its address and ends when its standard input does. A request is a chat whose question has `row N.`;
the answer says `answer N.`
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from stub import OTHER_REPLY, USAGE, http_reply, request_size

WINDOW_S: Final = 60.0
TOKENS: Final = USAGE["total_tokens"]

OUTCOMES: Final = (
    *(
        "answered",
        "lost",
        "refused",
        "429",
        "429 with Retry-After",
        "500",
        "503",
        "reset",
        "reset in the answer",
    ),
    *("cut answer", "answer that is no JSON", "slow answer"),
)
"""What became of a request: answered; answered when the client had gone; refused by the limit; or a
fault.
"""

SPENT: Final = {*OUTCOMES} - {"refused", "429", "429 with Retry-After", "500", "503", "reset"}
"""Outcomes for which the server counts tokens as used."""

FAULT_WEIGHTS: Final = {
    **dict.fromkeys(("429", "429 with Retry-After", "500", "503", "reset"), 5),
    **dict.fromkeys(("reset in the answer", "cut answer", "slow answer"), 5),
    "answer that is no JSON": 1,
}

SLOW_S: Final = 2.0
_ROW = re.compile(rb"row (\d+)\.")
_RECORD = struct.Struct("<IBdd")
_RESET = struct.pack("ii", 1, 0)
"""The SO_LINGER of 0 s that makes `close` send RST."""


class Entry(NamedTuple):
    """One request: its row, what became of it, when it came and when it was answered, as
    `time.time()`.
    """

    row: int
    outcome: str
    came_at: float
    ended_at: float


@dataclass(frozen=True)
class Script:
    """What the server does.

    Attributes:
        log: the file of entries.
        delay: seconds before an answer.
        faults: share of the requests that go wrong.
        kind: the only fault, one of `FAULT_WEIGHTS`; None for all of them.
        rpm, tpm: requests and tokens that any 60 s allow, None for no limit.
        headers: whether answers name the limits.
        seed: of the faults.
    """

    log: str
    delay: float = 0.02
    faults: float = 0.0
    kind: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    headers: bool = False
    seed: int = 1


class Server:
    """What all connections share: the limit, the dice and the log."""

    def __init__(self, script: Script, log: BinaryIO) -> None:
        self.script = script
        self.answered = 0
        self._dice = random.Random(script.seed)
        self._log = log
        per_minute = [script.rpm or sys.maxsize, (script.tpm or sys.maxsize) // TOKENS]
        self._accepted = deque[float]()
        self._limit = min(per_minute)

    def judge(self, now: float) -> str:
        """Return what becomes of a request that comes now."""
        while self._accepted and self._accepted[0] <= now - WINDOW_S:
            self._accepted.popleft()
        if len(self._accepted) >= self._limit:
            return "refused"
        outcome = "answered"
        if self._dice.random() < self.script.faults:
            outcome = (
                self.script.kind
                or self._dice.choices([*FAULT_WEIGHTS], [*FAULT_WEIGHTS.values()])[0]
            )
        if not outcome.startswith("429"):
            self._accepted.append(now)
        return outcome

    def note(self, row: int, outcome: str, came_at: float) -> None:
        """Write an entry."""
        self.answered += outcome in {"answered", "slow answer"}
        self._log.write(_RECORD.pack(row, OUTCOMES.index(outcome), came_at, time.time()))

    def headers(self) -> str:
        """Return the headers of an answer."""
        limits = {"requests": self.script.rpm, "tokens": self.script.tpm}
        if not self.script.headers:
            return ""
        return "".join(
            f"X-Ratelimit-Limit-{unit}: {limit}\r\n" for unit, limit in limits.items() if limit
        )


def _reply(status: str, body: Any, headers: str = "") -> bytes:
    content = json.dumps(body).encode()
    kind = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"HTTP/1.1 {status}\r\n{kind}{headers}\r\n".encode() + content


def _error(status: str, code: str, headers: str = "") -> bytes:
    return _reply(status, {"error": {"code": code, "message": "a fault of the benchmark"}}, headers)


_LIMIT = ("429 Too Many Requests", "rpm_rate_limit_exceeded")
_ERRORS = {
    "429": _error(*_LIMIT),
    "429 with Retry-After": _error(*_LIMIT, "Retry-After: 1\r\n"),
    "500": _error("500 Internal Server Error", "internal_error"),
    "503": _error("503 Service Unavailable", "server_busy"),
}


class Connection(asyncio.Protocol):
    """One connection: any number of requests, in order."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._unread = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (size := request_size(self._unread)) is not None and size <= len(self._unread):
            request = self._unread[:size]
            self._unread = self._unread[size:]
            if (row := _ROW.search(request)) is not None:
                came_at = time.time()
                outcome = self._server.judge(came_at)
                wait_s = SLOW_S if outcome == "slow answer" else self._server.script.delay
                self._loop.call_later(wait_s, self._answer, int(row[1]), outcome, came_at)
            elif b"GET /_answered " in request:
                self._transport.write(http_reply(self._server.answered))
            else:
                self._transport.write(OTHER_REPLY)

    def _answer(self, row: int, outcome: str, came_at: float) -> None:
        is_gone = self._transport.is_closing()
        text = f"answer {row}."
        self._server.note(row, "lost" if is_gone and outcome in SPENT else outcome, came_at)
        if is_gone:
            return
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        body = {
            "id": "as-1",
            "object": "chat.completion",
            "created": 1,
            "choices": [choice],
            "usage": USAGE,
        }
        whole = _reply("200 OK", body, self._server.headers())
        if outcome == "answer that is no JSON":
            whole = whole.replace(b'"usage"', b"'usage\"")
        cut = whole[:-20] if outcome in {"cut answer", "reset in the answer"} else whole
        code = "tpm_rate_limit_exceeded" if self._server.script.tpm else _LIMIT[1]
        if outcome != "reset":
            refusal = _error(_LIMIT[0], code)
            self._transport.write(refusal if outcome == "refused" else _ERRORS.get(outcome, cut))
        if outcome == "cut answer":
            self._transport.close()
        if outcome.startswith("reset"):
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _RESET
            )
            self._transport.abort()


async def serve(script: Script, log: BinaryIO) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    factory = partial(Connection, Server(script, log))
    listening = await loop.create_server(factory, "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    log.flush()
    os._exit(0)  # whatever is under way


@contextmanager
def running(script: Script) -> Iterator[str]:
    """Run the server in a process of its own for the time of the block; the value is its
    address.
    """
    command = [sys.executable, __file__, json.dumps(vars(script))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def read_log(path: str) -> list[Entry]:
    """Return the entries, in the order of their ends."""
    return [
        Entry(row, OUTCOMES[kind], *times)
        for row, kind, *times in _RECORD.iter_unpack(Path(path).read_bytes())
    ]


if __name__ == "__main__":
    SCRIPT = Script(**json.loads(sys.argv[1]))
    with Path(SCRIPT.log).open("wb") as LOG:
        asyncio.run(serve(SCRIPT, LOG))
