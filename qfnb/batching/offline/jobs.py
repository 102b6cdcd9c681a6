"""The offline jobs of a batch, in its journal: which rows are in which job, and which jobs have not
been joined.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ..journal import Journal
from ..request_spec import InputRow, OfflineVia

_WITHOUT_JOB = "and row.key not in (select key from handed)"


@dataclass(frozen=True)
class OfflineJob:
    """Rows that were uploaded; journals hold it as JSON, so its field names are stored.

    Attributes:
        number: counts the jobs of a batch, from 0.
        via: the service.
        uploaded: the address of the upload; "" when the answers have been fetched.
        id: the platform's, "" before it has one.
        is_stopped: whether it was told to stop: the rows that it leaves may be handed over again.
    """

    number: int
    via: OfflineVia
    uploaded: str
    id: str = ""
    is_stopped: bool = False


class OfflineJobs:
    """The jobs of one journal, which is open for writing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._jobs = {saved.number: saved for saved in saved_jobs(journal)}
        self._row_counts = {job.number: len(self.rows_of(job)) for job in self.open()}

    def open(self) -> list[OfflineJob]:
        """Return the jobs whose answers have not been fetched."""
        return [job for _, job in sorted(self._jobs.items()) if job.uploaded]

    @property
    def next_number(self) -> int:
        """The number of the next job."""
        return max(self._jobs, default=-1) + 1

    @property
    def open_rows(self) -> int:
        """Rows in open jobs."""
        return sum(self._row_counts.values())

    def next_rows(self, limit: int) -> list[InputRow]:
        """Return the first rows that have no answer and are in no job."""
        return self._journal.missing_rows(-1, limit, _WITHOUT_JOB)

    def count_rows_left(self) -> int:
        """Return the number of rows that have no answer and are in no job."""
        return self._journal.count_missing(_WITHOUT_JOB)

    def rows_of(self, job: OfflineJob) -> list[InputRow]:
        """Return the rows of a job that have no answer."""
        return self._journal.missing_rows(
            -1, -1, "and row.key in (select key from handed where job = ?)", job.number
        )

    def add(self, job: OfflineJob, rows: Sequence[InputRow]) -> OfflineJob:
        """Store that rows were uploaded; return the job."""
        with self._journal.transaction():
            keys = [(row.key, job.number) for row in rows]
            self._journal.database.executemany("insert or replace into handed values (?, ?)", keys)
        self._row_counts[job.number] = len(rows)
        return self.save(job)

    def save(self, job: OfflineJob) -> OfflineJob:
        """Store what a job is now; return it."""
        self._jobs[job.number] = job
        self._journal.set_facts(
            jobs=json.dumps([vars(saved) for _, saved in sorted(self._jobs.items())])
        )
        if not job.uploaded:
            self._row_counts.pop(job.number, None)
        return job

    def release(self, job: OfflineJob) -> None:
        """Store that a job was stopped: rows that it did not answer may be in another one."""
        with self._journal.transaction():
            self._journal.database.execute("delete from handed where job = ?", (job.number,))


def saved_jobs(journal: Journal) -> list[OfflineJob]:
    """Return all jobs of a journal, ended or not."""
    return [OfflineJob(**job) for job in json.loads(journal.get_fact("jobs", "[]"))]


def open_job_via(journal: Journal) -> OfflineVia | None:
    """Return the service of a job whose answers have not been fetched, None without such a job."""
    return next((job.via for job in saved_jobs(journal) if job.uploaded), None)
