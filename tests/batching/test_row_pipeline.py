"""Group commit: results of one turn of the loop are written together, and all are counted."""

from __future__ import annotations

import asyncio

import pytest

from qfnb._jobs.row_result import RowResult
from qfnb.batching.journal_reader import JournalError
from qfnb.batching.request_spec import InputRow
from qfnb.batching.row_pipeline import GroupCommitWriter


class FakeJournal:
    """A journal that remembers what was written together, or fails."""

    def __init__(self, error=None):
        self.written = []
        self.error = error

    def write(self, rows):
        if self.error is not None:
            raise self.error
        self.written.append([key for key, _ in rows])


def write_results(journal, rows, *, cancel=()):
    """Write rows with one worker each; return the calls of `on_written`, and how each worker
    ended.
    """
    reports = []

    async def run():
        writer = GroupCommitWriter(journal, lambda rows, error: reports.append((len(rows), error)))
        pending = [InputRow(number, bytes([number]), "x") for number in range(rows)]
        tasks = [asyncio.create_task(writer.write(row, RowResult(text="y"))) for row in pending]
        await asyncio.sleep(0)
        for index in cancel:
            tasks[index].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return reports, asyncio.run(run())


def test_what_comes_in_one_turn_is_written_at_once_before_anybody_goes_on():
    journal = FakeJournal()
    reports, ends = write_results(journal, 5)
    assert journal.written == [[bytes([n]) for n in range(5)]]
    assert reports == [(5, None)]
    assert ends == [None] * 5


@pytest.mark.parametrize("error", [JournalError("the disk is full"), OverflowError("too large")])
def test_rows_that_cannot_be_written_are_told_with_the_reason(error):
    reports, ends = write_results(FakeJournal(error), 2)
    (count, written_error), *more = reports
    assert (count, more) == (2, [])
    assert isinstance(written_error, JournalError)
    assert str(error) in str(written_error)
    assert ends == [None] * 2
