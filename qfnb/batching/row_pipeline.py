"""The way of each row: taken from the queue, sent, its result in the journal, counted.

All results of one turn of the I/O loop are written in one statement. A worker waits until its
result is on disk, so that a crash repeats at most one row per worker; it does not wait for a clock
or a thread: workers that did would all send together, and all idle together.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeVar

from .._jobs.background_batch import BatchControl, BatchProgress, RowFailure
from .._jobs.background_job import complete_future
from .._jobs.row_result import RowResult, is_transient, summarize_error
from .._jobs.worker_pool import WorkerPool
from ..base.language import tr
from ..errors import APIError, ConnectionFailed, InvalidArgumentError, QianfanError
from ..resources.inference.inference_model import BATCH_RATE_LIMIT_WAIT_S
from ..resources.inference.reply import ChatResponse, failed_result, row_result_of
from ..resources.inference.response_format import ResponseFormat
from ..transport import clock
from ..transport.client import CallOptions
from ..transport.event_loop import Condition, Future
from . import journal_store
from .client_pool import ClientPool
from .input_source import RowSource, name_of_rows
from .journal import Journal, RepeatCounter, add_rows, repeat_key
from .journal_reader import JournalError, ParseAnswer
from .preflight import InputScan, Preflight, format_amount
from .request_spec import Conversation, InputRow, RequestSpec


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What a batch is to do.

    Attributes:
        path: the journal.
        request: what is sent for each row.
        pool: the clients that send it, with their keys.
        preflight: what was expected before the start, and the budgets.
        source: the input, None when the batch is resumed by name.
        stream: rows that are read while others are sent; None when the journal has all rows.
        worker_count: rows in flight at once, 1 to 1000.
        canary: rows that are sent first, and decide whether the others are; 0 for none.
        output_path: a file that the results are written to at the end, or None.
        call_options: timeout and attempts of each row.
        notes: warnings that are shown.
        input: the description of the rows.
        is_offline: whether the rows are handed to the platform's batch service.
        response_format: the form that answers must have, None without one.
    """

    path: Path
    request: RequestSpec
    pool: ClientPool
    preflight: Preflight
    source: RowSource | None = None
    stream: Iterator[InputRow] | None = None
    worker_count: int = 8
    canary: int = 3
    output_path: Path | None = None
    call_options: CallOptions = field(default_factory=CallOptions)
    notes: tuple[str, ...] = ()
    input: str = ""
    is_offline: bool = False
    response_format: ResponseFormat | None = None

    @property
    def checked_format(self) -> ResponseFormat | None:
        """The form that answers are checked against, None without a schema."""
        if self.response_format is not None and self.response_format.is_checked:
            return self.response_format
        return None

    @property
    def parse(self) -> ParseAnswer | None:
        """What turns an answer into a value, None without a schema."""
        return self.checked_format.parse if self.checked_format else None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the answers' format, which are columns of the results."""
        if self.response_format is not None:
            return self.response_format.field_names
        return ()

    def budget_problem(self, control: BatchControl, rows: int) -> str:
        """Return why the budgets do not allow this many more rows, those in flight included; ""
        where they do.

        A row is expected to use the mean of the rows so far, before the first what the preflight
        estimated.
        """
        plan = self.preflight
        for unit, budget in (("CNY", plan.budget), ("tokens", plan.budget_tokens)):
            if budget is None:
                continue
            used, mean = self._use(control, unit)
            if used is None:
                return tr(
                    "the budget cannot be kept: the {unit} of an answered row are not known",
                    unit=unit,
                )
            if used + mean * (rows + control.lost) > budget:
                reason = tr(
                    "the budget of {limit} allows no more: {spent} are spent",
                    limit=format_amount(budget, unit),
                    spent=format_amount(used, unit),
                )
                if unit == "CNY" and plan.is_free:
                    note = tr("a rehearsal by list price: the sandbox bills nothing")
                    return tr("{first} ({second})", first=reason, second=note)
                return reason
        return ""

    def spent(self, control: BatchControl) -> dict[str, float]:
        """Return the use of the batch by unit (`CNY`, `tokens`), lost answers included."""
        amounts = {}
        for unit in ("CNY", "tokens"):
            used, mean = self._use(control, unit)
            amounts[unit] = (used or 0.0) + mean * control.lost
        return amounts

    def _use(self, control: BatchControl, unit: str) -> tuple[float | None, float]:
        """Return the use of the answered rows, None where it is unknown, and the mean of a row."""
        used = control.cost
        estimate = self.preflight.cost
        if unit == "tokens":
            used = control.prompt_tokens + control.completion_tokens
            estimate = self.preflight.tokens
            if control.uncounted:
                used = None
        if answered := control.ok + control.progress.cached:
            return used, (used or 0.0) / answered
        return used, (estimate or 0) / max(self.preflight.requests, 1)

    def initial_progress(self) -> BatchProgress:
        """Return the progress before the start."""
        plan = self.preflight
        return BatchProgress(
            name=self.path.stem,
            model=self.request.endpoint or self.request.model or "",
            total=plan.rows,
            cached=plan.cached,
            budget=plan.budget,
            budget_tokens=plan.budget_tokens,
            notes=tuple(plan.lines()),
            remarks=self.notes,
            rows_name=name_of_rows(self.input),
            mode="offline" if self.is_offline else "online",
            from_sandbox=self.request.platform == "sandbox",
        )


