"""Offline batches: rows are uploaded in files, and their answers joined by key when the jobs have
ended.

At most `MAX_JOBS` jobs are under way, the other rows wait. An upload is written into the journal
before anything else happens, so a kernel that dies loses no job, and no job is started twice: the
next run finds it and polls it.
"""

import bisect
import contextlib
import json
import math
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from .. import connect, errors
from .._jobs.background_batch import BatchControl
from .._jobs.row_result import RowResult, is_transient, summarize_error
from .._jsonl_csv_parquet import RowError, read_jsonl
from ..base.language import tr, trn
from ..config import settings
from ..errors import UnexpectedContent
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.reply import (
    ChatResponse,
    create_reply,
    failed_result,
    refuse_defect,
    row_result_of,
)
from ..resources.management.batches import Batches, Files
from ..transport import clock
from ..transport.response import Response
from ..wire import batches as wire
from .journal import Journal
from .journal_reader import JournalError
from .request_spec import InputRow
from .row_pipeline import JobSpec, RowPipeline

MAX_JOBS = wire.MAX_UNFINISHED
"""Jobs of an account that the platform allows to be queued, running or stopping."""

MAX_ROWS = wire.MAX_REQUESTS
"""Rows of a file."""

MAX_POLLS_AFTER_STOP = 20
STOP_POLLING_S = 3.0
"""Polls of jobs that were stopped, before their answers so far are fetched; and at most the seconds
between them.
"""

_WITHOUT_JOB: Final = "and row.key not in (select key from handed)"
_IN_A_JOB: Final = "and row.key in (select key from handed)"
_OF_JOB: Final = "and row.key in (select key from handed where job = ?)"

JobAnswer = tuple[str, Mapping[str, Any] | None, str]
"""The key of a row, the body of the reply, and without one the reason."""


@dataclass(frozen=True)
class OfflineJob:
    """Rows that were uploaded; journals hold it as JSON, so its field names are stored.

    Attributes:
        number: counts the jobs of a batch, from 0.
        via: the service, always `files`.
        uploaded: the id of the uploaded file; "" when the answers have been fetched.
        id: the platform's, "" before it has one.
        is_stopped: whether it was told to stop: the rows that it leaves may be handed over again.
    """

    number: int
    via: str
    uploaded: str
    id: str = ""
    is_stopped: bool = False


