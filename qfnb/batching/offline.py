"""Offline batches: rows are handed over in files, and their answers joined by key when a job is over.

What was handed over is noted before anything else happens, so a kernel that dies loses no job, and none is
started twice: the next run finds it and goes on looking.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final

from .. import connect, errors
from ..config import settings
from ..resources.outcome import Outcome, first_line, is_transient
from ..resources.reply import ChatResponse, made
from ..transport.response import Response
from .journal import Journal
from .plan import Plan
from .row import Pending
from .services import SERVICES, Look, Service, Via

PRICE: Final = 0.4
"""What an offline answer costs of the list price (the platform's page on batch prices)."""

STOPPING: Final = 20
"""Looks at a job that was stopped, for the answers that it has."""


@dataclass(frozen=True)
class Job:
    """Rows that were handed over.

    Attributes:
        via: to which service.
        uploaded: where they were uploaded to; "" when the job is over and its answers are taken.
        id: the platform's, "" before it has one.
    """

    number: int
    via: Via
    uploaded: str
    id: str = ""


@dataclass(frozen=True)
class Host:
    """What an offline run needs of the batch that it belongs to."""

    journal: Journal
    plan: Plan
    keep: Callable[[Pending, Outcome], None]
    tell: Callable[[str], None]
    nap: Callable[[float], Coroutine[Any, Any, None]]
    ending: Callable[[], bool]
    afford: Callable[[int], bool]


class Offline:
    """One offline run: hand over what is missing, look until all jobs are over, join their answers."""

    def __init__(self, host: Host, via: Via) -> None:
        self._host, self._journal, self._via = host, host.journal, via
        self._service: Service = SERVICES[via](host.plan)

    async def run(self, *, more: bool) -> None:
        """Follow the jobs of earlier runs, and hand `more` over; what has no answer then is the caller's."""
        jobs = known(self._journal)
        open_ = [job for job in jobs if job.uploaded]
        while more and not self._host.ending():
            rows = self._journal.unhanded(self._service.most)
            if not rows or not self._host.afford(len(rows)):
                break
            open_.append(await self._handed_over(len(jobs), rows))
            jobs.append(open_[-1])
        for job in open_:
            started = job if job.id else await self._started(job)
            await self._followed(started, len(open_))

    async def _handed_over(self, number: int, rows: list[Pending]) -> Job:
        self._host.tell(f"正在上传 {len(rows)} 行 / uploading {len(rows)} rows")
        plan = self._host.plan
        named = [(row.key.hex(), plan.conversation(row.item)) for row in rows]
        uploaded = await self._service.hand_over(f"{self._journal.path.stem}-{number}", named)
        self._journal.hand(number, rows)
        return await self._started(self._noted(Job(number, self._via, uploaded)))

    async def _started(self, job: Job) -> Job:
        name = f"{self._journal.path.stem}-{job.number}"
        return self._noted(replace(job, id=await self._service.start(name, job.uploaded)))

    async def _followed(self, job: Job, jobs: int) -> None:
        """Look at a job until it is over, then take its answers."""
        interval = connect.polling_interval(settings().batch_run_status_polling_interval)
        stopped = 0
        while True:
            now = await self._seen(job)
            if now is not None and now.over:
                break
            if self._host.ending():
                if not stopped:
                    await self._service.stop(job.id)
                stopped += 1
                if stopped > STOPPING:
                    break
            if now is not None:
                self._host.tell(_words(job, jobs, now))
            await self._host.nap(interval)
        if now is not None and now.message:
            self._host.tell(f"{job.id}: {now.message}")
        await self._joined(job)
        self._noted(replace(job, uploaded=""))
        if stopped:
            self._journal.take_back(job.number)

    async def _seen(self, job: Job) -> Look | None:
        """Return how far a job is, None while the platform cannot be asked."""
        try:
            return await self._service.look(job.id)
        except errors.QianfanError as error:
            if not is_transient(error):
                raise
            self._host.tell(f"{job.id}: {first_line(error)}; 稍后再试 / trying again")
            return None

    async def _joined(self, job: Job) -> None:
        rows = {row.key.hex(): row for row in self._journal.handed(job.number)}
        async for name, body, problem in self._service.answers(job.id, job.uploaded):
            if (row := rows.pop(name, None)) is not None:
                self._host.keep(row, self._outcome(body, problem))

    def _outcome(self, body: Any, problem: str) -> Outcome:
        if body is None:
            return Outcome(error="APIError", message=problem)
        plan = self._host.plan
        reply = made(ChatResponse, Response(dict(body), dict), plan.endpoint or plan.model or "")
        outcome = Outcome.of(reply)
        return outcome if outcome.cost is None else replace(outcome, cost=outcome.cost * PRICE)

    def _noted(self, job: Job) -> Job:
        jobs = {other.number: other for other in known(self._journal)} | {job.number: job}
        self._journal.set(jobs=json.dumps([vars(other) for _, other in sorted(jobs.items())]))
        return job


def known(journal: Journal) -> list[Job]:
    """Return the jobs that a journal knows, over or not."""
    return [Job(**job) for job in json.loads(journal.fact("jobs", "[]"))]


def open_via(journal: Journal) -> Via | None:
    """Return the service that a job of an earlier run is with, None when there is no such job."""
    return next((job.via for job in known(journal) if job.uploaded), None)


def _words(job: Job, jobs: int, now: Look) -> str:
    part = f"（第 {job.number + 1}/{jobs} 个文件）" if jobs > 1 else ""
    return f"离线任务{part} {job.id}: {now.state}, {now.done} 行 / offline job: {now.done} rows done"
