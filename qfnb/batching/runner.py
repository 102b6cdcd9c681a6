"""How a batch is worked on: rows out of the journal, answers into it, rounds, outages, budget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Final

from .._jobs.background_batch import BackgroundBatch
from .._jobs.batch_progress import RowFailure
from .._jobs.row_result import RowResult, summarize_error
from .._jobs.worker_pool import WorkerPool
from ..errors import QianfanError
from ..resources.inference.inference_model import BATCH_RATE_LIMIT_WAIT_S
from ..resources.inference.reply import row_result_of
from ..transport import clock
from ..transport.request import CallOptions
from . import closing, journal_reader
from .budget import CostBudget
from .circuit_breaker import CircuitBreaker
from .group_commit import GroupCommitWriter, WrittenRow, sync_periodically
from .input.row_queue import InputPages, JournalPages, PageReader, RowQueue, run_in_thread
from .job_spec import JobSpec
from .journal import Journal
from .journal_reader import BatchRow, JournalError
from .offline.backends import OfflineVia
from .offline.run import OfflineContext, OfflineRun, open_job_via
from .reach import PlatformResolver
from .row import PendingRow

MAX_RETRY_ROUNDS: Final = 8
"""How often rows that failed through no fault of theirs are asked again."""

MAX_FRUITLESS_ROUNDS: Final = 3
"""So many rounds without one more answer are the last."""

MAX_OUTAGE_S: Final = 600.0
"""Seconds that an outage is waited for."""


class BatchRunner(BackgroundBatch):
    """A batch being worked on; what users see of it is `Batch`.

    Args:
        page: rows that are to be asked, None for what the journal or the streamed input has.
    """

    def __init__(self, job_spec: JobSpec, journal: Journal, first_page: PageReader | None = None) -> None:
        super().__init__(job_spec.initial_progress())
        self.job_spec, self._journal = job_spec, journal
        limits = CallOptions(job_spec.request_timeout, job_spec.retry_count, BATCH_RATE_LIMIT_WAIT_S)
        self._prepare_call = job_spec.chat.call_factory(
            job_spec.request_spec.model,
            job_spec.request_spec.endpoint,
            limits,
            **job_spec.request_spec.options,
        )
        self._worker_count, self._breaker = job_spec.workers, CircuitBreaker(job_spec.canary)
        self._resolver = PlatformResolver(job_spec.chat, job_spec.request_spec)
        self._budget = CostBudget(job_spec.budget, job_spec.preflight, self._counter)
        self._unwritten: dict[int, RowResult] = {}
        self._rows_taken, self._canary_settled = 0, asyncio.Event()
        self._row_queue: RowQueue | None = None
        self._writer: GroupCommitWriter | None = None
        stream, self._input_pages = job_spec.stream, None
        if stream is not None:
            self._input_pages = InputPages(journal, job_spec.request_spec, stream, self._on_loaded)
        self._next_page: PageReader = self._input_pages or first_page or JournalPages(journal)
        self._begin_run(is_first_run=True)

    def _iter_rows(self, after_number: int = -1) -> Iterator[BatchRow]:
        """Yield the rows with what became of them, those that could not be written included."""
        for answer in journal_reader.read_rows(self.job_spec.path, after=after_number):
            result = self._unwritten.get(answer.number)
            yield answer if result is None else journal_reader.batch_row(answer.number, answer.input, result)

    def _begin_run(self, *, is_first_run: bool) -> None:
        """Count what is there, and start; a `is_first_run` streamed input has not been compared with it yet."""
        self._resolver.invalidate()
        self._input_error = ""
        self._journal.drop_failures()
        counts, counter = self._journal.counts(), self._counter
        counter.prompt_tokens, counter.completion_tokens = counts.prompt_tokens, counts.completion_tokens
        counter.cost, counter.ok, counter.failed = counts.cost, 0, 0
        cached = 0
        if self._input_pages is None or not is_first_run:
            counter.failed = counts.failed
            cached = counts.rows - self._journal.count_missing() - counts.failed
        self._update(cached=cached)
        self._journal.set_facts(state="running", reason="", updated=time.time())
        self._start()

    def _on_loaded(self, cached: int, invalid: int, total: int | None) -> None:
        """Count rows of a streamed input that are not asked; called from the reading thread."""

        def update_counts() -> None:
            self._update(cached=self._counter.progress.cached + cached)
            self._counter.failed += invalid
            if total is not None:
                self._update(total=total)

        if total is not None:
            self._journal.mark_complete(total)
        self._call_on_loop(update_counts)

    async def _run(self) -> None:
        syncing = asyncio.create_task(
            sync_periodically(self._journal, lambda said: self._finish("stopped", said))
        )
        try:
            via = self.job_spec.offline_via or open_job_via(self._journal)
            if via is not None:
                await self._run_offline(via)
            await self._process_pages(
                self._next_page,
                min(self._breaker.remaining_canaries or self._worker_count, self._worker_count),
            )
            await self._retry_rounds()
            if self._input_error and not self._is_ending:
                self._update("stopped", reason=self._input_error)
        finally:
            syncing.cancel()
            failed_repeats = await asyncio.to_thread(self._close_journal)
            self._counter.failed += failed_repeats
            self._update(cached=self._counter.progress.cached - failed_repeats)

    async def _run_offline(self, via: OfflineVia) -> None:
        """Hand the rows over, and take the answers; rows that get none are asked online afterwards."""
        is_reading = self.job_spec.offline_via is not None and self._input_pages is not None
        try:
            while is_reading and not self._is_ending:  # reading alone puts the rows into the journal
                is_reading = bool(await run_in_thread(self._next_page))
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self._on_input_error(error)
        if self.job_spec.offline_via is not None or self._input_pages is None:
            self._next_page = JournalPages(
                self._journal
            )  # what the job leaves unanswered, not what was before it
        if self.job_spec.offline_via is not None:
            self._breaker = CircuitBreaker()
        self._update("waiting")
        context = OfflineContext(
            self._journal,
            self.job_spec.request_spec,
            self._write_result,
            lambda said: self._update(reason=said),
            self._sleep,
            lambda: self._is_ending,
            self._can_afford,
        )
        try:
            await OfflineRun(context, via).run(submits=self.job_spec.offline_via is not None)
        except QianfanError as error:
            self._finish("stopped", f"{type(error).__name__}: {summarize_error(error)}")
        if not self._is_ending:
            self._set_running()

    def _can_afford(self, rows: int) -> bool:
        """Tell whether so many rows more can be paid; end when they cannot."""
        if refusal := self._budget.refusal(rows):
            self._finish("stopped", refusal)
        return not refusal

    async def _process_pages(self, next_page: PageReader, size: int) -> None:
        """Ask the rows of all pages."""
        row_queue = self._row_queue = RowQueue(next_page, self._on_input_error)
        writer = self._writer = GroupCommitWriter(self._journal, self._on_written)
        self._worker_pool = WorkerPool(lambda: self._next_row(row_queue), self._process_row, size)
        if self._is_paused:
            self._worker_pool.pause()
        try:
            if not self._is_ending:
                await self._worker_pool.run()
        finally:
            writer.flush()
            if not await row_queue.close() and self._input_pages is not None:
                self._input_pages.abandon()

    async def _retry_rounds(self) -> None:
        """Ask rows again that failed through no fault of theirs, as long as that helps."""
        previous, fruitless_rounds = -1, 0
        for number in range(MAX_RETRY_ROUNDS):
            remaining = await asyncio.to_thread(self._journal.count_retryable)
            fruitless_rounds = fruitless_rounds + 1 if remaining == previous else 0
            if self._is_ending or not remaining or fruitless_rounds == MAX_FRUITLESS_ROUNDS:
                return
            previous = remaining
            self._update(
                "waiting",
                reason=f"{remaining} 行因平台或网络失败，稍后重问 / {remaining} rows are asked again soon",
            )
            self._counter.retract_failures(remaining)
            await self._sleep(min(2.0**number, 30))
            if self._is_ending:
                self._counter.retract_failures(-remaining)
                return
            self._set_running()
            self._counter.retried += remaining
            await self._process_pages(JournalPages(self._journal, retryable=True), self._worker_count)

    async def _next_row(self, row_queue: RowQueue) -> PendingRow | None:
        if self._breaker.remaining_canaries and self._rows_taken >= self.job_spec.canary:
            await self._canary_settled.wait()
        unpaid = (self._worker_pool.in_flight if self._worker_pool else 0) + len(
            self._writer.pending if self._writer else ()
        )
        if not self._can_afford(1 + unpaid):
            return None
        self._rows_taken += 1
        row = await row_queue.get()
        if row is None:
            self._canary_settled.set()  # there are fewer rows than canaries
        return row

    async def _process_row(self, row: PendingRow) -> None:
        job_spec, error = self.job_spec, None
        try:
            call = self._prepare_call(job_spec.request_spec.build_conversation(row.item))
            reply = await job_spec.chat.send(call, await self._resolver.resolve(call))
        except Exception as exception:  # noqa: BLE001 - it is written down in its place
            error, result = exception, RowResult.from_error(exception)
        else:
            result = row_result_of(reply)
        assert self._writer is not None
        await self._writer.write(row, result)
        self._abort_if_hopeless(error)

    def _write_result(self, row: PendingRow, result: RowResult) -> None:
        """Write down what became of a row, then count it."""
        try:
            self._journal.write(row.key, result)
        except JournalError as error:
            self._on_written([(row, result)], error)
        else:
            self._on_written([(row, result)], None)

    def _on_written(self, rows: Sequence[WrittenRow], error: JournalError | None) -> None:
        """Count rows that were written down, or could not be."""
        if error is not None:
            self._unwritten |= {row.number: result for row, result in rows}
            self._finish("stopped", summarize_error(error))
        for row, result in rows:
            self._count_result(row, result)
        self._notify_waiters()
        if self._is_paused and self._row_queue is not None and self._row_queue.is_drained:
            self._resume_now()  # there is nothing left that could wait

    def _count_result(self, row: PendingRow, result: RowResult) -> None:
        if result.ok:
            tokens = result.prompt_tokens, result.completion_tokens
            self._counter.record_answer(*tokens, result.cost, result.attempts)
        else:
            prompt = (
                row.item if isinstance(row.item, str) else self.job_spec.request_spec.display_text(row.item)
            )
            failure = RowFailure(row.number, prompt[:80], result.error, result.message)
            self._counter.record_failure(failure, result.attempts)

    def _abort_if_hopeless(self, error: Exception | None) -> None:
        super()._abort_if_hopeless(error)
        verdict = self._breaker.record(error, self._worker_count)
        if verdict == "open" and self._worker_pool is not None:
            self._worker_pool.resize(self._worker_count)
        elif verdict == "stop" and error is not None:
            self._finish("stopped", f"前几行全部失败 / the first rows all failed: {summarize_error(error)}")
        elif verdict == "outage" and error is not None:
            self._spawn(self._wait_out_outage(summarize_error(error)))
        if not self._breaker.remaining_canaries:
            self._canary_settled.set()

    async def _wait_out_outage(self, reason: str) -> None:
        """Let one row try now and then until the platform answers again."""
        started_at, delay, pool = clock.now(), 5.0, self._worker_pool
        while (
            self._breaker.is_down and pool is self._worker_pool and pool is not None and not pool.is_stopping
        ):
            if clock.now() - started_at > MAX_OUTAGE_S:
                self._finish("stopped", f"平台持续不可用 / no good answer for {MAX_OUTAGE_S:g} s: {reason}")
                return
            pool.pause()
            self._update("waiting", reason=f"平台暂时不可用，稍后再试 / waiting for the platform: {reason}")
            await self._sleep(delay)
            pool.resize(1)
            if not self._is_paused:
                pool.resume()
            self._set_running()
            delay, failures_before = min(delay * 2, 60), self._breaker.consecutive_failures
            while (
                self._breaker.consecutive_failures == failures_before
                and pool.in_flight + pool.idle_workers
                and not pool.is_stopping
            ):
                await clock.sleep(0.05)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not through a cancel."""
        deadline = clock.now() + seconds
        while not self._is_ending and clock.now() < deadline:
            await clock.sleep(min(0.2, seconds))

    def _on_input_error(self, error: Exception) -> None:
        """Note that the input cannot be read on; what was read of it is still asked."""
        reason = (
            summarize_error(error) if isinstance(error, QianfanError) else f"{type(error).__name__}: {error}"
        )
        self._input_error = f"输入读到一半出错 / the input broke off: {reason}"

    def _close_journal(self) -> int:
        """Write the last facts and the results, let others have the journal; return failed repetitions."""
        output_path = None if self._unwritten else self.job_spec.output_path
        failed_repeats, reason = closing.finish_journal(
            self._journal,
            self._counter.progress,
            self._iter_rows(),
            dedupe=self.job_spec.request_spec.dedupe,
            output_path=output_path,
        )
        if reason:
            self._call_on_loop(lambda: self._update(reason=reason))
        return failed_repeats