PAGE_SIZE = 500
"""Rows that are read at once from a journal or an input; at most three pages are in memory."""

PageReader = Callable[[], list[InputRow]]


class JournalPages:
    """Pages of rows that the journal holds.

    Args:
        query: returns the rows after a number, at most a number of them.
    """

    def __init__(self, query: Callable[[int, int], list[InputRow]]) -> None:
        self._query = query
        self._last_number = -1

    def __call__(self) -> list[InputRow]:
        """Return the next page."""
        rows = self._query(self._last_number, PAGE_SIZE)
        if rows:
            self._last_number = rows[-1].number
        return rows


FILL_TIMEOUT_S: Final = 0.02
"""Seconds that a fast input gets to fill a page."""


class InputPages:
    """Pages of an input that is read while rows are sent, and written into the journal as it is
    read.

    A thread reads a page ahead, and ends when it is full; the input may block, and it may raise.
    One that raises is not read further: what it left out is unknown.

    Args:
        journal: open for writing.
        rows: the input.
        dedupe: whether identical rows are sent once.
        on_loaded: called in the reading thread after each page, with the number of rows that have
            an answer already, the number of invalid ones, and at the end the total number of rows,
            before that None.
    """

    def __init__(
        self,
        journal: Journal,
        rows: Iterator[InputRow],
        *,
        dedupe: bool,
        on_loaded: Callable[[int, int, int | None], None],
    ) -> None:
        self._journal = journal
        self._rows = rows
        self._dedupe = dedupe
        self._on_loaded = on_loaded
        self._stored_pages: JournalPages | None = None
        self._row_count = 0
        self._counter = RepeatCounter()
        self._read_ahead: list[InputRow] = []
        self._page: list[InputRow] = []
        self._repeats: list[int] = []
        self._changed = Condition()
        self._is_reading = self._is_finished = self._is_abandoned = False
        self._error: Exception | None = None

    def __call__(self) -> list[InputRow]:
        """Return the next rows that have no answer yet, none at the end; pages of answered rows
        are skipped.

        Raises:
            Exception: what the input raised, after all rows before it.
        """
        if self._stored_pages is not None:
            if stored := self._stored_pages():
                return stored
            self._stored_pages = None
        while self._page or self._take_page():
            if rows := self._save_page():
                return rows
        if self._is_finished and not self._is_abandoned:
            self._finish()
        return []

    def abandon(self) -> None:
        """Let no reader wait any longer; what is read later is for the next one."""
        with self._changed:
            self._is_abandoned = True
            self._changed.notify_all()

    def continue_in(self, journal: Journal) -> None:
        """Continue in a journal that was opened again: first with its rows that have no answer."""
        self._stored_pages = JournalPages(journal.missing_rows)
        self._journal = journal
        self._is_abandoned = False

    def _take_page(self) -> list[InputRow]:
        """Wait for the first row of the next page; return the page, which is not saved yet."""
        with self._changed:
            if not (self._is_reading or self._is_finished or self._is_full()):
                self._is_reading = True
                threading.Thread(target=self._read_input, name="qfnb-input", daemon=True).start()
            self._changed.wait_for(lambda: self._read_ahead or self._is_at_end())
            self._changed.wait_for(lambda: self._is_full() or self._is_at_end(), FILL_TIMEOUT_S)
            if self._is_abandoned:
                return []
            self._page = self._read_ahead
            self._read_ahead = []
        self._row_count += len(self._page)
        self._repeats = self._counter.count(self._page)
        return self._page

    def _is_full(self) -> bool:
        return len(self._read_ahead) >= PAGE_SIZE

    def _is_at_end(self) -> bool:
        return self._is_finished or self._is_abandoned

    def _read_input(self) -> None:
        while True:
            row = error = None
            try:
                row = next(self._rows, None)
            except Exception as exception:  # noqa: BLE001 - an input is the user's code, and may raise anything
                error = exception
            with self._changed:
                if row is not None:
                    self._read_ahead.append(row)
                self._error = error
                self._is_finished = row is None
                self._is_reading = not (self._is_finished or self._is_full())
                if len(self._read_ahead) == 1 or not self._is_reading:
                    self._changed.notify_all()
                if not self._is_reading:
                    return

    def _save_page(self) -> list[InputRow]:
        """Put the page into the journal; return its rows that have no answer."""
        page = self._page
        with self._journal.transaction():
            rows = add_rows(self._journal, page, dedupe=self._dedupe, repeats=self._repeats)
        self._page = []
        invalid = sum(row.problem is not None for row in page)
        self._on_loaded(len(page) - invalid - len(rows), invalid, None)
        return rows

    def _finish(self) -> None:
        if self._error is not None:
            raise self._error
        with self._journal.transaction():
            query = "delete from row where number >= ?"
            self._journal.database.execute(query, (self._row_count,))
        self._journal.set_facts(complete=1)
        self._on_loaded(0, 0, self._row_count)


