"""Everything a running sandbox knows: its store, its models, who is being served, what is to go wrong."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .process import Address
from .store import Store
from .workshop import Workshop

if TYPE_CHECKING:
    from .engine import Model


LIMIT = 60_000
"""Requests per minute that the headers speak of; the sandbox itself refuses none."""

PICTURES = 64
"""Pictures that can be fetched by address; the oldest go first."""


@dataclass
class Fault:
    """Something that goes wrong on purpose, for tests.

    Attributes:
        endpoint: the row it strikes, e.g. chat.v2.
        fault: `status` (answer with `status`), `stall` (go silent), `cut` (end without the end mark),
            `reset` (break the connection) or `error` (an error in mid-stream), after `after` pieces.
        times: how often it still strikes.
    """

    endpoint: str
    fault: str
    after: int = 0
    status: int = 503
    retry_after: str = ""
    times: int = 1


class World:
    """The state of one server."""

    def __init__(self, folder: Path, address: Address) -> None:
        self.address = address
        self.store = Store(folder)
        self.workshop = Workshop(self.store)
        self.faults: list[Fault] = []
        self.stop: Callable[[], None] = lambda: None
        self.streams = 0
        self.requests: dict[str, int] = {}
        self.pictures: dict[str, bytes] = {}
        self._minute = [0, 0]
        self._last = time.monotonic()
        self._models: dict[str, Model] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Stop a training that is under way, and close the store."""
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

    def limits(self) -> dict[str, str]:
        """Return the rate-limit headers of an answer: generous limits, counted by the minute."""
        minute = int(time.time() // 60)
        self._minute = [minute, self._minute[1] + 1 if self._minute[0] == minute else 1]
        left = max(0, LIMIT - self._minute[1])
        return {"x-ratelimit-limit-requests": str(LIMIT), "x-ratelimit-remaining-requests": str(left)}

    def keep_picture(self, content: bytes) -> str:
        """Keep a picture for a while; return the name that it can be fetched by."""
        name = f"{secrets.token_hex(12)}.png"
        while len(self.pictures) >= PICTURES:
            self.pictures.pop(next(iter(self.pictures)))
        self.pictures[name] = content
        return name

    def idle_for(self) -> float:
        """Return the seconds since the last call; 0 while a training or a stream is under way."""
        busy = self.streams or self.workshop.busy
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

    def strike(self, endpoint: str) -> Fault | None:
        """Return the fault that this call is to suffer, and count it."""
        for fault in self.faults:
            if fault.endpoint == endpoint and fault.times > 0:
                fault.times -= 1
                return fault
        return None

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
