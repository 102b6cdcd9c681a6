"""Batches over HTTP: each line is answered, results are shuffled, errors in a file name their
lines.
"""

import os
import signal
import time

import pytest
from support.raw_http import (
    connect,
    create_batch,
    error_of,
    finished,
    jsonl,
    line,
    results,
    run_batch,
    set_clock,
    start_task,
    wait_for_batch,
)
from support.sandbox_thread import run_world

from qfnb.sandbox import ensure, stop


def test_every_line_is_answered_out_of_order(http):
    batch = run_batch(http, [line(i) for i in range(8)], metadata={"a": 8})
    assert (batch["status"], batch["request_counts"]) == (
        "Done",
        {"total": 8, "completed": 8, "failed": 0},
    )
    assert (
        batch["created_at"]
        <= batch["in_progress_at"]
        <= batch["completed_at"]
        < batch["expires_at"]
    )
    assert (batch["metadata"], batch["error_file_id"], batch["model"]) == (
        {"a": 8},
        None,
        line(0)["body"]["model"],
    )
    rows = results(http, batch["output_file_id"])
    order = [row["custom_id"] for row in rows]
    assert sorted(order) == [f"行-{i}" for i in range(8)] != order
    assert len({row["id"] for row in rows}) == 8
    answer = rows[0]["response"]
    assert "不是文心一言" in answer["body"]["choices"][0]["message"]["content"]
    assert (answer["status_code"], answer["request_id"], rows[0]["error"]) == (
        200,
        answer["body"]["id"],
        None,
    )
    total_tokens = sum(row["response"]["body"]["usage"]["total_tokens"] for row in rows)
    assert batch["usage"]["total_tokens"] == total_tokens > 0


def test_refused_lines_go_into_the_error_file(http):
    hot = line("hot")
    hot["body"]["temperature"] = 99
    streaming = line("stream")
    streaming["body"]["stream"] = True
    empty = line("empty", body={"messages": "x"})
    batch = run_batch(http, [hot, line(1), streaming, empty])
    assert (batch["status"], batch["request_counts"]["failed"]) == ("Done", 3)
    assert [row["custom_id"] for row in results(http, batch["output_file_id"])] == ["行-1"]
    failed = {row["custom_id"]: row for row in results(http, batch["error_file_id"])}
    codes = {key: row["response"]["body"]["error"]["code"] for key, row in failed.items()}
    assert codes == {
        "行-hot": "invalid_argument",
        "行-stream": "invalid_argument",
        "行-empty": "invalid_messages",
    }


@pytest.mark.parametrize(
    ("rows", "code", "number"),
    [
        ([line(1), "{不是 JSON"], "invalid_json_line", 2),
        ([line(1), line(2), line(1)], "duplicate_custom_id", 3),
        ([line(1), line(2, url="/v2/embeddings")], "url_mismatch", 2),
        ([line(i) for i in range(5001)], "too_many_tasks", None),
        ([line(1), line(2, body={**line(2)["body"], "model": "ernie-5.1"})], "multiple_models", 2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_file_fails_the_batch_and_names_the_line(http, rows, code, number):
    batch = run_batch(http, rows)
    assert (batch["status"], batch["output_file_id"]) == ("Failed", None)
    first = batch["errors"]["data"][0]
    assert (first["code"], first["line"]) == (code, number)


@pytest.mark.parametrize(
    "change",
    [
        {"input_file_id": "file-0000000000"},
        {"completion_window": "673h"},
        {"metadata": {str(i): "x" for i in range(17)}},
    ],
    ids=str,
)
def test_a_wrong_batch_is_refused_at_once(http, change):
    assert error_of(create_batch(http, [line(1)], **change)) == (400, "invalid_argument")


def test_a_21st_unfinished_task_is_refused_until_one_ends(tmp_path):
    with run_world(tmp_path, time.monotonic) as world, connect(world.address) as http:
        stored = [world.store.add("batch", f"infer-{number}") for number in range(20)]
        assert error_of(create_batch(http, [line(1)])) == (400, "TaskRunningNumberExceedLimit")
        task = start_task(world.address, http, "full", jsonl([{"id": "1", "query": "你"}]))
        assert (task.status_code, task.json()["code"]) == (400, "TaskRunningNumberExceedLimit")
        world.store.update(stored[0]["id"], completed_at=world.store.now())
        assert create_batch(http, [line(1)]).status_code == 200


def test_a_cancelled_batch_keeps_its_answers_and_does_not_block_others(http, clock):
    batch_id = create_batch(http, [line(i) for i in range(1000)]).json()["id"]
    other = create_batch(http, [line("other")]).json()["id"]
    for id_, is_reached in (
        (other, finished),
        (batch_id, lambda batch: batch["request_counts"]["completed"]),
    ):
        wait_for_batch(
            http, id_, lambda batch, is_reached=is_reached: clock(advance=1) or is_reached(batch)
        )
    cancelling = http.post(f"/v2/batches/{batch_id}/cancel").json()
    assert (cancelling["status"], bool(cancelling["cancelling_at"])) == ("Running", True)
    batch = wait_for_batch(http, batch_id, finished)
    count = batch["request_counts"]["completed"]
    assert batch["status"] == "Stopped"
    assert 0 < count < 1000
    assert len(results(http, batch["output_file_id"])) == count


def test_a_killed_servers_batch_continues_after_a_restart(tmp_path):
    home = tmp_path / "sandbox"
    address = ensure(home)
    set_clock(address, speed=0)
    with connect(address) as http:
        batch_id = create_batch(http, [line(i) for i in range(600)]).json()["id"]
        before = wait_for_batch(
            http,
            batch_id,
            lambda batch: set_clock(address, advance=1) or batch["request_counts"]["completed"],
        )
    os.kill(address.pid, signal.SIGKILL)
    with connect(address := ensure(home)) as http:
        assert before["status"] == "Running"
        set_clock(address, speed=1)
        batch = wait_for_batch(http, batch_id, finished)
        ids = [row["custom_id"] for row in results(http, batch["output_file_id"])]
    stop(home)
    assert (batch["status"], batch["in_progress_at"]) == ("Done", before["in_progress_at"])
    assert (len(ids), len(set(ids))) == (600, 600)
