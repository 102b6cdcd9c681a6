"""Interrupts, reloads and restarts of a real kernel: nothing hangs, nothing is left open, the next cell runs."""

import pytest
from support.kernel import request_counts
from support.waiting import until

pytestmark = pytest.mark.kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
CLIENT = "import qfnb\nclient = qfnb.ChatCompletion()\n"
STREAMS = {
    "chat cell": "%%qfchat -o partial\n你是谁",
    "chat cell inside another magic": "%%time\n%%qfchat -o partial\n你是谁",
    "awaited": CLIENT + "await client.ado('你是谁', retry_count=1)",
    "awaited stream": CLIENT + "async for piece in await client.ado('你是谁', stream=True): pass",
    "blocking": CLIENT + "client.do('你是谁', retry_count=1)",
    "blocking stream": CLIENT + "for piece in client.do('你是谁', stream=True): pass",
}


@pytest.fixture
def stalled(kernel, fault, control):
    """Start cells whose answer never ends; return them when the platform is answering."""

    def start(code, **how):
        fault("chat.v2", "stall", after=3)
        before = request_counts(control)
        cell = kernel.start(code, **how)
        kernel.until(lambda: request_counts(control) != before or cell.status)
        assert not cell.status, cell.text
        return cell

    yield start
    control.delete("/_sandbox/faults").raise_for_status()


def count_streams(control):
    return control.get("/_sandbox/health").json()["streams"]


@pytest.mark.fault("F60", "F61", "F64")
@pytest.mark.parametrize("n_interrupts", [1, 3])
@pytest.mark.parametrize("code", STREAMS.values(), ids=STREAMS)
def test_interrupts_end_a_call_that_stalls_and_the_next_cell_runs(kernel, stalled, control, code, n_interrupts):
    cell = stalled(code, live=True)
    for _ in range(n_interrupts):
        kernel.interrupt()
    kernel.wait(cell, 20)
    until(lambda: count_streams(control) == 0)
    kernel.until(lambda: not any(WIDGET in output.get("data", {}) for output in cell.outputs))
    assert kernel.value("40 + 2") == "42"
