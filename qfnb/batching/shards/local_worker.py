"""A process of `engine="local"`: `python -m qfnb.batching.shards.local_worker`; asks its parent for
shards.

The parent's address and key, and what `get_config()` was told there, come on standard input:
neither arguments nor the environment show them.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Client, Connection
from typing import Any

from ... import config
from .worker import run_shard


class ParentConnection:
    """The connection to the parent, for several threads: each message has an answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._mutex = threading.Lock()

    def ask(self, kind: str, value: Any = None) -> Any:
        """Send a message and return its answer.

        Raises:
            OSError, EOFError: the parent is gone.
        """
        with self._mutex:
            self._connection.send((kind, value))
            return self._connection.recv()

    def exchange(self, report: dict[str, Any]) -> Mapping[str, Any]:
        """Hand a report to the job's service, and return its answer."""
        answer: Mapping[str, Any] = self.ask("exchange", report)
        return answer


def main() -> int:
    """Work on shards until the parent has none, or is gone; return the exit code."""
    start = json.loads(sys.stdin.readline())
    logging.getLogger("qfnb").setLevel(logging.ERROR)  # the parent has warned its user, once
    for name, value in start["settings"].items():
        setattr(config.get_config(), name, value)
    try:
        parent = ParentConnection(Client(start["address"], authkey=bytes.fromhex(start["key"])))
        shard = parent.ask("begin", start["worker"])
        while shard is not None:
            attempt, task = shard
            shard = parent.ask("end", run_shard(task, attempt, parent.exchange))
    except (OSError, EOFError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
