"""The trainings of this user, one JSON file each, so that any kernel can continue them.

Each id that the platform assigns is stored on the disk before it is used.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import string
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ..base.language import tr
from ..base.private_files import write_private
from ..config import state_dir
from ..errors import InvalidArgumentError, TrainingError
from ..model.service import create_once

Facts = dict[str, Any]

LOCK_TIMEOUT_S: Final = 120.0
"""Seconds that one kernel waits while another creates a job, a run, a model or a service of the
same training.
"""

FOLLOWED_S: Final = 150.0
"""Seconds after its last sign for which a training counts as followed: five polls."""

_ALPHABET = string.ascii_lowercase + string.digits


class RunRecord:
    """The stored record of one training.

    Attributes:
        id: `run-...`; the description of the job on the platform contains it.
        facts: the settings, the platform's ids, the current step, and the last progress; the keys
            are stored.
        is_asked: whether the platform has just said how far the run is.
    """

    def __init__(self, id_: str, facts: Facts) -> None:
        self.id = id_
        self.facts = facts
        self.is_asked = False
        self._lock = threading.RLock()

    @classmethod
    def begin(cls, **facts: Any) -> RunRecord:
        """Return a new record; the first `update` writes it."""
        run_id = "run-" + "".join(secrets.choice(_ALPHABET) for _ in range(10))
        return cls(run_id, {"id": run_id, "created": time.time(), **facts})

    def update(self, *, durable: bool = True, **facts: Any) -> None:
        """Store facts, over those stored before; only this user can read the file.

        Args:
            durable: return only once they are on the disk.
            **facts: values of JSON.
        """
        with self._lock:
            self.facts |= self._read_stored() | facts
            content = json.dumps(self.facts, ensure_ascii=False, default=str)
            write_private(_path(self.id), content, durable=durable)

    def last_change(self) -> float:
        """Return when the record was written last, in Unix seconds; 0 if it never was."""
        try:
            return _path(self.id).stat().st_mtime
        except OSError:
            return 0.0

    @property
    def is_unfinished(self) -> bool:
        """Whether the training was started and has not ended, as far as it is stored."""
        progress = self.facts.get("progress") or {}
        return bool(progress.get("started_at")) and progress.get("ended_at") is None

    @property
    def is_current(self) -> bool:
        """Whether its status is of now: a kernel has written it not long ago, or the platform was
        asked.
        """
        return self.is_asked or time.time() - self.last_change() < FOLLOWED_S

    def create_once(
        self, key: str, create: Callable[[], Any], find_existing: Callable[[], Any], label: str
    ) -> Any:
        """Return the id stored under a key, or create the object, exactly once in all kernels.

        Args:
            key: the fact that holds the id.
            create: creates the object on the platform and returns its id, a value of JSON.
            find_existing: looks for an object whose creation was started and not confirmed; returns
                its id, None where it does not exist.
            label: the object's name in messages.

        Raises:
            TrainingError: another kernel has held the lock for `LOCK_TIMEOUT_S`.
        """
        lock = FileLock(_path(self.id).with_suffix(".lock"), timeout=LOCK_TIMEOUT_S, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise TrainingError(
                tr(
                    "another kernel is working on {run}: try again when it has finished",
                    run=self.id,
                )
            ) from None
        try:
            if (existing := self._read_stored().get(key)) is not None:
                return existing
            may_exist = self.facts.get("making") == key
            self.update(making=key)
            result = create_once(create, find_existing, label=label, may_exist=may_exist)
            self.update(**{key: result, "making": ""})
        finally:
            lock.release()
        return result

    def _read_stored(self) -> Facts:
        """Return the stored facts, which another kernel may have changed."""
        return _load_facts(_path(self.id)) or {}


def find_run(key: str) -> RunRecord | None:
    """Return the record with an id, `run-...` or the platform's `task-...`; None where none is
    stored.

    Raises:
        InvalidArgumentError: `key` does not look like an id.
    """
    path = _path(key)
    if (facts := _load_facts(path)) is not None:
        return RunRecord(key, facts)
    return next((run for run in list_runs() if run.facts.get("task_id") == key), None)


def list_runs() -> list[RunRecord]:
    """Return all stored trainings, the newest first."""
    records = []
    for path in state_dir("runs").glob("*.json"):
        if (facts := _load_facts(path)) is not None:
            records.append(RunRecord(path.stem, facts))
    return sorted(records, key=lambda run: float(run.facts.get("created") or 0), reverse=True)


def json_facts(facts: Mapping[str, Any]) -> Facts:
    """Return the facts that are values of JSON; models and services are restored from their ids."""
    values: Facts = {}
    for name, value in facts.items():
        with contextlib.suppress(TypeError, ValueError, RecursionError):
            json.dumps(value)
            values[name] = value
    return values


def _load_facts(path: Path) -> Facts | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if isinstance(value, dict):
        return value
    return None


def _path(key: str) -> Path:
    if not re.fullmatch(r"[\w\-]{1,80}", key):
        raise InvalidArgumentError(
            tr(
                "{key} is not a run: an id looks like run-ab12cd34ef or task-ab12cd34ef56",
                key=repr(key),
            )
        )
    return state_dir("runs") / f"{key}.json"
