"""Speaking to the sandbox's files, batches, storage and inference tasks over plain HTTP."""

import json
import time
from urllib.parse import quote, unquote

import httpx

from qfnb.wire import signature

CHAT = "/v2/chat/completions"
DEADLINE = 20
OVER = {"Done", "Stopped", "Failed", "Expired"}


def connected(address):
    bearer = {"authorization": f"Bearer {address.api_key}"}
    return httpx.Client(base_url=address.url, headers=bearer, trust_env=False, timeout=30)


def line(number, question="你是谁", **change):
    body = {"model": "ernie-lite-8k", "messages": [{"role": "user", "content": question}]}
    return {"custom_id": f"行-{number}", "method": "POST", "url": CHAT, "body": body, **change}


def jsonl(rows):
    return "".join(
        (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows
    )


def uploaded(http, content, name="问题.jsonl", purpose="batch"):
    return http.post("/v2/files", files={"file": (name, content)}, data={"purpose": purpose})


def created(http, rows, **change):
    file_id = uploaded(http, jsonl(rows)).json()["id"]
    body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h", **change}
    return http.post("/v2/batches", json=body)


def until(http, batch_id, reached):
    end = time.monotonic() + DEADLINE
    while not reached(batch := http.get(f"/v2/batches/{batch_id}").json()):
        assert time.monotonic() < end, batch
    return batch


def finished(batch):
    return batch["status"] in OVER


def results(http, file_id):
    return [json.loads(row) for row in http.get(f"/v2/files/{file_id}/content").text.splitlines()]


def run(http, rows, **change):
    return until(http, created(http, rows, **change).json()["id"], finished)


def error(answer):
    return answer.status_code, answer.json()["error"]["code"]


def signed(address, method, path, **query):
    host, date = address.url.removeprefix("http://"), signature.timestamp(time.time())
    headers = {"host": host, "x-bce-date": date}
    headers["authorization"] = signature.authorization(
        address.access_key,
        address.secret_key,
        method=method,
        path=quote(unquote(path)),
        query=tuple(query.items()),
        headers=headers,
        date=date,
    )
    return headers


def stored(sandbox, http, method, path, content=b"", **query):
    return http.request(
        method, path, params=query, content=content, headers=signed(sandbox, method, path, **query)
    )


def acted(sandbox, http, action, **body):
    headers = signed(sandbox, "POST", "/v2/batchinference", Action=action)
    return http.post("/v2/batchinference", params={"Action": action}, json=body, headers=headers)


def started(sandbox, http, folder, content, **change):
    stored(sandbox, http, "PUT", f"/bos/sandbox/{folder}/a.jsonl", content.encode())
    body = {
        "name": "夜",
        "inputBosUri": f"bos:/sandbox/{folder}/",
        "outputBosUri": f"bos:/sandbox/{folder}-out/",
        "endpoint": f"{sandbox.url}/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant",
        "inferenceParams": {"temperature": 0.5},
        **change,
    }
    return acted(sandbox, http, "CreateBatchInferenceTask", **body)


def watched(sandbox, http, task_id):
    end = time.monotonic() + DEADLINE
    while (task := acted(sandbox, http, "DescribeBatchInferenceTask", taskId=task_id).json()["result"])[
        "runStatus"
    ] == "Running":
        assert time.monotonic() < end, task
    return task
