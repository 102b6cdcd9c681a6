"""The I/O loop: used by blocking and async code, interrupted, from any thread."""

import asyncio
import subprocess
import sys
import threading

import pytest

from qfnb.transport import event_loop


async def number(value: int) -> int:
    await asyncio.sleep(0)
    return value


@pytest.mark.fault("F63")
def test_blocking_code_runs_a_coroutine_inside_a_running_loop():
    async def cell() -> int:
        return event_loop.run(number(2))

    assert asyncio.run(cell()) == 2


EVERYWHERE = """
import asyncio
import qfnb
try:
    import nest_asyncio2 as nest_asyncio  # ipykernel 7 brings it
except ImportError:
    import nest_asyncio

client, texts = qfnb.ChatCompletion(), []

async def cell():
    texts.append(client.do("你好").text)
    texts.append(await asyncio.to_thread(lambda: client.do("你好").text))
    texts.append(await asyncio.to_thread(lambda: asyncio.run(client.ado("你好")).text))
    nest_asyncio.apply()
    texts.append(asyncio.run(client.ado("你好")).text)
    texts.append(client.do("你好").text)

asyncio.run(cell())
assert len(texts) == 5 and len(set(texts)) == 1, texts
"""


@pytest.mark.fault("F63")
def test_calls_work_in_a_loop_a_thread_another_loop_and_under_nest_asyncio(sandbox):
    run = subprocess.run(
        [sys.executable, "-c", EVERYWHERE], capture_output=True, text=True, timeout=240, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]


def test_async_code_runs_a_coroutine_on_the_same_loop():
    async def which() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert asyncio.run(event_loop.run_async(which())) is event_loop.loop()


def test_waiting_on_the_io_thread_is_refused():
    async def wrong() -> None:
        event_loop.run(number(3))

    with pytest.raises(RuntimeError, match="I/O thread"):
        event_loop.run(wrong())


def test_cancelling_the_caller_cancels_the_work():
    cancelled = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def cell() -> None:
        await asyncio.wait_for(event_loop.run_async(work()), timeout=0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(cell())
    assert cancelled.wait(180)


async def count(closed: threading.Event):
    try:
        for value in range(3):
            yield value
    finally:
        closed.set()


def test_leaving_an_iteration_closes_it():
    closed = threading.Event()
    items = event_loop.iterate(count(closed))
    assert next(items) == 0
    items.close()
    assert closed.is_set()


def test_a_slow_consumer_gets_all_items_and_a_fast_one_waits_for_each():
    async def numbers():
        for number in range(200):
            if number % 50 == 0:
                await asyncio.sleep(0.01)
            yield number

    async def collect(pause):
        values = []
        async for number in event_loop.iterate_async(numbers()):
            if number % 20 == 0:
                await asyncio.sleep(pause)
            values.append(number)
        return values

    assert asyncio.run(collect(0)) == asyncio.run(collect(0.005)) == list(range(200))


def test_an_error_in_an_iterator_is_raised_after_the_items_before_it():
    async def broken():
        yield 1
        yield 2
        raise ValueError("in the middle")

    async def collect():
        values = []
        with pytest.raises(ValueError, match="in the middle"):
            async for number in event_loop.iterate_async(broken()):
                values.append(number)  # noqa: PERF401 - what came before the error is wanted
        return values

    assert asyncio.run(collect()) == [1, 2]


def test_a_loop_ticks_while_a_call_waits_and_only_then():
    def ticks(loop) -> list[asyncio.Handle]:
        """Ticks that wait for their time, and those whose time has come and that have not run
        yet.
        """
        handles = [handle for handle in (*loop._scheduled, *loop._ready) if not handle.cancelled()]
        return [
            handle
            for handle in handles
            if getattr(handle._callback, "__func__", None) is event_loop.LoopTicker._tick
        ]

    async def measure():
        loop = asyncio.get_running_loop()
        end = asyncio.Event()
        io_loop = event_loop.loop()
        waiting = [asyncio.ensure_future(event_loop.run_async(end.wait())) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        during = len(ticks(loop))
        io_loop.call_soon_threadsafe(end.set)
        await asyncio.gather(*waiting)
        return during, len(ticks(loop))

    assert asyncio.run(measure()) == (1, 0)


@pytest.mark.parametrize("n_turns", range(40))
def test_a_stream_cancelled_while_it_opens_leaves_no_task(n_turns):
    async def pieces():
        for number in range(1_000_000):
            yield number
            await asyncio.sleep(0)

    async def read():
        async for _ in event_loop.iterate_async(pieces()):
            pass

    async def cell():
        reading = asyncio.ensure_future(read())
        for _ in range(n_turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})

    async def tasks():
        await asyncio.sleep(0)
        return [task for task in asyncio.all_tasks() if "_forward" in repr(task)]

    asyncio.run(cell())
    assert event_loop.run(tasks()) == []


def test_an_interrupt_while_a_call_is_handed_over_cancels_it(monkeypatch):
    """The signal may arrive when the I/O loop has the call, and the caller does not have its future
    yet.
    """
    loop = event_loop.loop()
    cancelled = threading.Event()
    post = loop.call_soon_threadsafe

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def post_and_interrupt(*arguments):
        monkeypatch.undo()
        post(*arguments)
        event_loop.run(asyncio.sleep(0))  # the call has begun
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "call_soon_threadsafe", post_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        event_loop.run(work())
    assert cancelled.wait(180)
