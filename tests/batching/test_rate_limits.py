"""A batch against a sandbox that limits requests, on a clock that runs a hundred times as fast.

How much is refused, and how long it takes, is asserted in virtual time
(tests/transport/test_rate_simulation.py): here the clock is real, and a computer that is busy for
10 ms lets a second pass.
"""

import pytest
from support.sandbox_thread import run_world

import qfnb
from qfnb.transport import clock

SPEED_UP = 100


@pytest.fixture
def world(tmp_path):
    with qfnb.testing(1 / SPEED_UP), run_world(tmp_path, clock.now) as world:
        yield world


def run_batch(count, name):
    """Run a batch to its end; return its progress and its rate limiter."""
    batch = qfnb.batch([f"第 {number} 个问题" for number in range(count)], workers=16, name=name)
    batch.wait()
    return batch.progress, batch.job.pool.members[0].limiter


@pytest.mark.fault("F55")
def test_a_batch_takes_the_limit_of_the_headers_and_loses_no_row(world):
    world.quota.set_limits(60)
    progress, limiter = run_batch(180, "rpm-headers")
    assert (progress.ok, limiter.requests.ceiling) == (180, 60)
    assert limiter.requests.rate <= 60
    assert world.quota.refused <= 90, (
        "none in virtual time; a busy computer delays some, a storm would be hundreds"
    )


@pytest.mark.fault("F55")
def test_a_batch_finds_a_limit_that_no_header_tells_and_loses_no_row(world):
    # ten a second of real time: less than any computer sends
    world.quota.set_limits(6, silent=True)
    progress, limiter = run_batch(24, "rpm-silent")
    assert (progress.ok, limiter.requests.ceiling, limiter.requests.source) == (
        24,
        None,
        "refusals",
    )
    assert 1 <= world.quota.refused <= 48


def test_a_batch_takes_the_limit_of_tokens(world):
    world.quota.set_limits(tpm=5000)
    progress, limiter = run_batch(150, "tpm")
    assert (progress.ok, limiter.tokens.ceiling) == (150, 5000)
    assert world.quota.refused <= 75
