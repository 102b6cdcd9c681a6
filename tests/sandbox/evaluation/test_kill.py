"""A sandbox that is killed while models answer goes on, and asks nothing twice."""

import os
import signal

from support.evaluation_sandbox import (
    PEOPLE,
    point_at,
    preset_model,
    task_info,
    upload_dataset,
    wait_for_end,
)
from support.raw_http import set_clock
from support.waiting import until

from qfnb.resources import Model
from qfnb.sandbox import ensure, stop
from qianfan_sandbox.state.store import Store

N_ROWS = 600


def test_a_killed_servers_batch_continues_after_a_restart(tmp_path):
    home = tmp_path / "sandbox"
    address = ensure(home)
    point_at(address)
    dataset = upload_dataset(address, {f"问题{number}": "答案" for number in range(N_ROWS)})
    version = {"modelVersionId": preset_model()["modelVersionIdStr"]}
    set_clock(address, speed=0)
    id_ = Model.create_evaluation_task("长", [version], dataset, PEOPLE)["result"]["evalIdStr"]
    until(lambda: set_clock(address, advance=1) or task_info(id_)["sandbox"]["answered"])
    before = task_info(id_)
    os.kill(address.pid, signal.SIGKILL)
    set_clock(ensure(home), speed=1)
    after = wait_for_end(id_)
    total = Model.get_evaluation_result_list(id_, page_size=1)["result"]["total"]
    stop(home)
    assert (before["state"] in {"Pending", "Doing"}, after["state"]) == (
        True,
        "DoingWithManualBegin",
    )
    assert 0 < before["sandbox"]["answered"] < N_ROWS == after["sandbox"]["answered"] == total
    assert answered_once(home)


def answered_once(home):
    store = Store(home)
    numbers = [
        row[0]
        for point in store.points(store.all("evaluation_run")[0]["id"])
        for row in point["rows"]
    ]
    task = [dataset for dataset in store.all("dataset") if dataset["name"].startswith("长_")]
    store.close()
    return sorted(numbers) == [*range(N_ROWS)] and len(task) == 1
