"""Deadlines behave like asyncio's timeouts, although they share one timer."""

from __future__ import annotations

import asyncio
import functools

import pytest
from support.virtual_time import run_virtually

from qfnb.transport.clock import Deadline


def on_a_loop(test):
    """Run a test that is a coroutine function, in virtual time."""

    @functools.wraps(test)
    def run():
        run_virtually(test())

    return run


async def run_with_deadline(seconds, work):
    """Return "cut" or "done", and the seconds that the work lasted under a deadline."""
    now = asyncio.get_running_loop().time
    started_at = now()
    try:
        async with Deadline(seconds):
            await asyncio.sleep(work)
    except TimeoutError:
        return "cut", now() - started_at
    return "done", now() - started_at


@on_a_loop
async def test_only_work_that_takes_too_long_is_cancelled():
    assert await run_with_deadline(5, 0.5) == ("done", 0.5)
    assert await run_with_deadline(None, 0.5) == ("done", 0.5)
    assert await run_with_deadline(5, 50) == ("cut", 5)


@on_a_loop
async def test_each_of_many_deadlines_ends_at_its_own_time():
    ends = [30, 5, 600, 10, 20]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run_with_deadline(end, 40)) for end in ends]
    assert [task.result() for task in tasks] == [
        ("cut", 30),
        ("cut", 5),
        ("done", 40),
        ("cut", 10),
        ("cut", 20),
    ]


@on_a_loop
async def test_cancelling_from_outside_is_not_a_timeout():
    task = asyncio.create_task(run_with_deadline(10, 10))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@on_a_loop
async def test_an_error_inside_passes_and_the_task_is_not_cancelled_later():
    with pytest.raises(ValueError, match="ours"):
        async with Deadline(0.02):
            raise ValueError("ours")
    await asyncio.sleep(0.05)  # nothing cancels it


@on_a_loop
async def test_no_time_passes_while_it_is_paused():
    async with Deadline(0.1) as deadline:
        remaining_s = deadline.pause()
        await asyncio.sleep(0.2)
        deadline.resume(remaining_s)
        await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError):
        async with Deadline(0.1) as deadline:
            deadline.resume(deadline.pause())
            await asyncio.sleep(5)
