"""Read journals, from any process, also while a batch writes them."""

import contextlib
import json
import sqlite3
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .._jobs.row_result import RESULT_COLUMNS, RowResult
from ..base.language import tr
from ..errors import QianfanError
from .fork_safe_sqlite import open_database
from .input_source import Item


def unpack_text(value: str | bytes | None) -> str | None:
    """Return a stored text, which earlier versions compressed; None for what is neither."""
    if isinstance(value, bytes):
        try:
            return zlib.decompress(value).decode("utf-8", "replace")
        except zlib.error:
            return None
    return value


_UTF8_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_ASCII_ENCODER = json.JSONEncoder(default=str)


def item_to_json(item: Item) -> str:
    """Return an item as JSON that SQLite can hold: half a surrogate pair cannot be written as
    UTF-8.
    """
    text = _UTF8_ENCODER.encode(item)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _ASCII_ENCODER.encode(item)
    return text


PAGE_SIZE = 500
"""Rows that are read at once: the journal is closed between two pages, however slow the reader
is.
"""

ParseAnswer = Callable[[str], Any]
"""Returns the value of an answer's text; raises ValueError."""

DROPPED_USAGE = "dropped_usage"
"""The fact that holds tokens and cost of failures that were deleted because their rows were sent
again.
"""

NOT_ASKED = "NotAsked"
"""The `error` of a row that has not been sent yet."""


class JournalError(QianfanError):
    """A journal cannot be used: it is in use, broken or another batch's, or the disk is full."""


class JournalInUse(JournalError):
    """The journal is open for writing elsewhere; `name` is the batch's."""

    def __init__(self, name: str, owner: str) -> None:
        super().__init__(
            tr(
                "the batch {name!r} is running in {owner}: wait for it, cancel it there, or give "
                "this one another name",
                name=name,
                owner=owner,
            )
        )
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow(RowResult):
    """One row of a batch.

    Attributes:
        number: its position in the input, from 0.
        input: the row as the user gave it.
        parsed: the answer in the format of `response_format`: an object of the class, or JSON; None
            without one.
    """

    number: int
    input: Item
    parsed: Any = None


@dataclass(frozen=True)
class JournalCounts:
    """Counts of a journal: rows, answered, failed, without counts of tokens; tokens; cost in CNY,
    its lower end.
    """

    rows: int
    ok: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    uncounted: int
    cost: float | None
    cost_low: float


def decode_text(content: bytes) -> str:
    """Return a text of a journal; a changed byte does not hide the other rows."""
    return content.decode("utf-8", "replace")


