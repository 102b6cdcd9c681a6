"""What a batch is to do, as a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .._jobs.batch_progress import BatchProgress
from ..resources.inference.chat import ChatCompletion
from .input.source import Item, RowSource
from .offline.backends import OfflineVia
from .preflight import Preflight
from .request_spec import RequestSpec


@dataclass(frozen=True)
class JobSpec:
    """What a batch is to do.

    Attributes:
        path: of the journal.
        chat: who asks, with the keys.
        source: the rows, None when the journal has them all.
        stream: rows that are read while they are asked; None when they are in the journal before.
        workers: rows asked at once.
        budget: CNY that it may cost in all.
        canary: rows that are asked first, and decide whether the others are.
        output_path: a file that the results are written to at the end.
        limits: seconds and tries of one row.
    """

    path: Path
    request_spec: RequestSpec
    chat: ChatCompletion
    source: RowSource | None
    preflight: Preflight
    stream: Iterator[Item] | None = None
    workers: int = 8
    budget: float | None = None
    canary: int = 3
    output_path: Path | None = None
    allow_changed_input: bool = False
    request_timeout: float | None = None
    retry_count: int | None = None
    notes: tuple[str, ...] = ()
    offline_via: OfflineVia | None = None

    @property
    def name(self) -> str:
        """The batch's name."""
        return self.path.stem

    def initial_progress(self) -> BatchProgress:
        """Return how far a batch is before it begins."""
        return BatchProgress(
            name=self.name,
            model=self.request_spec.endpoint or self.request_spec.model or "",
            total=self.preflight.rows,
            cached=self.preflight.cached,
            budget=self.budget,
            notes=(*self.preflight.lines(), *self.notes),
            mode="offline" if self.offline_via else "online",
            from_sandbox=self.request_spec.platform == "sandbox",
        )
