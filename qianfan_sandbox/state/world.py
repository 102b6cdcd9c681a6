"""The whole state of a running sandbox, its snapshots, and the register of what
works in the background.

A family registers its background work here: a job (`@job_handler`), which is a generator over a
document. No family is imported here.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.sandbox import Address

from ..engines.builtin import engine
from ..failures import DeliveryCounter, FaultRules, Modes, RateQuota
from .lifecycle import Clock, JobQueue, Lifecycle
from .store import Document, Store, make_private

if TYPE_CHECKING:
    from ..engines.builtin.model import LanguageModel

MODES_ID = "modes"

MAX_PROMPTS = 50  # kept to tell which tokens are cached

MAX_PICTURES = 64
PICTURE_SECONDS = 24 * 3600
"""How many pictures are kept for download, the newest, and for how long on the sandbox's clock."""


JobHandler = Callable[["World", Document], Iterator[None]]
JOB_HANDLERS: dict[str, dict[str, JobHandler]] = {}
"""The jobs of each queue, by the kind of their documents."""


def job_handler(kind: str, queue: str = "batches") -> Callable[[JobHandler], JobHandler]:
    """Register the job of a kind of document, and its queue; health counts the jobs of each."""

    def register(handler: JobHandler) -> JobHandler:
        JOB_HANDLERS.setdefault(queue, {})[kind] = handler
        return handler

    return register


