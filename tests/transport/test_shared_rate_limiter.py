"""The processes of a user share the limits of a key through a file, and go on without it."""

import asyncio
import fcntl
import json
import random
import subprocess
import sys
from itertools import count

import pytest
from support.rate_simulation import create_shared
from support.virtual_time import run_virtually

import qfnb
from qfnb import config
from qfnb.connect import current_platform
from qfnb.errors import RateLimitError
from qfnb.transport import clock, event_loop, shared_rate_limiter
from qfnb.transport.rate_limiter import MAX_SUSPICION, RateLimiter
from qfnb.transport.shared_rate_limiter import MEASURED_CHANGES, LockedFile, log_once

HEADERS = {"x-ratelimit-limit-requests": "60"}


@pytest.fixture(autouse=True)
def _log_again():
    log_once.cache_clear()


async def send(limiter, headers=None):
    """Send a call that is answered at once; return when it went."""
    refusals = await limiter.acquire()
    limiter.record_success(refusals, headers or {})
    limiter.release()
    return clock.now()


async def send_for(seconds, limiter):
    """Send as often as allowed for some seconds; return the times."""
    end = clock.now() + seconds
    times = []
    while clock.now() < end:
        times.append(await send(limiter, HEADERS))
    return times


def create_pair(path):
    return create_shared(random.Random(1), path), create_shared(random.Random(2), path)


@pytest.mark.fault("F57")
def test_two_processes_have_equal_shares(tmp_path):
    async def act():
        return await asyncio.gather(
            *(send_for(60, limiter) for limiter in create_pair(tmp_path / "f"))
        )

    first, second = run_virtually(act())
    assert abs(len(first) - len(second)) <= 2
    assert 56 <= len(first) + len(second) <= 62


@pytest.mark.fault("F57")
def test_the_share_of_a_process_that_ends_goes_to_the_others(tmp_path):
    async def act():
        first, second = create_pair(tmp_path / "f")
        dying = asyncio.ensure_future(send_for(600, first))
        await send_for(30, second)
        dying.cancel()
        del first
        return await send_for(60, second)

    assert len(run_virtually(act())) >= 57


@pytest.mark.fault("F57")
def test_a_refusal_pauses_all_processes_and_counts_once(tmp_path):
    async def act():
        first, second = create_pair(tmp_path / "f")
        starts = [await first.acquire(), await second.acquire()]
        for limiter, start in zip((first, second), starts, strict=True):
            for _ in range(int(MAX_SUSPICION)):
                error = RateLimitError("rpm_rate_limit_exceeded", "too fast", retry_after=7.0)
                limiter.record_refusal(start, error)
            limiter.release()
        return second.refusals, await send(create_shared(random.Random(3), tmp_path / "f"))

    assert run_virtually(act()) == (1, pytest.approx(7.0, abs=0.3))


def test_a_success_while_another_process_writes_leaves_the_refusals_to_the_next_one(tmp_path):
    async def act():
        limiter = create_shared(random.Random(1), tmp_path / "f")
        limiter.state.consecutive_refusals = limiter.state.refusals = 1
        with (tmp_path / "f").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            limiter.record_success(1, {})
        assert limiter.state.consecutive_refusals == 1
        limiter.record_success(1, {})
        return limiter.state.consecutive_refusals

    assert run_virtually(act()) == 0


def test_every_broken_value_is_survived(tmp_path):
    path = tmp_path / "f"

    async def act():
        await send(create_shared(random.Random(0), path), HEADERS)
        stored = json.loads(path.read_text())
        for name in stored.keys() - {"written_at"}:
            for value in (None, "x", {}, [], -1):
                path.write_text(json.dumps(stored | {name: value}))
                await send(create_shared(random.Random(0), path), HEADERS)

    run_virtually(act())


def log_lines(caplog):
    return [record.getMessage() for record in caplog.records if "not shared" in record.getMessage()]


def test_a_file_that_cannot_be_opened_means_limits_of_this_process(tmp_path, caplog):
    async def act():
        limiters = create_pair(tmp_path)  # a folder
        return [len(await send_for(10, limiter)) for limiter in limiters]

    assert max(run_virtually(act())) <= 12, "the first is not paced, the last goes at the end"
    assert len(log_lines(caplog)) == 1


def test_a_file_that_stays_locked_is_given_up_after_a_second(tmp_path, caplog):
    with (tmp_path / "f").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        sent_at = run_virtually(send(create_shared(random.Random(0), tmp_path / "f")))
    assert sent_at == pytest.approx(1.0, abs=0.1)
    assert "does not unlock" in log_lines(caplog)[0]


def test_a_slow_folder_is_given_up(tmp_path, caplog):
    ticks = count(step=0.03)
    file = LockedFile(tmp_path / "f", timer=lambda: next(ticks))
    for _ in range(MEASURED_CHANGES):
        with file.change():
            pass
    assert not file.is_usable
    assert "slow (30 ms" in log_lines(caplog)[0]


def test_a_clock_that_is_set_back_stops_nothing(tmp_path):
    async def act():
        limiter = create_shared(random.Random(0), tmp_path / "f")
        await send_for(5, limiter)
        limiter._now = lambda: clock.wall_time() + 3600
        await send_for(5, limiter)
        limiter._now = clock.wall_time
        started_at = clock.now()
        return await send(limiter) - started_at

    assert run_virtually(act()) < 62


def test_neither_name_nor_content_has_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    shared_rate_limiter._prune.cache_clear()
    config.get_config().api_key = "bce-v3/ALTAK-test/canary0123456789"
    limiter = shared_rate_limiter.get_limiter(current_platform(), "a-model-of-this-test")
    run_virtually(send(limiter))
    (path,) = (tmp_path / shared_rate_limiter.FOLDER).iterdir()
    assert not {"canary", "ALTAK", "a-model"} & {*(path.name + path.read_text()).split()}
    assert "canary" not in path.name + path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


PEER = """
import sys
from pathlib import Path
from qfnb.transport import event_loop
from qfnb.transport.rate_limiter import RateLimiter
from qfnb.transport.shared_rate_limiter import LockedFile

limiter = RateLimiter(LockedFile(Path(sys.argv[1])))

async def send():
    limiter.record_success(await limiter.acquire(), {"x-ratelimit-limit-requests": "77"})
    limiter.record_success(await limiter.acquire(), {})

event_loop.run(send())
with limiter._exchange():
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_leaves_what_it_learned_and_no_lock(tmp_path):
    path = tmp_path / "f"
    command = [sys.executable, "-c", PEER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as peer:
        assert peer.stdout.readline() == "locked\n"
        with LockedFile(path).change() as stored:
            assert stored is None, "the other process has it locked"
        peer.kill()
    limiter = RateLimiter(LockedFile(path))
    event_loop.run(limiter.acquire())
    assert limiter.requests.rate == 77


def test_limits_learned_on_a_shortened_clock_are_forgotten_with_it(sandbox):
    platform = current_platform()
    with qfnb.testing():
        within = shared_rate_limiter.get_limiter(platform, "m")
        for _ in range(int(MAX_SUSPICION)):
            within.record_refusal(0, RateLimitError(18, "slow down"))
    assert within.refusals == 1
    after = shared_rate_limiter.get_limiter(platform, "m")
    assert after is not within
    assert after.refusals == 0
