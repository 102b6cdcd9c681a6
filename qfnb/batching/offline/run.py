"""Offline batches: rows are uploaded in files, and their answers joined by key when the jobs have
ended.

At most `MAX_JOBS` jobs are under way, the other rows wait. An upload is written into the journal
before anything else happens, so a kernel that dies loses no job, and no job is started twice: the
next run finds it and polls it.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ... import connect, errors
from ..._jobs.background_batch import BatchControl
from ..._jobs.row_result import RowResult, is_transient, summarize_error
from ...base.language import tr, trn
from ...config import settings
from ...resources.inference.reply import (
    ChatResponse,
    create_reply,
    failed_result,
    refuse_defect,
    row_result_of,
)
from ...transport import clock
from ...transport.response import Response
from ...wire.batches import MAX_UNFINISHED, UNFINISHED_CODE
from ..journal import Journal
from ..journal_store import pictures_folder
from ..preflight import JobSpec
from ..request_spec import InputRow, OfflineVia
from ..row_pipeline import RowPipeline
from .backends import BACKENDS, JobStatus, OfflineJob, OfflineJobs
from .pictures import save_pictures

MAX_JOBS: Final = MAX_UNFINISHED
"""Jobs of an account that the platform allows to be queued, running or stopping."""

MAX_POLLS_AFTER_STOP = 20
STOP_POLLING_S = 3.0
"""Polls of jobs that were stopped, before their answers so far are fetched; and at most the seconds
between them.
"""


class OfflineRun:
    """One offline run: hand over what is missing, poll until all jobs have ended, join their
    answers.

    Args:
        job: what the batch is to do.
        journal: open for writing.
        via: the service.
        control: the state of the batch.
        pipeline: writes and counts the results.
    """

    def __init__(
        self,
        job: JobSpec,
        journal: Journal,
        via: OfflineVia,
        control: BatchControl,
        pipeline: RowPipeline,
    ) -> None:
        self._job = job
        self._via = via
        self._control = control
        self._pipeline = pipeline
        self._backend = BACKENDS[via](job.request)
        self._jobs = OfflineJobs(journal)
        self._statuses: dict[int, JobStatus] = {}
        self._is_full = self._is_drained = False
        self._budget_problem = ""

    async def run(self, *, submits: bool) -> None:
        """Follow the jobs of earlier runs; with `submits`, hand over the rows that are in none of
        them.
        """
        interval = connect.polling_interval(settings().batch_run_status_polling_interval)
        control = self._control
        while not control.is_ending:
            await self._join_finished()
            submitted = await self._hand_over(submits=submits)
            if self._jobs.open():
                self._report(self._describe())
                await control.sleep(interval)
            elif not submitted:
                break
        if control.is_ending:
            await self._stop(min(interval, STOP_POLLING_S))
        elif self._budget_problem:
            control.finish("stopped", self._budget_problem)

    async def _stop(self, interval: float) -> None:
        """Stop the jobs, and join those that end soon; the others are joined by the next run."""
        await self._join_finished()
        for job in self._jobs.open():
            if job.id:
                with contextlib.suppress(errors.APIError):  # it ended just now
                    await self._backend.stop(job.id)
                self._jobs.save(replace(job, is_stopped=True))
            else:
                self._jobs.save(replace(job, uploaded=""))
                self._jobs.release(job)
        for _ in range(MAX_POLLS_AFTER_STOP):
            await self._join_finished()
            if not self._jobs.open():
                return
            await clock.sleep(interval)
        if count := len(self._jobs.open()):
            self._report(
                trn(
                    "{n} job is still stopping: resume() fetches its answers",
                    "{n} jobs are still stopping: resume() fetches their answers",
                    count,
                )
            )

    async def _join_finished(self) -> None:
        for job in self._jobs.open():
            if job.id and await self._is_over(job):
                await self._join_answers(job)

    async def _hand_over(self, *, submits: bool) -> int:
        """Start jobs until no row is left or no more jobs are allowed; return the number of
        uploads.
        """
        self._is_full = False
        count = 0
        for job in self._jobs.open():
            if not job.id and not self._is_full:
                await self._start(job)
        while submits and await self._submit_file():
            count += 1
        return count

    async def _submit_file(self) -> bool:
        """Upload the next rows and start their job; return whether there were any, and it may
        be.
        """
        is_full = self._is_full or len(self._jobs.open()) >= MAX_JOBS
        if is_full or self._is_drained or self._control.is_ending:
            return False
        rows = self._jobs.next_rows(self._backend.max_rows)
        self._is_drained = not rows
        rows = self._affordable(rows)
        if not rows:
            return False
        name = self._name(number := self._jobs.next_number)
        self._report(trn("uploading {n} row", "uploading {n} rows", len(rows)))
        named_rows = [
            (row.key.hex(), self._job.request.build_conversation(row.item)) for row in rows
        ]
        uploaded = await self._backend.upload(name, named_rows)
        await self._start(self._jobs.add(OfflineJob(number, self._via, uploaded), rows))
        return True

    def _affordable(self, rows: list[InputRow]) -> list[InputRow]:
        """Return the first rows that the budgets allow beside those that are handed over
        already.
        """
        counter = self._control.counter
        handed_over = self._jobs.open_rows
        if rows:
            self._budget_problem = self._job.budget_problem(counter, handed_over + len(rows))
        else:
            self._budget_problem = ""
        if not self._budget_problem:
            return rows
        low = 0
        high = len(rows)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (
                (low, middle)
                if self._job.budget_problem(counter, handed_over + middle)
                else (middle, high)
            )
        return rows[:low]

    async def _start(self, job: OfflineJob) -> None:
        """Start a job; where too many are under way it is started later."""
        try:
            job_id = await self._backend.start(self._name(job.number), job.uploaded)
        except errors.APIError as error:
            if error.error_code != UNFINISHED_CODE:
                raise
            self._is_full = True
        else:
            self._jobs.save(replace(job, id=job_id))

    async def _is_over(self, job: OfflineJob) -> bool:
        """Return whether a job has ended; it has not while the platform cannot be reached."""
        try:
            status = self._statuses[job.number] = await self._backend.get_status(job.id)
        except errors.QianfanError as error:
            if not is_transient(error):
                raise
            self._report(
                tr("{job_id}: {error}; trying again", job_id=job.id, error=summarize_error(error))
            )
            return False
        return status.is_over

    async def _join_answers(self, job: OfflineJob) -> None:
        """Write the answers of a job, and hold it for ended."""
        if (status := self._statuses.get(job.number)) is not None and status.message:
            self._report(f"{job.id}: {status.message}")
        rows = {row.key.hex(): row for row in self._jobs.rows_of(job)}
        async for name, body, problem in self._backend.answers(job.id, job.uploaded):
            if (row := rows.pop(name, None)) is not None:
                self._pipeline.writer.commit([(row, await self._build_result(row, body, problem))])
        self._jobs.save(replace(job, uploaded=""))
        if job.is_stopped:  # nobody has answered the rows that it left
            self._is_drained = False
        if job.is_stopped or self._job.request.draws:  # there is no other way to draw them
            self._jobs.release(job)
        self._statuses.pop(job.number, None)

    async def _build_result(
        self, row: InputRow, body: Mapping[str, Any] | None, problem: str
    ) -> RowResult:
        """Return the result of a row; an answer that is not in the requested format is asked for
        again, online.
        """
        if body is None:
            return RowResult(error="APIError", message=problem)
        request = self._job.request
        conversation = request.build_conversation(row.item)
        if request.draws:
            return await save_pictures(
                request, conversation, body, pictures_folder(self._job.path), str(row.number)
            )
        reply = create_reply(
            ChatResponse, Response(dict(body), dict), request.endpoint or request.model or ""
        )
        reply.is_offline = True
        has_budget = self._job.budget is not None
        try:
            refuse_defect(reply, reply.find_defect(reply.body))
            reply = await self._pipeline.correct(conversation, reply)
            return row_result_of(reply, at_list_price=has_budget)
        except errors.QianfanError as error:
            return failed_result(error, at_list_price=has_budget)

    def _describe(self) -> str:
        """Return how far the jobs are, and how many files wait."""
        jobs = self._jobs.open()
        statuses = self._statuses
        rows_done = sum(status.rows_done for status in statuses.values())
        if self._is_drained:
            rows_left = 0
        else:
            rows_left = self._jobs.count_rows_left()
        waiting = sum(not job.id for job in jobs) + math.ceil(rows_left / self._backend.max_rows)
        if len(jobs) == 1 and jobs[0].id and not waiting:
            state = next((status.state for status in statuses.values()), "")
            return trn(
                "offline job {id}: {state}, {n} row done",
                "offline job {id}: {state}, {n} rows done",
                rows_done,
                id=jobs[0].id,
                state=state,
            )
        states = Counter(status.state for status in statuses.values())
        running = tr(", ").join(f"{count} {state}" for state, count in sorted(states.items()))
        parts = [tr("offline jobs: {running}", running=running or 0)]
        parts += [trn("{n} file waits", "{n} files wait", waiting)] if waiting else []
        return tr("; ").join([*parts, trn("{n} row done", "{n} rows done", rows_done)])

    def _name(self, number: int) -> str:
        return f"{self._job.name}-{number}"

    def _report(self, text: str) -> None:
        self._control.update(reason=text)
