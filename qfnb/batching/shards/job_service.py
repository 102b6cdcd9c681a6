"""What all workers of a key and a model talk to: leases of calls and of money, and the progress of
every shard.

It is the same object in the parent of local workers and in a Ray actor; it has no thread and no
connection.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...base.language import tr
from .budget_ledger import Amounts, BudgetLedger
from .slot_limiter import SlotLimiter

JobState = Literal["running", "paused", "stopped"]


@dataclass
class _Job:
    ledger: BudgetLedger
    state: JobState = "running"
    reason: str = ""
    workers: int = 8
    shards: dict[str, dict[str, Any]] = field(default_factory=dict)


class JobService:
    """Leases, budgets and progress; safe for threads.

    Args:
        is_restarted: whether workers may still have leases from an earlier service of the same key
            and model.
    """

    def __init__(self, *, is_restarted: bool = False) -> None:
        self._limiter = SlotLimiter(is_restarted=is_restarted)
        self._jobs: dict[str, _Job] = {}
        self._mutex = threading.Lock()

    def open_job(
        self,
        job: str,
        *,
        limits: tuple[float | None, float | None],
        budget: Amounts,
        ledger_path: str,
        workers: int,
        state: JobState = "running",
    ) -> None:
        """Begin a job, or continue it after a restart.

        Args:
            job: its id.
            limits: requests and tokens a minute, None for what the platform says.
            budget: by unit, what the job may use in all.
            ledger_path: where the budget's use is stored, a path or an address.
            workers: rows in flight in each process.
            state: of the job.
        """
        with self._mutex:
            self._limiter.set_limits(*limits)
            self._jobs[job] = _Job(BudgetLedger(budget, ledger_path), state=state, workers=workers)

    def close_job(self, job: str) -> None:
        """Forget a job."""
        with self._mutex:
            self._jobs.pop(job, None)

    def steer(self, job: str, state: JobState | None = None, workers: int | None = None) -> None:
        """Pause, continue or stop all workers of a job, or change how many rows each has in
        flight.
        """
        with self._mutex:
            if (current := self._jobs.get(job)) is not None:
                current.state = state or current.state
                current.workers = workers or current.workers

    def exchange(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Take a worker's report; return its lease, its allowance, and what it is to do."""
        with self._mutex:
            limiter = self._limiter
            job = self._jobs.get(report["job"])
            limiter.adopt(report)
            limiter.count(report)
            is_current = report["generation"] == limiter.generation
            wanted = report["wanted"] if job is not None and job.state == "running" else 0
            lease = limiter.grant(
                report["worker"],
                wanted=wanted,
                held=report["held"] if is_current else 0,
                in_flight=report["in_flight"],
            )
            if job is None:  # it is opened again soon
                return {"lease": lease, "allowance": None, "state": "running", "workers": None}
            job.shards[report["shard"]] = report["progress"]
            return {
                "lease": lease,
                "allowance": self._renew_allowance(job, report),
                "state": job.state,
                "workers": job.workers,
            }

    def end_attempt(self, job: str, attempt: str, used: Amounts | None) -> None:
        """Count the end of a try of a shard: what it has used, None where its process was lost."""
        with self._mutex:
            if (current := self._jobs.get(job)) is None:
                return
            if used is None:
                current.ledger.forget(attempt)
                return
            try:
                current.ledger.settle(attempt, used)
            except OSError as error:
                current.reason = _describe(error)
                current.state = "stopped"

    def status(self, job: str) -> dict[str, Any] | None:
        """Return a job's state, the progress of its shards and the limits in words; None for an
        unknown job.
        """
        with self._mutex:
            if (current := self._jobs.get(job)) is None:
                return None
            return {
                "state": current.state,
                "reason": current.reason,
                "shards": dict(current.shards),
                "rate_limits": self._limiter.describe(),
                "refusals": self._limiter.refusals,
            }

    def _renew_allowance(self, job: _Job, report: Mapping[str, Any]) -> dict[str, float]:
        money = report["money"]
        if not job.ledger.limits or job.state == "stopped":
            return dict(money["committed"])
        try:
            allowance = job.ledger.renew(
                report["attempt"], money["committed"], money["row"], money["rows"]
            )
        except OSError as error:
            job.reason = _describe(error)
            job.state = "stopped"
            return dict(money["committed"])
        is_short = any(
            allowance[unit] < money["committed"].get(unit, 0.0) + money["row"].get(unit, 0.0) - 1e-9
            for unit in job.ledger.limits
        )
        job.ledger.note_demand(
            report["attempt"],
            is_starved=is_short and not money["in_flight"] and money["is_waiting"],
        )
        if job.ledger.is_exhausted():
            job.reason = job.ledger.problem()
            job.state = "stopped"
        return allowance


def _describe(error: OSError) -> str:
    return tr(
        "the use of the budget cannot be written to the output folder: {reason}",
        reason=error.strerror or error,
    )
