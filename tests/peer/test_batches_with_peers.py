"""The `openai` client and the official `qianfan` SDK run offline batches on the sandbox
unchanged.
"""

import io
import json

import openai
import pytest

from qfnb.resources.management.storage import Storage

pytestmark = pytest.mark.peer

CHAT = "/v2/chat/completions"
QIANFAN = """
import json, sys
from qianfan.resources.console.data import Data

made = Data.create_offline_batch_inference_task(
    name="夜", descrption="as the documentation spells it", endpoint={endpoint!r},
    inference_params={{"temperature": 0.5}}, input_bos_uri="bos:/sandbox/{folder}/in/", output_bos_uri="bos:/sandbox/{folder}/out/",
)["result"]["taskId"]
"""
FINISH = """
while (task := Data.get_offline_batch_inference_task(task_id=made)["result"])["runStatus"] == "Running":
    pass
listed = Data.list_offline_batch_inference_task(run_status="Done", max_keys=1)["result"]["taskList"]
print(json.dumps([task, listed[0]["taskId"] == made]))
"""
STOP = """
print(json.dumps(Data.stop_offline_batch_inference_task(task_id=made)["result"]))
while (task := Data.get_offline_batch_inference_task(task_id=made)["result"])["runStatus"] == "Running":
    pass
print(json.dumps(task["runStatus"]))
"""


@pytest.fixture
def client(sandbox):
    with openai.OpenAI(
        base_url=f"{sandbox.url}/v2", api_key=sandbox.api_key, max_retries=0
    ) as client:
        yield client


def lines(count):
    body = {"model": "ernie-lite-8k", "messages": [{"role": "user", "content": "你是谁"}]}
    rows = [
        {"custom_id": f"r{i}", "method": "POST", "url": CHAT, "body": body} for i in range(count)
    ]
    return io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())


def start_batch(client, count):
    file = client.files.create(file=("in.jsonl", lines(count)), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"a": "b"}
    )


def wait_until_finished(client, batch):
    while batch.status not in {"Done", "Failed", "Stopped", "Expired"}:
        batch = client.batches.retrieve(batch.id)
    return batch


def test_openai_runs_a_batch_and_reads_its_answers(client):
    batch = wait_until_finished(client, start_batch(client, 5))
    assert (batch.status, batch.request_counts.completed, batch.metadata) == ("Done", 5, {"a": "b"})
    rows = [json.loads(row) for row in client.files.content(batch.output_file_id).text.splitlines()]
    assert {row["custom_id"] for row in rows} == {f"r{i}" for i in range(5)}
    assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens
    assert batch.id in [row.id for row in client.batches.list(limit=5)]
    assert client.files.delete(batch.input_file_id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(batch.input_file_id)


def test_openai_cancels_a_batch(client):
    batch = client.batches.cancel(start_batch(client, 1500).id)
    assert wait_until_finished(client, batch).status == "Stopped"
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        client.batches.cancel(batch.id)


def test_openai_draws_pictures_in_a_batch(client):
    path = "/v2/images/generations"
    body = {"model": "qwen-image", "prompt": "山", "size": "512x512"}
    row = {"custom_id": "山", "method": "POST", "url": path, "body": body}
    file = client.files.create(file=("in.jsonl", json.dumps(row).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=path, completion_window="24h")
    batch = wait_until_finished(client, batch)
    (answer,) = [
        json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()
    ]
    assert answer["response"]["body"]["data"][0]["url"].endswith(".png")


def test_openai_gets_the_errors_of_a_file(client):
    file = client.files.create(file=("in.jsonl", b"{"), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    error = wait_until_finished(client, batch).errors.data[0]
    assert (error.code, error.line) == ("invalid_json_line", 1)


def test_openai_reads_page_after_page(client):
    batches = [client.files.create(file=("x", b"x"), purpose="evals").id for _ in range(3)]
    assert [file.id for file in client.files.list(purpose="evals", limit=1, order="asc")] == batches


def script(sandbox, folder, count):
    rows = "".join(json.dumps({"id": str(i), "query": "你是谁"}) + "\n" for i in range(count))
    Storage.upload(f"bos:/sandbox/{folder}/in/a.jsonl", rows.encode())
    endpoint = f"{sandbox.url}/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant"
    return QIANFAN.format(endpoint=endpoint, folder=folder)


def test_qianfan_runs_a_task_whose_answers_are_in_storage(sdk, sandbox):
    (output_lines,) = sdk(script(sandbox, "peer", 5) + FINISH)
    task, first_in_list = json.loads(output_lines)
    assert (task["runStatus"], task["progress"], first_in_list) == ("Done", 5, True)
    (output,) = Storage.list(f"bos:/sandbox/peer/out/{task['outputDir']}/")
    rows = [json.loads(row) for row in Storage.read(output).splitlines()]
    assert {row["id"] for row in rows} == {str(i) for i in range(5)}
    assert all("不是文心一言" in row["output"]["result"] for row in rows)


def test_qianfan_stops_a_task(sdk, sandbox):
    assert [json.loads(line) for line in sdk(script(sandbox, "peer-stop", 3000) + STOP)] == [
        True,
        "Stopped",
    ]
