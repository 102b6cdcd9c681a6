"""How a batch is worked on: rows out of the journal, answers into it, rounds, outages, budget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Final

from ..errors import QianfanError
from ..resources.asking import PATIENCE
from ..resources.crew import Crew
from ..resources.outcome import Outcome, first_line
from ..resources.tally import Failure
from ..resources.underway import Underway
from ..transport import clock
from ..transport.calls import Limits
from . import closing, reading
from .budget import Budget
from .feed import Feed, FromInput, FromJournal, Page, in_thread
from .health import Health
from .journal import Journal
from .offline import Host, Offline, open_via
from .order import Order
from .reach import Reach
from .reading import Answer, JournalError
from .row import Pending
from .services import Via
from .writer import Kept, Writer, synced

ROUNDS: Final = 8
"""How often rows that failed through no fault of theirs are asked again."""

IN_VAIN: Final = 3
"""So many rounds without one more answer are the last."""

OUTAGE: Final = 600.0
"""Seconds that an outage is waited for."""


class Work(Underway):
    """A batch being worked on; what users see of it is `Batch`.

    Args:
        page: rows that are to be asked, None for what the journal or the streamed input has.
    """

    def __init__(self, order: Order, journal: Journal, page: Page | None = None) -> None:
        super().__init__(order.progress())
        self.order, self._journal = order, journal
        limits = Limits(order.request_timeout, order.retry_count, PATIENCE)
        self._ask = order.asking.asks(order.plan.model, order.plan.endpoint, limits, **order.plan.options)
        self._wanted, self._health = order.workers, Health(order.canary)
        self._reach = Reach(order.asking, order.plan)
        self._budget = Budget(order.budget, order.preflight, self._tally)
        self._lost: dict[int, Outcome] = {}
        self._sent, self._decided = 0, asyncio.Event()
        self._feed: Feed | None = None
        self._writer: Writer | None = None
        streamed, self._input = order.streamed, None
        if streamed is not None:
            self._input = FromInput(journal, order.plan, streamed, self._loaded)
        self._page: Page = self._input or page or FromJournal(journal)
        self._begin(fresh=True)

    def _answers(self, after: int = -1) -> Iterator[Answer]:
        """Yield the rows with what became of them, those that could not be written included."""
        for answer in reading.answers(self.order.path, after=after):
            lost = self._lost.get(answer.number)
            yield answer if lost is None else reading.answer_of(answer.number, answer.input, lost)

    def _begin(self, *, fresh: bool) -> None:
        """Count what is there, and start; a `fresh` streamed input has not been compared with it yet."""
        self._reach.forget()
        self._broke = ""
        self._journal.drop_failures()
        counts, tally = self._journal.counts(), self._tally
        tally.prompt_tokens, tally.completion_tokens = counts.prompt_tokens, counts.completion_tokens
        tally.cost, tally.ok, tally.failed = counts.cost, 0, 0
        cached = 0
        if self._input is None or not fresh:
            tally.failed = counts.failed
            cached = counts.rows - self._journal.count_missing() - counts.failed
        self._note(cached=cached)
        self._journal.set(state="running", reason="", updated=time.time())
        self._start()

    def _loaded(self, cached: int, wrong: int, complete: int | None) -> None:
        """Count rows of a streamed input that are not asked; called from the reading thread."""

        def count() -> None:
            self._note(cached=self._tally.progress.cached + cached)
            self._tally.failed += wrong
            if complete is not None:
                self._note(total=complete)

        if complete is not None:
            self._journal.end_at(complete)
        self._on_loop(count)

    async def _run(self) -> None:
        syncing = asyncio.create_task(synced(self._journal, lambda said: self._end("stopped", said)))
        try:
            via = self.order.offline or open_via(self._journal)
            if via is not None:
                await self._offline(via)
            await self._pass(self._page, min(self._health.canary or self._wanted, self._wanted))
            await self._rounds()
            if self._broke and not self._ending:
                self._note("stopped", reason=self._broke)
        finally:
            syncing.cancel()
            shared = await asyncio.to_thread(self._close)
            self._tally.failed += shared
            self._note(cached=self._tally.progress.cached - shared)

    async def _offline(self, via: Via) -> None:
        """Hand the rows over, and take the answers; rows that get none are asked online afterwards."""
        reading_on = self.order.offline is not None and self._input is not None
        try:
            while reading_on and not self._ending:  # reading alone puts the rows into the journal
                reading_on = bool(await in_thread(self._page))
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self._broken(error)
        if self.order.offline is not None or self._input is None:
            self._page = FromJournal(self._journal)  # what the job leaves unanswered, not what was before it
        if self.order.offline is not None:
            self._health = Health()
        self._note("waiting")
        host = Host(
            self._journal,
            self.order.plan,
            self._keep,
            lambda said: self._note(reason=said),
            self._nap,
            lambda: self._ending,
            self._affords,
        )
        try:
            await Offline(host, via).run(more=self.order.offline is not None)
        except QianfanError as error:
            self._end("stopped", f"{type(error).__name__}: {first_line(error)}")
        if not self._ending:
            self._go_on()

    def _affords(self, rows: int) -> bool:
        """Tell whether so many rows more can be paid; end when they cannot."""
        if refusal := self._budget.refuses(rows):
            self._end("stopped", refusal)
        return not refusal

    async def _pass(self, page: Page, size: int) -> None:
        """Ask the rows of all pages."""
        feed = self._feed = Feed(page, self._broken)
        writer = self._writer = Writer(self._journal, self._kept)
        self._crew = Crew(lambda: self._next(feed), self._work, size)
        if self._paused:
            self._crew.pause()
        try:
            if not self._ending:
                await self._crew.run()
        finally:
            writer.flush()
            if not await feed.close() and self._input is not None:
                self._input.abandon()

    async def _rounds(self) -> None:
        """Ask rows again that failed through no fault of theirs, as long as that helps."""
        before, in_vain = -1, 0
        for number in range(ROUNDS):
            left = await asyncio.to_thread(self._journal.count_again)
            in_vain = in_vain + 1 if left == before else 0
            if self._ending or not left or in_vain == IN_VAIN:
                return
            before = left
            self._note(
                "waiting", reason=f"{left} 行因平台或网络失败，稍后重问 / {left} rows are asked again soon"
            )
            self._tally.forgive(left)
            await self._nap(min(2.0**number, 30))
            if self._ending:
                self._tally.forgive(-left)
                return
            self._go_on()
            self._tally.retried += left
            await self._pass(FromJournal(self._journal, again=True), self._wanted)

    async def _next(self, feed: Feed) -> Pending | None:
        if self._health.canary and self._sent >= self.order.canary:
            await self._decided.wait()
        unpaid = (self._crew.in_flight if self._crew else 0) + len(
            self._writer.waiting if self._writer else ()
        )
        if not self._affords(1 + unpaid):
            return None
        self._sent += 1
        row = await feed.take()
        if row is None:
            self._decided.set()  # there are fewer rows than canaries
        return row

    async def _work(self, row: Pending) -> None:
        order, error = self.order, None
        try:
            ask = self._ask(order.plan.conversation(row.item))
            reply = await order.asking.whole(ask, await self._reach.client(ask))
        except Exception as caught:  # noqa: BLE001 - it is written down in its place
            error, outcome = caught, Outcome.failed(caught)
        else:
            outcome = Outcome.of(reply)
        assert self._writer is not None
        await self._writer.keep(row, outcome)
        self._judge(error)

    def _keep(self, row: Pending, outcome: Outcome) -> None:
        """Write down what became of a row, then count it."""
        try:
            self._journal.keep(row.key, outcome)
        except JournalError as error:
            self._kept([(row, outcome)], error)
        else:
            self._kept([(row, outcome)], None)

    def _kept(self, rows: Sequence[Kept], error: JournalError | None) -> None:
        """Count rows that were written down, or could not be."""
        if error is not None:
            self._lost |= {row.number: outcome for row, outcome in rows}
            self._end("stopped", first_line(error))
        for row, outcome in rows:
            self._count(row, outcome)
        self._tell()
        if self._paused and self._feed is not None and self._feed.drained:
            self._proceed()  # there is nothing left that could wait

    def _count(self, row: Pending, outcome: Outcome) -> None:
        if outcome.ok:
            tokens = outcome.prompt_tokens, outcome.completion_tokens
            self._tally.answered(*tokens, outcome.cost, outcome.attempts)
        else:
            shown = row.item if isinstance(row.item, str) else self.order.plan.shown(row.item)
            failure = Failure(row.number, shown[:80], outcome.error, outcome.message)
            self._tally.missed(failure, outcome.attempts)

    def _judge(self, error: Exception | None) -> None:
        super()._judge(error)
        verdict = self._health.after(error, self._wanted)
        if verdict == "open" and self._crew is not None:
            self._crew.resize(self._wanted)
        elif verdict == "stop" and error is not None:
            self._end("stopped", f"前几行全部失败 / the first rows all failed: {first_line(error)}")
        elif verdict == "outage" and error is not None:
            self._aside(self._outage(first_line(error)))
        if not self._health.canary:
            self._decided.set()

    async def _outage(self, said: str) -> None:
        """Let one row try now and then until the platform answers again."""
        began, pause, crew = clock.now(), 5.0, self._crew
        while self._health.down and crew is self._crew and crew is not None and not crew.stopping:
            if clock.now() - began > OUTAGE:
                self._end("stopped", f"平台持续不可用 / no good answer for {OUTAGE:g} s: {said}")
                return
            crew.pause()
            self._note("waiting", reason=f"平台暂时不可用，稍后再试 / waiting for the platform: {said}")
            await self._nap(pause)
            crew.resize(1)
            if not self._paused:
                crew.proceed()
            self._go_on()
            pause, tried = min(pause * 2, 60), self._health.in_a_row
            while self._health.in_a_row == tried and crew.in_flight + crew.waiting and not crew.stopping:
                await clock.sleep(0.05)

    async def _nap(self, seconds: float) -> None:
        """Sleep, but not through a cancel."""
        until = clock.now() + seconds
        while not self._ending and clock.now() < until:
            await clock.sleep(min(0.2, seconds))

    def _broken(self, error: Exception) -> None:
        """Note that the input cannot be read on; what was read of it is still asked."""
        said = first_line(error) if isinstance(error, QianfanError) else f"{type(error).__name__}: {error}"
        self._broke = f"输入读到一半出错 / the input broke off: {said}"

    def _close(self) -> int:
        """Write the last facts and the results, let others have the journal; return failed repetitions."""
        out = None if self._lost else self.order.out
        shared, said = closing.close(
            self._journal, self._tally.progress, self._answers(), dedupe=self.order.plan.dedupe, out=out
        )
        if said:
            self._on_loop(lambda: self._note(reason=said))
        return shared
