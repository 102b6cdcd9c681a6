"""Everything a running sandbox knows: its store, its models, who is being served, what is to go wrong."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .backlog import Backlog
from .clock import Clock
from .engines import Engines, Speaker, kept
from .evidence import Evidence
from .faults import Trouble
from .lifecycle import Lifecycle
from .process import Address
from .store import Store
from .trouble import Quota, Register
from .workshop import Workshop

PICTURES = 64
"""Pictures that can be fetched by address; the oldest go first."""


class World:
    """The state of one server."""

    def __init__(self, folder: Path, address: Address, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self.trouble, self.quota, self.register = Trouble(), Quota(clock), Register()
        self.evidence = Evidence()
        self.stop: Callable[[], None] = lambda: None
        self.streams = 0
        self.requests: dict[str, int] = {}
        self.pictures: dict[str, bytes] = {}
        self._last = time.monotonic()
        self.open(folder)

    def open(self, folder: Path) -> None:
        """Begin with the state that a folder holds: at the start, and after it was exchanged."""
        self.folder = folder
        self.store = Store(folder)
        self.clock = Clock(self.store)
        self.store.now = self.clock.now
        self.lifecycle = Lifecycle(self.store, self.clock)
        self.engines = Engines(folder, self.store, kept(folder))
        self.workshop = Workshop(self.store, self.clock, self.engines)
        self.backlog = Backlog(self)

    def close(self) -> None:
        """Stop a training and batches that are under way, and close the store."""
        self.backlog.close()
        self.workshop.close()
        self.engines.close()
        self.store.close()
        self.evidence.write()

    def warm_up(self) -> None:
        """Load what the first answer needs."""
        self.base()

    def touch(self, endpoint: str = "") -> None:
        """Note that somebody called."""
        self._last = time.monotonic()
        if endpoint:
            self.requests[endpoint] = self.requests.get(endpoint, 0) + 1

    def keep_picture(self, content: bytes) -> str:
        """Keep a picture for a while; return the name that it can be fetched by."""
        name = f"{secrets.token_hex(12)}.png"
        while len(self.pictures) >= PICTURES:
            self.pictures.pop(next(iter(self.pictures)))
        self.pictures[name] = content
        return name

    def idle_for(self) -> float:
        """Return the seconds since the last call; 0 while a training, a batch or a stream is under way."""
        busy = self.streams or self.workshop.busy or self.backlog.busy
        return 0.0 if busy else time.monotonic() - self._last

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count a stream that is open."""
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1
            self.touch()

    def base(self, name: str = "") -> Speaker:
        """Return what answers for a preset model."""
        return self.engines.base(name)

    def tuned(self, task_id: str) -> Speaker:
        """Return the model that a run made."""
        return self.engines.tuned(task_id)

    def service_at(self, endpoint: str) -> dict[str, Any] | None:
        """Return the deployed service with this endpoint, None when there is none."""
        return next((row for row in self.store.all("service") if row["endpoint"] == endpoint), None)