def load_input(
    journal: Journal,
    request: RequestSpec,
    source: RowSource,
    scan: InputScan,
    *,
    allow_changed_input: bool | Literal["keep"],
) -> None:
    """Put the rows of an input into the journal, or check that it is that of the journal.

    Args:
        journal: open for writing.
        request: what is sent for each row.
        source: the input; one that can be read only once is read while rows are sent.
        scan: the rows that were read already.
        allow_changed_input: whether answers of rows that are not in this input are dropped; "keep"
            leaves them for another input.

    Raises:
        JournalError: the journal has other rows, or they were sent otherwise.
    """
    stored = journal.get_fact("plan")
    database = journal.database
    if stored and allow_changed_input is not True:
        _validate_same_request(journal.path, request, stored)
    foreign_rows = 0
    with journal.transaction():
        if source.is_rereadable:
            database.execute("delete from row")
            rows = request.input_rows(source, source.items())
            counter = RepeatCounter()
            while page := list(islice(rows, PAGE_SIZE)):
                repeats = counter.count(page)
                add_rows(journal, page, dedupe=request.dedupe, repeats=repeats)
            query = (
                "select count(*) from answer where error = '' and key not in (select key from row)"
            )
            foreign_rows = database.execute(query).fetchone()[0]
            if allow_changed_input is True:
                database.execute("delete from answer where key not in (select key from row)")
        elif stored:
            foreign_rows = _count_foreign_rows(journal, scan.first_rows)
        if foreign_rows and not allow_changed_input:
            raise JournalError(
                tr(
                    "the journal {name!r} has answers to {count} rows that are not in this input: "
                    "give this one "
                    "another name (--name), or drop them (allow_changed_input=True, --update)",
                    name=journal.path.stem,
                    count=foreign_rows,
                )
            )
    journal.set_facts(
        plan=request.to_json(),
        input=source.description,
        complete=int(source.is_rereadable),
        created=journal.get_fact("created") or time.time(),
    )


def _validate_same_request(path: Path, request: RequestSpec, stored: str) -> None:
    if differences := request.differences(journal_store.load_request_spec(path, stored)):
        raise JournalError(
            tr(
                "the rows of journal {name!r} were sent otherwise ({differences}): give this one "
                "another name=",
                name=path.stem,
                differences=tr("; ").join(differences)[:200],
            )
        )


def _count_foreign_rows(journal: Journal, rows: Sequence[InputRow]) -> int:
    """Return how many of an input's first rows differ from the journal's."""
    stored_keys = dict(
        journal.database.execute("select number, key from row where number < ?", (len(rows),))
    )
    repeats = RepeatCounter().count(rows)
    return sum(
        stored_keys.get(row.number, row.key) not in {row.key, repeat_key(row.key, repeat)}
        for row, repeat in zip(rows, repeats, strict=True)
    )


