"""The end of a batch: last facts into the journal, results into a file, the journal free for others."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from .._jobs.batch_progress import BatchProgress
from .._jobs.row_result import summarize_error
from ..errors import QianfanError
from . import export
from .journal import Journal
from .journal_reader import BatchRow, JournalError


def finish_journal(
    journal: Journal,
    progress: BatchProgress,
    answers: Iterable[BatchRow],
    *,
    dedupe: bool,
    output_path: Path | None,
) -> tuple[int, str]:
    """Close a journal.

    Args:
        journal: of the batch.
        progress: how the batch ended.
        answers: what goes into the results file.
        dedupe: repetitions share the fate of the row that was asked.
        output_path: the results file, if there is to be one.

    Returns:
        How many repetitions failed, and why there is no results file, "" when nothing went wrong.
    """
    state = "done" if progress.state in {"running", "paused", "waiting"} else progress.state
    failed_repeats, reason = 0, ""
    try:
        with contextlib.suppress(JournalError):
            journal.set_facts(state=state, reason=progress.reason, updated=time.time())
            failed_repeats = journal.count_failed_repeats() if dedupe else 0
        journal.checkpoint()
        if output_path is not None:
            export.save(answers, output_path)
    except QianfanError as error:
        elsewhere = "`.save(...)` 可另存 / `.save(path)` writes them elsewhere"
        reason = f"结果文件未写成 / no results file: {summarize_error(error)}; {elsewhere}"
    finally:
        journal.close()
    return failed_repeats, reason