class OfflineRun:
    """One offline run: hand over what is missing, poll until all jobs have ended, join their
    answers.

    Args:
        job: what the batch is to do.
        journal: open for writing.
        control: the state of the batch.
        pipeline: writes and counts the results.

    Raises:
        JournalError: a job of an earlier version is under way in the user's bucket.
    """

    def __init__(
        self, job: JobSpec, journal: Journal, control: BatchControl, pipeline: RowPipeline
    ) -> None:
        self._job = job
        self._journal = journal
        self._control = control
        self._pipeline = pipeline
        self._jobs = {
            stored["number"]: OfflineJob(**stored)
            for stored in json.loads(journal.get_fact("jobs", "[]"))
        }
        for stored_job in self.open_jobs:
            if stored_job.via != "files":
                raise JournalError(
                    tr(
                        "the rows of job {job_id} were handed over through a bucket, which this "
                        "version does not read: its answers are at {address}",
                        job_id=stored_job.id,
                        address=stored_job.uploaded,
                    )
                )
        self._statuses: dict[int, wire.BatchInfo] = {}
        self._is_full = self._is_drained = False
        self._budget_problem = ""

    @property
    def open_jobs(self) -> list[OfflineJob]:
        """The jobs whose answers have not been fetched."""
        return [job for _, job in sorted(self._jobs.items()) if job.uploaded]

    async def run(self, *, submits: bool) -> None:
        """Follow the jobs of earlier runs; with `submits`, hand over the rows that are in none of
        them.
        """
        interval = connect.polling_interval(settings().batch_run_status_polling_interval)
        control = self._control
        while not control.is_ending:
            await self._join_finished()
            submitted = await self._hand_over(submits=submits)
            if self.open_jobs:
                control.update(reason=self._describe())
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
        for job in self.open_jobs:
            if job.id:
                with contextlib.suppress(errors.APIError):  # it ended just now
                    await Batches.cancel.aio(job.id)
                self._save(replace(job, is_stopped=True))
            else:
                self._release(job)
        for _ in range(MAX_POLLS_AFTER_STOP):
            await self._join_finished()
            if not self.open_jobs:
                return
            await clock.sleep(interval)
        if count := len(self.open_jobs):
            reason = trn(
                "{n} job is still stopping: resume() fetches its answers",
                "{n} jobs are still stopping: resume() fetches their answers",
                count,
            )
            self._control.update(reason=reason)

    async def _join_finished(self) -> None:
        for job in self.open_jobs:
            if job.id and await self._is_over(job):
                await self._join_answers(job)

    async def _hand_over(self, *, submits: bool) -> bool:
        """Start jobs until no row is left or no more jobs are allowed; return whether rows were
        uploaded.
        """
        self._is_full = False
        for job in self.open_jobs:
            if not job.id and not self._is_full:
                await self._start(job)
        is_submitted = False
        while submits and await self._submit_file():
            is_submitted = True
        return is_submitted

    async def _submit_file(self) -> bool:
        """Upload the next rows and start their job; return whether there were any, and it may
        be.
        """
        is_full = self._is_full or len(self.open_jobs) >= MAX_JOBS
        if is_full or self._is_drained or self._control.is_ending:
            return False
        rows = self._journal.missing_rows(-1, MAX_ROWS, _WITHOUT_JOB)
        self._is_drained = not rows
        rows = self._affordable(rows)
        if not rows:
            return False
        number = max(self._jobs, default=-1) + 1
        self._control.update(reason=trn("uploading {n} row", "uploading {n} rows", len(rows)))
        file_id = await self._upload(f"{self._job.path.stem}-{number}", rows)
        job = OfflineJob(number, "files", file_id)
        with self._journal.transaction():
            keys = [(row.key, number) for row in rows]
            self._journal.database.executemany("insert or replace into handed values (?, ?)", keys)
        self._save(job)
        await self._start(job)
        return True

    def _affordable(self, rows: list[InputRow]) -> list[InputRow]:
        """Return the first rows that the budgets allow beside those that are handed over
        already.
        """
        self._budget_problem = ""
        if not rows:
            return rows
        handed_over = self._journal.count_missing(_IN_A_JOB)

        def problem(count: int) -> str:
            return self._job.budget_problem(self._control, handed_over + count)

        self._budget_problem = problem(len(rows))
        counts = range(1, len(rows) + 1)
        return rows[: bisect.bisect_left(counts, True, key=lambda count: bool(problem(count)))]

    async def _upload(self, name: str, rows: Sequence[InputRow]) -> str:
        """Upload rows; return the id of the file."""
        spec = self._job.request
        options = dict(spec.options)
        if spec.response_format is not None:
            options["response_format"] = spec.response_format
        requests = ChatCompletion(version=2).batch_requests(
            (await connect.aclient()).platform, spec.model, spec.endpoint, options
        )
        with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            path = Path(folder) / f"{name}.jsonl"
            with path.open("w", encoding="utf-8") as file:
                for row in rows:
                    request = requests.for_row(spec.build_conversation(row.item))
                    body = request.record.to_wire()
                    body.pop("stream", None)
                    line = {"custom_id": row.key.hex(), "method": "POST", "url": wire.CHAT}
                    file.write(json.dumps({**line, "body": body}, ensure_ascii=False) + "\n")
            return (await Files.upload.aio(path)).data.id

    async def _start(self, job: OfflineJob) -> None:
        """Start a job, unless one was started for its file; where too many are under way it is
        started later.
        """
        try:
            batches = (await Batches.list.aio(limit=100)).data.data
            job_id = next((each.id for each in batches if each.input_file_id == job.uploaded), "")
            if not job_id:
                metadata = {"qfnb": f"{self._job.path.stem}-{job.number}"}
                created = await Batches.create.aio(job.uploaded, wire.CHAT, metadata=metadata)
                job_id = created.data.id
        except errors.APIError as error:
            if error.error_code != wire.UNFINISHED_CODE:
                raise
            self._is_full = True
        else:
            self._save(replace(job, id=job_id))

    async def _is_over(self, job: OfflineJob) -> bool:
        """Return whether a job has ended; it has not while the platform cannot be reached."""
        try:
            status = (await Batches.info.aio(job.id)).data
        except errors.QianfanError as error:
            if not is_transient(error):
                raise
            reason = tr(
                "{job_id}: {error}; trying again", job_id=job.id, error=summarize_error(error)
            )
            self._control.update(reason=reason)
            return False
        self._statuses[job.number] = status
        return status.is_finished

    async def _join_answers(self, job: OfflineJob) -> None:
        """Write the answers of a job, and hold it for ended."""
        status = self._statuses.pop(job.number)
        if status.errors:
            problems = [
                tr("line {line}: {message}", line=error.line, message=error.message)
                for error in status.errors.data[:3]
            ]
            self._control.update(reason=f"{job.id}: {'; '.join(problems)}")
        missing = self._journal.missing_rows(-1, -1, _OF_JOB, job.number)
        rows = {row.key.hex(): row for row in missing}
        async for name, body, problem in _read_answers(status):
            if (row := rows.pop(name, None)) is not None:
                self._pipeline.commit([(row, await self._build_result(row, body, problem))])
        if job.is_stopped:  # nobody has answered the rows that it left
            self._is_drained = False
            self._release(job)
        else:
            self._save(replace(job, uploaded=""))

    def _save(self, job: OfflineJob) -> None:
        """Store what a job is now."""
        self._jobs[job.number] = job
        stored = [vars(each) for _, each in sorted(self._jobs.items())]
        self._journal.set_facts(jobs=json.dumps(stored))

    def _release(self, job: OfflineJob) -> None:
        """Store that a job was stopped: rows that it did not answer may be in another one."""
        self._save(replace(job, uploaded=""))
        with self._journal.transaction():
            self._journal.database.execute("delete from handed where job = ?", (job.number,))

    async def _build_result(
        self, row: InputRow, body: Mapping[str, Any] | None, problem: str
    ) -> RowResult:
        """Return the result of a row; an answer that is not in the requested format is asked for
        again, online.
        """
        if body is None:
            return RowResult(error="APIError", message=problem)
        request = self._job.request
        model = request.endpoint or request.model or ""
        reply = create_reply(ChatResponse, Response(dict(body), dict), model)
        reply.is_offline = True
        has_budget = self._job.preflight.budget is not None
        try:
            refuse_defect(reply, reply.find_defect(reply.body))
            reply = await self._pipeline.correct(request.build_conversation(row.item), reply)
            return row_result_of(reply, at_list_price=has_budget)
        except errors.QianfanError as error:
            return failed_result(error, at_list_price=has_budget)

    def _describe(self) -> str:
        """Return how far the jobs are, and how many files wait."""
        rows_done = 0
        states = Counter[str]()
        for status in self._statuses.values():
            states[status.status] += 1
            if counts := status.request_counts:
                rows_done += counts.completed + counts.failed
        rows_left = 0
        if not self._is_drained:
            rows_left = self._journal.count_missing(_WITHOUT_JOB)
        waiting = sum(not job.id for job in self.open_jobs) + math.ceil(rows_left / MAX_ROWS)
        running = tr(", ").join(f"{count} {state}" for state, count in sorted(states.items()))
        sentences = [tr("offline jobs: {running}", running=running or 0)]
        if waiting:
            sentences.append(trn("{n} file waits", "{n} files wait", waiting))
        sentences.append(trn("{n} row done", "{n} rows done", rows_done))
        return tr("; ").join(sentences)


async def _read_answers(status: wire.BatchInfo) -> AsyncIterator[JobAnswer]:
    """Yield the answers of a job that has ended."""
    for file_id in filter(None, (status.output_file_id, status.error_file_id)):
        with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            path = await Files.download.aio(file_id, Path(folder) / "answers.jsonl")
            with path.open("rb") as file:
                for line, value in read_jsonl(file, path.name):
                    if isinstance(value, RowError):
                        raise UnexpectedContent(
                            tr(
                                "line {line} of an answer file: {reason}",
                                line=line,
                                reason=value.reason,
                            )
                        )
                    if isinstance(value, Mapping):
                        yield _parse_answer(value)


def _parse_answer(line: Mapping[str, Any]) -> JobAnswer:
    name = str(line.get("custom_id"))
    response = line.get("response") or {}
    body = response.get("body") or {}
    error = line.get("error") or body.get("error")
    if not error and "error_code" in body:
        error = body
    if not error and response.get("status_code", 200) < 400:
        return name, body, ""
    if not isinstance(error, Mapping):
        return name, None, tr("the platform gives no reason")
    code = error.get("code", error.get("error_code", ""))
    return name, None, f"[{code}] {error.get('message', error.get('error_msg', ''))}"
