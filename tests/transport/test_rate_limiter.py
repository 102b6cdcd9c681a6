"""Rate limits are never exceeded, and learned from headers and refusals."""

import asyncio

import pytest
from support.virtual_time import run_virtually

from qfnb import config
from qfnb.errors import InvalidArgumentError, RateLimitError
from qfnb.transport import clock, event_loop
from qfnb.transport.rate_limiter import MAX_SUSPICION, SLOW_STABLE_SECONDS, RateLimiter


def run_in_virtual_time(act):
    """Run a coroutine function in virtual time."""
    return run_virtually(act())


def make_refusal(code="rpm_rate_limit_exceeded", after=None):
    return RateLimitError(code, "too fast", retry_after=after)


def refuse(
    limiter, started_at=0, after=None, code="rpm_rate_limit_exceeded", times=int(MAX_SUSPICION)
):
    """Refuse as many calls as show that there is a limit."""
    for _ in range(times):
        limiter.record_refusal(started_at, make_refusal(code, after))


def test_limits_are_learned_from_headers():
    async def act():
        limiter = RateLimiter()
        started_at = await limiter.acquire()
        limiter.record_success(
            started_at,
            {"x-ratelimit-limit-requests": "120", "x-ratelimit-limit-tokens": "90000"},
            used_tokens=50,
        )
        return limiter

    limiter = run_in_virtual_time(act)
    assert (limiter.requests.rate, limiter.tokens.rate) == (120, 90000)
    assert limiter.describe().startswith("120 requests/min (of the platform) · 90,000 tokens/min")


def test_settings_win_when_they_are_lower():
    limiter = RateLimiter()
    settings = config.Settings(rpm_limit=30)
    limiter.apply_settings(settings)
    limiter.requests.set_ceiling("job", 60)
    assert (limiter.requests.rate, limiter.requests.source) == (30, "settings")
    limiter.apply_settings(config.Settings())
    assert (limiter.requests.rate, limiter.requests.source) == (60, "job")


@pytest.mark.parametrize(
    "limits", [{"qps_limit": 1, "rpm_limit": 60}, {"rpm_limit": -1}, {"tpm_limit": float("nan")}]
)
def test_invalid_limits_are_named(limits):
    with pytest.raises(InvalidArgumentError, match=r"QIANFAN_(QPS|RPM|TPM)_LIMIT"):
        RateLimiter().apply_settings(config.Settings(**limits))


@pytest.mark.fault("F54")
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
    limiter = RateLimiter()
    limiter.record_success(0, {"x-ratelimit-limit-requests": "60000", **headers})
    assert max(limiter.seconds_to_wait(), 0) == pytest.approx(seconds, abs=0.1)


def test_a_call_that_would_wait_longer_than_allowed_says_what_it_waits_for():
    async def act():
        limiter = RateLimiter()
        refuse(limiter, after=40.0)
        with pytest.raises(
            RateLimitError, match=r"held back .* until \d\d:\d\d:\d\d: .*nothing was sent"
        ) as raised:
            await limiter.acquire(max_wait_s=8)
        return raised.value, clock.now(), limiter.in_flight

    error, seconds, in_flight = run_in_virtual_time(act)
    assert (error.was_sent, seconds, in_flight) == (False, 0, 0)


@pytest.mark.fault("F53")
def test_a_token_refusal_lowers_the_token_rate():
    limiter = RateLimiter()
    limiter.record_success(0, {}, used_tokens=5000)
    refuse(limiter, code="tpm_rate_limit_exceeded")
    limiter.record_success(limiter.refusals, {})
    assert (limiter.tokens.source, limiter.requests.rate) == ("refusals", None)


@pytest.mark.parametrize(("after", "seconds"), [(None, 2.0), (7.0, 7.0), (0.0, 0.0)])
def test_retry_after_is_honoured(after, seconds):
    limiter = RateLimiter(random_=lambda: 1.0)
    limiter.requests.set_ceiling("job", 1e6)
    refuse(limiter, after=after)
    assert max(limiter.seconds_to_wait(), 0) == pytest.approx(seconds, abs=0.05)


