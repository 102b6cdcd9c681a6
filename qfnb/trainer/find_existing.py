"""Find on the platform what this computer may have created without hearing of it."""

from __future__ import annotations

from collections.abc import Collection

from ..resources.management.finetune import FineTune

PAGE_SIZE, MAX_PAGES = 100, 20


def find_job(run_id: str) -> str | None:
    """Return the id of the job whose description holds a note, None when there is none."""
    marker: str | None = None
    for _ in range(MAX_PAGES):
        answer = FineTune.V2.job_list(marker=marker, max_keys=PAGE_SIZE).data
        for row in answer.job_list:
            if run_id in (row.description or ""):
                return row.job_id
        if not answer.page_info.is_truncated or not (marker := answer.page_info.next_marker):
            return None
    return None


def find_task(job_id: str, *, exclude: Collection[str]) -> str | None:
    """Return the id of the newest run of a job of our own, `exclude` for some; None when it has no other."""
    tasks = FineTune.V2.task_list(job_id, max_keys=PAGE_SIZE).data.task_list
    rows = [row for row in tasks if row.task_id not in exclude]
    newest = max(rows, key=lambda row: row.create_date or "", default=None)
    return newest.task_id if newest is not None else None
