"""Faults that are injected into calls: a list of rules, the first of which that applies to a call
decides.

Only the control token can switch them on, for all calls or for one; they end with the server.
"""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from qfnb.wire.endpoints import ENDPOINTS

MAX_SECONDS = 3600.0
"""The longest pause; also that of a fault without an end."""

FAULT_INJECTED: ContextVar[bool] = ContextVar("doomed", default=False)
"""Whether what is created now is to fail: True while a call has the fault `fail`."""

FaultKind = Literal[
    "status", "error", "stall", "cut", "reset", "slow", "hold", "malformed", "drip", "split", "fail"
]

_ABBREVIATIONS = {"rst": "reset"}
_HEADER_PATTERN = re.compile(
    r"(?P<kind>\w+)(?::(?P<number>\d+(?:\.\d+)?))?(?:@(?P<after>\d+))?", re.ASCII
)


class Fault(BaseModel):
    """One rule: which calls get which fault.

    Attributes:
        endpoint: the operations: a name of the endpoint table, or a pattern such as `finetune.*`.
        fault: `status` (refuse: with an HTTP `status` or a platform's `code`, in the operation's
            own shape), `slow` (wait first), `hold` (wait until the rule is removed), `stall` (go
            silent), `cut` (end without the end mark), `reset` (break the connection), `error` (an
            error in mid-stream), `malformed` (half of the JSON), `drip` (a pause before each piece
            of a stream), `split` (packets that end inside a character), `fail` (what the call
            creates ends in its failed state).
        after: how many pieces of a stream are sent first.
        status: the HTTP status of a refusal, 400 to 599.
        code: the platform's code of a refusal, a number or a word.
        retry_after: the refusal's header `Retry-After`.
        chance: the share of calls that get the fault, 0 to 1; the same calls for the same `seed`.
        times: how many more calls get it, None without a limit.
        seconds: of `slow`, of `stall` (0: without end), of each pause of `drip`; or [low, high], a
            random time.
        struck: how many calls have got it.
    """

    model_config = ConfigDict(extra="forbid")

    id: str = Field(default_factory=lambda: f"fault-{secrets.token_hex(3)}")
    endpoint: str = "*"
    fault: FaultKind = "status"
    after: int = Field(default=0, ge=0)
    status: int | None = Field(default=None, ge=400, le=599)
    code: int | str | None = None
    retry_after: str = Field(default="", coerce_numbers_to_str=True)
    chance: float = Field(default=1.0, ge=0, le=1)
    seed: int = 7
    times: int | None = Field(default=1, ge=0)
    seconds: float | tuple[float, float] = 0.0
    struck: int = 0
    _random: random.Random = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Seed the random numbers, so that the same rule hits the same calls."""
        self._random = random.Random(f"{self.seed} {self.endpoint} {self.fault}")  # noqa: S311 - not for secrets

    @field_validator("endpoint")
    @classmethod
    def _validate_endpoint(cls, pattern: str) -> str:
        if pattern != "*" and not any(fnmatchcase(name, pattern) for name in ENDPOINTS):
            raise ValueError(
                f"{pattern!r} matches no operation; operations are named e.g. chat.v2, "
                "finetune.*, *"
            )
        return pattern

    @field_validator("seconds")
    @classmethod
    def _validate_seconds(cls, seconds: float | tuple[float, float]) -> float | tuple[float, float]:
        low, high = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        if not 0 <= low <= high <= MAX_SECONDS:
            raise ValueError(f"{seconds!r}: must be 0 to {MAX_SECONDS:g} seconds, or [low, high]")
        return seconds

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Return the rule in a header: `503`, `429:2` (Retry-After), `336100`, `rst@3`, `stall:5`.

        Raises:
            ValueError: the text has a different form, or there is no such fault.
        """
        match = _HEADER_PATTERN.fullmatch(text.strip())
        if match is None:
            raise ValueError(
                f"{text!r} is not of the form kind[:seconds][@pieces], e.g. 429:2, rst@3, stall:5"
            )
        kind = match["kind"]
        number = match["number"]
        after = int(match["after"] or 0)
        if kind.isdigit():
            error = {"status": int(kind)} if 400 <= int(kind) <= 599 else {"code": int(kind)}
            return cls(fault="status", retry_after=number or "", **error)
        return cls.model_validate(
            {"fault": _ABBREVIATIONS.get(kind, kind), "seconds": float(number or 0), "after": after}
        )

    def applies_to(self, endpoint: str) -> bool:
        """Return whether a call gets the fault, and count it."""
        if (
            self.times == 0
            or not fnmatchcase(endpoint, self.endpoint)
            or self._random.random() >= self.chance
        ):
            return False
        self.times = None if self.times is None else self.times - 1
        self.struck += 1
        return True

    def pause_seconds(self) -> float:
        """Return how long it takes this time, in seconds; a random time within its range."""
        return (
            self._random.uniform(*self.seconds) if isinstance(self.seconds, tuple) else self.seconds
        )


@dataclass
class FaultRules:
    """The faults that are switched on."""

    rules: list[Fault] = field(default_factory=list)

    def match(self, endpoint: str) -> Fault | None:
        """Return the fault for a call, and count it."""
        return next((fault for fault in self.rules if fault.applies_to(endpoint)), None)

    def remove(self, id_: str) -> bool:
        """Switch a rule off; return whether it existed."""
        before = len(self.rules)
        self.rules[:] = [fault for fault in self.rules if fault.id != id_]
        return len(self.rules) < before


def describe_error(error: ValueError) -> str:
    """Return the errors in a rule on one line."""
    problems = error.errors() if isinstance(error, ValidationError) else []
    return "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in problems) or str(
        error
    )


@contextmanager
def fault_injection(fault: Fault | None) -> Iterator[None]:
    """While the context is open, let what is created fail, if that is the fault."""
    token = FAULT_INJECTED.set(fault is not None and fault.fault == "fail")
    try:
        yield
    finally:
        FAULT_INJECTED.reset(token)
