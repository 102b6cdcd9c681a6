"""An interrupt right after a lock was taken leaves it free: the I/O loop and other threads need
it.
"""

import asyncio
import sys
import threading

import pytest
from support.waiting import until

from qfnb.transport import event_loop
from qfnb.transport.event_loop import Condition, Future, InterruptSafeEvent


def interrupt_after_enter(call):
    """Call a function; interrupt it where a condition of Python has taken its lock and is about to
    return.
    """

    def interrupt(frame, event, argument):
        if event == "return" and frame.f_code is threading.Condition.__enter__.__code__:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        call()
    except KeyboardInterrupt:
        return
    finally:
        sys.setprofile(None)


def acquired_by_another_thread(lock):
    results = []
    thread = threading.Thread(target=lambda: results.append(lock.acquire(timeout=5)))
    thread.start()
    thread.join()
    return results == [True]


@pytest.mark.fault("F64")
def test_the_io_loop_answers_after_a_call_was_interrupted_there():
    event_loop.loop()
    interrupt_after_enter(lambda: event_loop.run(asyncio.sleep(0.05)))
    assert event_loop.submit(asyncio.sleep(0, "alive")).result(180) == "alive"


@pytest.mark.parametrize("call", [Future.done, Future.cancel, lambda future: future.wait(0.01)])
def test_a_future_can_be_completed_after_an_interrupt(call):
    future = Future()
    interrupt_after_enter(lambda: call(future))
    assert acquired_by_another_thread(future._condition)


def test_an_event_can_be_set_after_an_interrupt_and_wakes_who_waits():
    event = InterruptSafeEvent()
    interrupt_after_enter(lambda: event.wait(0.01))
    threading.Thread(target=event.set).start()
    assert event.wait(180)


def test_a_condition_wakes_who_waits():
    condition = Condition()
    values = []

    def wait():
        with condition:
            values.append("waits")
            condition.wait_for(lambda: "changed" in values, 60)
            values.append("woken")

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: values)
    with condition:  # which is free only while the other one waits
        values.append("changed")
        condition.notify_all()
    thread.join(180)
    assert values == ["waits", "changed", "woken"]


def test_a_wait_without_notification_ends_in_time_and_keeps_the_lock():
    condition = Condition()
    with condition:
        assert not condition.wait(0.001)
        assert condition._is_owned()
    assert acquired_by_another_thread(condition)
