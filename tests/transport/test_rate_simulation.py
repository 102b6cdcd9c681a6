"""Whole batches against limits of several kinds, simulated in virtual time: how long they take, how
much is refused.
"""

import asyncio
import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.rate_simulation import BOUNDS, LIMITS, Server, create_shared, send_all, simulate
from support.virtual_time import run_virtually

from qfnb.transport import clock
from qfnb.transport.rate_limiter import LEASE_S


@pytest.mark.fault("F53", "F55", "F57")
@pytest.mark.parametrize(
    ("limit", "has_headers", "is_fixed", "processes"),
    list(itertools.product(LIMITS, (True, False), (True, False), (1, 2))),
    ids=str,
)
def test_limits_are_used_and_hardly_exceeded(limit, has_headers, is_fixed, processes):
    outcome = simulate(limit, has_headers=has_headers, is_fixed=is_fixed, processes=processes)
    bound = BOUNDS[limit, has_headers, processes]
    assert outcome.refused_share <= bound.refused_share
    assert outcome.slowness <= bound.slowness


@pytest.mark.parametrize("share", [0.01, 0.03, 0.1])
@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(None, 35), (0.1, 12), (1.0, 15), (5.0, 35), (30.0, 160)]
)
def test_sporadic_refusals_hold_back_only_the_rows_that_got_them(share, retry_after, seconds):
    server = Server(fault_share=share, retry_after=retry_after, rng=random.Random(1))
    assert run_virtually(send_all(server, 2000)) < seconds, (
        "6 seconds of calls, and the waits of a row refused often"
    )


@pytest.mark.parametrize("retry_after", [None, 0.1, 1.0, 5.0])
def test_a_limit_is_used_beside_sporadic_refusals(retry_after):
    server = Server(limit=600, fault_share=0.03, retry_after=retry_after, rng=random.Random(1))
    assert run_virtually(send_all(server, 3000)) < 1.4 * server.ideal_s(3000)
    assert server.refused < 200, "93 at random"


@pytest.mark.parametrize("seed", range(5))
def test_a_limit_of_a_second_that_no_header_tells_is_used(seed):
    server = Server(limit=100, window=1.0, rng=random.Random(seed))
    assert run_virtually(send_all(server, 6000, workers=32)) < 75, "60 at the limit"
    assert server.refused < 300


@pytest.mark.fault("F55")
@pytest.mark.parametrize("seed", range(5))
def test_a_limit_of_a_minute_in_the_headers_is_never_exceeded(seed):
    server = Server(limit=60, has_headers=True, rng=random.Random(seed))
    assert run_virtually(send_all(server, 300)) < 320
    assert server.refused == 0


@pytest.mark.fault("F53")
@pytest.mark.parametrize("seed", range(5))
def test_a_limit_of_a_minute_that_no_header_tells_is_found_in_its_first_minute(seed):
    server = Server(limit=60, rng=random.Random(seed))
    assert run_virtually(send_all(server, 120)) < 125, "60 at once, the others from second 60 on"
    assert server.refused <= 24, "sixteen are in flight at the first refusal"


@pytest.mark.parametrize("rpm", [10, 60])
@pytest.mark.parametrize("seed", range(3))
def test_a_low_limit_that_no_header_tells_refuses_hardly_more_than_the_burst_at_the_start(
    rpm, seed
):
    server = Server(limit=rpm, rng=random.Random(seed))
    assert run_virtually(send_all(server, 8 * rpm, workers=16)) < 510, "480 at the limit"
    assert server.refused <= 30, (
        "16 in flight at the first refusal, seven probes, and the rate that rises once"
    )


gaps = st.one_of(st.just(0.0), st.floats(0, 0.01), st.floats(0, 90))


@pytest.mark.fault("F58", "F59")
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    limit=st.integers(1, 120),
    early=st.integers(0, 130),
    calls=st.lists(st.tuples(gaps, st.integers(0, 1), st.booleans()), min_size=1, max_size=150),
)
def test_once_a_limit_is_known_no_sixty_seconds_get_more(tmp_path_factory, limit, early, calls):
    """Calls come in any pattern to two processes that share a limit; some are cancelled while they
    wait.
    """
    path = tmp_path_factory.mktemp("limits") / "shared"

    async def simulate_calls():
        limiters = [create_shared(random.Random(0), path) for _ in range(2)]
        times = []
        tasks = []

        async def send(process):
            await limiters[process].acquire()
            times.append(clock.now())
            limiters[process].release()

        for _ in range(early):
            await send(0)
        await asyncio.sleep(2 * LEASE_S)
        for limiter in limiters:
            limiter.requests.set_ceiling("job", limit)
        for gap, process, is_cancelled in calls:
            await asyncio.sleep(gap)
            tasks.append(asyncio.ensure_future(send(process)))
            if is_cancelled:
                await asyncio.sleep(0)
                tasks[-1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(
            limiter.in_flight == 0 and not limiter._queue_lock.locked() for limiter in limiters
        )
        idle_from = clock.now()
        await send(0)
        return times, clock.now() - idle_from

    times, wait_s = run_virtually(simulate_calls())
    for end in range(early, len(times)):
        assert sum(time > times[end] - 60 for time in times[: end + 1]) <= limit
    assert wait_s <= 62, "cancelled calls took no turn"