OUTAGE_FAILURES: Final = 10
"""Transient failures in a row, or as many as workers if these are more, that mean an outage."""

UNREACHABLE_FAILURES: Final = 3
"""The same for a host that cannot be reached, as long as no row was answered: there is no network,
or no such host.
"""

MAX_OUTAGE_S: Final = 600.0
"""Seconds that an outage may last before the batch stops."""

FIRST_DELAY_S = 5.0
MAX_DELAY_S = 60.0
"""Seconds before the first row that is tried during an outage, and at most before each further
one.
"""


class CircuitBreaker:
    """Judges the platform by the results of the rows; on the I/O loop only, except `resize`.

    Args:
        control: the state of the batch.
        worker_count: rows in flight that the user wants, 1 to 1000.
        canary_count: rows that are sent before the others; 0 lets all rows pass.

    Attributes:
        worker_count: as above; `resize` changes it.
        is_down: whether there is an outage.
    """

    def __init__(self, control: BatchControl, worker_count: int, canary_count: int = 0) -> None:
        self.worker_count = worker_count
        self.is_down = False
        self._control = control
        self._consecutive_failures = 0
        self._canary_count = self._canaries = canary_count
        self._admitted = 0
        self._has_passed = asyncio.Event()

    async def admit(self) -> None:
        """Wait until one more row may be sent: at once for a canary row, later for the others."""
        if self._canaries and self._admitted >= self._canary_count:
            await self._has_passed.wait()
        self._admitted += 1

    def admit_all(self) -> None:
        """Let no row wait any longer: there are fewer rows than canary rows."""
        self._has_passed.set()

    @property
    def allowed_workers(self) -> int:
        """Rows that may be in flight at the start."""
        return min(self._canaries or self.worker_count, self.worker_count)

    def resize(self, workers: int) -> None:
        """Change the number of rows in flight, from any thread; canaries and an outage delay it."""
        self.worker_count = workers
        self._control.call_on_loop(self._resize_pool)

    def record(self, error: Exception | None) -> None:
        """Take one more result into account: resume all workers, stop the batch, or wait for an
        outage.

        Args:
            error: why the row failed, None for an answer.
        """
        has_transient_error = error is not None and is_transient(error)
        self._consecutive_failures = self._consecutive_failures + 1 if has_transient_error else 0
        if self._canaries:
            self._record_canary(None if has_transient_error else error)
        elif self.is_down and error is None:
            self.is_down = False
            self._resize_pool()
        elif (
            not self.is_down
            and error is not None
            and self._consecutive_failures >= self._outage_failures(error)
        ):
            self.is_down = True
            self._control.spawn(self._wait_out_outage(summarize_error(error)))

    def _record_canary(self, fault: Exception | None) -> None:
        """Let the others pass after a row that is not at fault; stop the batch when all canary rows
        were.
        """
        self._canaries = self._canaries - 1 if fault else 0
        if self._canaries:
            return
        if fault is not None:
            reason = tr("the first rows all failed: {error}", error=summarize_error(fault))
            self._control.finish("stopped", reason)
        self._has_passed.set()
        self._resize_pool()

    def _outage_failures(self, error: Exception) -> int:
        """Return how many failures in a row mean an outage."""
        is_unreachable = isinstance(error, ConnectionFailed) and not error.sent
        if is_unreachable and not self._control.ok:
            return UNREACHABLE_FAILURES
        return max(OUTAGE_FAILURES, self.worker_count)

    def _resize_pool(self) -> None:
        if self._control.worker_pool is not None and not self._canaries and not self.is_down:
            self._control.worker_pool.resize(self.worker_count)

    async def _wait_out_outage(self, reason: str) -> None:
        """Send one row now and then until the platform answers again."""
        control = self._control
        pool = self._control.worker_pool
        started_at = clock.now()
        delay = FIRST_DELAY_S
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + MAX_OUTAGE_S))
        text = tr(
            "no answer from the platform: {reason}; tried again until {time}, then the batch "
            "stops; "
            "answers so far are kept",
            reason=reason,
            time=until,
        )
        while (
            pool is not None
            and self.is_down
            and pool is control.worker_pool
            and not pool.is_stopping
        ):
            if clock.now() - started_at > MAX_OUTAGE_S:
                control.finish(
                    "stopped",
                    tr(
                        "no answer for {seconds:g} s: {reason}", seconds=MAX_OUTAGE_S, reason=reason
                    ),
                )
                return
            pool.pause()
            control.update("waiting", reason=text)
            await control.sleep(delay)
            pool.resize(1)
            if not control.is_paused:
                pool.resume()
            control.set_running()
            control.update(reason=text)
            delay = min(delay * 2, MAX_DELAY_S)
            failures = self._consecutive_failures
            while self._consecutive_failures == failures and pool.in_flight + pool.idle_workers:
                if pool.is_stopping:
                    return
                await clock.sleep(0.05)


