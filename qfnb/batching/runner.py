"""One run of a batch: rows out of the journal, results into it, until no row is left or the batch
is ended.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from .._jobs.background_batch import BatchControl
from .._jobs.row_result import summarize_error
from ..base.language import tr, trn
from ..errors import QianfanError
from .export import OutputFollower
from .journal import Journal
from .journal_reader import JournalError
from .offline.backends import open_job_via
from .offline.run import OfflineRun
from .preflight import JobSpec
from .row_pages import InputPages, JournalPages
from .row_pipeline import CircuitBreaker, RowPipeline, run_in_thread

MAX_RETRY_ROUNDS: Final = 8
"""Rounds in which rows are sent again that failed with an error that says nothing about the row."""

MAX_FRUITLESS_ROUNDS: Final = 3
"""Rounds in a row without one more answer, after which no other follows."""

SYNC_INTERVAL_S: Final = 1.0
"""Seconds between two checkpoints of the journal."""


class BatchRunner:
    """One run of a batch; a batch that is resumed after its end gets another one.

    Args:
        job: what the batch is to do.
        journal: open for writing; closed at the end of the run.
        pages: the rows to be sent.
        control: the state of the batch.
        worker_count: rows in flight at once, 1 to 1000.
        is_first_run: whether the first rows decide whether the others are sent.

    Attributes:
        breaker: how many rows may be in flight.
        pipeline: sends them.
    """

    def __init__(
        self,
        job: JobSpec,
        journal: Journal,
        pages: JournalPages | InputPages,
        control: BatchControl,
        worker_count: int,
        *,
        is_first_run: bool,
    ) -> None:
        self._job = job
        self._journal = journal
        self._pages = pages
        self._control = control
        self._initialize_counts(
            are_rows_stored=not (is_first_run and isinstance(pages, InputPages))
        )
        if is_first_run and job.offline_via is None:
            canary = job.canary
        else:
            canary = 0
        self.breaker = CircuitBreaker(control, worker_count, canary)
        self.pipeline = RowPipeline(job, journal, control, self.breaker)
        columns = (job.source and job.source.columns) or ()
        path = job.output_path
        if path is None:
            self._output = None
        else:
            self._output = OutputFollower(job.path, path, job.parse, job.fields, columns)

    async def run(self) -> None:
        """Send the rows, again and again those that failed by no fault of theirs; then close the
        journal.
        """
        control = self._control
        stop = partial(control.finish, "stopped")
        syncing = asyncio.create_task(sync_periodically(self._journal, stop, self._write_output))
        try:
            if self._job.offline_via is not None or self._journal.get_fact("jobs"):
                await self._run_offline()
            if self._job.request.draws:
                self._end_pictures()
            else:
                await self.pipeline.run(self._pages)
                await self._retry_rounds()
            if self.pipeline.input_error and not control.is_ending:
                control.update("stopped", reason=self.pipeline.input_error)
        finally:
            syncing.cancel()
            failed_repeats = await asyncio.to_thread(self._close_journal)
            control.counter.failed += failed_repeats
            control.update(cached=control.counter.progress.cached - failed_repeats)

    def _initialize_counts(self, *, are_rows_stored: bool) -> None:
        """Set the counters to what the journal holds; a new input counts its rows when it is
        read.
        """
        journal = self._journal
        counter = self._control.counter
        journal.drop_failures()
        counts = journal.counts()
        counter.prompt_tokens = counts.prompt_tokens
        counter.completion_tokens = counts.completion_tokens
        counter.cost = counts.cost
        counter.cost_low = counts.cost_low
        counter.uncounted = counts.uncounted
        counter.ok = 0
        if are_rows_stored:
            counter.failed = counts.failed
            cached = counts.rows - journal.count_missing() - counts.failed
        else:
            counter.failed = 0
            cached = 0
        self._control.update(cached=cached)
        counter.lost = int(journal.get_fact("lost", "0"))
        is_killed = journal.get_fact("state") == "running"
        if is_killed and self._job.offline_via is None:
            counter.lost += self._job.worker_count
        self._set_state("running", "")

    def _set_state(self, state: str, reason: str) -> None:
        lost = self._control.counter.lost
        if lost:
            facts = {"lost": lost}
        else:
            facts = {}
        self._journal.set_facts(state=state, reason=reason, updated=time.time(), **facts)

    async def _run_offline(self) -> None:
        """Let an offline service answer, or follow its jobs; rows without an answer are sent online
        afterwards.
        """
        via = self._job.offline_via or open_job_via(self._journal)
        if via is None:
            return
        control = self._control
        is_submitting = self._job.offline_via is not None
        is_streaming = isinstance(self._pages, InputPages)
        try:
            while is_submitting and is_streaming and not control.is_ending:
                rows = await run_in_thread(self._pages)  # reading puts the rows into the journal
                is_streaming = bool(rows)
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self.pipeline.on_input_error(error)
        if is_submitting or not isinstance(self._pages, InputPages):
            self._pages = JournalPages(self._journal)  # what the job leaves unanswered
        control.update("waiting")
        run = OfflineRun(self._job, self._journal, via, control, self.pipeline)
        try:
            await run.run(submits=is_submitting)
        except QianfanError as error:
            control.finish("stopped", f"{type(error).__name__}: {summarize_error(error)}")
        if not control.is_ending:
            control.set_running()

    def _end_pictures(self) -> None:
        """End a batch of pictures, which only the offline service draws."""
        if not self._control.is_ending and (missing := self._journal.count_missing()):
            reason = trn(
                "{n} row has no picture: resume() hands it over again",
                "{n} rows have no picture: resume() hands them over again",
                missing,
            )
            self._control.update("stopped", reason=reason)

    async def _retry_rounds(self) -> None:
        """Send rows again that failed by no fault of theirs, as long as that helps."""
        control = self._control
        previous = -1
        fruitless_rounds = 0
        for number in range(MAX_RETRY_ROUNDS):
            remaining = await asyncio.to_thread(self._journal.count_retryable)
            if remaining == previous:
                fruitless_rounds = fruitless_rounds + 1
            else:
                fruitless_rounds = 0
            if control.is_ending or not remaining or fruitless_rounds == MAX_FRUITLESS_ROUNDS:
                return
            previous = remaining
            reason = trn(
                "{n} row failed because of the platform or the network and is sent again soon",
                "{n} rows failed because of the platform or the network and are sent again soon",
                remaining,
            )
            control.update("waiting", reason=reason)
            control.counter.retract_failures(remaining)
            await control.sleep(min(2.0**number, 30))
            if control.is_ending:
                control.counter.retract_failures(-remaining)
                return
            control.set_running()
            control.counter.retried += remaining
            await self.pipeline.run(JournalPages(self._journal, retryable=True))

    def _write_output(self) -> None:
        """Write the rows that have their last result to the results file, those of this run's
        input.
        """
        if self._output is not None:
            pages = self._pages
            self._output.advance(pages.saved_rows if isinstance(pages, InputPages) else sys.maxsize)

    def _close_journal(self) -> int:
        """Write the last facts and the results file, close the journal; return the number of failed
        repeats.
        """
        job = self._job
        journal = self._journal
        progress = self._control.counter.progress
        failed_repeats = 0
        try:
            with contextlib.suppress(JournalError):
                if progress.state in {"running", "paused", "waiting"}:
                    state = "done"
                else:
                    state = progress.state
                self._set_state(state, progress.reason)
                if job.request.dedupe:
                    failed_repeats = journal.count_failed_repeats()
                else:
                    failed_repeats = 0
            journal.checkpoint()
            if self._output is not None and not self.pipeline.unwritten:
                self._output.finish()
        except QianfanError as error:
            elsewhere = tr("`.save(path)` writes them to a file")
            reason = tr(
                "no results file: {error}; {elsewhere}",
                error=summarize_error(error),
                elsewhere=elsewhere,
            )
            self._control.call_on_loop(lambda: self._control.update(reason=reason))
        finally:
            journal.close()
        return failed_repeats


async def sync_periodically(
    journal: Journal, on_deleted: Callable[[str], None], write_output: Callable[[], None]
) -> None:
    """Write checkpoints and results until cancelled; end with a call of `on_deleted` when the file
    is gone.

    Args:
        journal: open for writing.
        on_deleted: called with the reason.
        write_output: called in a thread after each checkpoint.
    """
    while True:
        await asyncio.sleep(SYNC_INTERVAL_S)
        if not journal.path.exists():
            on_deleted(tr("the journal was deleted: {path}", path=journal.path))
            return
        await asyncio.to_thread(journal.checkpoint)
        await asyncio.to_thread(write_output)
