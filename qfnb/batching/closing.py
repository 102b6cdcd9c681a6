"""The end of a batch: last facts into the journal, results into a file, the journal free for others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from ..errors import QianfanError
from ..resources.outcome import first_line
from ..resources.tally import BatchProgress
from . import export
from .journal import Journal
from .reading import Answer, JournalError


def close(
    journal: Journal, now: BatchProgress, answers: Iterable[Answer], *, dedupe: bool, out: Path | None
) -> tuple[int, str]:
    """Close a journal.

    Args:
        journal: of the batch.
        now: how the batch ended.
        answers: what goes into the results file.
        dedupe: repetitions share the fate of the row that was asked.
        out: the results file, if there is to be one.

    Returns:
        How many repetitions failed, and why there is no results file, "" when nothing went wrong.
    """
    state = "done" if now.state in {"running", "paused", "waiting"} else now.state
    shared, said = 0, ""
    try:
        with contextlib.suppress(JournalError):
            journal.set(state=state, reason=now.reason, updated=time.time())
            shared = journal.failed_repeats() if dedupe else 0
        journal.checkpoint()
        if out is not None:
            export.save(answers, out)
    except QianfanError as error:
        elsewhere = "`.save(...)` 可另存 / `.save(path)` writes them elsewhere"
        said = f"结果文件未写成 / no results file: {first_line(error)}; {elsewhere}"
    finally:
        journal.close()
    return shared, said
