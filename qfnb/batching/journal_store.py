"""The journals on this user's disk: where they are, how to list and delete them."""

from __future__ import annotations

import contextlib
import difflib
import re
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from .. import config
from .._tables import frame_class
from ..base.language import tr
from ..base.private_files import modified_at
from ..errors import InvalidArgumentError
from . import journal_reader
from .journal import acquire_lock, lock_path
from .journal_reader import JournalCounts, JournalError
from .request_spec import RequestSpec

if TYPE_CHECKING:
    import pandas as pd

_NAME_PATTERN = re.compile(r"[\w.\-]{1,100}")
_COLUMNS = (
    "name",
    "state",
    "rows",
    "ok",
    "failed",
    "model",
    "platform",
    "cost",
    "updated",
    "input",
)


@dataclass(frozen=True)
class JournalSummary:
    """One journal of this user.

    Attributes:
        state: of the batch; "interrupted" where its process is gone, "broken" where the file cannot
            be read.
        updated: Unix seconds of the last change, 0 where it is not known.
        problem: why it is broken, "" otherwise.
    """

    name: str
    state: str
    updated: float = 0.0
    model: str = ""
    platform: str = ""
    input: str = ""
    counts: JournalCounts | None = None
    problem: str = ""


def batches() -> pd.DataFrame:
    """Return the journals of this user as a DataFrame, the latest first: name, state, rows, model,
    cost.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    frame = pd.DataFrame(map(_columns, list_journals()), columns=list(_COLUMNS))
    table: pd.DataFrame = frame_class("BatchTable")(
        frame.astype(dict.fromkeys(("rows", "ok", "failed"), "Int64"))
    )
    return table  # counts may be missing: a broken journal has none


def list_journals() -> list[JournalSummary]:
    """Return all journals of this user, the latest first."""
    return [
        _summary(path)
        for path in sorted(_journals_dir().glob("*.db"), key=modified_at, reverse=True)
    ]


def delete_journal(name: str) -> None:
    """Delete a batch's journal, with all its answers.

    Raises:
        InvalidArgumentError: no batch has this name.
        JournalError: it is running.
    """
    path = existing_journal_path(name)
    lock = acquire_lock(path)
    try:
        for ending in (".db", ".db-wal", ".db-shm", ".owner"):
            path.with_suffix(ending).unlink(missing_ok=True)
        # earlier versions stored the pictures of rows there
        shutil.rmtree(path.with_suffix(".pictures"), ignore_errors=True)
        with contextlib.suppress(PermissionError):  # Windows deletes no open file
            lock_path(path).unlink(missing_ok=True)
    finally:
        lock.release()


def load_request_spec(path: Path, text: str) -> RequestSpec:
    """Return the request that a journal's rows are sent with, from its fact `plan`.

    Raises:
        JournalError: it cannot be read.
    """
    try:
        return RequestSpec.from_json(text)
    except (ValueError, TypeError) as error:
        raise JournalError(
            tr(
                "the journal {path} is broken: its fact `plan` cannot be read ({error}); use "
                "another name=",
                path=path,
                error=error,
            )
        ) from None


def _journals_dir() -> Path:
    return config.state_dir() / "batches"


def journal_path(name: str) -> Path:
    """Return where a batch's journal is.

    Raises:
        InvalidArgumentError: the name cannot be a file's.
    """
    if not isinstance(name, str) or not _NAME_PATTERN.fullmatch(name) or name.startswith("."):
        raise InvalidArgumentError(
            tr("name={name!r}: must be at most 100 letters, digits, '.', '_' and '-'", name=name)
        )
    try:
        return _journals_dir() / f"{name}.db"
    except OSError as error:
        raise JournalError(
            tr(
                "journals cannot be written: {reason}: {filename}",
                reason=error.strerror,
                filename=error.filename,
            )
        ) from None


def existing_journal_path(name: str) -> Path:
    """Return where the journal of an existing batch is.

    Raises:
        InvalidArgumentError: no batch has this name.
    """
    path = journal_path(name)
    if not path.is_file():
        names = [journal.stem for journal in _journals_dir().glob("*.db")]
        hint = ""
        if nearest := difflib.get_close_matches(name, names):
            hint = tr("; did you mean {nearest}?", nearest=tr(", ").join(nearest))
        raise InvalidArgumentError(
            tr(
                "there is no batch {name!r}{hint} (`%qfbatch list` or qfnb.batches() shows all "
                "{count})",
                name=name,
                hint=hint,
                count=len(names),
            )
        )
    return path


def _summary(path: Path) -> JournalSummary:
    try:
        facts, counts = journal_reader.read_facts(path)
        request = load_request_spec(path, facts.get("plan", '{"platform": ""}'))
        updated = float(facts.get("updated", 0))
        time.localtime(updated)
    except (JournalError, ValueError, OverflowError, OSError) as error:
        return JournalSummary(path.stem, "broken", modified_at(path), problem=str(error))
    state = facts.get("state", "")
    if state == "running" and not is_in_use(path):
        state = "interrupted"
    model = request.endpoint or request.model or ""
    source = facts.get("input", "")
    return JournalSummary(path.stem, state, updated, model, request.platform, source, counts)


def _columns(journal: JournalSummary) -> dict[str, Any]:
    if journal.counts is None:
        return {"name": journal.name, "state": journal.state, "input": journal.problem}
    columns = {"updated": time.strftime("%Y-%m-%d %H:%M", time.localtime(journal.updated))}
    for name in ("name", "state", "model", "platform", "input"):
        columns[name] = getattr(journal, name)
    return {**asdict(journal.counts), **columns}


def is_in_use(path: Path) -> bool:
    """Return whether a process has the journal open for writing."""
    lock = FileLock(lock_path(path))
    try:
        with lock.acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True
