"""Work in the background: starting, waiting, errors and interrupts, on the I/O loop and on a
thread.
"""

import asyncio
import contextvars
import threading

import pytest

from qfnb._jobs.background_job import BackgroundJob

cell = contextvars.ContextVar("cell", default="")


class Job(BackgroundJob):
    """A job that ends when `release` is called; `work` is what it does then."""

    def __init__(self, work=lambda: None, *, on_thread):
        super().__init__()
        self.is_cancelled = False
        self._released = threading.Event()

        def run():
            assert self._released.wait(180)
            work()

        async def run_on_loop():
            await asyncio.to_thread(run)

        if on_thread:
            self._start_thread(run, "job")
        else:
            self._start_coroutine(run_on_loop())

    def release(self):
        self._released.set()

    def cancel(self):
        self.is_cancelled = True
        self.release()

    def wait(self, timeout_s=None):
        self._wait_for_end(timeout_s)

    def __await__(self):
        return self._wait_for_end_async().__await__()


@pytest.fixture(params=[True, False], ids=["thread", "loop"])
def start(request):
    return lambda work=lambda: None: Job(work, on_thread=request.param)


def test_a_job_runs_until_its_work_ends(start):
    job = start()
    assert job.is_running
    job.release()
    job.wait()
    assert not job.is_running


def test_a_wait_with_a_timeout_returns_while_the_job_runs(start):
    job = start()
    job.wait(0.05)
    assert job.is_running
    job.cancel()
    job.wait()


def test_the_error_of_the_work_is_raised_by_every_wait(start):
    job = start(lambda: 1 / 0)
    job.release()
    for wait in (job.wait, job.wait, lambda: asyncio.run(wait_async(job))):
        with pytest.raises(ZeroDivisionError):
            wait()


def test_a_cancelled_wait_cancels_the_job(start):
    async def wait_and_cancel(job):
        waiting = asyncio.ensure_future(wait_async(job))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        return waiting.cancelled()

    job = start()
    assert asyncio.run(wait_and_cancel(job))
    assert job.is_cancelled
    job.wait()


def test_a_thread_keeps_the_context_of_the_cell_that_started_it():
    cell.set("In [3]")
    cells = []
    job = Job(lambda: cells.append(cell.get()), on_thread=True)
    job.release()
    job.wait()
    assert cells == ["In [3]"]


async def wait_async(job):
    await job
