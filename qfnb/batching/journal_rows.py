"""Writing the rows of an input into a journal: their keys, which of them repeat others, where their
files have them.
"""

import hashlib
import sqlite3
import weakref
from collections.abc import Sequence

from ..base.language import tr
from .fork_safe_sqlite import open_database
from .input_files import InputFiles, item_to_json
from .journal import Journal, placeholders
from .journal_checksum import checksum
from .journal_reader import JournalError
from .request_spec import InputRow

COUNTER_CACHE_KB = 8192
"""Memory for the keys of some 200,000 rows, and the most that any number of rows takes."""


class KeyCounter:
    """Counts how often each key came; what does not fit into 8 MB is in a temporary file, which
    SQLite deletes.
    """

    def __init__(self) -> None:
        self._database = open_database("", isolation_level=None)
        weakref.finalize(self, self._database.close)
        for setting in (
            "journal_mode = off",
            "synchronous = off",
            f"cache_size = -{COUNTER_CACHE_KB}",
        ):
            self._database.execute(f"pragma {setting}")
        self._database.execute(
            "create table seen (key blob primary key, repeats integer) without rowid"
        )

    def count(self, keys: Sequence[bytes]) -> list[int]:
        """Return for each of the next keys how many times it came before.

        Raises:
            JournalError: there is no room for temporary files.
        """
        try:
            self._database.execute("begin")
            counts = [self._count_one(key) for key in keys]
            self._database.execute("commit")
        except sqlite3.Error as error:
            text = tr(
                "the temporary file for the keys of rows cannot be written (TMPDIR names its "
                "folder): {error}",
                error=error,
            )
            raise JournalError(text) from None
        return counts

    def _count_one(self, key: bytes) -> int:
        if self._database.execute("insert or ignore into seen values (?, 0)", (key,)).rowcount:
            return 0
        self._database.execute("update seen set repeats = repeats + 1 where key = ?", (key,))
        return int(
            self._database.execute("select repeats from seen where key = ?", (key,)).fetchone()[0]
        )


def save_marks(journal: Journal, files: InputFiles | None, start: int) -> int:
    """Store where rows begin, from a mark on (inside `transaction`); return the number of marks so
    far.
    """
    marks = [] if files is None else files.marks[start:]
    journal.database.executemany("insert or replace into mark values (?, ?, ?, ?)", marks)
    return start + len(marks)


def add_rows(
    journal: Journal,
    rows: Sequence[InputRow],
    *,
    dedupe: bool,
    repeats: Sequence[int] | None = None,
    is_copied: bool = True,
) -> list[InputRow]:
    """Add a page of rows (inside `transaction`); return those that have no answer yet.

    An identical row further down gets a key of its own, unless identical rows are sent once.

    Args:
        journal: open for writing.
        rows: the page.
        dedupe: whether identical rows are sent once.
        repeats: how many identical rows came before each one; by default those of this page are
            counted.
        is_copied: whether the journal holds the rows, which otherwise are read from their files
            again.
    """
    repeats = KeyCounter().count([row.key for row in rows]) if repeats is None else repeats
    keys = [
        row.key if dedupe else repeat_key(row.key, repeat)
        for row, repeat in zip(rows, repeats, strict=True)
    ]
    is_sent = [
        row.problem is None and not (dedupe and repeat)
        for row, repeat in zip(rows, repeats, strict=True)
    ]
    journal.database.executemany(
        "insert or replace into row values (?, ?, ?, ?, ?)",
        [
            (
                row.number,
                key,
                int(sent),
                text if is_copied else "",
                checksum((row.number, key, int(sent), text)),
            )
            for row, key, sent in zip(rows, keys, is_sent, strict=True)
            for text in [item_to_json(row.item)]
        ],
    )
    for row, key in zip(rows, keys, strict=True):
        if row.problem is not None:
            journal.insert_answers([(key, row.problem)])
    answered = _answered_keys(journal, keys)
    return [
        row if row.key == key else row._replace(key=key)
        for row, key, sent in zip(rows, keys, is_sent, strict=True)
        if sent and key not in answered
    ]


def _answered_keys(journal: Journal, keys: Sequence[bytes]) -> frozenset[bytes]:
    if not journal.had_answers:  # those of this run are to rows further up, which have other keys
        return frozenset()
    marks = placeholders(keys)
    query = f"select key from answer where key in ({marks}) and (error = '' or run = ?)"  # noqa: S608
    return frozenset(key for (key,) in journal.database.execute(query, (*keys, journal.run_number)))


def repeat_key(key: bytes, repeat: int) -> bytes:
    """Return the key of an identical row further down; `repeat` counts the ones before it."""
    return (
        key
        if not repeat
        else hashlib.blake2b(key + repeat.to_bytes(8, "big"), digest_size=16).digest()
    )
