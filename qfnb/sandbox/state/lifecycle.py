"""How long the states of an object last: a plan is written down when it begins, and read by the clock.

A plan is a list of [state, until]; the last state has no end. It is JSON, and lives in the object's document,
so a change of the durations concerns what begins afterwards, and a server that was started again goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..trial.faults import FAULT_INJECTED
from .clock import Clock
from .store import Store

DOCUMENT_ID = "durations"

DEFAULT_SECONDS = {
    "accept": 0.05,
    "queue": 0.1,
    "import": 0.2,
    "release": 0.3,
    "export": 0.2,
    "clean": 0.3,
    "publish": 0.3,
    "compress": 0.5,
    "new": 0.2,
    "deploy": 0.4,
    "evaluate": 0.3,
    "optimize": 0.2,
    "stop": 0.2,
}
"""How long each stage takes, in seconds; the platform needs minutes, and so does the sandbox when told to."""

FAILED_STATES = {"Serving": "Failed", "Ready": "Fail", "Done": "Failed", "succeeded": "failed", 2: 3}
"""What the last state of a plan becomes when it is doomed."""

Plan = list[list[Any]]


class Lifecycle:
    """Makes plans of states, and tells where they are."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._overrides: dict[str, float] = (
            store.get("setting", DOCUMENT_ID) or store.add("setting", DOCUMENT_ID, seconds={})
        )["seconds"]

    @property
    def seconds(self) -> dict[str, float]:
        """How long each stage takes."""
        return DEFAULT_SECONDS | self._overrides

    def set(self, changes: Mapping[str, float]) -> dict[str, float]:
        """Change how long stages take from now on; return all.

        Raises:
            ValueError: there is no such stage, or the time is negative.
        """
        for stage, seconds in changes.items():
            if stage not in DEFAULT_SECONDS or not (isinstance(seconds, (int, float)) and seconds >= 0):
                raise ValueError(
                    f"{stage}={seconds!r}: the stages are {', '.join(DEFAULT_SECONDS)}, in seconds"
                )
        self._overrides |= changes
        self._store.update(DOCUMENT_ID, seconds=self._overrides)
        return self.seconds

    def plan(self, *stages: tuple[Any, str], final: Any, failed: Any = None) -> Plan:
        """Return a plan: each state for as long as its stage takes, and then the last state.

        `plan(("New", "new"), ("Deploying", "deploy"), then="Serving")`; while a call suffers the fault `fail`
        the last state is `failed`, by default what `FAILED_STATES` says.
        """
        if FAULT_INJECTED.get():
            final = FAILED_STATES.get(final, final) if failed is None else failed
        until, plan = self._clock.now(), []
        for state, stage in stages:
            until += self.seconds[stage]
            plan.append([state, until])
        return [*plan, [final, None]]

    def state(self, plan: Plan) -> Any:
        """Return the state by now."""
        now = self._clock.now()
        return next(state for state, until in plan if until is None or now < until)

    def final_since(self, plan: Plan) -> float | None:
        """Return when the last state began, None when it has not."""
        started_at: float = plan[-2][1] if len(plan) > 1 else 0.0
        return started_at if self._clock.now() >= started_at else None
