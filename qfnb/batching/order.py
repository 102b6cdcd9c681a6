"""What a batch is to do, as a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..resources.chat import ChatCompletion
from ..resources.tally import BatchProgress
from .plan import Plan
from .services import Via
from .source import Item, Source
from .survey import Preflight


@dataclass(frozen=True)
class Order:
    """What a batch is to do.

    Attributes:
        path: of the journal.
        asking: who asks, with the keys.
        source: the rows, None when the journal has them all.
        streamed: rows that are read while they are asked; None when they are in the journal before.
        workers: rows asked at once.
        budget: CNY that it may cost in all.
        canary: rows that are asked first, and decide whether the others are.
        out: a file that the results are written to at the end.
        limits: seconds and tries of one row.
    """

    path: Path
    plan: Plan
    asking: ChatCompletion
    source: Source | None
    preflight: Preflight
    streamed: Iterator[Item] | None = None
    workers: int = 8
    budget: float | None = None
    canary: int = 3
    out: Path | None = None
    update: bool = False
    request_timeout: float | None = None
    retry_count: int | None = None
    notes: tuple[str, ...] = ()
    offline: Via | None = None

    @property
    def name(self) -> str:
        """The batch's name."""
        return self.path.stem

    def progress(self) -> BatchProgress:
        """Return how far a batch is before it begins."""
        return BatchProgress(
            name=self.name,
            model=self.plan.endpoint or self.plan.model or "",
            total=self.preflight.rows,
            cached=self.preflight.cached,
            budget=self.budget,
            notes=(*self.preflight.lines(), *self.notes),
            mode="offline" if self.offline else "online",
            from_sandbox=self.plan.platform == "sandbox",
        )
