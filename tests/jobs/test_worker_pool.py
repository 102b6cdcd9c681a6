"""A pool whose items wait: others take their place, and never more than its size are in
progress.
"""

import asyncio

from support.virtual_time import run_virtually

from qfnb._jobs.worker_pool import WorkerPool
from qfnb.transport import clock
from qfnb.transport.client import wire_state


def process_items(count, size, resting):
    """Process items of a second each, of which some wait 30 seconds first; return the duration and
    the busiest.
    """
    numbers = iter(range(count))
    busy = 0
    most_busy = 0

    async def pull():
        return next(numbers, None)

    async def process(number):
        nonlocal busy, most_busy
        if number in resting:
            await wire_state.get().rest(30.0)
        busy += 1
        most_busy = max(most_busy, busy)
        await asyncio.sleep(1.0)
        busy -= 1

    async def run():
        await WorkerPool(pull, process, size).run()
        return clock.now()

    return run_virtually(run()), most_busy


def test_items_that_wait_do_not_hold_up_others_and_the_size_is_kept():
    seconds, busy = process_items(400, 4, resting=range(0, 400, 10))
    assert seconds < 140, (
        "100 of work for four, and a last wait of 30; waits that hold up others make it 400"
    )
    assert busy <= 4


def test_more_items_than_a_pool_has_workers_may_wait():
    seconds, busy = process_items(40, 2, resting=range(20))
    assert seconds < 50, "30 seconds, and 20 of work for two"
    assert busy <= 2