class World:
    """The state of one server.

    Attributes:
        address: where it is and its keys.
        folder, store, clock, lifecycle: what it keeps, and the time in it.
        queues: the batches and evaluations, and the trainings, that are worked on.
        fault_rules, quota, delivery_counter: what tests and trials switched on.
        modes: how closely it follows the platform of today.
        recent_prompts: the model, the text and the time of each: their beginnings count as cached.
        open_streams: how many streams are being sent.
        endpoint_counts: how often each operation was called.
        request_stop: stops the server.
    """

    def __init__(
        self, folder: Path, address: Address, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.address = address
        self.fault_rules = FaultRules()
        self.delivery_counter = DeliveryCounter()
        self.quota = RateQuota(clock)
        self.request_stop: Callable[[], None] = lambda: None
        self.open_streams = 0
        self.endpoint_counts: dict[str, int] = {}
        self._pictures: dict[str, tuple[float, bytes]] = {}
        self._last_activity = time.monotonic()
        self.open(folder)

    def open(self, folder: Path) -> None:
        """Begin with the state in a folder: at the start, and after a snapshot was restored."""
        self.folder = folder
        self.store = Store(folder)
        self.clock = Clock(self.store)
        self.store.now = self.clock.now
        self.lifecycle = Lifecycle(self.store, self.clock)
        self.recent_prompts: deque[tuple[str, str, float]] = deque(maxlen=MAX_PROMPTS)
        self.modes = Modes.at_start(self.store.get("setting", MODES_ID) or {})
        self._tuned_models: dict[str, LanguageModel] = {}
        self.queues: dict[str, JobQueue] = {}
        for name, handlers in JOB_HANDLERS.items():
            jobs = {kind: partial(handler, self) for kind, handler in handlers.items()}
            self.queues[name] = JobQueue(self.store, jobs, self.record_activity)
        for queue in self.queues.values():
            queue.resume()

    def set_modes(self, changes: JsonMapping) -> Modes:
        """Change modes and keep them; return all modes. Raises ValueError."""
        self.modes = Modes.model_validate(self.modes.model_dump() | dict(changes))
        if self.store.get("setting", MODES_ID) is None:
            self.store.add("setting", MODES_ID)
        self.store.update(MODES_ID, **self.modes.model_dump())
        return self.modes

    def close(self) -> None:
        """Stop what works in the background, and close the store."""
        for queue in self.queues.values():
            queue.close()
        self.store.close()

    def enqueue(self, kind: str, document: Document) -> None:
        """Queue the job of a document."""
        jobs = next(queue for queue, handlers in JOB_HANDLERS.items() if kind in handlers)
        self.queues[jobs].enqueue(kind, document)

    def tuned_model(self, run: str) -> LanguageModel | None:
        """Return the model of a run, loaded; None if it has none that this engine made."""
        if run not in self._tuned_models:
            content = self.store.read_file(f"{run}.npz") or b""
            if not engine.is_model(content):
                return None
            self._tuned_models[run] = engine.load_model(content)
        return self._tuned_models[run]

    def record_activity(self, endpoint: str = "") -> None:
        """Count a call, and restart the idle time."""
        self._last_activity = time.monotonic()
        if endpoint:
            self.endpoint_counts[endpoint] = self.endpoint_counts.get(endpoint, 0) + 1

    def store_picture(self, content: bytes) -> str:
        """Keep a picture for a day; return the name that it is downloaded by."""
        name = f"{secrets.token_hex(12)}.png"
        if len(self._pictures) >= MAX_PICTURES:
            self._pictures.pop(next(iter(self._pictures)))
        self._pictures[name] = (self.clock.now() + PICTURE_SECONDS, content)
        return name

    def read_picture(self, name: str) -> bytes | None:
        """Return a picture that is kept, None when it has expired."""
        expires_at, content = self._pictures.get(name, (0.0, b""))
        if expires_at > self.clock.now():
            return content
        return None

    def idle_seconds(self) -> float:
        """Return the seconds since the last call; 0 while a stream is open or something works."""
        if self.open_streams or any(queue.unfinished for queue in self.queues.values()):
            return 0.0
        return time.monotonic() - self._last_activity

    @contextmanager
    def count_stream(self) -> Iterator[None]:
        """Count a stream as open."""
        self.open_streams += 1
        try:
            yield
        finally:
            self.open_streams -= 1
            self.record_activity()


FOLDER = "snapshots"
MANIFEST = "about.json"
PRESERVED_KINDS = ("token", "bearer")
"""Documents that a restore keeps: a client's access token stays valid."""

_NAME = re.compile(r"\w[\w.-]{0,63}")


def list_snapshots(home: Path) -> list[JsonObject]:
    """Return the snapshots: name, time and size in bytes, the oldest first."""
    manifests = []
    for path in (home / FOLDER).glob(f"[!.]*/{MANIFEST}"):
        manifests.append(json.loads(path.read_text(encoding="utf-8")))
    return sorted(manifests, key=itemgetter("made"))


def create_snapshot(world: World, name: str) -> JsonObject:
    """Copy the database and the files as they are now.

    Raises:
        ValueError: the name is not valid, or is used already.
    """
    target = _snapshot_path(world.folder, name)
    if target.exists():
        raise ValueError(f"there is a snapshot {name!r} already; remove it first")
    draft = target.with_name(f".{name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    world.store.copy_to(draft)
    size = sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
    manifest = {"name": name, "made": time.time(), "bytes": size}
    (draft / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    make_private(world.folder / FOLDER)
    draft.replace(target)
    return manifest


def restore_snapshot(world: World, name: str) -> JsonObject:
    """Replace the state by a snapshot; its unfinished trainings and batches start again.

    Raises:
        LookupError: the snapshot does not exist.
    """
    snapshot = _existing_snapshot(world.folder, name)
    copy = world.folder / f".restoring.{os.getpid()}"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(mode=0o700)
    source = Store(snapshot)
    source.copy_to(copy)
    source.close()
    preserved = [(kind, row) for kind in PRESERVED_KINDS for row in world.store.all(kind)]
    world.close()
    Store.replace_state(world.folder, copy)
    world.open(world.folder)
    for kind, row in preserved:
        world.store.insert_missing(kind, row)
    return {"restored": name}


def remove_snapshot(home: Path, name: str) -> JsonObject:
    """Delete a snapshot; return its name.

    Raises:
        LookupError: the snapshot does not exist.
    """
    shutil.rmtree(_existing_snapshot(home, name))
    return {"removed": name}


def _snapshot_path(home: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r}: a snapshot's name has 1 to 64 letters, digits and _.- and no leading dot"
        )
    return home / FOLDER / name


def _existing_snapshot(home: Path, name: str) -> Path:
    path = _snapshot_path(home, name)
    if not (path / MANIFEST).is_file():
        raise LookupError(f"snapshot {name!r} does not exist")
    return path
