"""Trainings that this user started, remembered so that any kernel can go on with them: one JSON file each.

What the platform gives an id is written down here, on the disk, before anything else is done with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import string
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ..config import state_dir
from ..errors import InvalidArgumentError, TrainingError
from ..model.creating import once

Facts = dict[str, Any]

PATIENCE: Final = 120.0
"""Seconds that one kernel waits while another creates something for the same training."""

_ALPHABET = string.ascii_lowercase + string.digits


class Run:
    """One training as this computer remembers it.

    Attributes:
        id: `run-...`; it is part of the description of the job on the platform, which is found by it.
        facts: what was asked for, the platform's ids, the step it is at, and the progress last shown.
    """

    def __init__(self, id_: str, facts: Facts) -> None:
        self.id, self.facts = id_, facts
        self._turn = threading.RLock()

    @classmethod
    def begin(cls, **facts: Any) -> Run:
        """Return a new one, which is not written down before something is noted."""
        made = "run-" + "".join(secrets.choice(_ALPHABET) for _ in range(10))
        return cls(made, {"id": made, "created": time.time(), **facts})

    def note(self, *, lasting: bool = True, **facts: Any) -> None:
        """Write facts down over what was known before; only this user can read them.

        Args:
            lasting: bring them onto the disk before going on.
            **facts: JSON.
        """
        with self._turn:
            self.facts |= self._kept() | facts
            path = _path(self.id)
            temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
            descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(self.facts, file, ensure_ascii=False, default=str)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)

    def made(self, key: str, create: Callable[[], Any], find: Callable[[], Any], what: str) -> Any:
        """Return what was made for this training under a key, making it when it was not: once in all kernels.

        Args:
            key: of the facts that hold its id.
            create: makes it, and returns what JSON can hold.
            find: looks for one whose creation was begun and not confirmed; None when there is none.
            what: how people call it.
        """
        with self._alone():
            if (known := self._kept().get(key)) is not None:
                return known
            doubtful = self.facts.get("making") == key
            self.note(making=key)
            made = once(create, find, what=what, doubtful=doubtful)
            self.note(**{key: made, "making": ""})
        return made

    def _kept(self) -> Facts:
        """Return what another kernel may have written down meanwhile."""
        return _read(_path(self.id)) or {}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with FileLock(_path(self.id).with_suffix(".lock"), timeout=PATIENCE, mode=0o600):
                yield
        except Timeout:
            raise TrainingError(
                f"another kernel is at work on {self.id} (另一个内核正在处理该训练): try again later"
            ) from None


def find(key: str) -> Run | None:
    """Return a training by its own id (`run-...`) or its run's on the platform (`task-...`); None: unknown.

    Raises:
        InvalidArgumentError: this is no id.
    """
    path = _path(key)
    if (facts := _read(path)) is not None:
        return Run(key, facts)
    return next((run for run in known() if run.facts.get("task_id") == key), None)


def known() -> list[Run]:
    """Return all remembered trainings, the newest first."""
    found = [Run(path.stem, facts) for path in _folder().glob("*.json") if (facts := _read(path)) is not None]
    return sorted(found, key=lambda run: float(run.facts.get("created") or 0), reverse=True)


def plain(facts: Mapping[str, Any]) -> Facts:
    """Return the facts that JSON can hold; a model and a service are made again from their ids."""
    return {name: value for name, value in facts.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=True)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _read(path: Path) -> Facts | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _path(key: str) -> Path:
    if not re.fullmatch(r"[\w\-]{1,80}", key):
        raise InvalidArgumentError(
            f"{key!r} is not a run: an id looks like run-ab12cd34ef or task-ab12cd34ef56"
        )
    return _folder() / f"{key}.json"


def _folder() -> Path:
    folder = state_dir() / "runs"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder
