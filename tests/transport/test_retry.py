"""The retry policy, as a table."""

import pytest

from qfnb import errors
from qfnb.transport.client import RetryPolicy

BUSY = errors.ServerError(336100, "busy")
LIMIT = errors.RateLimitError(18, "qps")


@pytest.mark.parametrize(
    ("error", "repeatable", "is_retried"),
    [
        (BUSY, True, True),
        (BUSY, False, False),
        (LIMIT, True, True),
        (LIMIT, False, True),
        (errors.ConnectionFailed("x", sent=False), False, True),
        (errors.ConnectionFailed("x", sent=True), False, False),
        (errors.ConnectionFailed("x", sent=True), True, True),
        (errors.RequestTimeoutError("x"), True, True),
        (errors.RequestTimeoutError("x"), False, False),
        (errors.AuthError(14, "x"), True, False),
        (errors.NotActivatedError(17, "x"), True, False),
        (errors.APIError(336003, "x"), True, False),
        (errors.UnexpectedContent("x"), True, False),
        (errors.StreamInterrupted("x"), True, False),
        (ValueError("x"), True, False),
    ],
)
def test_only_useful_and_harmless_retries_are_made(error, repeatable, is_retried):
    assert (RetryPolicy().next_delay_s(error, 1, repeatable=repeatable) is not None) == is_retried


def test_attempts_are_limited():
    assert RetryPolicy(attempts=3).next_delay_s(BUSY, 3, repeatable=True) is None


@pytest.mark.parametrize(("n_attempts", "max_delay_s"), [(1, 1.0), (2, 2.0)])
def test_delays_grow_and_are_random(n_attempts, max_delay_s):
    assert RetryPolicy().next_delay_s(BUSY, n_attempts, repeatable=True, random_=lambda: 0.0) == 0
    assert (
        RetryPolicy().next_delay_s(BUSY, n_attempts, repeatable=True, random_=lambda: 1.0)
        == max_delay_s
    )


@pytest.mark.fault("F52")
def test_retry_after_is_honoured_up_to_a_limit():
    short_wait = errors.RateLimitError(18, "x", retry_after=7.0)
    long_wait = errors.RateLimitError(18, "x", retry_after=121.0)
    assert RetryPolicy().next_delay_s(short_wait, 1, repeatable=True) == 7
    assert RetryPolicy().next_delay_s(long_wait, 1, repeatable=True) is None