T = TypeVar("T")

WrittenRow = tuple[InputRow, RowResult]


class RowPipeline:
    """Takes rows from pages, sends them, and returns when their results are on disk; on the I/O
    loop only.

    Args:
        job: what the batch is to do.
        journal: open for writing.
        control: the state of the batch.
        breaker: decides how many rows may be in flight.

    Attributes:
        unwritten: results that the journal could not hold, by row number.
        input_error: why the input could not be read to its end, "" if it could.
        is_out_of_budget: whether the budgets ended the run.
    """

    def __init__(
        self, job: JobSpec, journal: Journal, control: BatchControl, breaker: CircuitBreaker
    ) -> None:
        self.unwritten: dict[int, RowResult] = {}
        self.input_error = ""
        self._job = job
        self._control = control
        self._breaker = breaker
        self.is_out_of_budget = False
        self._call_options = replace(
            job.call_options,
            rate_limit_wait_s=BATCH_RATE_LIMIT_WAIT_S,
            before_retry=self._count_lost,
        )
        self._format = job.checked_format
        self._has_budget = job.preflight.budget is not None
        self._pool: WorkerPool[InputRow] | None = None
        self._queue: RowQueue | None = None
        self._journal = journal
        self._pending: list[WrittenRow] = []
        self._flush_count = 0

    async def run(self, pages: PageReader) -> None:
        """Send the rows of all pages."""
        control = self._control
        queue = RowQueue(pages, self.on_input_error)
        self._queue = queue
        self._pool = control.worker_pool = WorkerPool(
            self._next_row, self._process_row, self._breaker.allowed_workers
        )
        if control.is_paused:
            self._pool.pause()
        try:
            if not control.is_ending:
                await self._pool.run()
        finally:
            self._flush()
            if isinstance(pages, InputPages):
                pages.abandon()
            await queue.close()

    async def _next_row(self) -> InputRow | None:
        await self._breaker.admit()
        assert self._pool is not None, "its workers call this"
        assert self._queue is not None, "set with the pool"
        rows = 1 + self._pool.in_flight + len(self._pending)
        if reason := self._job.budget_problem(self._control, rows):
            self.is_out_of_budget = True
            self._control.finish("stopped", reason)
            return None
        row = await self._queue.get()
        if row is None:
            self._breaker.admit_all()
        return row

    async def _count_lost(self, error: BaseException) -> None:
        """Count an answer that the platform may have given and charged, and that did not arrive."""
        is_charged = not isinstance(error, (APIError, InvalidArgumentError))
        if isinstance(error, ConnectionFailed):
            is_charged = error.sent
        self._control.lost += is_charged

    async def _process_row(self, row: InputRow) -> None:
        """Send one row, and return when its result is on disk."""
        error = None
        try:
            conversation = row.conversation or self._job.request.build_conversation(row.item)
            reply = await self._job.pool.send(conversation, self._call_options)
            if self._format is not None:
                reply = await self.correct(conversation, reply)
            result = row_result_of(reply, at_list_price=self._has_budget)
        except Exception as exception:  # noqa: BLE001 - it is the row's result
            error = exception
            result = failed_result(exception, at_list_price=self._has_budget)
            if result.prompt_tokens is None:
                await self._count_lost(exception)
        except asyncio.CancelledError as cancelled:
            await self._count_lost(cancelled)
            raise
        await self._write(row, result)
        self._control.abort_if_hopeless(error)
        self._breaker.record(error)

    async def correct(self, conversation: Conversation, reply: ChatResponse) -> ChatResponse:
        """Return a reply whose answer is in the requested format; one that is not is asked for once
        more.

        Raises:
            UnreadableAnswer: that one is not, either.
        """
        turns = conversation
        if isinstance(turns, str):
            turns = [{"role": "user", "content": turns}]
        if self._format is None or not (correction := self._format.check(reply, reply.text, turns)):
            return reply
        second = await self._job.pool.send([*turns, *correction], self._call_options)
        second.earlier = (reply,)
        self._format.check(second, second.text, turns, retry=False)
        return second

    async def _write(self, row: InputRow, result: RowResult) -> None:
        """Return when the result is on disk or the commit failed; a cancelled caller's result is
        written too.
        """
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.append((row, result))
        flushes_before = self._flush_count
        while self._flush_count == flushes_before:
            # the flush is first in the queue: a future for each would cost more
            await asyncio.sleep(0)

    def _flush(self) -> None:
        """Write all results of this turn of the loop in one statement."""
        rows = self._pending
        self._pending = []
        self._flush_count += 1
        if rows:
            self.commit(rows)

    def commit(self, rows: Sequence[WrittenRow]) -> None:
        """Write results at once, and count them; what cannot be written ends the batch."""
        error = ""
        try:
            self._journal.write([(row.key, result) for row, result in rows])
        except JournalError as exception:
            error = summarize_error(exception)
        except Exception as exception:  # noqa: BLE001 - the rows are counted in any case, and the batch ends
            error = tr("an answer cannot be written: {error!r}", error=exception)
        if error:
            self.unwritten |= {row.number: result for row, result in rows}
            self._control.finish("stopped", error)
        for row, result in rows:
            self._count_result(row, result)
        self._control.notify_waiters()

    def _count_result(self, row: InputRow, result: RowResult) -> None:
        control = self._control
        tokens = (result.prompt_tokens, result.completion_tokens)
        if result.ok:
            control.record_answer(*tokens, result.cost_range, result.attempts)
            return
        # the platform answered, but not in the requested format
        if result.prompt_tokens is not None:
            control.record_usage(*tokens, result.cost_range)
        prompt = self._job.request.sent_text(row.item, row.conversation)[:80]
        control.record_failure(
            RowFailure(row.number, prompt, result.error, result.message), result.attempts
        )

    def on_input_error(self, error: Exception) -> None:
        """Remember that the input cannot be read further; the rows that were read are sent."""
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, QianfanError):
            reason = summarize_error(error)
        self.input_error = tr("the input broke off: {reason}", reason=reason)