def test_a_stable_period_raises_the_rate_up_to_the_ceiling():
    limiter = RateLimiter()
    limiter.requests.set_ceiling("job", 100)
    limiter.requests.slow_down(100, 100, 0.0)
    for tick in range(1, 10):
        limiter.requests.recover(tick * (SLOW_STABLE_SECONDS + 1))
    assert (limiter.requests.rate, limiter.requests.source) == (100, "job")


def test_used_tokens_replace_the_estimate():
    async def act():
        limiter = RateLimiter()
        limiter.tokens.set_ceiling("settings", 6000)
        started_at = await limiter.acquire(3000)
        before = limiter.seconds_to_wait()
        limiter.record_success(started_at, {}, estimate=3000, used_tokens=100)
        return before, limiter.seconds_to_wait()

    before, after = run_in_virtual_time(act)
    assert before == pytest.approx(30 * 1.02, abs=0.1)
    assert after == pytest.approx(1.0 * 1.02, abs=0.1)


@pytest.mark.fault("F59")
def test_a_cancelled_waiter_does_not_use_a_turn():
    async def act():
        limiter = RateLimiter()
        limiter.requests.set_ceiling("job", 60)
        await limiter.acquire()
        waiters = [asyncio.ensure_future(limiter.acquire()) for _ in range(50)]
        await asyncio.sleep(0)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        return limiter

    limiter = event_loop.run(act())
    assert limiter.in_flight == 1
    assert limiter.seconds_to_wait() < 1.1


def test_turns_come_in_the_order_of_arrival():
    async def act():
        limiter = RateLimiter()
        order = []
        limiter.requests.set_ceiling("job", 6000)

        async def acquire_turn(number):
            await limiter.acquire()
            order.append(number)

        await asyncio.gather(*(acquire_turn(number) for number in range(20)))
        return order

    assert run_in_virtual_time(act) == list(range(20))


def test_a_retry_after_of_a_day_does_not_pause_other_calls():
    limiter = RateLimiter()
    refuse(limiter, after=99999.0)
    assert 0 < limiter.seconds_to_wait() <= 60


def test_the_description_has_the_refusals_and_the_wait():
    async def act():
        limiter = RateLimiter(random_=lambda: 1.0)
        refuse(limiter, times=int(MAX_SUSPICION) - 1)
        for after in (0.0, 0.0, 42.0):
            limiter.record_refusal(await limiter.acquire(), make_refusal(after=after))
            limiter.release()
        descriptions = limiter.describe()
        await clock.sleep(42)
        return descriptions, limiter.describe()

    descriptions, at_its_end = run_in_virtual_time(act)
    assert "refused 3 times · waiting 42 s" in descriptions
    assert at_its_end.endswith("refused 3 times")


def test_one_refusal_at_the_start_costs_a_batch_seconds_not_minutes(control, fault):
    import qfnb

    control.post("/_sandbox/limits", json={"silent": True})
    fault("chat.v2", "status", status=429, times=1)
    try:
        batch = qfnb.batch([f"问 {n}" for n in range(30)], canary=0, name="one-refusal")
        batch.wait()
    finally:
        control.post("/_sandbox/limits", json={})
    assert batch.progress.ok == 30


@pytest.mark.fault("F52")
def test_a_call_with_a_retry_after_of_a_day_fails_at_once_and_says_so(scripted):
    from support.scripted_server import http_answer

    import qfnb

    scripted(
        [
            http_answer(
                b'{"error":{"code":"rpm_rate_limit_exceeded"}}',
                status="429 x",
                more="retry-after: 99999\r\n",
            )
        ]
    )
    with pytest.raises(RateLimitError, match="retry after 99999 s"):
        qfnb.ChatCompletion(model="told-tomorrow").do("x")


def test_no_time_of_a_call_passes_while_it_is_paused():
    async def act():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1) as timeout:
                with clock.paused(timeout):
                    await asyncio.sleep(20)
                assert clock.remaining_s(timeout) == 1
                await asyncio.sleep(5)
        return clock.now()

    assert run_in_virtual_time(act) == 21
