"""Offline batches: rows are handed over in files, and their answers joined by key when a job is over.

What was handed over is noted before anything else happens, so a kernel that dies loses no job, and none is
started twice: the next run finds it and goes on looking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final

from ... import connect, errors
from ..._jobs.row_result import RowResult, is_transient, summarize_error
from ...config import settings
from ...resources.inference.reply import ChatResponse, create_reply, row_result_of
from ...transport.response import Response
from ..journal import Journal
from ..request_spec import RequestSpec
from ..row import PendingRow
from .backends import BACKENDS, JobStatus, OfflineBackend, OfflineVia

PRICE_SHARE: Final = 0.4
"""What an offline answer costs of the list price (the platform's page on batch prices)."""

MAX_POLLS_AFTER_STOP: Final = 20
"""Looks at a job that was stopped, for the answers that it has."""


@dataclass(frozen=True)
class OfflineJob:
    """Rows that were handed over.

    Attributes:
        via: to which service.
        uploaded: where they were uploaded to; "" when the job is over and its answers are taken.
        id: the platform's, "" before it has one.
    """

    number: int
    via: OfflineVia
    uploaded: str
    id: str = ""


@dataclass(frozen=True)
class OfflineContext:
    """What an offline run needs of the batch that it belongs to."""

    journal: Journal
    spec: RequestSpec
    write_result: Callable[[PendingRow, RowResult], None]
    report: Callable[[str], None]
    sleep: Callable[[float], Coroutine[Any, Any, None]]
    is_ending: Callable[[], bool]
    can_afford: Callable[[int], bool]


class OfflineRun:
    """One offline run: hand over what is missing, look until all jobs are over, join their answers."""

    def __init__(self, context: OfflineContext, via: OfflineVia) -> None:
        self._context, self._journal, self._via = context, context.journal, via
        self._backend: OfflineBackend = BACKENDS[via](context.spec)

    async def run(self, *, submits: bool) -> None:
        """Follow the jobs of earlier runs, and hand `submits` over; what has no answer then is the caller's."""
        jobs = saved_jobs(self._journal)
        open_jobs = [job for job in jobs if job.uploaded]
        while submits and not self._context.is_ending():
            rows = self._journal.rows_without_job(self._backend.max_rows)
            if not rows or not self._context.can_afford(len(rows)):
                break
            open_jobs.append(await self._submit(len(jobs), rows))
            jobs.append(open_jobs[-1])
        for job in open_jobs:
            started = job if job.id else await self._start(job)
            await self._follow(started, len(open_jobs))

    async def _submit(self, number: int, rows: list[PendingRow]) -> OfflineJob:
        self._context.report(f"正在上传 {len(rows)} 行 / uploading {len(rows)} rows")
        spec = self._context.spec
        named_rows = [(row.key.hex(), spec.build_conversation(row.item)) for row in rows]
        uploaded = await self._backend.upload(f"{self._journal.path.stem}-{number}", named_rows)
        self._journal.assign_to_job(number, rows)
        return await self._start(self._save_job(OfflineJob(number, self._via, uploaded)))

    async def _start(self, job: OfflineJob) -> OfflineJob:
        name = f"{self._journal.path.stem}-{job.number}"
        return self._save_job(replace(job, id=await self._backend.start(name, job.uploaded)))

    async def _follow(self, job: OfflineJob, jobs: int) -> None:
        """Look at a job until it is over, then take its answers."""
        interval = connect.polling_interval(settings().batch_run_status_polling_interval)
        polls_after_stop = 0
        while True:
            status = await self._poll(job)
            if status is not None and status.is_over:
                break
            if self._context.is_ending():
                if not polls_after_stop:
                    await self._backend.stop(job.id)
                polls_after_stop += 1
                if polls_after_stop > MAX_POLLS_AFTER_STOP:
                    break
            if status is not None:
                self._context.report(_status_text(job, jobs, status))
            await self._context.sleep(interval)
        if status is not None and status.message:
            self._context.report(f"{job.id}: {status.message}")
        await self._join_answers(job)
        self._save_job(replace(job, uploaded=""))
        if polls_after_stop:
            self._journal.release_from_job(job.number)

    async def _poll(self, job: OfflineJob) -> JobStatus | None:
        """Return how far a job is, None while the platform cannot be asked."""
        try:
            return await self._backend.get_status(job.id)
        except errors.QianfanError as error:
            if not is_transient(error):
                raise
            self._context.report(f"{job.id}: {summarize_error(error)}; 稍后再试 / trying again")
            return None

    async def _join_answers(self, job: OfflineJob) -> None:
        rows = {row.key.hex(): row for row in self._journal.rows_of_job(job.number)}
        async for name, body, problem in self._backend.answers(job.id, job.uploaded):
            if (row := rows.pop(name, None)) is not None:
                self._context.write_result(row, self._build_result(body, problem))

    def _build_result(self, body: Any, problem: str) -> RowResult:
        if body is None:
            return RowResult(error="APIError", message=problem)
        spec = self._context.spec
        reply = create_reply(ChatResponse, Response(dict(body), dict), spec.endpoint or spec.model or "")
        result = row_result_of(reply)
        return result if result.cost is None else replace(result, cost=result.cost * PRICE_SHARE)

    def _save_job(self, job: OfflineJob) -> OfflineJob:
        jobs = {saved.number: saved for saved in saved_jobs(self._journal)} | {job.number: job}
        self._journal.set_facts(jobs=json.dumps([vars(saved) for _, saved in sorted(jobs.items())]))
        return job


def saved_jobs(journal: Journal) -> list[OfflineJob]:
    """Return the jobs that a journal knows, over or not."""
    return [OfflineJob(**job) for job in json.loads(journal.get_fact("jobs", "[]"))]


def open_job_via(journal: Journal) -> OfflineVia | None:
    """Return the service that a job of an earlier run is with, None when there is no such job."""
    return next((job.via for job in saved_jobs(journal) if job.uploaded), None)


def _status_text(job: OfflineJob, jobs: int, status: JobStatus) -> str:
    part_text = f"（第 {job.number + 1}/{jobs} 个文件）" if jobs > 1 else ""
    return f"离线任务{part_text} {job.id}: {status.state}, {status.rows_done} 行 / offline job: {status.rows_done} rows done"
