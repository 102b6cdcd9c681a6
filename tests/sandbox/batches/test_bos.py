"""Object storage and the inference tasks over it, by HTTP."""

import json

import pytest
from support.raw_http import call_action, jsonl, start_task, storage_request, wait_for_task


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/bos/sandbox/nothing", 404, "NoSuchKey"),
        ("/bos/elsewhere/x", 404, "NoSuchBucket"),
        ("/bos/sandbox/..%2f..%2fkeys.json", 400, "InvalidArgument"),
        ("/bos/sandbox/a%2f..%2f..%2fb", 400, "InvalidArgument"),
        ("/bos/sandbox/%2fetc%2fpasswd", 400, "InvalidArgument"),
    ],
)
def test_a_key_leads_to_its_own_object_only(sandbox, http, path, status, code):
    for method in ("GET", "PUT"):
        answer = storage_request(sandbox, http, method, path, b"")
        if (method, code) != ("PUT", "NoSuchKey"):
            assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_task_answers_the_objects_of_a_folder(sandbox, http):
    lines = [{"id": str(i), "query": "你是谁", "kept": i} for i in range(6)]
    task_id = start_task(sandbox, http, "task", jsonl(lines)).json()["result"]["taskId"]
    task = wait_for_task(sandbox, http, task_id)
    assert (task["runStatus"], task["progress"], task["name"]) == ("Done", 6, "夜")
    key = f"/bos/sandbox/task-out/{task['outputDir']}/a.jsonl"
    rows = [json.loads(row) for row in storage_request(sandbox, http, "GET", key).text.splitlines()]
    assert sorted(rows, key=lambda row: row["id"]) != rows
    assert {row["id"]: row["kept"] for row in rows} == {str(i): i for i in range(6)}
    assert all("不是文心一言" in row["output"]["result"] for row in rows)
    listing = call_action(
        sandbox, http, "DescribeBatchInferenceTasks", runStatus=["Done"], maxKeys=1
    ).json()["result"]
    assert (listing["taskList"][0]["taskId"], listing["pageInfo"]["maxKeys"]) == (task_id, 1)
    assert listing["taskList"][0]["outputTokenUsage"] > 0


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (['{"id": "1", "query": "x"}', "{"], ":2: the line is not a JSON object"),
        (['{"id": "1", "query": " "}'], ':1: the line has no "query"'),
    ],
)
def test_a_bad_object_fails_the_task_and_names_the_line(sandbox, http, rows, words):
    task = wait_for_task(
        sandbox, http, start_task(sandbox, http, "bad", jsonl(rows)).json()["result"]["taskId"]
    )
    assert (task["runStatus"], task["message"]) == ("Failed", f"bos:/sandbox/bad/a.jsonl{words}")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"inputBosUri": "bos:/sandbox/nothing-there/"}, "inputBosUri"),
        ({"outputBosUri": "bos:/elsewhere/x/"}, "outputBosUri"),
        ({"endpoint": "https://x/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/no-such"}, "endpoint"),
        ({"completion_window": "soon"}, "completion_window"),
    ],
    ids=str,
)
def test_a_wrong_task_is_refused_in_the_shape_of_management(sandbox, http, change, name):
    answer = start_task(sandbox, http, "wrong", jsonl([{"id": "1", "query": "x"}]), **change)
    assert (answer.status_code, answer.json()["code"]) == (400, "InappropriateJSON")
    assert f"param[{name}] invalid" in answer.json()["message"]
