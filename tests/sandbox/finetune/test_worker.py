"""Runs as they are trained: in order, stopped when told to, and taken up again by the next
server.
"""

import os
import signal

import pytest
from support import finetune_runs
from support.waiting import wait_for

from qfnb.resources import FineTune
from qfnb.sandbox import Address, ensure
from qianfan_sandbox.finetune.worker import KILLED_MESSAGE
from qianfan_sandbox.state.world import World

pytestmark = pytest.mark.long

ADDRESS = Address(
    "http://127.0.0.1", 1, 1, "sandbox", "control", "key", "ak", "sk", "app", "secret"
)


@pytest.fixture
def long_run(sandbox):
    """A run that is running; stopped at the end."""
    task = finetune_runs.start_long_run()
    yield task
    FineTune.V2.stop_task(task)
    finetune_runs.wait_for_end(task)


@pytest.fixture
def dataset(sandbox):
    """A data set that is imported and released."""
    return finetune_runs.create_dataset()


def test_a_run_is_accepted_then_waits_then_is_done(dataset, control, clock):
    durations = control.post("/_sandbox/durations", json={}).json()
    control.post("/_sandbox/durations", json={"accept": 1, "queue": 1})
    task = finetune_runs.start_run(dataset)
    statuses = []
    control.post(
        "/_sandbox/durations", json={name: durations[name] for name in ("accept", "queue")}
    )
    for _ in range(2):
        statuses.append(finetune_runs.describe_run(task)["runStatus"])
        clock(advance=1)
    assert statuses == ["", "Waiting"]
    assert finetune_runs.wait_for_end(task)["runStatus"] == "Done"


def test_a_run_that_waits_is_stopped_at_once(long_run):
    finetune_runs.wait_for_points(long_run)
    second = finetune_runs.start_run(finetune_runs.create_dataset())
    assert FineTune.V2.stop_task(second)["result"] is True
    stopped = finetune_runs.describe_run(second)
    assert stopped["runStatus"] == "Stopped"
    assert not stopped["finishDate"].startswith("0000")


def test_a_running_run_really_stops_and_keeps_what_it_learned(long_run):
    finetune_runs.wait_for_points(long_run)
    assert FineTune.V2.stop_task(long_run)["result"] is True
    stopped = finetune_runs.wait_for_end(long_run)
    assert stopped["runStatus"] == "Stopped"
    assert stopped["checkpointList"]
    assert FineTune.V2.stop_task(long_run)["result"] is False


def test_a_running_run_has_a_percentage_and_no_end(long_run):
    state = finetune_runs.wait_for_points(long_run)
    assert state["runProgress"].endswith("%")
    assert 0 <= int(state["runProgress"][:-1]) < 100
    assert state["finishDate"] == "0000-00-00T00:00:00Z"


def test_a_killed_server_trains_its_runs_from_the_start(sandbox, long_run):
    finetune_runs.wait_for_points(long_run)
    second = finetune_runs.start_run(finetune_runs.create_dataset())
    os.kill(sandbox.pid, signal.SIGKILL)
    assert ensure().pid != sandbox.pid
    steps = [point["step"] for point in finetune_runs.wait_for_points(long_run)["checkpointList"]]
    assert steps == sorted(set(steps)), "points of the earlier attempt are gone"
    assert finetune_runs.describe_run(long_run)["sandbox"]["starts"] == 2
    FineTune.V2.stop_task(long_run)
    assert finetune_runs.wait_for_end(second)["runStatus"] == "Done"


def next_server(folder, **state):
    """Return a run as the server after the one that left it so has it; no time passes."""
    defaults = {
        "status": "Running",
        "starts": 1,
        "stopping": False,
        "plan": [["", 0.0], ["Waiting", None]],
    }
    world = World(folder, ADDRESS)
    world.clock.set(speed=0)
    world.store.add("task", "task-1", **(defaults | state))
    world.close()
    world = World(folder, ADDRESS)
    task = wait_for(
        lambda: world.store.get("task", "task-1"), lambda task: task["status"] != "Running"
    )
    world.close()
    return task


def test_a_run_that_brought_three_servers_down_fails(tmp_path):
    task = next_server(tmp_path, starts=3)
    assert (task["status"], task["message"]) == ("Failed", KILLED_MESSAGE)
