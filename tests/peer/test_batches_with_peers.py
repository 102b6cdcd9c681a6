"""The `openai` client and the official `qianfan` SDK run offline batches on the sandbox unchanged."""

import io
import json
import os
import subprocess
import sys

import openai
import pytest

from qfnb.cli import environment
from qfnb.resources.storage import Storage

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
    with openai.OpenAI(base_url=f"{sandbox.url}/v2", api_key=sandbox.api_key, max_retries=0) as client:
        yield client


def lines(count):
    body = {"model": "ernie-lite-8k", "messages": [{"role": "user", "content": "你是谁"}]}
    rows = [{"custom_id": f"r{i}", "method": "POST", "url": CHAT, "body": body} for i in range(count)]
    return io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())


def started(client, count):
    file = client.files.create(file=("in.jsonl", lines(count)), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"a": "b"}
    )


def finished(client, batch):
    while batch.status not in {"Done", "Failed", "Stopped", "Expired"}:
        batch = client.batches.retrieve(batch.id)
    return batch


def test_openai_runs_a_batch_and_reads_its_answers(client):
    batch = finished(client, started(client, 5))
    assert (batch.status, batch.request_counts.completed, batch.metadata) == ("Done", 5, {"a": "b"})
    rows = [json.loads(row) for row in client.files.content(batch.output_file_id).text.splitlines()]
    assert {row["custom_id"] for row in rows} == {f"r{i}" for i in range(5)}
    assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens
    assert batch.id in [row.id for row in client.batches.list(limit=5)]
    assert client.files.delete(batch.input_file_id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(batch.input_file_id)


def test_openai_cancels_a_batch(client):
    batch = client.batches.cancel(started(client, 1500).id)
    assert finished(client, batch).status == "Stopped"
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        client.batches.cancel(batch.id)


def test_openai_is_told_what_is_wrong_with_a_file(client):
    file = client.files.create(file=("in.jsonl", b"{"), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    error = finished(client, batch).errors.data[0]
    assert (error.code, error.line) == ("invalid_json_line", 1)


def test_openai_reads_page_after_page(client):
    made = [client.files.create(file=("x", b"x"), purpose="evals").id for _ in range(3)]
    assert [file.id for file in client.files.list(purpose="evals", limit=1, order="asc")] == made


def qianfan(code, sandbox, tmp_path):
    names = ("QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY")
    env = {name: value for name, value in os.environ.items() if not name.startswith("QIANFAN_")}
    env |= {
        name: value for name, value in environment(sandbox).items() if name.endswith("_URL") or name in names
    }
    env |= {"QIANFAN_DISABLE_EB_SDK": "true", "QIANFAN_CACHE_DIR": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return [json.loads(row) for row in run.stdout.splitlines()]


def script(sandbox, folder, count):
    rows = "".join(json.dumps({"id": str(i), "query": "你是谁"}) + "\n" for i in range(count))
    Storage.upload(f"bos:/sandbox/{folder}/in/a.jsonl", rows.encode())
    endpoint = f"{sandbox.url}/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant"
    return QIANFAN.format(endpoint=endpoint, folder=folder)


def test_qianfan_runs_a_task_whose_answers_are_in_storage(sandbox, tmp_path):
    ((task, first_in_list),) = qianfan(script(sandbox, "peer", 5) + FINISH, sandbox, tmp_path)
    assert (task["runStatus"], task["progress"], first_in_list) == ("Done", 5, True)
    (output,) = Storage.list(f"bos:/sandbox/peer/out/{task['outputDir']}/")
    rows = [json.loads(row) for row in Storage.read(output).splitlines()]
    assert {row["id"] for row in rows} == {str(i) for i in range(5)}
    assert all("不是文心一言" in row["output"]["result"] for row in rows)


def test_qianfan_stops_a_task(sandbox, tmp_path):
    assert qianfan(script(sandbox, "peer-stop", 3000) + STOP, sandbox, tmp_path) == [True, "Stopped"]
