"""Writing the rows of an input into a journal: their keys, which of them repeat others, where their files have them."""

import bisect
import hashlib
from collections.abc import Sequence
from typing import Any

from .input_files import InputFiles, item_to_json
from .journal import Journal, placeholders
from .journal_checksum import checksum
from .request_spec import InputRow

KEY_TYPE = "S16"
"""A key in numpy's words: 16 bytes, of which it shows no zeros at the end."""

MAX_RECENT_KEYS = 100_000
"""Keys in a set of Python, which takes six times the memory of a sorted array."""


class KeyCounter:
    """Counts how often each key came, in 16 bytes for each of millions."""

    def __init__(self) -> None:
        self._recent, self._repeats = set[bytes](), dict[bytes, int]()
        self._former: list[Any] = [()] * 256  # sorted arrays, by the first byte of their keys

    def count(self, keys: Sequence[bytes]) -> list[int]:
        """Return for each of the next keys how many times it came before."""
        counts = []
        for key in keys:
            if key in self._recent or self._is_former(key):
                self._repeats[key] = self._repeats.get(key, 0) + 1
            else:
                self._recent.add(key)
            counts.append(self._repeats.get(key, 0))
        if len(self._recent) >= MAX_RECENT_KEYS:
            self._sort_away()
        return counts

    def _is_former(self, key: bytes) -> bool:
        former, shown = self._former[key[0]], key.rstrip(b"\0")
        index = bisect.bisect_left(former, shown)
        return index < len(former) and bool(former[index] == shown)

    def _sort_away(self) -> None:
        """Put the recent keys into the arrays one by one: a copy of all would be the peak of a long batch's memory."""
        import numpy as np  # noqa: PLC0415 - only long inputs need it

        recent, self._recent = np.sort(np.array(list(self._recent), KEY_TYPE)), set()
        first_bytes = recent.view(np.uint8).reshape(len(recent), -1)[:, 0]
        ends = np.searchsorted(first_bytes, np.arange(256), side="right")
        for first_byte, keys in enumerate(np.split(recent, ends[:-1])):
            both = np.concatenate([np.array(self._former[first_byte], KEY_TYPE), keys])
            self._former[first_byte] = np.sort(both, kind="stable")


def save_marks(journal: Journal, files: InputFiles | None, start: int) -> int:
    """Store where rows begin, from a mark on (inside `transaction`); return the number of marks so far."""
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
        repeats: how many identical rows came before each one; by default those of this page are counted.
        is_copied: whether the journal holds the rows, which otherwise are read from their files again.
    """
    repeats = KeyCounter().count([row.key for row in rows]) if repeats is None else repeats
    keys = [row.key if dedupe else repeat_key(row.key, repeat) for row, repeat in zip(rows, repeats, strict=True)]
    is_sent = [row.problem is None and not (dedupe and repeat) for row, repeat in zip(rows, repeats, strict=True)]
    journal.database.executemany(
        "insert or replace into row values (?, ?, ?, ?, ?)",
        [
            (row.number, key, int(sent), text if is_copied else "", checksum((row.number, key, int(sent), text)))
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
    return key if not repeat else hashlib.blake2b(key + repeat.to_bytes(8, "big"), digest_size=16).digest()
