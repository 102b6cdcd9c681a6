"""Modes, quotas and faults of the sandbox. Faults are injected by rules, the first that applies to
a call decides.

Only the control token can switch them on, for all calls or for one; they end with the server.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from qfnb.base.language import tr
from qfnb.errors import InvalidArgumentError
from qfnb.wire.base import JsonMapping
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
        seconds: of `slow`, of `stall` (0: without end), of each pause of `drip`.
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
    seconds: float = Field(default=0.0, ge=0, le=MAX_SECONDS)
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
            if 400 <= int(kind) <= 599:
                error = {"status": int(kind)}
            else:
                error = {"code": int(kind)}
            return cls(fault="status", retry_after=number or "", **error)
        return cls.model_validate(
            {"fault": _ABBREVIATIONS.get(kind, kind), "seconds": float(number or 0), "after": after}
        )

    def applies_to(self, endpoint: str) -> bool:
        """Return whether a call gets the fault, and count it."""
        if self.times == 0 or not fnmatchcase(endpoint, self.endpoint):
            return False
        if self._random.random() >= self.chance:
            return False
        if self.times is not None:
            self.times -= 1
        self.struck += 1
        return True


@dataclass
class FaultRules:
    """The faults that are switched on."""

    rules: list[Fault] = field(default_factory=list)

    def match(self, endpoint: str) -> Fault | None:
        """Return the fault for a call, and count it."""
        for fault in self.rules:
            if fault.applies_to(endpoint):
                return fault
        return None

    def remove(self, id_: str) -> bool:
        """Switch a rule off; return whether it existed."""
        before = len(self.rules)
        self.rules[:] = [fault for fault in self.rules if fault.id != id_]
        return len(self.rules) < before


def describe_error(error: ValueError) -> str:
    """Return the errors in a rule on one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    problems = []
    for row in error.errors():
        location = ".".join(map(str, row["loc"]))
        problems.append(f"{location}: {row['msg']}")
    return "; ".join(problems)


@contextmanager
def fault_injection(fault: Fault | None) -> Iterator[None]:
    """While the context is open, let what is created fail, if that is the fault."""
    token = FAULT_INJECTED.set(fault is not None and fault.fault == "fail")
    try:
        yield
    finally:
        FAULT_INJECTED.reset(token)


ENVIRONMENT_STRICT = "QFNB_SANDBOX_STRICT"
"""`1` or `0`: the mode `strict` of a server that starts."""


class Modes(BaseModel):
    """The modes of a sandbox; they stay until they are changed."""

    model_config = ConfigDict(extra="forbid")

    strict: bool = False  # retired models, v1's inference and unknown keys are refused

    @classmethod
    def at_start(cls, stored: JsonMapping) -> Modes:
        """Return the stored modes, with that of the environment.

        Raises:
            InvalidArgumentError: the variable is neither 1 nor 0.
        """
        strict = os.environ.get(ENVIRONMENT_STRICT, "")
        if strict not in {"", "0", "1"}:
            raise InvalidArgumentError(
                tr("{name}={value}: must be 1 or 0", name=ENVIRONMENT_STRICT, value=strict)
            )
        return cls(strict=strict == "1" if strict else stored.get("strict", False))


UNLIMITED_RPM = 60_000
"""Requests per minute in the headers when no limit is set."""

WINDOW_SECONDS = 60.0


class RateQuota:
    """A limit of requests and tokens in any sixty seconds; none by default.

    Attributes:
        rpm: requests per minute, None without a limit.
        tpm: tokens per minute, None without a limit.
        silent: whether the headers omit the limits.
        refused: how many requests exceeded a limit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.rpm: int | None = None
        self.tpm: int | None = None
        self.silent = False
        self.refused = 0
        self._clock = clock
        self._requests: deque[float] = deque()
        self._tokens: deque[tuple[float, int]] = deque()

    def set_limits(
        self, rpm: int | None = None, tpm: int | None = None, *, silent: bool = False
    ) -> None:
        """Set the limits, None for no limit, and forget earlier requests."""
        self.rpm = rpm
        self.tpm = tpm
        self.silent = silent
        self.refused = 0
        self._requests.clear()
        self._tokens.clear()

    def acquire(self) -> str:
        """Count a request; return the limit that it exceeds, `rpm` or `tpm`, "" for none."""
        if self.rpm is None and self.tpm is None:
            return ""
        self._drop_expired()
        exceeded = ""
        if self.rpm is not None and len(self._requests) >= self.rpm:
            exceeded = "rpm"
        elif self.tpm is not None and self._used_tokens() >= self.tpm:
            exceeded = "tpm"
        if exceeded:
            self.refused += 1
        else:
            self._requests.append(self._clock())
        return exceeded

    def record_tokens(self, body: JsonMapping) -> None:
        """Count the tokens of an answer."""
        usage = body.get("usage") or {}
        self._tokens.append((self._clock(), int(usage.get("total_tokens") or 0)))

    def headers(self) -> dict[str, str]:
        """Return the headers of an answer about the limits."""
        if self.silent:
            return {}
        rpm = self.rpm or UNLIMITED_RPM
        headers = {
            "x-ratelimit-limit-requests": str(rpm),
            "x-ratelimit-remaining-requests": str(max(0, rpm - len(self._requests))),
        }
        if self.tpm is not None:
            remaining = max(0, self.tpm - self._used_tokens())
            headers["x-ratelimit-limit-tokens"] = str(self.tpm)
            headers["x-ratelimit-remaining-tokens"] = str(remaining)
        return headers

    def _used_tokens(self) -> int:
        return sum(tokens for _, tokens in self._tokens)

    def _drop_expired(self) -> None:
        start = self._clock() - WINDOW_SECONDS
        while self._requests and self._requests[0] <= start:
            self._requests.popleft()
        while self._tokens and self._tokens[0][0] <= start:
            self._tokens.popleft()


@dataclass
class DeliveryCounter:
    """Counts how often each request was received and answered, while it is switched on.

    Attributes:
        marker: only requests that contain it are counted.
    """

    is_on: bool = False
    marker: bytes = b""
    received: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)

    def count(self, content: bytes, *, answered: bool) -> None:
        """Count a request by its content."""
        if self.is_on and self.marker in content:
            digest = hashlib.sha256(content).hexdigest()[:16]
            counts = self.answered if answered else self.received
            counts[digest] += 1

    def report(self) -> dict[str, int]:
        """Return the numbers of requests received and answered: all, distinct, and of the most
        frequent one.
        """
        return {
            "came": self.received.total(),
            "answered": self.answered.total(),
            "distinct": len(self.received),
            "distinct_answered": len(self.answered),
            "most": max(self.received.values(), default=0),
            "most_answered": max(self.answered.values(), default=0),
        }
