"""Runs that this user started, remembered so that any notebook can watch them again: one JSON file each."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ..config import state_dir
from ..errors import InvalidArgumentError

Run = dict[str, Any]


def remember(run: Run) -> None:
    """Write what is known of a run, over what was known before (atomic; only this user can read it)."""
    path = _path(str(run["task_id"]))
    known = load(str(run["task_id"])) or {}
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({**known, **run}, file, ensure_ascii=False, default=str)
    temporary.replace(path)


def load(task_id: str) -> Run | None:
    """Return what is known of a run, None when nothing is."""
    path = _path(task_id)
    try:
        value: Run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value


def known() -> list[Run]:
    """Return all remembered runs, the newest first."""
    runs = [run for path in _folder().glob("*.json") if (run := load(path.stem)) is not None]
    return sorted(runs, key=lambda run: run.get("created", 0), reverse=True)


def _path(task_id: str) -> Path:
    if not re.fullmatch(r"[\w\-]{1,80}", task_id):
        raise InvalidArgumentError(f"{task_id!r} is not a run: an id looks like task-ab12cd34ef56")
    return _folder() / f"{task_id}.json"


def _folder() -> Path:
    folder = state_dir() / "runs"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder
