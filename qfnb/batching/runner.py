"""One run of a batch: rows out of the journal, results into it, until no row is left or the batch is ended."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from .._jobs.background_batch import BatchControl
from .._jobs.batch_progress import RowFailure
from .._jobs.row_result import RowResult, summarize_error
from .._jobs.worker_pool import WorkerPool
from ..errors import CredentialsError, QianfanError
from ..resources.inference.inference_model import BATCH_RATE_LIMIT_WAIT_S, PreparedCall
from ..resources.inference.reply import row_result_of
from ..transport.client import Client
from ..transport.rate_limiter import RateLimiter, get_limiter
from . import export, journal_reader
from .circuit_breaker import CircuitBreaker
from .group_commit import GroupCommitWriter, WrittenRow, sync_periodically
from .journal import Journal
from .journal_reader import JournalError
from .offline.run import OfflineRun, open_job_via
from .preflight import JobSpec
from .request_spec import InputRow, OfflineVia, platform_name
from .row_queue import InputPages, JournalPages, PageReader, RowQueue, run_in_thread

MAX_RETRY_ROUNDS: Final = 8
"""Rounds in which rows are sent again that failed with an error that says nothing about the row."""

MAX_FRUITLESS_ROUNDS: Final = 3
"""Rounds in a row without one more answer, after which no other follows."""

CLIENT_LIFETIME_S: Final = 1.0
"""Seconds after which the client is looked up again: a sandbox may have moved, a key may have changed."""


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
        limiter: the rate limiter that the rows wait for, None before the first row.
        unwritten: results that the journal could not hold, by row number.
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
        self.limiter: RateLimiter | None = None
        self.unwritten: dict[int, RowResult] = {}
        self._job, self._journal, self._pages, self._control = job, journal, pages, control
        request, options = job.request, replace(job.call_options, rate_limit_wait_s=BATCH_RATE_LIMIT_WAIT_S)
        self._prepare_call = job.chat.call_factory(request.model, request.endpoint, options, **request.options)
        canary = job.canary if is_first_run and job.offline_via is None else 0
        self.breaker = CircuitBreaker(control, worker_count, canary)
        self._client: Client | None = None
        self._client_expires_at = 0.0
        self._row_queue: RowQueue | None = None
        self._writer: GroupCommitWriter | None = None
        self._input_error = ""
        self._initialize_counts(are_rows_stored=not (is_first_run and isinstance(pages, InputPages)))

    async def run(self) -> None:
        """Send the rows, again and again those that failed by no fault of theirs; then close the journal."""
        control = self._control
        stop = partial(control.finish, "stopped")
        syncing = asyncio.create_task(sync_periodically(self._journal, stop))
        try:
            if (via := self._job.offline_via or open_job_via(self._journal)) is not None:
                await self._run_offline(via)
            await self._send_rows(self._pages)
            await self._retry_rounds()
            if self._input_error and not control.is_ending:
                control.update("stopped", reason=self._input_error)
        finally:
            syncing.cancel()
            failed_repeats = await asyncio.to_thread(self._close_journal)
            control.counter.failed += failed_repeats
            control.update(cached=control.counter.progress.cached - failed_repeats)

    def _initialize_counts(self, *, are_rows_stored: bool) -> None:
        """Set the counters to what the journal holds; a new input counts its rows when it is read."""
        journal, counter = self._journal, self._control.counter
        journal.drop_failures()
        counts = journal.counts()
        counter.prompt_tokens, counter.completion_tokens = counts.prompt_tokens, counts.completion_tokens
        counter.cost, counter.ok = counts.cost, 0
        counter.failed = counts.failed if are_rows_stored else 0
        cached = counts.rows - journal.count_missing() - counts.failed if are_rows_stored else 0
        self._control.update(cached=cached)
        journal.set_facts(state="running", reason="", updated=time.time())

    async def _run_offline(self, via: OfflineVia) -> None:
        """Let an offline service answer; rows without an answer are sent online afterwards."""
        control, is_submitting = self._control, self._job.offline_via is not None
        is_streaming = isinstance(self._pages, InputPages)
        try:
            while is_submitting and is_streaming and not control.is_ending:
                rows = await run_in_thread(self._pages)  # reading puts the rows into the journal
                is_streaming = bool(rows)
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self._on_input_error(error)
        if is_submitting or not isinstance(self._pages, InputPages):
            self._pages = JournalPages(self._journal)  # what the job leaves unanswered
        control.update("waiting")
        run = OfflineRun(self._journal, self._job.request, via, control, self._write, self._can_afford)
        try:
            await run.run(submits=is_submitting)
        except QianfanError as error:
            control.finish("stopped", f"{type(error).__name__}: {summarize_error(error)}")
        if not control.is_ending:
            control.set_running()

    async def _send_rows(self, pages: PageReader) -> None:
        """Send the rows of all pages."""
        control = self._control
        row_queue = self._row_queue = RowQueue(pages, self._on_input_error)
        writer = self._writer = GroupCommitWriter(self._journal, self._on_written)
        pool = control.worker_pool = WorkerPool(
            lambda: self._next_row(row_queue), self._process_row, self.breaker.allowed_workers
        )
        if control.is_paused:
            pool.pause()
        try:
            if not control.is_ending:
                await pool.run()
        finally:
            writer.flush()
            if not await row_queue.close() and isinstance(pages, InputPages):
                pages.abandon()

    async def _retry_rounds(self) -> None:
        """Send rows again that failed by no fault of theirs, as long as that helps."""
        control, previous, fruitless_rounds = self._control, -1, 0
        for number in range(MAX_RETRY_ROUNDS):
            remaining = await asyncio.to_thread(self._journal.count_retryable)
            fruitless_rounds = fruitless_rounds + 1 if remaining == previous else 0
            if control.is_ending or not remaining or fruitless_rounds == MAX_FRUITLESS_ROUNDS:
                return
            previous = remaining
            reason = f"{remaining} 行因平台或网络失败，稍后重问 / {remaining} rows are sent again soon"
            control.update("waiting", reason=reason)
            control.counter.retract_failures(remaining)
            await control.sleep(min(2.0**number, 30))
            if control.is_ending:
                control.counter.retract_failures(-remaining)
                return
            control.set_running()
            control.counter.retried += remaining
            await self._send_rows(JournalPages(self._journal, retryable=True))

    async def _next_row(self, row_queue: RowQueue) -> InputRow | None:
        if self.breaker.canaries.remaining:
            await self.breaker.canaries.admit()
        pool, writer = self._control.worker_pool, self._writer
        assert pool is not None, "a worker of the pool calls this"
        assert writer is not None, "set with the pool"
        if not self._can_afford(1 + pool.in_flight + len(writer.pending)):
            return None
        row = await row_queue.get()
        if row is None:
            self.breaker.canaries.admit_all()
        return row

    def _can_afford(self, rows: int) -> bool:
        """Return whether this many more rows, those in flight included, keep to the budget; end if not.

        A row is expected to cost the mean of the rows so far, before the first what the preflight estimated.
        """
        budget, counter, preflight = self._job.budget, self._control.counter, self._job.preflight
        if budget is None or counter.cost is None:
            return True
        answered = counter.ok + counter.progress.cached
        row_cost = counter.cost / answered if answered else (preflight.cost or 0) / max(preflight.requests, 1)
        if counter.cost + row_cost * rows <= budget:
            return True
        reason = f"预算已到 / the budget of {budget:g} CNY allows no more: {counter.cost:.4f} CNY are spent"
        self._control.finish("stopped", reason)
        return False

    async def _process_row(self, row: InputRow) -> None:
        """Send one row, and return when its result is on disk."""
        error = None
        try:
            call = self._prepare_call(row.conversation or self._job.request.build_conversation(row.item))
            reply = await self._job.chat.send(call, await self._resolve_client(call))
        except Exception as exception:  # noqa: BLE001 - it is the row's result
            error, result = exception, RowResult.from_error(exception)
        else:
            result = row_result_of(reply)
        assert self._writer is not None, "rows are sent by workers"
        await self._writer.write(row, result)
        self._control.abort_if_hopeless(error)
        self.breaker.record(error)

    async def _resolve_client(self, call: PreparedCall[Any]) -> Client:
        """Return the client for a row.

        Raises:
            CredentialsError: its platform is not the one that the journal's answers are from.
        """
        if self._client is None or time.monotonic() >= self._client_expires_at:
            client = await self._job.chat.resolve_client()
            if (platform := platform_name(client.platform)) != self._job.request.platform:
                raise CredentialsError(
                    f"calls go to {platform} now, and this batch is of {self._job.request.platform} (平台已改变)"
                )
            self.limiter = get_limiter(client.platform, call.for_platform(client.platform).model)
            self._client, self._client_expires_at = client, time.monotonic() + CLIENT_LIFETIME_S
        return self._client

    def _write(self, row: InputRow, result: RowResult) -> None:
        """Write the result of a row at once, and count it."""
        error = None
        try:
            self._journal.write([(row.key, result)])
        except JournalError as exception:
            error = exception
        self._on_written([(row, result)], error)

    def _on_written(self, rows: Sequence[WrittenRow], error: JournalError | None) -> None:
        """Count rows that are on disk, or that could not be written."""
        control = self._control
        if error is not None:
            self.unwritten |= {row.number: result for row, result in rows}
            control.finish("stopped", summarize_error(error))
        for row, result in rows:
            self._count_result(row, result)
        control.notify_waiters()
        if control.is_paused and self._row_queue is not None and self._row_queue.is_drained:
            control.resume()  # nothing is left that could wait

    def _count_result(self, row: InputRow, result: RowResult) -> None:
        counter = self._control.counter
        if result.ok:
            tokens = result.prompt_tokens, result.completion_tokens
            counter.record_answer(*tokens, result.cost, result.attempts)
        else:
            prompt = self._job.request.display_text(row)[:80]
            failure = RowFailure(row.number, prompt, result.error, result.message)
            counter.record_failure(failure, result.attempts)

    def _on_input_error(self, error: Exception) -> None:
        """Remember that the input cannot be read further; the rows that were read are sent."""
        is_known = isinstance(error, QianfanError)
        reason = summarize_error(error) if is_known else f"{type(error).__name__}: {error}"
        self._input_error = f"输入读到一半出错 / the input broke off: {reason}"

    def _close_journal(self) -> int:
        """Write the last facts and the results file, close the journal; return the number of failed repeats."""
        job, journal, progress = self._job, self._journal, self._control.counter.progress
        failed_repeats = 0
        try:
            with contextlib.suppress(JournalError):
                state = "done" if progress.state in {"running", "paused", "waiting"} else progress.state
                journal.set_facts(state=state, reason=progress.reason, updated=time.time())
                failed_repeats = journal.count_failed_repeats() if job.request.dedupe else 0
            journal.checkpoint()
            if job.output_path is not None and not self.unwritten:
                export.save(journal_reader.read_rows(job.path), job.output_path)
        except QianfanError as error:
            elsewhere = "`.save(...)` 可另存 / `.save(path)` writes them elsewhere"
            reason = f"结果文件未写成 / no results file: {summarize_error(error)}; {elsewhere}"
            self._control.call_on_loop(lambda: self._control.update(reason=reason))
        finally:
            journal.close()
        return failed_repeats
