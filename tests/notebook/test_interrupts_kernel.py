"""Interrupts, reloads and restarts of a real kernel: nothing hangs, nothing is left open, the next
cell runs.
"""

from pathlib import Path

import pytest
from support.kernel import is_live, request_counts
from support.waiting import until

pytestmark = pytest.mark.kernel

TRAIN = Path(__file__).parents[2] / "notebooks" / "data" / "teahouse_train.jsonl"
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
def test_interrupts_end_a_call_that_stalls_and_the_next_cell_runs(
    kernel, stalled, control, code, n_interrupts
):
    cell = stalled(code, live=True)
    for _ in range(n_interrupts):
        if not cell.status:  # between two cells an interrupt may end ipykernel's own loop
            kernel.interrupt()
            kernel.listen(0.05)
    kernel.wait(cell)
    until(lambda: count_streams(control) == 0)
    kernel.until(lambda: not any(is_live(output) for output in cell.outputs))
    assert kernel.value("40 + 2") == "42"


HOOKS = """
import threading
shell, threads = get_ipython(), [thread.name for thread in threading.enumerate()]
formatters = shell.display_formatter.formatters["text/html"]
hooks = (len(shell.input_transformers_post), len(formatters.deferred_printers), threads.count("qfnb-io"))
print(hooks, "qfchat" in shell.magics_manager.magics["cell"])
"""


@pytest.mark.fault("F73")
def test_the_extension_is_reloaded_and_unloaded_while_a_stream_is_open(kernel, stalled, control):
    kernel.wait(stalled(CLIENT + "stream = client.do('你是谁', stream=True)\nnext(stream)"))
    loaded = kernel.run(HOOKS).text
    for line in ("%load_ext qfnb", "%reload_ext qfnb", "%reload_ext qfnb"):
        assert kernel.run(line).status == "ok"
        assert kernel.run(HOOKS).text == loaded
    assert kernel.run("%unload_ext qfnb").status == "ok"
    assert kernel.run(HOOKS).text.split() == ["(0,", "0,", "1)", "False"], (
        "objects still use the one I/O thread"
    )
    assert kernel.run("stream.close()").status == "ok"
    until(lambda: count_streams(control) == 0)
    assert kernel.run("%load_ext qfnb\nNone").status == "ok"
    assert kernel.run(HOOKS).text == loaded


@pytest.mark.fault("F62")
def test_asyncio_run_in_a_cell_is_pythons_own_error_and_await_works(kernel):
    refused = kernel.run(CLIENT + "import asyncio\nasyncio.run(client.ado('你是谁'))")
    assert refused.error[-1].endswith("asyncio.run() cannot be called from a running event loop")
    assert kernel.run("print((await client.ado('你是谁')).text)").status == "ok"


BATCH = """
rows = [f"重启 {number}" for number in range(60)]
result = qfnb.batch(rows, workers=2, name="restarted")
"""


@pytest.mark.fault("F68", "F69", "F74")
def test_a_restart_with_open_streams_panels_a_batch_and_a_training_ends_by_itself_and_both_go_on(
    kernel, hold, stalled, control
):
    hold(10)
    kernel.run(f"%qftrain start -d {TRAIN} --epoch 50 -o trainer --again", live=True)
    kernel.run(CLIENT + BATCH + "result", live=True)
    kernel.run(
        "import time\nwhile result.progress.ok < 10 or not trainer._run.facts.get('task_id'): "
        "time.sleep(0.01)"
    )
    run = kernel.value("trainer.id").strip("'")
    control.delete("/_sandbox/faults").raise_for_status()
    kernel.run("result.pause()")
    kernel.wait(stalled(CLIENT + "stream = client.do('你是谁', stream=True)\nnext(stream)"))
    assert kernel.restart() == 0
    until(lambda: count_streams(control) == 0)
    assert kernel.run(f"%qftrain attach {run} -o trainer", live=True).status == "ok"
    kernel.run(CLIENT + BATCH + "result.wait()")
    assert (
        kernel.value("(result.progress.ok, result.progress.cached >= 10, trainer.id)")
        == f"(60, True, {run!r})"
    )
    kernel.run("trainer.stop(); trainer.wait(180)")
