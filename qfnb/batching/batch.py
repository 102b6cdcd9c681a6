"""`Batch`, the object that users hold: results in any order, pausing, resuming, saving."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._jobs.background_batch import BackgroundBatch, BatchControl, BatchProgress
from .._jobs.background_job import POLL_INTERVAL_S
from .._jobs.row_result import TRANSIENT_ERRORS, summarize_error
from .._jobs.worker_pool import validate_worker_count
from ..base.language import tr, trn
from ..errors import QianfanError
from ..transport import event_loop
from . import export, journal_reader
from .client_pool import MEMBER_COLUMNS
from .export import input_cells
from .journal import Journal
from .journal_reader import BatchRow, JournalError
from .offline import OfflineRun
from .preflight import Preflight
from .row_pipeline import (
    CircuitBreaker,
    InputPages,
    JobSpec,
    JournalPages,
    RowPipeline,
    run_in_thread,
)

if TYPE_CHECKING:
    import pandas as pd


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
        canary = job.canary if is_first_run and not job.is_offline else 0
        self.breaker = CircuitBreaker(control, worker_count, canary)
        self.pipeline = RowPipeline(job, journal, control, self.breaker)

    async def run(self) -> None:
        """Send the rows, again and again those that failed by no fault of theirs; then close the
        journal.
        """
        control = self._control
        syncing = asyncio.create_task(self._sync_periodically())
        try:
            if self._job.is_offline or self._journal.get_fact("jobs"):
                await self._run_offline()
            await self.pipeline.run(self._pages)
            await self._retry_rounds()
            if self.pipeline.input_error and not control.is_ending:
                control.update("stopped", reason=self.pipeline.input_error)
        finally:
            syncing.cancel()
            failed_repeats = await asyncio.to_thread(self._close_journal)
            control.failed += failed_repeats
            control.update(cached=control.progress.cached - failed_repeats)

    def _initialize_counts(self, *, are_rows_stored: bool) -> None:
        """Set the counters to what the journal holds; a new input counts its rows when it is
        read.
        """
        journal = self._journal
        control = self._control
        journal.drop_failures()
        counts = journal.counts()
        control.prompt_tokens = counts.prompt_tokens
        control.completion_tokens = counts.completion_tokens
        control.cost = counts.cost
        control.cost_low = counts.cost_low
        control.uncounted = counts.uncounted
        control.ok = control.failed = cached = 0
        if are_rows_stored:
            control.failed = counts.failed
            cached = counts.rows - journal.count_missing() - counts.failed
        control.update(cached=cached)
        control.lost = int(journal.get_fact("lost", "0"))
        is_killed = journal.get_fact("state") == "running"
        if is_killed and not self._job.is_offline:
            control.lost += self._job.worker_count
        self._set_state("running", "")

    def _set_state(self, state: str, reason: str) -> None:
        facts: dict[str, object] = {"state": state, "reason": reason, "updated": time.time()}
        if lost := self._control.lost:
            facts["lost"] = lost
        self._journal.set_facts(**facts)

    async def _run_offline(self) -> None:
        """Let the offline service answer, or follow its jobs; rows without an answer are sent
        online afterwards.
        """
        control = self._control
        submits = self._job.is_offline
        pages = self._pages
        try:
            while submits and isinstance(pages, InputPages) and not control.is_ending:
                if not await run_in_thread(pages):  # reading puts the rows into the journal
                    break
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self.pipeline.on_input_error(error)
        if submits or not isinstance(pages, InputPages):
            self._pages = JournalPages(self._journal.missing_rows)  # what the job leaves unanswered
        control.update("waiting")
        try:
            run = OfflineRun(self._job, self._journal, control, self.pipeline)
            await run.run(submits=submits)
        except QianfanError as error:
            control.finish("stopped", f"{type(error).__name__}: {summarize_error(error)}")
        if not control.is_ending:
            control.set_running()

    async def _retry_rounds(self) -> None:
        """Send rows again that failed by no fault of theirs, as long as that helps."""
        control = self._control
        previous = -1
        fruitless_rounds = 0
        for number in range(MAX_RETRY_ROUNDS):
            remaining = await asyncio.to_thread(self._journal.count_retryable)
            fruitless_rounds = fruitless_rounds + 1 if remaining == previous else 0
            if control.is_ending or not remaining or fruitless_rounds == MAX_FRUITLESS_ROUNDS:
                return
            previous = remaining
            reason = trn(
                "{n} row failed because of the platform or the network and is sent again soon",
                "{n} rows failed because of the platform or the network and are sent again soon",
                remaining,
            )
            control.update("waiting", reason=reason)
            control.failed -= remaining
            await control.sleep(min(2.0**number, 30))
            if control.is_ending:
                control.failed += remaining
                return
            control.set_running()
            control.retried += remaining
            await self.pipeline.run(JournalPages(self._journal.retryable_rows))

    async def _sync_periodically(self) -> None:
        """Write checkpoints until cancelled; stop the batch when the journal is gone."""
        journal = self._journal
        while journal.path.exists():
            await asyncio.sleep(SYNC_INTERVAL_S)
            await asyncio.to_thread(journal.checkpoint)
        reason = tr("the journal was deleted: {path}", path=journal.path)
        self._control.finish("stopped", reason)

    def _close_journal(self) -> int:
        """Write the last facts and the results file, close the journal; return the number of failed
        repeats.
        """
        job = self._job
        journal = self._journal
        progress = self._control.progress
        failed_repeats = 0
        try:
            with contextlib.suppress(JournalError):
                is_done = progress.state in {"running", "paused", "waiting"}
                self._set_state("done" if is_done else progress.state, progress.reason)
                if job.request.dedupe:
                    failed_repeats = journal.count_failed_repeats()
            journal.checkpoint()
            if job.output_path is not None and not self.pipeline.unwritten:
                read_rows = partial(journal_reader.read_rows, job.path, parse=job.parse)
                export.save(read_rows, job.output_path, job.fields)
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


class Batch(BackgroundBatch):
    """A batch with a journal, running or ended; `qfnb.batch` and `qfnb.resume` return it.

    Args:
        job: what the batch is to do.
        journal: open for writing.
    """

    def __init__(self, job: JobSpec, journal: Journal) -> None:
        super().__init__(job.initial_progress())
        self.job = job
        self._pool = job.pool
        self._resume_lock = threading.Lock()
        self._input_pages: InputPages | None = None
        if job.stream is not None:
            self._input_pages = InputPages(
                journal, job.stream, dedupe=job.request.dedupe, on_loaded=self._on_loaded
            )
        first_pages = self._input_pages or JournalPages(journal.missing_rows)
        self._runner = BatchRunner(
            job, journal, first_pages, self._control, job.worker_count, is_first_run=True
        )
        self._start()

    @property
    def name(self) -> str:
        """The name by which `qfnb.resume` finds it."""
        return self.job.path.stem

    @property
    def preflight(self) -> Preflight:
        """What was expected before the start."""
        return self.job.preflight

    @property
    def progress(self) -> BatchProgress:
        """The present progress, as a value."""
        progress = super().progress
        return replace(
            progress,
            rate_limits=self._pool.describe(),
            remarks=progress.remarks + self._pool.remarks(),
            workers=self._runner.breaker.worker_count,
        )

    @property
    def clients(self) -> pd.DataFrame:
        """The members of `clients=[...]`: rows answered, in flight, state (`ready` or `out`) and
        problem.
        """
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        return pd.DataFrame(self._pool.to_rows(), columns=MEMBER_COLUMNS)

    def resume(self) -> None:
        """Continue: after `pause` at once; after a cancel or an early end with the rows that have
        no answer.
        """
        with self._resume_lock:
            # a cancel or pause from this thread has taken effect then
            event_loop.run(asyncio.sleep(0))
            if self._control.is_ending and not self.progress.is_finished:
                self._wait_until(lambda: self.progress.is_finished)
            if not self.progress.is_finished:
                super().resume()
                return
            self.wait()
            self._run_again()

    def resize(self, workers: int) -> None:
        """Change the number of rows in flight at once, 1 to 1000."""
        self._runner.breaker.resize(validate_worker_count("workers", workers))

    @property
    def is_out_of_budget(self) -> bool:
        """Whether the present run ended because its budget allows no further row."""
        return self._runner.pipeline.is_out_of_budget

    def spent(self) -> dict[str, float]:
        """Return the use so far in `CNY` and `tokens`, with what answers that were lost are
        expected
        to have used.
        """
        return self.job.spent(self._control)

    def results(self) -> list[BatchRow]:
        """Wait, then return every row with its result, in input order."""
        self.wait()
        return list(self._rows())

    def to_frame(self, *, wait: bool = True) -> pd.DataFrame:
        """Return the input's columns and the result columns as a DataFrame, one row for each row of
        the input.

        With `response_format=` the fields of the format are columns, too.

        Args:
            wait: whether to wait for the end; otherwise rows not sent yet have the error
                "NotAsked".
        """
        if wait:
            self.wait()
        source = self.job.source
        return export.to_frame(self._rows(), source.frame if source else None, self.job.fields)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the input's cells, of the first row where they differ from row to row."""
        if self.job.source is not None and self.job.source.columns is not None:
            return self.job.source.columns
        return next((tuple(input_cells(row)) for row in self._rows()), ())

    def question_rows(self) -> list[dict[str, Any]]:
        """Wait, then return the rows as evaluations take them: the input's cells, `prompt` as sent,
        `llm_output`.
        """
        self.wait()
        request = self.job.request
        questions = []
        for row in self._rows():
            prompt = request.sent_text(row.input)
            answer = {"prompt": prompt, "llm_output": row.text, "error": row.error}
            questions.append({**input_cells(row), **answer})
        return questions

    def to_pairs(self) -> pd.DataFrame:
        """Wait, then return the answered rows as training data: `prompt`, as it was sent, and
        `response`, the answer.

        Of a conversation the column is `messages`, which end with the answer. `Dataset.load` takes
        it.
        """
        import pandas as pd  # noqa: PLC0415

        self.wait()
        request = self.job.request
        pairs: list[dict[str, Any]] = []
        for row in self._rows():
            if not row.ok:
                continue
            sent = request.build_conversation(row.input)
            if isinstance(sent, str):
                pairs.append({"prompt": sent, "response": row.text})
            else:
                answer = {"role": "assistant", "content": row.text}
                pairs.append({"messages": [*sent, answer]})
        return pd.DataFrame(pairs)

    def save(self, path: str | Path) -> Path:
        """Wait, then write rows and results to a .jsonl, .csv, .xlsx or .parquet file; return its
        path.
        """
        self.wait()
        return export.save(self._rows, export.validate_output_path(path, ""), self.job.fields)

    def as_completed(self) -> Iterator[BatchRow]:
        """Iterate over the rows in the order of their answers; those of earlier runs come first.

        Rows that failed come last, when they are not sent again.
        """
        position = 0
        yielded = set[int]()
        dedupes = self.job.request.dedupe  # a row may be read after an identical one was answered
        with self._handle_interrupts():
            while True:
                mark = self._mark()
                page = journal_reader.read_completed(self.job.path, position, self.job.parse)
                for position, answer in page:  # noqa: B007 - the last one is used
                    if answer.ok and answer.number not in yielded:
                        if dedupes:
                            yielded.add(answer.number)
                        yield answer
                if not page and mark[1]:
                    break
                if not page:
                    self._wait_until(lambda: self._mark() != mark)  # noqa: B023 - used at once
            for answer in self._rows():
                is_late = dedupes and answer.ok and answer.number not in yielded
                if is_late or not (answer.ok or answer.error == journal_reader.NOT_ASKED):
                    yield answer

    def __iter__(self) -> Iterator[BatchRow]:
        """Iterate over the rows in input order, waiting for each; an interrupt cancels the
        batch.
        """
        mark = self._mark()
        with self._handle_interrupts():
            for answer in self._in_order():
                if answer is not None:
                    yield answer
                    continue
                self._wait_until(lambda: self._mark() != mark)  # noqa: B023 - used at once
                mark = self._mark()

    async def __aiter__(self) -> AsyncIterator[BatchRow]:
        """Iterate over the rows in input order, on any event loop; a cancelled task cancels the
        batch.
        """
        mark = self._mark()
        with self._handle_interrupts():
            for answer in self._in_order():
                if answer is not None:
                    yield answer
                    continue
                while self._mark() == mark:
                    self._raise_if_forked()
                    await asyncio.sleep(POLL_INTERVAL_S)
                mark = self._mark()

    def __len__(self) -> int:
        total = self.progress.total
        if total is None:
            return journal_reader.read_facts(self.job.path)[1].rows
        return total

    async def _run(self) -> None:
        await self._runner.run()

    def _run_again(self) -> None:
        journal = Journal(self.job.path)
        pages: JournalPages | InputPages = JournalPages(journal.missing_rows)
        if self._input_pages is not None and journal.get_fact("complete") != "1":
            self._input_pages.continue_in(journal)
            pages = self._input_pages
        worker_count = self._runner.breaker.worker_count
        self._pool.readmit()
        self._runner = BatchRunner(
            self.job, journal, pages, self._control, worker_count, is_first_run=False
        )
        self._start()

    def _on_interrupt(self) -> str:
        """Cancel the batch, unless it is offline: its job continues on the platform."""
        if not self.job.is_offline:
            return super()._on_interrupt()
        return tr("the batch goes on at the platform; cancel() ends it, wait() waits again")

    def _on_loaded(self, cached: int, invalid: int, total: int | None) -> None:
        """Count rows of an input that are not sent; called in the reading thread."""
        control = self._control

        def count() -> None:
            control.update(cached=control.progress.cached + cached)
            control.failed += invalid
            if total is not None:
                control.update(total=total)

        control.call_on_loop(count)

    def _rows(self, after: int = -1) -> Iterator[BatchRow]:
        """Yield the rows with their results, those that could not be written included."""
        for row in journal_reader.read_rows(self.job.path, after, self.job.parse):
            result = self._runner.pipeline.unwritten.get(row.number)
            yield row if result is None else replace(row, **asdict(result))

    def _mark(self) -> tuple[int, bool]:
        """Return the number of finished rows and whether the batch has ended: iterators wait for a
        change.
        """
        progress = self.progress
        return progress.finished_rows, progress.is_finished

    def _in_order(self) -> Iterator[BatchRow | None]:
        """Yield the rows in input order, and None where the next one is not answered yet."""
        unanswered = {journal_reader.NOT_ASKED, *TRANSIENT_ERRORS}
        last_number = -1
        is_finished = False
        while not is_finished:
            is_finished = self.progress.is_finished
            for answer in self._rows(last_number):
                if not is_finished and answer.error in unanswered:
                    break
                last_number = answer.number
                yield answer
            if not is_finished:
                yield None
