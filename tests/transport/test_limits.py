"""Rate limits: what is granted never exceeds what is allowed, and what the platform says is learned."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qfnb import config
from qfnb.errors import InvalidArgumentError, RateLimitError
from qfnb.transport import clock, portal
from qfnb.transport.limits import CALM, Limiter, Pace


def granted(rpm: float, arrivals: list[float]) -> list[float]:
    """Return when calls may go that come at these times."""
    pace, now, times = Pace(), 0.0, []
    pace.allow("headers", rpm)
    for arrival in arrivals:
        now = max(now, arrival)
        now += max(pace.wait(now), 0)
        pace.spend(1, now)
        times.append(now)
    return times


@given(
    rpm=st.integers(1, 5000),
    gaps=st.lists(st.one_of(st.just(0.0), st.floats(0, 90), st.floats(0, 0.01)), min_size=1, max_size=300),
)
def test_no_sixty_seconds_hold_more_requests_than_allowed(rpm, gaps):
    times = granted(rpm, list(itertools.accumulate(gaps)))
    for place, start in enumerate(times):
        assert sum(start <= time < start + 60 for time in times[place : place + rpm + 2]) <= rpm


def test_the_speed_is_what_is_allowed_less_a_margin():
    times = granted(60, [0.0] * 181)
    assert times[-1] == pytest.approx(180 * 1.02, rel=0.01)


def on_loop(act):
    """Run a coroutine function on the I/O loop, in no time."""
    with clock.testing():
        return portal.run(act())


def refusal(code="rpm_rate_limit_exceeded", after=None):
    return RateLimitError(code, "too fast", retry_after=after)


def test_limits_are_learned_from_headers():
    async def act():
        limiter = Limiter()
        since = await limiter.take()
        limiter.answered(
            since, {"x-ratelimit-limit-requests": "120", "x-ratelimit-limit-tokens": "90000"}, used=50
        )
        return limiter

    limiter = on_loop(act)
    assert (limiter.requests.rate, limiter.tokens.rate) == (120, 90000)
    assert limiter.describe().startswith("120 requests/min (平台 platform) · 90,000 tokens/min")


def test_settings_win_when_they_are_lower():
    limiter = Limiter()
    now = config.Settings(rpm_limit=30)
    limiter.allow(now)
    limiter.requests.allow("headers", 60)
    assert (limiter.requests.rate, limiter.requests.source) == (30, "settings")
    limiter.allow(config.Settings())
    assert (limiter.requests.rate, limiter.requests.source) == (60, "headers")


@pytest.mark.parametrize(
    "given", [{"qps_limit": 1, "rpm_limit": 60}, {"rpm_limit": -1}, {"tpm_limit": float("nan")}]
)
def test_limits_that_cannot_be_are_named(given):
    with pytest.raises(InvalidArgumentError, match=r"QIANFAN_(QPS|RPM|TPM)_LIMIT"):
        Limiter().allow(config.Settings(**given))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0"}, 1.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12"}, 12.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}, 60.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 1.0),
        ({"x-ratelimit-remaining-requests": "3"}, 0.0),
        ({"x-ratelimit-limit-requests": "many"}, 0.0),
    ],
)
def test_nothing_is_sent_while_nothing_remains(headers, seconds):
    limiter = Limiter()
    limiter.answered(clock.now(), {"x-ratelimit-limit-requests": "60000", **headers})
    assert max(limiter.wait(clock.now()), 0) == pytest.approx(seconds, abs=0.1)


def test_one_refusal_cuts_once_for_all_calls_that_were_under_way():
    async def act():
        limiter = Limiter(draw=lambda: 1.0)
        limiter.requests.allow("headers", 1000)
        since = [await limiter.take() for _ in range(8)]
        for moment in since:
            limiter.refused(moment, refusal())
        return limiter

    limiter = on_loop(act)
    assert limiter.refusals == 1
    assert limiter.window == 4
    assert limiter.requests.rate == 800


def test_without_a_known_limit_the_rate_becomes_what_the_last_minute_allowed():
    async def act():
        limiter = Limiter(draw=lambda: 1.0)
        for _ in range(60):
            limiter.answered(await limiter.take(), {})
            limiter.give_back()
        limiter.refused(await limiter.take(), refusal())
        return limiter

    limiter = on_loop(act)
    assert limiter.requests.rate == 60
    assert "refusals" in limiter.describe()


def test_a_token_refusal_slows_the_tokens():
    limiter = Limiter()
    limiter.answered(clock.now() - 1, {}, used=5000)
    limiter.refused(clock.now(), refusal("tpm_rate_limit_exceeded"))
    assert (limiter.tokens.rate, limiter.requests.rate) == (5000, None)


@pytest.mark.parametrize(("after", "seconds"), [(None, 2.0), (7.0, 7.0), (0.0, 0.0)])
def test_retry_after_is_honoured(after, seconds):
    limiter = Limiter(draw=lambda: 1.0)
    limiter.requests.allow("headers", 1e6)
    limiter.refused(clock.now(), refusal(after=after))
    assert max(limiter.wait(clock.now()), 0) == pytest.approx(seconds, abs=0.05)


def test_calm_brings_the_speed_back_up_to_the_ceiling():
    limiter = Limiter()
    limiter.requests.allow("headers", 100)
    limiter.requests.slow_down(0, 0.0)
    for tick in range(1, 10):
        limiter.requests.recover(tick * (CALM + 1))
    assert (limiter.requests.rate, limiter.requests.source) == (100, "headers")


def test_tokens_are_counted_as_used_not_as_estimated():
    async def act():
        limiter = Limiter()
        limiter.tokens.allow("settings", 6000)
        since = await limiter.take(3000)
        before = limiter.wait(clock.now())
        limiter.answered(since, {}, estimate=3000, used=100)
        return before, limiter.wait(clock.now())

    before, after = on_loop(act)
    assert before == pytest.approx(30 * 1.02, abs=0.1)
    assert after == pytest.approx(1.0 * 1.02, abs=0.1)


def test_a_cancelled_waiter_takes_no_turn_with_it():
    async def act():
        limiter = Limiter()
        limiter.requests.allow("headers", 60)
        await limiter.take()
        waiters = [asyncio.ensure_future(limiter.take()) for _ in range(50)]
        await asyncio.sleep(0)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        return limiter

    limiter = portal.run(act())
    assert limiter.in_flight == 1
    assert limiter.wait(clock.now()) < 1.1


def test_turns_come_in_the_order_of_asking():
    async def act():
        limiter, order = Limiter(), []
        limiter.requests.allow("headers", 6000)

        async def one(number):
            await limiter.take()
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(20)))
        return order

    assert on_loop(act) == list(range(20))