class RowQueue:
    """Yields rows one by one; the next page is read while the present one is used up.

    Args:
        next_page: returns the next rows, none at the end; it runs in a thread.
        on_error: called with the exception that `next_page` raised; nothing is read after that.
    """

    def __init__(self, next_page: PageReader, on_error: Callable[[Exception], None]) -> None:
        self._next_page = next_page
        self._on_error = on_error
        self._rows: deque[InputRow] = deque()
        self._reading: asyncio.Future[list[InputRow]] | None = None
        self._lock = asyncio.Lock()
        self._is_exhausted = False

    async def get(self) -> InputRow | None:
        """Return the next row, None at the end."""
        while not self._rows:
            async with self._lock:
                if self._is_exhausted:
                    return None
                if not self._rows:
                    await self._read_page()
        return self._rows.popleft()

    async def _read_page(self) -> None:
        self._reading = self._reading or run_in_thread(self._next_page)
        try:
            # a cancelled worker does not stop the reading
            rows = await asyncio.shield(self._reading)
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            rows = []
            self._on_error(error)
        self._is_exhausted = not rows
        self._rows.extend(rows)
        # the next page is read while this one is used up
        self._reading = run_in_thread(self._next_page) if rows else None

    async def close(self) -> None:
        """Wait for a page that is being read."""
        if self._reading is not None:
            await asyncio.wait({self._reading})
            self._reading.exception()  # of no interest any more


def run_in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Call a function that may block for ever, in a daemon thread: it does not keep Python from
    ending.
    """
    future = Future[T]()
    future.set_running_or_notify_cancel()  # so that the waiting task cannot cancel it
    arguments = (function, future)
    threading.Thread(target=complete_future, args=arguments, name="qfnb-rows", daemon=True).start()
    return asyncio.wrap_future(future)
