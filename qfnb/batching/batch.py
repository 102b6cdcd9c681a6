"""A batch with a journal, as users hold it: nothing is lost, nothing is asked twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..resources.crew import checked_size
from ..resources.outcome import TRANSIENT
from ..resources.tally import BatchProgress
from ..transport import portal
from . import export, reading
from .feed import Chain, FromJournal, Page
from .health import Health
from .journal import Journal
from .order import Order
from .reading import Answer
from .survey import Preflight
from .work import Work

if TYPE_CHECKING:
    import pandas as pd


class Moment(NamedTuple):
    """How many rows are finished, and whether that is all; when neither has changed there is nothing new."""

    finished: int
    over: bool


class Batch(Work):
    """A batch under way, with its journal.

    Made by `qfnb.batch` and `qfnb.resume`. Its methods may be called while it works and afterwards.
    """

    def __init__(self, order: Order, journal: Journal, page: Page | None = None) -> None:
        self._resuming = threading.Lock()
        super().__init__(order, journal, page)

    @property
    def name(self) -> str:
        """The name by which `qfnb.resume` finds it."""
        return self.order.name

    @property
    def preflight(self) -> Preflight:
        """What it set out to do."""
        return self.order.preflight

    @property
    def progress(self) -> BatchProgress:
        """How far it is, as a value."""
        now = super().progress
        return replace(
            now, limits=self._reach.limiter.describe() if self._reach.limiter else "", workers=self._wanted
        )

    def resume(self) -> None:
        """Go on: after `pause` at once, after `cancel` or an early end with what is missing."""
        with self._resuming:
            portal.run(asyncio.sleep(0))  # whatever was asked for before, from this thread, has happened then
            if self._ending and not self.progress.over:
                self._until(lambda: self.progress.over)
            if not self.progress.over:
                super().resume()
                return
            self.wait()
            self._journal = Journal(self.order.path)
            self._health, self._hopeless, self._lost = Health(), 0, {}
            self._page = FromJournal(self._journal)
            if self._input is not None and self._journal.fact("complete") != "1":
                self._input.journal = self._journal
                self._page = Chain(self._page, self._input)
            self._begin(fresh=False)

    def resize(self, workers: int) -> None:
        """Ask so many rows at once from now on (1 to 1000)."""
        self._wanted = checked_size("workers", workers)
        if self._health.open:
            super().resize(self._wanted)

    def _interrupted(self) -> None:
        """Cancel, unless it is the platform that works: an offline job goes on without anybody waiting."""
        if self.order.offline is None:
            self.cancel()

    def results(self) -> list[Answer]:
        """Wait, then return every row with what became of it, in input order."""
        self.wait()
        return list(self._answers())

    def to_frame(self, *, wait: bool = True) -> pd.DataFrame:
        """Return the input's columns and the result columns as a DataFrame, a row for each row of the input.

        Args:
            wait: for the end; otherwise rows that were not asked yet have the error "NotAsked".
        """
        if wait:
            self.wait()
        source = self.order.source
        return export.frame(self._answers(), source.frame if source else None)

    def save(self, path: str | Path) -> Path:
        """Wait, then write rows and results to a .jsonl, .csv or .parquet file; return its path."""
        self.wait()
        return export.save(self._answers(), export.checked(path))

    def as_completed(self) -> Iterator[Answer]:
        """Iterate over the rows in the order in which they are answered; those of earlier runs come first.

        Rows that failed come last, when they are not asked any more.
        """
        with self._interruptible():
            yield from self._as_they_come()

    def __iter__(self) -> Iterator[Answer]:
        """Iterate over the rows in input order, waiting for each; an interrupt meanwhile cancels the rest."""
        with self._interruptible():
            yield from self._in_order()

    def __len__(self) -> int:
        total = self.progress.total
        return reading.facts_of(self.order.path)[1].rows if total is None else total

    def _moment(self) -> Moment:
        """Return what there is to iterate over by now."""
        now = self.progress
        return Moment(now.finished, now.over)

    def _in_order(self) -> Iterator[Answer]:
        after = -1
        while True:
            before = self._moment()
            for answer in self._answers(after):
                if not before.over and (answer.error == reading.NOT_ASKED or answer.error in TRANSIENT):
                    break
                after = answer.number
                yield answer
            else:
                if before.over:
                    return
            self._until(lambda: self._moment() != before)  # noqa: B023 - used at once

    def _as_they_come(self) -> Iterator[Answer]:
        place, given = 0, set[int]()
        shared = self.order.plan.dedupe  # a row may be read after an identical one was answered
        while True:
            before = self._moment()
            found = reading.completed(self.order.path, place)
            for at, answer in found:
                place = at
                if answer.ok and answer.number not in given:
                    given |= {answer.number} if shared else set()
                    yield answer
            if before.over and not found:
                break
            if not found:
                self._until(lambda: self._moment() != before)  # noqa: B023 - used at once
        for answer in self._answers():
            late = shared and answer.ok and answer.number not in given
            if late or not (answer.ok or answer.error == reading.NOT_ASKED):
                yield answer
