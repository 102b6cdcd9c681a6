"""Everything a running sandbox knows: its store, its models, who is being served, what is to go wrong."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backlog import Backlog
from .clock import Clock
from .lifecycle import Lifecycle
from .process import Address
from .store import Store
from .trouble import Quota, Register, Trouble
from .workshop import Workshop

if TYPE_CHECKING:
    from .engine import Model


PICTURES = 64
"""Pictures that can be fetched by address; the oldest go first."""


class World:
    """The state of one server."""

    def __init__(self, folder: Path, address: Address, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self.store = Store(folder)
        self.clock = Clock(self.store)
        self.store.now = self.clock.now
        self.lifecycle = Lifecycle(self.store, self.clock)
        self.workshop = Workshop(self.store)
        self.trouble, self.quota, self.register = Trouble(), Quota(clock), Register()
        self.stop: Callable[[], None] = lambda: None
        self.streams = 0
        self.requests: dict[str, int] = {}
        self.pictures: dict[str, bytes] = {}
        self._last = time.monotonic()
        self._models: dict[str, Model] = {}
        self._lock = threading.Lock()
        self.backlog = Backlog(self)

    def close(self) -> None:
        """Stop a training and batches that are under way, and close the store."""
        self.backlog.close()
        self.workshop.close()
        self.store.close()

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

    def base(self) -> Model:
        """Return the base model."""
        from .engine import base_model  # noqa: PLC0415 - numpy, half of the start-up time

        return base_model()

    def tuned(self, task_id: str) -> Model:
        """Return the model that a run made."""
        from .engine import Model  # noqa: PLC0415

        with self._lock:
            if task_id not in self._models:
                content = self.store.read_file(f"{task_id}.npz")
                assert content is not None, f"{task_id} has no model"
                model = Model.load(content)
                model.base = self.base()
                self._models[task_id] = model
            return self._models[task_id]

    def service_at(self, endpoint: str) -> dict[str, Any] | None:
        """Return the deployed service with this endpoint, None when there is none."""
        return next((row for row in self.store.all("service") if row["endpoint"] == endpoint), None)
