"""Plain HTTP requests to the sandbox's files, batches, storage and inference tasks."""

import json
import time
from urllib.parse import quote, unquote

import httpx

from qfnb.wire import auth
from support.waiting import wait_for

CHAT = "/v2/chat/completions"
DEADLINE = 60
FINAL_STATUSES = {"Done", "Stopped", "Failed", "Expired"}


def open_client(url, **options):
    """Return a client of a server on this computer; loading certificates would take 30 ms of each
    client.
    """
    return httpx.Client(base_url=url, trust_env=False, verify=False, **{"timeout": 60, **options})


def connect(address):
    return open_client(address.url, headers={"authorization": f"Bearer {address.api_key}"})


def set_clock(address, **change):
    """Set `speed` of the sandbox's clock, or `advance` it; while it stands still, so do its
    jobs.
    """
    headers = {"authorization": f"Bearer {address.control_token}"}
    with open_client(address.url, headers=headers) as client:
        client.post("/_sandbox/clock", json=change).raise_for_status()


def line(number, question="你是谁", **change):
    body = {"model": "ernie-4.5-turbo-128k", "messages": [{"role": "user", "content": question}]}
    return {"custom_id": f"行-{number}", "method": "POST", "url": CHAT, "body": body, **change}


def jsonl(rows):
    return "".join(
        (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n"
        for row in rows
    )


def upload(http, content, name="问题.jsonl", purpose="batch"):
    return http.post("/v2/files", files={"file": (name, content)}, data={"purpose": purpose})


def create_batch(http, rows, **change):
    file_id = upload(http, jsonl(rows)).json()["id"]
    body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h", **change}
    return http.post("/v2/batches", json=body)


def wait_for_batch(http, batch_id, is_reached):
    return wait_for(lambda: http.get(f"/v2/batches/{batch_id}").json(), is_reached, DEADLINE)


def finished(batch):
    return batch["status"] in FINAL_STATUSES


def results(http, file_id):
    return [json.loads(row) for row in http.get(f"/v2/files/{file_id}/content").text.splitlines()]


def run_batch(http, rows, **change):
    return wait_for_batch(http, create_batch(http, rows, **change).json()["id"], finished)


def error_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def signed_headers(address, method, path, **query):
    host = address.url.removeprefix("http://")
    date = auth.format_timestamp(time.time())
    headers = {"host": host, "x-bce-date": date}
    headers["authorization"] = auth.build_authorization(
        address.access_key,
        address.secret_key,
        method=method,
        path=quote(unquote(path)),
        query=tuple(query.items()),
        headers=headers,
        date=date,
    )
    return headers


def storage_request(sandbox, http, method, path, content=b"", **query):
    return http.request(
        method,
        path,
        params=query,
        content=content,
        headers=signed_headers(sandbox, method, path, **query),
    )


def call_action(sandbox, http, action, **body):
    headers = signed_headers(sandbox, "POST", "/v2/batchinference", Action=action)
    return http.post("/v2/batchinference", params={"Action": action}, json=body, headers=headers)


def start_task(sandbox, http, folder, content, **change):
    storage_request(sandbox, http, "PUT", f"/bos/sandbox/{folder}/a.jsonl", content.encode())
    body = {
        "name": "夜",
        "inputBosUri": f"bos:/sandbox/{folder}/",
        "outputBosUri": f"bos:/sandbox/{folder}-out/",
        "endpoint": f"{sandbox.url}/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant",
        "inferenceParams": {"temperature": 0.5},
        **change,
    }
    return call_action(sandbox, http, "CreateBatchInferenceTask", **body)


def wait_for_task(sandbox, http, task_id):
    def describe():
        action = "DescribeBatchInferenceTask"
        return call_action(sandbox, http, action, taskId=task_id).json()["result"]

    return wait_for(describe, lambda task: task["runStatus"] != "Running", DEADLINE)
