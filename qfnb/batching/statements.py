"""What a journal says to SQLite, where it is more than a line."""

from __future__ import annotations

import functools
from collections.abc import Collection

from .._jobs.row_result import RESULT_COLUMNS, TRANSIENT_ERRORS

MISSING_ROWS = """
from row left join answer using(key)
where row.number > ? and row.asked and (answer.key is null or (answer.error <> '' and answer.run < ?))
"""
"""Rows after a number that have no answer, or one that failed in a run before this one."""

RETRYABLE_ROWS = f"""
from row join answer using(key)
where row.number > ? and row.asked and answer.run = ? and answer.error in ({", ".join("?" * len(TRANSIENT_ERRORS))})
"""
"""Rows after a number that failed in this run, through no fault of theirs."""


@functools.cache
def insert_answers(rows: int) -> str:
    """Return the statement that writes so many answers."""
    row = f"({placeholders(('place', 'key', 'run', *RESULT_COLUMNS))})"
    return (
        f"insert or replace into answer(place, key, run, {', '.join(RESULT_COLUMNS)}) "  # noqa: S608 - our own names
        f"values {', '.join([row] * rows)}"
    )


def placeholders(values: Collection[object]) -> str:
    """Return a mark for each value, as SQL has them."""
    return ", ".join("?" * len(values))
