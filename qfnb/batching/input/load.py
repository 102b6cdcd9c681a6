"""An input on its way into a journal, unless that is another batch's."""

from __future__ import annotations

import time
from itertools import chain, islice
from pathlib import Path

from .. import journal_store
from ..journal import Journal
from ..journal_reader import JournalError
from ..preflight import InputScan, Preflight, build_preflight
from ..request_spec import InputRow, RequestSpec
from .row_queue import PAGE_SIZE, JournalPages
from .source import RowSource


def load_input(
    journal: Journal, request: RequestSpec, source: RowSource, scan: InputScan, *, allow_changed_input: bool
) -> JournalPages | None:
    """Put the rows of an input into the journal; return them, None for one that is read while rows are sent.

    Raises:
        JournalError: the journal has other rows, or they were sent otherwise.
    """
    stored = journal.get_fact("plan")
    if stored and not allow_changed_input:
        _validate_same_request(journal.path, request, stored)
    with journal.transaction():
        journal.reset_input(keep_rows=not source.is_rereadable)
        if source.is_rereadable:
            pages = _add_rows(journal, request, source, scan.first_rows)
            foreign_rows = journal.count_orphaned_answers()
            if allow_changed_input:
                journal.drop_orphaned_answers()
        else:
            pages, foreign_rows = None, journal.count_foreign_rows(scan.first_rows) if stored else 0
        if foreign_rows and not allow_changed_input:
            raise JournalError(
                f"the journal {journal.path.stem!r} has answers to {foreign_rows} rows that are not in this "
                "input: give this one another name (--name), or drop them (allow_changed_input=True, "
                "--update) (输入与日志不符)"
            )
    facts = {"plan": request.to_json(), "input": source.description, "complete": int(source.is_rereadable)}
    journal.set_facts(**facts, created=journal.get_fact("created") or time.time())
    return pages


def _validate_same_request(path: Path, request: RequestSpec, stored: str) -> None:
    if differences := request.differences(journal_store.load_request_spec(path, stored)):
        raise JournalError(
            f"the rows of journal {path.stem!r} were sent otherwise ({'; '.join(differences)[:200]}): "
            "give this one another name= (该日志属于另一批次)"
        )


def _add_rows(
    journal: Journal, request: RequestSpec, source: RowSource, first_rows: list[InputRow]
) -> JournalPages:
    """Add all rows; those that are in memory need not be read from the journal again."""
    first_count = len(first_rows)
    later_rows = request.input_rows(islice(source.items(), first_count, None), first_count)
    rows, missing = chain(first_rows, later_rows), list[InputRow]()
    repeat_counts, last_number = dict[bytes, int](), -1
    while page := list(islice(rows, PAGE_SIZE)):
        missing_of_page = journal.add_rows(page, dedupe=request.dedupe, repeat_counts=repeat_counts)
        if page[0].number < first_count:
            missing += missing_of_page
            last_number = page[-1].number
    return JournalPages(journal, first_page=missing, after=last_number)


def build_journal_preflight(
    journal: Journal, request: RequestSpec, source: RowSource, scan: InputScan, budget: float | None
) -> Preflight:
    """Return what a batch is about to do whose rows are in a journal, or are being read into it."""
    if not source.is_rereadable:
        return build_preflight(request, scan, rows=source.total, requests=scan.rows, budget=budget)
    counts, missing = journal.counts(), journal.count_missing()
    return build_preflight(
        request,
        scan,
        rows=counts.rows,
        requests=missing,
        cached=counts.rows - missing - scan.invalid,
        answer_tokens=counts.completion_tokens / counts.ok if counts.ok else None,
        budget=budget,
    )
