"""A batch with a journal, as users hold it: nothing is lost, nothing is asked twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .._jobs.batch_progress import BatchProgress
from .._jobs.row_result import TRANSIENT_ERRORS
from .._jobs.worker_pool import validate_worker_count
from ..transport import event_loop
from . import export, journal_reader
from .circuit_breaker import CircuitBreaker
from .input.row_queue import ChainedPages, JournalPages, PageReader
from .job_spec import JobSpec
from .journal import Journal
from .journal_reader import BatchRow
from .preflight import Preflight
from .runner import BatchRunner

if TYPE_CHECKING:
    import pandas as pd


class ProgressMark(NamedTuple):
    """How many rows are finished, and whether that is all; when neither has changed there is nothing new."""

    finished: int
    is_finished: bool


class Batch(BatchRunner):
    """A batch under way, with its journal.

    Made by `qfnb.batch` and `qfnb.resume`. Its methods may be called while it works and afterwards.
    """

    def __init__(self, order: JobSpec, journal: Journal, page: PageReader | None = None) -> None:
        self._resume_lock = threading.Lock()
        super().__init__(order, journal, page)

    @property
    def name(self) -> str:
        """The name by which `qfnb.resume` finds it."""
        return self.job_spec.name

    @property
    def preflight(self) -> Preflight:
        """What it set out to do."""
        return self.job_spec.preflight

    @property
    def progress(self) -> BatchProgress:
        """How far it is, as a value."""
        progress = super().progress
        return replace(
            progress,
            rate_limits=self._resolver.limiter.describe() if self._resolver.limiter else "",
            workers=self._worker_count,
        )

    def resume(self) -> None:
        """Go on: after `pause` at once, after `cancel` or an early end with what is missing."""
        with self._resume_lock:
            event_loop.run(
                asyncio.sleep(0)
            )  # whatever was asked for before, from this thread, has happened then
            if self._is_ending and not self.progress.is_finished:
                self._wait_until(lambda: self.progress.is_finished)
            if not self.progress.is_finished:
                super().resume()
                return
            self.wait()
            self._journal = Journal(self.job_spec.path)
            self._breaker, self._fatal_streak, self._unwritten = CircuitBreaker(), 0, {}
            self._next_page = JournalPages(self._journal)
            if self._input_pages is not None and self._journal.get_fact("complete") != "1":
                self._input_pages.journal = self._journal
                self._next_page = ChainedPages(self._next_page, self._input_pages)
            self._begin_run(is_first_run=False)

    def resize(self, workers: int) -> None:
        """Ask so many rows at once from now on (1 to 1000)."""
        self._worker_count = validate_worker_count("workers", workers)
        if self._breaker.allows_all_workers:
            super().resize(self._worker_count)

    def _on_interrupt(self) -> None:
        """Cancel, unless it is the platform that works: an offline job goes on without anybody waiting."""
        if self.job_spec.offline_via is None:
            self.cancel()

    def results(self) -> list[BatchRow]:
        """Wait, then return every row with what became of it, in input order."""
        self.wait()
        return list(self._iter_rows())

    def to_frame(self, *, wait: bool = True) -> pd.DataFrame:
        """Return the input's columns and the result columns as a DataFrame, a row for each row of the input.

        Args:
            wait: for the end; otherwise rows that were not asked yet have the error "NotAsked".
        """
        if wait:
            self.wait()
        source = self.job_spec.source
        return export.to_frame(self._iter_rows(), source.frame if source else None)

    def save(self, path: str | Path) -> Path:
        """Wait, then write rows and results to a .jsonl, .csv or .parquet file; return its path."""
        self.wait()
        return export.save(self._iter_rows(), export.validate_output_path(path))

    def as_completed(self) -> Iterator[BatchRow]:
        """Iterate over the rows in the order in which they are answered; those of earlier runs come first.

        Rows that failed come last, when they are not asked any more.
        """
        with self._handle_interrupts():
            yield from self._iter_as_completed()

    def __iter__(self) -> Iterator[BatchRow]:
        """Iterate over the rows in input order, waiting for each; an interrupt meanwhile cancels the rest."""
        with self._handle_interrupts():
            yield from self._iter_in_order()

    def __len__(self) -> int:
        total = self.progress.total
        return journal_reader.read_facts(self.job_spec.path)[1].rows if total is None else total

    def _progress_mark(self) -> ProgressMark:
        """Return what there is to iterate over by now."""
        progress = self.progress
        return ProgressMark(progress.finished_rows, progress.is_finished)

    def _iter_in_order(self) -> Iterator[BatchRow]:
        last_number = -1
        while True:
            mark = self._progress_mark()
            for answer in self._iter_rows(last_number):
                if not mark.is_finished and (
                    answer.error == journal_reader.NOT_ASKED or answer.error in TRANSIENT_ERRORS
                ):
                    break
                last_number = answer.number
                yield answer
            else:
                if mark.is_finished:
                    return
            self._wait_until(lambda: self._progress_mark() != mark)  # noqa: B023 - used at once

    def _iter_as_completed(self) -> Iterator[BatchRow]:
        position, yielded = 0, set[int]()
        dedupes = self.job_spec.request_spec.dedupe  # a row may be read after an identical one was answered
        while True:
            mark = self._progress_mark()
            page = journal_reader.read_completed(self.job_spec.path, position)
            for answer_position, answer in page:
                position = answer_position
                if answer.ok and answer.number not in yielded:
                    yielded |= {answer.number} if dedupes else set()
                    yield answer
            if mark.is_finished and not page:
                break
            if not page:
                self._wait_until(lambda: self._progress_mark() != mark)  # noqa: B023 - used at once
        for answer in self._iter_rows():
            is_late = dedupes and answer.ok and answer.number not in yielded
            if is_late or not (answer.ok or answer.error == journal_reader.NOT_ASKED):
                yield answer
