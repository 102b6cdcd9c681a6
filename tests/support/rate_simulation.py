"""Batches against rate limits in virtual time."""

from __future__ import annotations

import asyncio
import math
import random
import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from qfnb._jobs.worker_pool import WorkerPool
from qfnb.errors import RateLimitError
from qfnb.transport import clock
from qfnb.transport.client import MAX_REFUSAL_WAIT_S, wire_state
from qfnb.transport.rate_limiter import RateLimiter
from qfnb.transport.shared_rate_limiter import LockedFile
from support.virtual_time import run_virtually

TOKENS = 500
"""Tokens of a call; the limiter's estimate is that of a short prompt, 200 for the answer."""


@dataclass
class Server:
    """A platform that limits requests or tokens, and refuses a share of the calls at random.

    Attributes:
        limit: units in a window.
        window: seconds.
        is_fixed: whether windows begin at fixed times; otherwise any `window` seconds are one.
        unit: `requests` or `tokens`.
        has_headers: whether answers name the limit.
        fault_share: of calls that are refused at random.
        retry_after: seconds that refusals name.
        latency_s: of an answer, from the shortest to the longest.
        refused: number of refusals.
    """

    limit: float = math.inf
    window: float = 60.0
    is_fixed: bool = False
    unit: str = "requests"
    has_headers: bool = False
    fault_share: float = 0.0
    retry_after: float | None = None
    latency_s: tuple[float, float] = (0.02, 0.08)
    refused: int = 0
    accepted: deque[tuple[float, int]] = field(default_factory=deque)
    rng: random.Random = field(default_factory=random.Random)

    @property
    def units_per_call(self) -> int:
        return TOKENS if self.unit == "tokens" else 1

    @property
    def headers(self) -> dict[str, str]:
        """The headers of an answer."""
        return (
            {f"x-ratelimit-limit-{self.unit}": f"{self.limit * 60 / self.window:g}"}
            if self.has_headers
            else {}
        )

    def accepts(self) -> bool:
        """Count a call that has arrived; return whether it is answered."""
        now = clock.now()
        start = now // self.window * self.window if self.is_fixed else now - self.window
        while self.accepted and (
            self.accepted[0][0] < start or (not self.is_fixed and self.accepted[0][0] == start)
        ):
            self.accepted.popleft()
        used = (
            sum(units for _, units in self.accepted)
            if self.unit == "tokens"
            else len(self.accepted)
        )
        is_accepted = used < self.limit and self.rng.random() >= self.fault_share
        if is_accepted:
            self.accepted.append((now, self.units_per_call))
        self.refused += not is_accepted
        return is_accepted

    def ideal_s(self, rows: int) -> float:
        """Return the seconds that a client needs that sends evenly, exactly at the limit."""
        return rows * self.units_per_call / self.limit * self.window


async def call(limiter: RateLimiter, server: Server) -> bool:
    """Send once; return whether it was answered."""
    estimate = limiter.estimate_tokens(60, None)
    refusals = await limiter.acquire(estimate)
    latency_s = server.rng.uniform(*server.latency_s)
    await asyncio.sleep(server.latency_s[0] / 2)
    is_accepted = server.accepts()
    if is_accepted:
        await asyncio.sleep(latency_s - server.latency_s[0] / 2)
        tokens = {"estimate": estimate, "used_tokens": TOKENS} if server.unit == "tokens" else {}
        limiter.record_success(refusals, server.headers, latency_s=latency_s, **tokens)
    else:
        await asyncio.sleep(server.latency_s[0] / 2)
        code = "tpm_rate_limit_exceeded" if server.unit == "tokens" else "rpm_rate_limit_exceeded"
        limiter.record_refusal(
            refusals, RateLimitError(code, "too fast", retry_after=server.retry_after)
        )
    limiter.release()
    return is_accepted


async def send_all(
    server: Server,
    rows: int,
    workers: int = 16,
    canary: int = 3,
    limiter: RateLimiter | None = None,
) -> float:
    """Send rows as a batch does, each until it is answered; return the second of the last
    answer.
    """
    limiter = limiter or RateLimiter(random_=server.rng.random)
    remaining = iter(range(rows))

    async def process(_number: int) -> None:
        refusals = 0
        while not await call(limiter, server):
            refusals += 1
            bound_s = min(2.0 ** (refusals - 1), MAX_REFUSAL_WAIT_S)
            random_s = server.rng.random() * bound_s
            await wire_state.get().rest(
                random_s if server.retry_after is None else server.retry_after
            )

    async def pull() -> int | None:
        return next(remaining, None)

    await asyncio.gather(*(process(next(remaining)) for _ in range(canary)))
    await WorkerPool(pull, process, workers).run()
    return clock.now()


async def send_from_processes(server: Server, rows: int, limiters: list[RateLimiter]) -> float:
    """Send rows in equal parts, each with a limiter of its own; return the second of the last
    answer.
    """
    parts = [send_all(server, rows // len(limiters), limiter=limiter) for limiter in limiters]
    return max(await asyncio.gather(*parts))


def create_shared(rng: random.Random, path: Path) -> RateLimiter:
    """Return a limiter that shares a file."""
    return RateLimiter(LockedFile(path, timer=clock.now), random_=rng.random)


LIMITS = {
    "60 requests/min": (60, 60.0, "requests"),
    "100 requests/s": (100, 1.0, "requests"),
    "60,000 tokens/min": (60_000, 60.0, "tokens"),
}
ROWS = {"60 requests/min": 300, "100 requests/s": 3000, "60,000 tokens/min": 480}


@dataclass(frozen=True)
class Outcome:
    """What one simulation came to.

    Attributes:
        refused_share: of all calls.
        slowness: the duration, as a multiple of the ideal one.
    """

    refused_share: float
    slowness: float


BOUNDS = {
    ("60 requests/min", True, 1): Outcome(0.0, 1.03),
    ("60 requests/min", True, 2): Outcome(0.0, 1.03),
    ("60 requests/min", False, 1): Outcome(0.08, 1.05),
    ("60 requests/min", False, 2): Outcome(0.12, 1.06),
    ("100 requests/s", True, 1): Outcome(0.0, 1.03),
    ("100 requests/s", True, 2): Outcome(0.0, 1.05),
    ("100 requests/s", False, 1): Outcome(0.02, 1.2),
    ("100 requests/s", False, 2): Outcome(0.03, 1.2),
    ("60,000 tokens/min", True, 1): Outcome(0.0, 1.03),
    ("60,000 tokens/min", True, 2): Outcome(0.01, 1.03),
    ("60,000 tokens/min", False, 1): Outcome(0.06, 1.08),
    ("60,000 tokens/min", False, 2): Outcome(0.09, 1.15),
}
"""What is promised for each limit, with or without headers, and number of processes; for both kinds
of window.
"""


def simulate(
    limit: str, *, has_headers: bool, is_fixed: bool, processes: int, seed: int = 0
) -> Outcome:
    """Return what a batch comes to that is sent in equal parts by some processes."""
    units, window, unit = LIMITS[limit]
    rng = random.Random(seed)
    server = Server(units, window, is_fixed, unit, has_headers, rng=rng)

    async def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            limiters = [create_shared(rng, Path(folder) / "limits") for _ in range(processes)]
            return await send_from_processes(server, ROWS[limit], limiters)

    seconds = run_virtually(run())
    return Outcome(
        server.refused / (ROWS[limit] + server.refused), seconds / server.ideal_s(ROWS[limit])
    )
