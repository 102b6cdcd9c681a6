"""Everything a running sandbox knows: its store, its models, who is being served, what is to go wrong."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..engines import ChatModel, EngineRegistry, load_config
from ..finetune.worker import TrainingWorker
from ..process import Address
from ..trial.faults import FaultRules
from ..trial.quota import DeliveryCounter, RateQuota
from .clock import Clock
from .job_queue import JobQueue
from .lifecycle import Lifecycle
from .store import Store

MAX_PICTURES = 64
"""Pictures that can be fetched by address; the oldest go first."""


class World:
    """The state of one server."""

    def __init__(self, folder: Path, address: Address, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self.fault_rules, self.quota, self.delivery_counter = (
            FaultRules(),
            RateQuota(clock),
            DeliveryCounter(),
        )
        self.request_stop: Callable[[], None] = lambda: None
        self.open_streams = 0
        self.endpoint_counts: dict[str, int] = {}
        self.pictures: dict[str, bytes] = {}
        self._last_activity = time.monotonic()
        self.open(folder)

    def open(self, folder: Path) -> None:
        """Begin with the state that a folder holds: at the start, and after it was exchanged."""
        self.folder = folder
        self.store = Store(folder)
        self.clock = Clock(self.store)
        self.store.now = self.clock.now
        self.lifecycle = Lifecycle(self.store, self.clock)
        self.engines = EngineRegistry(folder, self.store, load_config(folder))
        self.training_worker = TrainingWorker(self.store, self.clock, self.engines)
        self.job_queue = JobQueue(self)

    def close(self) -> None:
        """Stop a training and batches that are under way, and close the store."""
        self.job_queue.close()
        self.training_worker.close()
        self.engines.close()
        self.store.close()

    def warm_up(self) -> None:
        """Load what the first answer needs."""
        self.base_model()

    def record_activity(self, endpoint: str = "") -> None:
        """Note that somebody called."""
        self._last_activity = time.monotonic()
        if endpoint:
            self.endpoint_counts[endpoint] = self.endpoint_counts.get(endpoint, 0) + 1

    def store_picture(self, content: bytes) -> str:
        """Keep a picture for a while; return the name that it can be fetched by."""
        name = f"{secrets.token_hex(12)}.png"
        while len(self.pictures) >= MAX_PICTURES:
            self.pictures.pop(next(iter(self.pictures)))
        self.pictures[name] = content
        return name

    def idle_seconds(self) -> float:
        """Return the seconds since the last call; 0 while a training, a batch or a stream is under way."""
        busy = self.open_streams or self.training_worker.busy or self.job_queue.unfinished
        return 0.0 if busy else time.monotonic() - self._last_activity

    @contextmanager
    def count_stream(self) -> Iterator[None]:
        """Count a stream that is open."""
        self.open_streams += 1
        try:
            yield
        finally:
            self.open_streams -= 1
            self.record_activity()

    def base_model(self, name: str = "") -> ChatModel:
        """Return what answers for a preset model."""
        return self.engines.base_model(name)

    def tuned_model(self, task_id: str) -> ChatModel:
        """Return the model that a run made."""
        return self.engines.tuned_model(task_id)

    def find_service(self, endpoint: str) -> dict[str, Any] | None:
        """Return the deployed service with this endpoint, None when there is none."""
        return next((row for row in self.store.all("service") if row["endpoint"] == endpoint), None)
