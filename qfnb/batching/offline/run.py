"""Offline batches: rows are uploaded in files, and their answers joined by key when the job has ended.

An upload is written into the journal before anything else happens, so a kernel that dies loses no job, and no
job is started twice: the next run finds it and polls it.
"""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from ... import connect, errors
from ..._jobs.background_batch import BatchControl
from ..._jobs.row_result import RowResult, is_transient, summarize_error
from ...config import settings
from ...resources.inference.reply import ChatResponse, create_reply, row_result_of
from ...transport.response import Response
from ..journal import Journal
from ..request_spec import InputRow, OfflineVia, RequestSpec
from ..row_pipeline import RowPipeline
from .backends import BACKENDS, JobStatus

MAX_POLLS_AFTER_STOP: Final = 20
"""Polls of a job that was stopped, before its answers so far are fetched."""


@dataclass(frozen=True)
class OfflineJob:
    """Rows that were uploaded; journals hold it as JSON, so its field names are stored.

    Attributes:
        number: counts the jobs of a batch, from 0.
        via: the service.
        uploaded: the address of the upload; "" when the answers have been fetched.
        id: the platform's, "" before it has one.
    """

    number: int
    via: OfflineVia
    uploaded: str
    id: str = ""


class OfflineRun:
    """One offline run: hand over what is missing, poll until all jobs have ended, join their answers.

    Args:
        journal: open for writing.
        request: what is sent for each row.
        via: the service.
        control: the state of the batch.
        pipeline: writes and counts the results, and keeps to the budget.
    """

    def __init__(
        self, journal: Journal, request: RequestSpec, via: OfflineVia, control: BatchControl, pipeline: RowPipeline
    ) -> None:
        self._journal, self._request, self._via, self._control = journal, request, via, control
        self._pipeline = pipeline
        self._backend = BACKENDS[via](request)

    async def run(self, *, submits: bool) -> None:
        """Follow the jobs of earlier runs; with `submits`, hand over the rows that are in none of them."""
        jobs = saved_jobs(self._journal)
        open_jobs = [job for job in jobs if job.uploaded]
        while submits and not self._control.is_ending:
            rows = self._journal.rows_without_job(self._backend.max_rows)
            if not rows or not self._pipeline.can_afford(len(rows)):
                break
            open_jobs.append(await self._submit(len(jobs), rows))
            jobs.append(open_jobs[-1])
        for job in open_jobs:
            started = job if job.id else await self._start(job)
            await self._follow(started, len(open_jobs))

    async def _submit(self, number: int, rows: list[InputRow]) -> OfflineJob:
        self._report(f"正在上传 {len(rows)} 行 / uploading {len(rows)} rows")
        named_rows = [(row.key.hex(), self._request.build_conversation(row.item)) for row in rows]
        uploaded = await self._backend.upload(f"{self._journal.path.stem}-{number}", named_rows)
        self._journal.assign_to_job(number, rows)
        return await self._start(self._save_job(OfflineJob(number, self._via, uploaded)))

    async def _start(self, job: OfflineJob) -> OfflineJob:
        name = f"{self._journal.path.stem}-{job.number}"
        return self._save_job(replace(job, id=await self._backend.start(name, job.uploaded)))

    async def _follow(self, job: OfflineJob, job_count: int) -> None:
        """Poll a job until it has ended, then fetch its answers."""
        interval = connect.polling_interval(settings().batch_run_status_polling_interval)
        polls_after_stop = 0
        while True:
            status = await self._poll(job)
            if status is not None and status.is_over:
                break
            if self._control.is_ending:
                if not polls_after_stop:
                    await self._backend.stop(job.id)
                polls_after_stop += 1
                if polls_after_stop > MAX_POLLS_AFTER_STOP:
                    break
            if status is not None:
                part, rows = f"（第 {job.number + 1}/{job_count} 个文件）" if job_count > 1 else "", status.rows_done
                text = f"离线任务{part} {job.id}: {status.state}, {rows} 行 / offline job: {rows} rows done"
                self._report(text)
            await self._control.sleep(interval)
        if status is not None and status.message:
            self._report(f"{job.id}: {status.message}")
        await self._join_answers(job)
        self._save_job(replace(job, uploaded=""))
        if polls_after_stop:
            self._journal.release_from_job(job.number)

    async def _poll(self, job: OfflineJob) -> JobStatus | None:
        """Return the job's status, None while the platform cannot be reached."""
        try:
            return await self._backend.get_status(job.id)
        except errors.QianfanError as error:
            if not is_transient(error):
                raise
            self._report(f"{job.id}: {summarize_error(error)}; 稍后再试 / trying again")
            return None

    async def _join_answers(self, job: OfflineJob) -> None:
        rows = {row.key.hex(): row for row in self._journal.rows_of_job(job.number)}
        async for name, body, problem in self._backend.answers(job.id, job.uploaded):
            if (row := rows.pop(name, None)) is not None:
                self._pipeline.writer.commit([(row, self._build_result(body, problem))])

    def _build_result(self, body: Any, problem: str) -> RowResult:
        if body is None:
            return RowResult(error="APIError", message=problem)
        model = self._request.endpoint or self._request.model or ""
        return row_result_of(create_reply(ChatResponse, Response(dict(body), dict), model), is_offline=True)

    def _report(self, text: str) -> None:
        self._control.update(reason=text)

    def _save_job(self, job: OfflineJob) -> OfflineJob:
        jobs = {saved.number: saved for saved in saved_jobs(self._journal)} | {job.number: job}
        self._journal.set_facts(jobs=json.dumps([vars(saved) for _, saved in sorted(jobs.items())]))
        return job


def saved_jobs(journal: Journal) -> list[OfflineJob]:
    """Return all jobs of a journal, ended or not."""
    return [OfflineJob(**job) for job in json.loads(journal.get_fact("jobs", "[]"))]


def open_job_via(journal: Journal) -> OfflineVia | None:
    """Return the service of a job whose answers have not been fetched, None without such a job."""
    return next((job.via for job in saved_jobs(journal) if job.uploaded), None)
