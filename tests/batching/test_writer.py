"""Answers on their way into the journal: together when they come together, and never left uncounted."""

from __future__ import annotations

import asyncio

import pytest

from qfnb.batching.reading import JournalError
from qfnb.batching.row import Pending
from qfnb.batching.writer import Writer
from qfnb.resources.outcome import Outcome


class Book:
    """A journal that remembers what was written together, or fails."""

    def __init__(self, error=None):
        self.written, self.error = [], error

    def keep_all(self, rows):
        if self.error is not None:
            raise self.error
        self.written.append([key for key, _ in rows])


def kept(book, rows, *, cancel=()):
    """Keep rows by as many workers at once; return what was told, and how each worker ended."""
    told = []

    async def run():
        writer = Writer(book, lambda rows, error: told.append((len(rows), error)))
        pending = [Pending(number, bytes([number]), "x") for number in range(rows)]
        tasks = [asyncio.create_task(writer.keep(row, Outcome(text="y"))) for row in pending]
        await asyncio.sleep(0)
        for place in cancel:
            tasks[place].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return told, asyncio.run(run())


def test_what_comes_in_one_turn_is_written_at_once_before_anybody_goes_on():
    book = Book()
    told, ends = kept(book, 5)
    assert book.written == [[bytes([n]) for n in range(5)]]
    assert told == [(5, None)]
    assert ends == [None] * 5


def test_a_worker_that_is_dropped_has_its_answer_written_all_the_same():
    book = Book()
    told, ends = kept(book, 3, cancel=[1])
    assert book.written == [[b"\0", b"\1", b"\2"]]
    assert told == [(3, None)]
    assert [type(end).__name__ for end in ends] == ["NoneType", "CancelledError", "NoneType"]


@pytest.mark.parametrize("error", [JournalError("the disk is full"), OverflowError("too large")])
def test_rows_that_cannot_be_written_are_told_with_the_reason(error):
    told, ends = kept(Book(error), 2)
    (count, said), *more = told
    assert (count, more) == (2, [])
    assert isinstance(said, JournalError)
    assert str(error) in str(said)
    assert ends == [None] * 2
