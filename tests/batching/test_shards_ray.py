"""Shards on Ray: one cluster on this computer, with two processors, for the whole file."""

import json
import os
import signal

import psutil
import pytest
from support.waiting import until

import qfnb
from qfnb.batching.shards.plan import ID_COLUMN

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(not os.environ.get("QFNB_FULL"), reason="QFNB_FULL=1: 20 s of processor"),
]

WORKERS = 4


@pytest.fixture
def cluster():
    """Ray as `engine="ray"` starts it, ended with the test."""
    yield
    ray.shutdown()


def task_processes():
    children = psutil.Process().children(recursive=True)
    return [
        each for each in children if each.is_running() and each.name().startswith("ray::_run_shard")
    ]


def test_a_task_and_the_limiters_actor_are_killed_and_every_row_is_in_exactly_one_part(
    cluster, sandbox, hold, count_requests, tmp_path
):
    rows = [json.dumps({"review": f"{tmp_path.name} {n}"}) for n in range(200)]
    (tmp_path / "in.jsonl").write_text("\n".join(rows), encoding="utf-8")
    hold(90)
    job = qfnb.batch_shards(
        tmp_path / "in.jsonl",
        "Classify: {review}",
        out=tmp_path / "out",
        engine="ray",
        processes=2,
        workers=WORKERS,
        shard_rows=40,
        budget_tokens=100_000,
    )
    until(lambda: job.progress.ok >= 60, 120)
    until(task_processes)
    task_processes()[0].send_signal(signal.SIGKILL)
    ray.kill(job._engine._service._actor, no_restart=False)
    hold(release=True)
    job.wait()
    assert job.progress.state == "done", job.progress.reason
    assert job.report().is_complete
    parts = [
        json.loads(line)
        for path in job.parts()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert sorted(row[ID_COLUMN] for row in parts) == sorted(f"in.jsonl#{n}" for n in range(200))
    assert count_requests()["answered"] <= 200 + WORKERS
