"""The journals of this user: where they are, what there is, and how to be rid of one."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import config
from ..errors import InvalidArgumentError
from . import reading
from .opening import locked
from .plan import Plan
from .reading import JournalError

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"[\w.\-]{1,100}")
_COLUMNS = ("name", "state", "rows", "ok", "failed", "model", "platform", "cost", "updated", "input")


def batches() -> pd.DataFrame:
    """Return the journals of this user as a DataFrame, the newest first: name, state, rows, model, cost."""
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    found = sorted(_folder().glob("*.db"), key=_changed, reverse=True)
    listed = pd.DataFrame([_listed(path) for path in found], columns=list(_COLUMNS))
    return listed.astype(dict.fromkeys(("rows", "ok", "failed"), "Int64"))  # a broken one has no counts


def forget(name: str) -> None:
    """Delete a batch's journal, with all its answers.

    Raises:
        InvalidArgumentError: there is no such batch.
        JournalError: it is under way.
    """
    path = known(name)
    lock = locked(path)
    try:
        for ending in (".db", ".db-wal", ".db-shm", ".owner"):
            path.with_suffix(ending).unlink(missing_ok=True)
        with contextlib.suppress(
            PermissionError
        ):  # Windows deletes no open file; there it goes with the lock
            reading.lock_path(path).unlink(missing_ok=True)
    finally:
        lock.release()


def plan_of(path: Path, fact: str) -> Plan:
    """Return the plan that a journal holds.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        return Plan.from_json(fact)
    except (ValueError, TypeError) as error:
        raise JournalError(
            f"the journal {path} is broken: what it asked cannot be read ({error}); use another name= "
            "(日志内容无法读取)"
        ) from None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # deleted a moment ago
        return 0.0


def _folder() -> Path:
    return config.state_dir() / "batches"


def path_of(name: str) -> Path:
    """Return where a batch's journal is.

    Raises:
        InvalidArgumentError: the name is none for a file.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith("."):
        raise InvalidArgumentError(f"name={name!r}: letters, digits, '.', '_' and '-', at most 100")
    try:
        return _folder() / f"{name}.db"
    except OSError as error:
        raise JournalError(f"journals cannot be written: {error.strerror}: {error.filename}") from None


def known(name: str) -> Path:
    """Return the journal of a batch that there is.

    Raises:
        InvalidArgumentError: there is no such batch.
    """
    path = path_of(name)
    if not path.is_file():
        names = sorted(other.stem for other in _folder().glob("*.db"))
        raise InvalidArgumentError(f"there is no batch {name!r}; there are: {', '.join(names) or 'none'}")
    return path


def _listed(path: Path) -> dict[str, Any]:
    try:
        return _facts(path)
    except (JournalError, ValueError, OverflowError, OSError) as error:
        return {"name": path.stem, "state": "broken", "input": str(error)}


def _facts(path: Path) -> dict[str, Any]:
    facts, counts = reading.facts_of(path)
    plan = plan_of(path, facts["plan"]) if "plan" in facts else Plan("")
    state = facts.get("state", "")
    if state == "running" and not reading.in_use(path):
        state = "interrupted"
    updated = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(facts.get("updated", 0))))
    return {
        "name": path.stem,
        "state": state,
        "rows": counts.rows,
        "ok": counts.ok,
        "failed": counts.failed,
        "model": plan.endpoint or plan.model,
        "platform": plan.platform,
        "cost": counts.cost,
        "updated": updated,
        "input": facts.get("input", ""),
    }
