"""Whole batches against limits of several kinds, simulated in virtual time: how long they take, how much is refused."""

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings, strategies as st
from support.virtual_time import run_virtually

from qfnb.errors import RateLimitError
from qfnb.transport import clock
from qfnb.transport.rate_limiter import RateLimiter


@dataclass
class Server:
    """Answers `limit` requests in any `window` seconds, and refuses a share of them at random."""

    limit: float = float("inf")
    window: float = 60.0
    fault_share: float = 0.0
    retry_after: float | None = None
    headers: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    accepted: deque[float] = field(default_factory=deque)
    rng: random.Random = field(default_factory=random.Random)

    def accepts(self) -> bool:
        now = clock.now()
        while self.accepted and self.accepted[0] <= now - self.window:
            self.accepted.popleft()
        is_accepted = len(self.accepted) < self.limit and self.rng.random() >= self.fault_share
        if is_accepted:
            self.accepted.append(now)
        self.refused += not is_accepted
        return is_accepted


async def call(limiter: RateLimiter, server: Server) -> bool:
    """Send once; return whether it was answered."""
    refusals, latency_s = await limiter.acquire(), 0.02 + server.rng.random() * 0.06
    await asyncio.sleep(latency_s / 2)
    is_accepted = server.accepts()
    await asyncio.sleep(latency_s / 2)
    if is_accepted:
        limiter.record_success(refusals, server.headers, latency_s=latency_s)
    else:
        error = RateLimitError("rpm_rate_limit_exceeded", "too fast", retry_after=server.retry_after)
        limiter.record_refusal(refusals, error)
    limiter.release()
    return is_accepted


async def send_all(server: Server, rows: int, workers: int = 16, canary: int = 3) -> float:
    """Send rows as a batch does, each until it is answered; return the seconds."""
    limiter = RateLimiter(random_=server.rng.random)
    remaining = iter(range(rows))

    async def work(numbers):
        for _ in numbers:
            while not await call(limiter, server):
                await asyncio.sleep(server.retry_after or server.rng.random())

    await asyncio.gather(*(work([next(remaining)]) for _ in range(canary)))
    await asyncio.gather(*(work(remaining) for _ in range(workers)))
    return clock.now()


@pytest.mark.parametrize("seed", range(5))
def test_sporadic_refusals_do_not_slow_a_fast_batch(seed):
    server = Server(fault_share=0.03, retry_after=0.1, rng=random.Random(seed))
    assert run_virtually(send_all(server, 1000)) < 20, "3 seconds of calls, and 31 pauses"


@pytest.mark.parametrize("seed", range(5))
def test_sporadic_refusals_without_a_retry_after_cost_seconds_each(seed):
    server = Server(fault_share=0.03, rng=random.Random(seed))
    assert run_virtually(send_all(server, 1000)) < 150, "31 pauses of up to 2 seconds, longer for several in a row"


@pytest.mark.parametrize("seed", range(5))
def test_a_limit_of_a_second_that_no_header_tells_is_used(seed):
    server = Server(limit=100, window=1.0, rng=random.Random(seed))
    assert run_virtually(send_all(server, 6000, workers=32)) < 75, "60 at the limit"
    assert server.refused < 300


@pytest.mark.fault("F55")
@pytest.mark.parametrize("seed", range(5))
def test_a_limit_of_a_minute_in_the_headers_is_never_exceeded(seed):
    server = Server(limit=60, headers={"x-ratelimit-limit-requests": "60"}, rng=random.Random(seed))
    assert run_virtually(send_all(server, 300)) < 320
    assert server.refused == 0


@pytest.mark.fault("F53")
@pytest.mark.parametrize("seed", range(5))
def test_a_limit_of_a_minute_that_no_header_tells_is_found_in_its_first_minute(seed):
    server = Server(limit=60, rng=random.Random(seed))
    assert run_virtually(send_all(server, 120)) < 125, "60 at once, the others from second 60 on"
    assert server.refused <= 30, "sixteen are in flight at the first refusal"


@settings(deadline=None, max_examples=60)
@given(
    limit=st.integers(1, 120),
    early=st.integers(0, 130),
    gaps=st.lists(st.one_of(st.just(0.0), st.floats(0, 0.01), st.floats(0, 90)), min_size=1, max_size=150),
)
def test_once_a_limit_is_known_no_sixty_seconds_get_more(limit, early, gaps):
    async def simulate():
        limiter, times = RateLimiter(), []
        for number, gap in enumerate([0.0] * early + gaps):
            if number == early:
                limiter.requests.set_ceiling("headers", limit)
            await asyncio.sleep(gap)
            await limiter.acquire()
            times.append(clock.now())
        return times

    times = run_virtually(simulate())
    for end in range(early, len(times)):
        assert sum(time > times[end] - 60 for time in times[: end + 1]) <= limit
