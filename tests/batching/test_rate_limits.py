"""A batch against a sandbox that limits requests, on a clock that runs a hundred times as fast."""

import pytest
from support.sandbox_thread import run_world

import qfnb
from qfnb.transport import clock, rate_limiter

SPEED_UP = 100


@pytest.fixture
def world(tmp_path):
    with qfnb.testing(1 / SPEED_UP), run_world(tmp_path, clock.now) as world:
        yield world


def rows(count):
    return [f"第 {number} 个问题" for number in range(count)]


def batch_rate():
    """Return the requests a minute that the default model's limiter has come to."""
    rates = [limiter.requests.rate for limiter in rate_limiter._limiters.values() if limiter.requests.rate]
    return rates[-1]


@pytest.mark.fault("F55")
@pytest.mark.parametrize("silent", [False, True], ids=["told by headers", "found out"])
def test_a_thousand_rows_at_60_rpm_make_no_storm_and_lose_nothing(world, silent):
    world.quota.set_limits(60, silent=silent)
    batch = qfnb.batch(rows(1000), workers=16, name=f"rpm-{silent}")
    batch.wait()
    assert batch.progress.ok == 1000
    assert world.quota.refused <= (80 if silent else 50), "tests/transport/test_rate_simulation.py has the exact bounds"
    assert silent or batch_rate() <= 60, "how long it takes is tested in virtual time, where no computer is busy"


def test_tokens_are_paced_too(world):
    world.quota.set_limits(tpm=5000)
    batch = qfnb.batch(rows(300), workers=16, name="tpm")
    batch.wait()
    assert batch.progress.ok == 300
    assert world.quota.refused <= 15
