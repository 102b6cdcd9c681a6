"""A cell that waits for work on the I/O loop: what interrupts leave behind."""

import asyncio
import os
import signal
import threading

import pytest

from qfnb.notebook.await_cell import Interrupted, run_in_cell
from qfnb.transport import event_loop


@pytest.fixture
def interrupts(monkeypatch):
    """SIGINT interrupts, as in a kernel; a job in the background ignores it by default."""
    # a later one would interrupt pytest
    monkeypatch.setattr("qfnb.notebook.await_cell.INTERRUPT_GRACE_S", 180)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.fault("F64")
@pytest.mark.parametrize("n_more", [0, 1, 3])
def test_interrupts_while_interrupted_work_cleans_up_do_not_keep_its_output_open(
    interrupts, n_more
):
    cleaned = threading.Event()
    ended = []

    async def work():
        interrupts()
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(n_more):
                interrupts()
                await asyncio.sleep(0.05)
            cleaned.set()

    with pytest.raises(Interrupted, match="kept"):
        run_in_cell(work(), ended.append, "what arrived is kept", awaited=False)
    assert ended == [True]
    assert cleaned.is_set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert event_loop.run(asyncio.sleep(0, "goes on")) == "goes on"