@contextlib.contextmanager
def open_readonly(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal for reading, also while another process writes it.

    Raises:
        JournalError: it is broken or deleted.
    """
    try:
        with contextlib.closing(open_database(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            database.text_factory = decode_text
            yield database
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise JournalError(explain_error(error, path)) from None


def read_rows(path: Path, after: int = -1, parse: ParseAnswer | None = None) -> Iterator[BatchRow]:
    """Yield the rows after a number in input order; those that have not been sent have the error
    `NOT_ASKED`.

    Args:
        path: the journal.
        after: the number.
        parse: returns the value of an answer; raises ValueError.
    """
    while True:
        with open_readonly(path) as database:
            query = f"""select 0, {_row_columns(database)}
                from row left join answer using(key) where row.number > ? order by row.number limit
                ?"""  # noqa: S608
            page = database.execute(query, (after, PAGE_SIZE)).fetchall()
        for _, *record in page:
            yield _parse_row(record, parse)
        if len(page) < PAGE_SIZE:
            return
        after = page[-1][1]


def read_completed(
    path: Path, after: int, parse: ParseAnswer | None = None
) -> list[tuple[int, BatchRow]]:
    """Return results that were written after a position, in the order of writing, each with its
    position.

    Identical rows that are sent once share a position; a position comes with all of its rows.

    Args:
        path: the journal.
        after: the position.
        parse: returns the value of an answer; raises ValueError.
    """
    with open_readonly(path) as database:
        query = f"""select answer.place, {_row_columns(database)}
            from answer join row using(key)
            where answer.place between ? and ? order by answer.place, row.number limit ?"""  # noqa: S608
        page = database.execute(query, (after + 1, sys.maxsize, PAGE_SIZE)).fetchall()
        if len(page) == PAGE_SIZE:  # the last position may have more rows: next page
            last_position = page[-1][0]
            complete_rows = [row for row in page if row[0] < last_position]
            page = (
                complete_rows
                or database.execute(query, (last_position, last_position, -1)).fetchall()
            )
    return [(position, _parse_row(record, parse)) for position, *record in page]


def count_invalid_rows(path: Path) -> int:
    """Return how many rows could not be sent, and count as failed."""
    query = """select count(*) from row join answer using(key)
        where not row.asked and answer.error = 'InvalidArgumentError'
        and row.key not in (select key from row where asked)"""  # those repeat a row that was sent
    with open_readonly(path) as database:
        return int(database.execute(query).fetchone()[0])


def read_facts(path: Path) -> tuple[dict[str, str], JournalCounts]:
    """Return the facts and the counts of a journal."""
    with open_readonly(path) as database:
        facts = dict(database.execute("select name, value from fact").fetchall())
        return facts, count_rows(database)


def _parse_row(record: Sequence[Any], parse: ParseAnswer | None) -> BatchRow:
    """Return a row and its result.

    Args:
        record: the columns of `_row_columns`.
        parse: returns the value of an answer.
    """
    number, text, key, *result = record
    item = json.loads(text or "{}")  # an earlier version left rows in their file
    if key is None:
        return BatchRow(number=number, input=item, error=NOT_ASKED, attempts=0)
    values = dict(zip(RESULT_COLUMNS, result, strict=True))
    values |= {name: unpack_text(values[name]) for name in ("text", "reasoning")}
    row = BatchRow(number=number, input=item, **values)
    if parse is None or not row.ok:
        return row
    # the class may have changed since the answer was accepted
    with contextlib.suppress(ValueError):
        row = replace(row, parsed=parse(row.text or ""))
    return row


def answer_columns(database: sqlite3.Connection) -> set[str]:
    """Return the names of the columns of answers."""
    return {row[1] for row in database.execute("pragma table_info(answer)")}


def _row_columns(database: sqlite3.Connection) -> str:
    """Return the columns of a row and its result for a statement; earlier versions, with fewer, are
    only read here.
    """
    present = answer_columns(database)
    columns = ["row.number", "row.input", "answer.key"]
    for name in RESULT_COLUMNS:
        columns.append(f"answer.{name}" if name in present else f"null as {name}")
    return ", ".join(columns)


def count_rows(database: sqlite3.Connection) -> JournalCounts:
    """Return the counts of an open journal."""
    rows = database.execute("select count(*) from row").fetchone()[0]
    answers = "from row join answer using(key) where row.asked or answer.error <> ''"
    totals = database.execute(
        f"""select coalesce(sum(error = ''), 0), coalesce(sum(error <> ''), 0),
        coalesce(sum(error = '' and prompt_tokens is null), 0), coalesce(sum(error = '' and cost is
        null), 0)
        {answers}"""
    ).fetchone()
    prompt_tokens, completion_tokens, cost, cost_low = count_usage(database, answers)
    repeats = database.execute(
        "select count(*) from row join answer using(key) where not row.asked and answer.error = ''"
    ).fetchone()[0]
    ok, failed, uncounted, unpriced = totals
    if unpriced:
        cost = None
    return JournalCounts(
        rows, ok + repeats, failed, prompt_tokens, completion_tokens, uncounted, cost, cost_low
    )


def count_usage(database: sqlite3.Connection, answers: str) -> tuple[int, int, float | None, float]:
    """Return the tokens of prompts and answers, the cost in CNY and its lower end.

    They are of some answers and of all dropped failures. The cost is None if that of a counted
    answer is not known.

    Args:
        database: an open journal.
        answers: the statement's part from "from" on.
    """
    if "cost_low" in answer_columns(database):
        low = "coalesce(cost_low, cost)"
    else:
        low = "cost"
    query = f"""select coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),
    coalesce(sum(cost), 0.0),
        coalesce(sum({low}), 0.0), coalesce(sum(prompt_tokens is not null and cost is null), 0)
        {answers}"""
    prompt_tokens, completion_tokens, cost, cost_low, unpriced = database.execute(query).fetchone()
    record = database.execute("select value from fact where name = ?", (DROPPED_USAGE,)).fetchone()
    dropped_prompt, dropped_completion, dropped_cost, dropped_low = (
        json.loads(record[0]) if record else (0, 0, 0.0, 0.0)
    )
    is_known = not unpriced and dropped_cost is not None
    return (
        prompt_tokens + dropped_prompt,
        completion_tokens + dropped_completion,
        cost + dropped_cost if is_known else None,
        cost_low + dropped_low,
    )


def explain_error(error: Exception, path: Path) -> str:
    """Return the meaning of an error for the user of a journal."""
    if isinstance(error, sqlite3.Error) and not path.exists():
        return tr(
            "the journal {path} is gone: it was deleted or moved; run the batch again, or put it "
            "back",
            path=path,
        )
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return tr("the disk is full: the journal {path} cannot be written", path=path)
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return tr(
            "the journal {path} is broken ({error}): it is left as it is; use another name=",
            path=path,
            error=error,
        )
    return tr("the journal {path} cannot be used: {error}", path=path, error=error)
