"""The sandbox's clock, the states of its objects, and how long each of them lasts.

A plan is written when an object's life begins: a list of [state, until], whose last state has no
end. Durations and
plans are in the store: a change of the durations affects only what begins afterwards, and a
restarted server continues.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any

from qfnb.wire.base import JsonObject

from ..failures import FAULT_INJECTED
from .store import Store

CLOCK_ID = "clock"


class Clock:
    """Seconds since the epoch, as the sandbox's objects see them.

    Attributes:
        speed: seconds that pass in a second; 1 is real time, 0 stands still until `advance`.
        n_changes: how often it was set or advanced since the server's start.
    """

    def __init__(self, store: Store) -> None:
        self._changed = threading.Condition()
        self._store = store
        self.n_changes = 0
        stored = store.get("setting", CLOCK_ID) or store.add(
            "setting", CLOCK_ID, speed=1.0, shown=time.time(), real=time.time()
        )
        self.speed = stored["speed"]
        self._sandbox_time = stored["shown"]
        self._real_time = stored["real"]

    def now(self) -> float:
        """Return the time."""
        return float(self._sandbox_time + (time.time() - self._real_time) * self.speed)

    def set(self, speed: float | None = None, advance: float = 0.0) -> JsonObject:
        """Change the speed, or advance the time by some seconds; return the new `now` and
        `speed`.
        """
        with self._changed:
            self._sandbox_time = self.now() + advance
            self._real_time = time.time()
            if speed is not None:
                self.speed = speed
            self._store.update(
                CLOCK_ID, speed=self.speed, shown=self._sandbox_time, real=self._real_time
            )
            self.n_changes += 1
            self._changed.notify_all()
        return {"now": self.now(), "speed": self.speed}

    def wait_until(self, timestamp: float, seconds: float) -> bool:
        """Wait until a time, for some real seconds at most; return whether it has come."""
        with self._changed:
            remaining = timestamp - self.now()
            if remaining > 0:
                if self.speed:
                    seconds = min(seconds, remaining / self.speed)
                self._changed.wait(seconds)
        return self.now() >= timestamp


DURATIONS_ID = "durations"

DEFAULT_SECONDS = {
    "accept": 0.05, "queue": 0.1, "import": 0.2, "release": 0.3, "export": 0.2, "clean": 0.3,
    "publish": 0.3,
    "compress": 0.5, "new": 0.2, "deploy": 0.4, "evaluate": 0.3, "optimize": 0.2, "stop": 0.2,
}  # fmt: skip
"""How long each stage takes, in seconds; on the platform these are minutes."""

FAILED_STATES = {
    "Serving": "Failed",
    "Ready": "Fail",
    "Done": "Failed",
    "succeeded": "failed",
    2: 3,
}
"""What the last state of a plan becomes under the fault `fail`."""

Plan = list[list[Any]]


class Lifecycle:
    """Creates plans of states, and reads from them which state an object is in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        stored = store.get("setting", DURATIONS_ID) or store.add(
            "setting", DURATIONS_ID, seconds={}
        )
        self._overrides: dict[str, float] = stored["seconds"]

    @property
    def seconds(self) -> dict[str, float]:
        """How long each stage takes."""
        return DEFAULT_SECONDS | self._overrides

    def set(self, changes: Mapping[str, float]) -> dict[str, float]:
        """Change how long stages take from now on; return all durations, in seconds.

        Raises:
            ValueError: a stage is unknown, or a duration is negative.
        """
        for stage, seconds in changes.items():
            if stage not in DEFAULT_SECONDS or not (
                isinstance(seconds, (int, float)) and seconds >= 0
            ):
                raise ValueError(
                    f"{stage}={seconds!r}: the stages are {', '.join(DEFAULT_SECONDS)}, in seconds"
                )
        self._overrides |= changes
        self._store.update(DURATIONS_ID, seconds=self._overrides)
        return self.seconds

    def plan(self, *stages: tuple[Any, str], final: Any, failed: Any = None) -> Plan:
        """Return a plan: each state for as long as its stage takes, then the last state.

        `plan(("New", "new"), ("Deploying", "deploy"), final="Serving")`

        Args:
            *stages: pairs of a state and its stage, which is one of `DEFAULT_SECONDS`.
            final: the last state.
            failed: the last state under the fault `fail`; default: what `FAILED_STATES` has.
        """
        if FAULT_INJECTED.get():
            if failed is None:
                final = FAILED_STATES.get(final, final)
            else:
                final = failed
        until = self._clock.now()
        plan = []
        for state, stage in stages:
            until += self.seconds[stage]
            plan.append([state, until])
        return [*plan, [final, None]]

    def state(self, plan: Plan) -> Any:
        """Return the current state of a plan."""
        now = self._clock.now()
        return next(state for state, until in plan if until is None or now < until)

    def final_since(self, plan: Plan) -> float | None:
        """Return when the last state began, None when it has not begun."""
        started_at: float = plan[-2][1] if len(plan) > 1 else 0.0
        if self._clock.now() >= started_at:
            return started_at
        return None
