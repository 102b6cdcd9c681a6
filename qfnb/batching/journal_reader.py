"""Read journals: from any process, also while a batch is writing."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .._jobs.row_result import RESULT_COLUMNS, RowResult
from ..errors import QianfanError
from .input_source import Item

_RESULT_COLUMNS = ", ".join(f"answer.{name}" for name in RESULT_COLUMNS)

PAGE_SIZE = 500
"""Rows that are read at once: nobody's pause between two rows keeps a journal open."""

NOT_ASKED = "NotAsked"
"""The `error` of a row that was not asked yet."""


class JournalError(QianfanError):
    """A journal cannot be used: it is in use, broken, of another batch, or the disk is full."""


class JournalInUse(JournalError):
    """A batch is being worked on; `name` is its."""

    def __init__(self, name: str, owner: str) -> None:
        super().__init__(
            f"the batch {name!r} is being worked on by {owner}: wait for it, cancel it there, or give this one "
            "another name (该批次正在别处运行)"
        )
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow(RowResult):
    """One row of a batch with its answer: the facts of `Outcome`, its place in the input, and the input."""

    number: int
    input: Item


@dataclass(frozen=True)
class JournalCounts:
    """What a journal holds: rows, answers and failures among them, tokens and CNY spent."""

    rows: int
    ok: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None


@contextlib.contextmanager
def open_readonly(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal for reading, also while another process writes it.

    Raises:
        JournalError: it is broken, or gone.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            yield database
    except sqlite3.Error as error:
        raise JournalError(explain_error(error, path)) from None


def read_rows(path: Path, *, after: int = -1, limit: int = -1) -> Iterator[BatchRow]:
    """Yield the rows in input order with what became of them; of rows not asked yet, `error` says so."""
    query = f"""select row.number, row.input, answer.key is null, {_RESULT_COLUMNS}
        from row left join answer using(key) where row.number > ? order by row.number limit ?"""  # noqa: S608
    remaining = sys.maxsize if limit < 0 else limit
    while remaining > 0:
        with open_readonly(path) as database:
            page = database.execute(query, (after, min(remaining, PAGE_SIZE))).fetchall()
        for number, item, is_unasked, *facts in page:
            yield _parse_row(number, item, facts, is_unasked=bool(is_unasked))
        if len(page) < PAGE_SIZE:
            return
        after, remaining = page[-1][0], remaining - PAGE_SIZE


def read_completed(path: Path, after: int) -> list[tuple[int, BatchRow]]:
    """Return answers that were written after a place, in the order of writing, each with its place.

    Identical rows that are asked once share a place; a place comes with all of its rows.
    """
    query = f"""select answer.place, row.number, row.input, {_RESULT_COLUMNS} from answer join row using(key)
        where answer.place between ? and ? order by answer.place, row.number limit ?"""  # noqa: S608
    with open_readonly(path) as database:
        page = database.execute(query, (after + 1, sys.maxsize, PAGE_SIZE)).fetchall()
        if len(page) == PAGE_SIZE:  # the last place may have more rows: it is the next page's, or all of this
            last_position = page[-1][0]
            complete_rows = [row for row in page if row[0] < last_position]
            page = complete_rows or database.execute(query, (last_position, last_position, -1)).fetchall()
    return [(position, _parse_row(number, item, facts)) for position, number, item, *facts in page]


def count_invalid_rows(path: Path) -> int:
    """Return how many rows cannot be asked, and were kept as failed ones."""
    query = """select count(*) from row join answer using(key)
        where not row.asked and answer.error = 'InvalidArgumentError'
        and row.key not in (select key from row where asked)"""  # those repeat a row that was asked
    with open_readonly(path) as database:
        return int(database.execute(query).fetchone()[0])


def read_facts(path: Path) -> tuple[dict[str, str], JournalCounts]:
    """Return the facts of a journal, and what it holds."""
    with open_readonly(path) as database:
        return dict(database.execute("select name, value from fact")), count_rows(database)


def is_in_use(path: Path) -> bool:
    """Tell whether a process has the journal open for writing."""
    lock = FileLock(lock_path(path))
    try:
        with lock.acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def batch_row(number: int, item: Item, outcome: RowResult) -> BatchRow:
    """Return a row with what became of it."""
    return BatchRow(number=number, input=item, **{name: getattr(outcome, name) for name in RESULT_COLUMNS})


def _parse_row(number: int, item: str, facts: Sequence[Any], *, is_unasked: bool = False) -> BatchRow:
    if is_unasked:
        return BatchRow(number=number, input=json.loads(item), error=NOT_ASKED, attempts=0)
    return BatchRow(number=number, input=json.loads(item), **dict(zip(RESULT_COLUMNS, facts, strict=True)))


def count_rows(database: sqlite3.Connection) -> JournalCounts:
    """Return what an open journal holds."""
    rows = database.execute("select count(*) from row").fetchone()[0]
    totals = database.execute(
        """select coalesce(sum(error = ''), 0), coalesce(sum(error <> ''), 0),
        coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),
        sum(cost), sum(error = '' and cost is null)
        from row join answer using(key) where row.asked or answer.error <> ''"""
    ).fetchone()
    repeats = database.execute(
        "select count(*) from row join answer using(key) where not row.asked and answer.error = ''"
    ).fetchone()[0]
    ok, failed, prompt, completion, cost, unpriced = totals
    return JournalCounts(rows, ok + repeats, failed, prompt, completion, None if unpriced else cost or 0.0)


def lock_path(path: Path) -> Path:
    """Return the lock file of a journal."""
    return path.with_suffix(".lock")


def explain_error(error: Exception, path: Path) -> str:
    """Return what is the matter with a journal."""
    if isinstance(error, sqlite3.Error) and not path.exists():
        return (
            f"the journal {path} is gone: it was deleted or moved; run the batch again, or put it back "
            "(日志文件已被删除)"
        )
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return f"the disk is full: the journal {path} cannot be written (磁盘已满)"
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return (
            f"the journal {path} is broken ({error}): it is left as it is; use another name= "
            "(日志文件已损坏，请换一个 name)"
        )
    return f"the journal {path} cannot be used: {error}"
