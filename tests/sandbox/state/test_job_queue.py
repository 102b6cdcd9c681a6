"""The job queue in a world of its own: how jobs end, and how another world resumes an unfinished
one.
"""

import json
import time

import pytest
from support.waiting import until, wait_for

from qfnb.sandbox.process import Address
from qfnb.wire import batches as wire
from qianfan_sandbox import batches
from qianfan_sandbox.app import build_app  # noqa: F401 - registers the handlers and the jobs
from qianfan_sandbox.state.lifecycle import is_finished, job_status
from qianfan_sandbox.state.world import World

ADDRESS = Address(
    "http://127.0.0.1:1", 1, 1, "sandbox", "token", "key", "access", "secret", "ak", "sk"
)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path, ADDRESS)
    yield world
    world.close()


def enqueue_batch(world, count, **change):
    body = {"model": "ernie-lite-8k", "messages": [{"role": "user", "content": "首都？"}]}
    rows = [
        {"custom_id": str(i), "method": "POST", "url": wire.CHAT, "body": body}
        for i in range(count)
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    batches.store_file(
        world.store, "file-in", wire.UploadFile(filename="in.jsonl", content=content)
    )
    fields = {
        "endpoint": wire.CHAT,
        "model": None,
        "replaced": False,
        "input_file_id": "file-in",
        "expires_at": time.time() + 60,
        "counts": {},
    }
    batch = world.store.add("batch", "infer-x", **fields | change)
    world.enqueue("batch", batch)


def wait_until_finished(world):
    return wait_for(lambda: world.store.get("batch", "infer-x"), is_finished)


def results(world, file_id):
    return [json.loads(row) for row in batches.read_file(world.store, file_id).splitlines()]


def test_expired_lines_are_in_the_error_file(world):
    enqueue_batch(world, 3, expires_at=time.time() - 1)
    batch = wait_until_finished(world)
    assert (job_status(batch), batch["counts"]) == (
        "Expired",
        {"total": 3, "completed": 0, "failed": 3},
    )
    assert {row["error"]["code"] for row in results(world, batch["error_file_id"])} == {
        "batch_expired"
    }


def test_a_new_world_resumes_the_jobs_of_an_old_one(tmp_path):
    first = World(tmp_path, ADDRESS)
    first.clock.set(speed=0)
    enqueue_batch(first, 600)
    until(lambda: first.clock.set(advance=1) and first.store.points("infer-x"))
    first.close()
    second = World(tmp_path, ADDRESS)
    second.clock.set(speed=1)
    first_rows = {number for point in second.store.points("infer-x") for number, _ in point["rows"]}
    batch = wait_until_finished(second)
    rows = results(second, batch["output_file_id"])
    points = [number for point in second.store.points("infer-x") for number, _ in point["rows"]]
    second.close()
    assert 0 < len(first_rows) < 600
    assert len({row["custom_id"] for row in rows}) == len(rows) == len(points) == 600


def test_a_job_that_raises_is_a_failed_batch(world):
    enqueue_batch(world, 1, expires_at="soon")
    batch = wait_until_finished(world)
    assert (job_status(batch), batch["errors"][0]["code"]) == ("Failed", "internal_error")
