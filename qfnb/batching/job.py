"""What a batch is to do, as a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .._jobs.batch_progress import BatchProgress
from ..resources.inference.chat import ChatCompletion
from .input.source import RowSource
from .offline.backends import OfflineVia
from .preflight import Preflight
from .request_spec import InputRow, RequestSpec


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What a batch is to do.

    Attributes:
        path: the journal.
        request: what is sent for each row.
        chat: the `ChatCompletion` that sends it, with its keys.
        preflight: what was expected before the start.
        source: the input, None when the batch is resumed by name.
        stream: rows that are read while others are sent; None when the journal has all rows.
        worker_count: rows in flight at once, 1 to 1000.
        budget: CNY that the batch may cost in all, None for no limit.
        canary: rows that are sent first, and decide whether the others are; 0 for none.
        output_path: a file that the results are written to at the end, or None.
        request_timeout: seconds of one row, None for the default.
        retry_count: tries of one row, None for the default.
        notes: warnings that are shown.
        offline_via: the service that the rows are handed to, None for online.
    """

    path: Path
    request: RequestSpec
    chat: ChatCompletion
    preflight: Preflight
    source: RowSource | None = None
    stream: Iterator[InputRow] | None = None
    worker_count: int = 8
    budget: float | None = None
    canary: int = 3
    output_path: Path | None = None
    request_timeout: float | None = None
    retry_count: int | None = None
    notes: tuple[str, ...] = ()
    offline_via: OfflineVia | None = None

    @property
    def name(self) -> str:
        """The batch's name."""
        return self.path.stem

    def initial_progress(self) -> BatchProgress:
        """Return the progress before the start."""
        return BatchProgress(
            name=self.name,
            model=self.request.endpoint or self.request.model or "",
            total=self.preflight.rows,
            cached=self.preflight.cached,
            budget=self.budget,
            notes=(*self.preflight.lines(), *self.notes),
            mode="offline" if self.offline_via else "online",
            from_sandbox=self.request.platform == "sandbox",
        )
