"""What a journal says to SQLite, where it is more than a line."""

from __future__ import annotations

import functools
from collections.abc import Collection

from ..resources.outcome import COLUMNS, TRANSIENT

MISSING = """
from row left join answer using(key)
where row.number > ? and row.asked and (answer.key is null or (answer.error <> '' and answer.run < ?))
"""
"""Rows after a number that have no answer, or one that failed in a run before this one."""

AGAIN = f"""
from row join answer using(key)
where row.number > ? and row.asked and answer.run = ? and answer.error in ({", ".join("?" * len(TRANSIENT))})
"""
"""Rows after a number that failed in this run, through no fault of theirs."""


@functools.cache
def filling(rows: int) -> str:
    """Return the statement that writes so many answers."""
    row = f"({marks(('place', 'key', 'run', *COLUMNS))})"
    return (
        f"insert or replace into answer(place, key, run, {', '.join(COLUMNS)}) "  # noqa: S608 - our own names
        f"values {', '.join([row] * rows)}"
    )


def marks(values: Collection[object]) -> str:
    """Return a mark for each value, as SQL has them."""
    return ", ".join("?" * len(values))
