"""`engine="local"`: worker processes on this computer, which talk to their parent over a local
socket.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from typing import Any, Final

from pydantic import SecretStr

from ... import config
from ...base.language import tr
from .job_service import JobService
from .output_files import ShardError
from .worker import ShardResult, ShardTask

MAX_LOST: Final = 5
"""Processes that may die of one shard; the next does not get it."""

STEP_S: Final = 0.05
"""Seconds between two looks at the processes."""

OnResult = Callable[[ShardTask, ShardResult], None]
"""Takes the result of a shard, done or not."""


class LocalEngine:
    """Runs shards in processes of this computer.

    Args:
        processes: at once.
        is_restarted: whether workers of an earlier driver may still be sending.

    Attributes:
        processes: as above.
    """

    def __init__(self, processes: int, *, is_restarted: bool) -> None:
        self._service = JobService(is_restarted=is_restarted)
        self._key = secrets.token_bytes(32)
        self.processes = processes
        self._mutex = threading.Lock()
        self._queue: deque[ShardTask] = deque()
        self._running: dict[str, ShardTask] = {}
        self._lost: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._has_begun: set[str] = set()
        self._is_stopping = False

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Call a method of the service that the workers talk to."""
        return getattr(self._service, method)(*args, **options)

    def run(self, tasks: Sequence[ShardTask], on_result: OnResult) -> None:
        """Run shards until all have a result, or `stop` was called and the running ones have ended.

        Raises:
            ShardError: the processes cannot be started.
        """
        self._queue.extend(tasks)
        with Listener(authkey=self._key) as listener:
            threading.Thread(target=self._accept, args=(listener, on_result), daemon=True).start()
            try:
                while self._has_work():
                    self._start_missing(listener.address)
                    time.sleep(STEP_S)
            finally:
                self._end_processes()

    def stop(self) -> None:
        """Begin no further shard."""
        self._is_stopping = True

    def _has_work(self) -> bool:
        with self._mutex:
            return bool(self._running) or bool(self._queue and not self._is_stopping)

    def _start_missing(self, address: Any) -> None:
        """Start processes up to the number of shards that wait or run."""
        with self._mutex:
            ended = {
                name for name, process in self._processes.items() if process.poll() is not None
            }
            if len(ended - self._has_begun) >= MAX_LOST:
                raise ShardError(
                    tr("worker processes end before they begin; their messages are above")
                )
            wanted = len(self._running) + (0 if self._is_stopping else len(self._queue))
            missing = min(wanted, self.processes) - (len(self._processes) - len(ended))
        for _ in range(missing):
            name = secrets.token_hex(4)
            command = [sys.executable, "-m", f"{__package__}.local_worker"]
            process = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603 - our own module
            assert process.stdin is not None, "it is a pipe"
            start = {"address": address, "key": self._key.hex(), "worker": name}
            with process.stdin as stdin:
                stdin.write(json.dumps(start | {"settings": _settings_by_hand()}).encode() + b"\n")
            self._processes[name] = process

    def _accept(self, listener: Listener, on_result: OnResult) -> None:
        while True:
            try:
                connection = listener.accept()
            except AuthenticationError:
                continue
            except (OSError, EOFError):
                if listener._listener is None:  # type: ignore[attr-defined] # noqa: SLF001 - it was closed
                    return
                continue
            threading.Thread(target=self._serve, args=(connection, on_result), daemon=True).start()

    def _serve(self, connection: Connection, on_result: OnResult) -> None:
        """Answer one process until it ends; what it was working on when it died goes to another."""
        current: tuple[str, ShardTask] | None = None
        try:
            while True:
                kind, value = connection.recv()
                if kind == "exchange":
                    connection.send(self._service.exchange(value))
                    continue
                if kind == "begin":
                    self._has_begun.add(value)
                elif current is not None:
                    self._end(*current, value, on_result)
                current = None
                current = self._next_shard()
                connection.send(current)
        except (OSError, EOFError):
            if current is not None:
                self._requeue(*current, on_result)

    def _next_shard(self) -> tuple[str, ShardTask] | None:
        with self._mutex:
            if self._is_stopping or not self._queue:
                return None
            attempt = secrets.token_hex(8)
            task = self._queue.popleft()
            self._running[attempt] = task
            return attempt, task

    def _end(self, attempt: str, task: ShardTask, result: ShardResult, on_result: OnResult) -> None:
        self._service.end_attempt(task.job, attempt, result.used)
        on_result(task, result)
        with self._mutex:
            del self._running[attempt]

    def _requeue(self, attempt: str, task: ShardTask, on_result: OnResult) -> None:
        """Give a shard to another process, unless several have died of it."""
        self._service.end_attempt(task.job, attempt, None)
        digest = task.shard.digest
        self._lost[digest] = self._lost.get(digest, 0) + 1
        if self._lost[digest] >= MAX_LOST:
            on_result(
                task,
                ShardResult(None, {}, tr("{n} processes died while they worked on it", n=MAX_LOST)),
            )
        with self._mutex:
            del self._running[attempt]
            if self._lost[digest] < MAX_LOST:
                self._queue.appendleft(task)

    def _end_processes(self) -> None:
        """End the processes, which have no shard any more."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()


def _settings_by_hand() -> dict[str, str | float]:
    """Return what `get_config()` was told, keys in clear text: for the pipe to a process of the
    user.
    """
    overrides = config.get_config()._overrides.items()  # noqa: SLF001 - they are of no further use to anybody
    values = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in overrides
    }
    return {
        name: value if isinstance(value, (str, int, float)) else str(value)
        for name, value in values.items()
    }
