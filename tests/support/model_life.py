"""The whole life of a model on a sandbox, step by step, over plain HTTP with the platform's own
shapes.
"""

import json
from dataclasses import dataclass, field

from qfnb.wire.endpoints import ENDPOINTS
from support.raw_http import open_client, signed_headers, storage_request
from support.waiting import wait_for

ROWS = [(f"咖啡第{number}问", f"咖啡答{number}号") for number in range(12)]
V1 = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat"
DEADLINE = 60


@dataclass
class Life:
    """What was acknowledged so far; each step adds to it, and `missing` returns what was lost."""

    address: object
    name: str = "life"
    ids: dict[str, object] = field(default_factory=dict)
    promises: list[tuple[str, dict, str, object]] = field(default_factory=list)

    def call(self, name, /, **body):
        """Return the result of a management operation; a refusal is an error."""
        answer = self.ask(name, **body)
        assert "result" in answer.json(), (name, body, answer.text)
        return answer.json()["result"]

    def ask(self, name, /, **body):
        row = ENDPOINTS[name]
        query = {"Action": row.action} if row.action else {}
        headers = signed_headers(self.address, row.method, row.path, **query)
        with open_client(self.address.url) as http:
            return http.request(row.method, row.path, params=query, json=body, headers=headers)

    def until(self, expected, name, path, /, **body):
        """Wait until a field of a description has a value, which must not change afterwards."""
        wait_for(
            lambda: value_at(self.call(name, **body), path),
            lambda value: value == expected,
            DEADLINE,
        )
        self.promise(name, path, expected, **body)

    def promise(self, name, path, value, /, **body):
        self.promises.append((name, body, path, value))

    def missing(self):
        """Return what was acknowledged and has been lost."""
        lost = [
            (name, path, value_at(self.call(name, **body), path), value)
            for name, body, path, value in self.promises
        ]
        return [row for row in lost if row[2] != row[3]]


def value_at(value, path):
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def upload(life):
    lines = "".join(
        json.dumps([{"prompt": prompt, "response": [[answer]]}], ensure_ascii=False) + "\n"
        for prompt, answer in ROWS
    )
    with open_client(life.address.url) as http:
        put = storage_request(
            life.address, http, "PUT", "/bos/sandbox/life/rows.jsonl", lines.encode()
        )
    assert put.status_code == 200


def create_dataset(life):
    created = life.call(
        "data.create",
        name=life.name,
        versionId=1,
        projectType=20,
        templateType=2000,
        dataType=4,
        storageType="usrBos",
        storageId="sandbox",
        rawStoragePath="/life/",
    )
    life.ids["dataset"] = created["datasetId"]
    life.promise("data.info", "name", life.name, datasetId=created["datasetId"])


def import_rows(life):
    files = ["bos:/sandbox/life/rows.jsonl"]
    life.call(
        "data.import", datasetId=life.ids["dataset"], annotated=True, importFrom=1, files=files
    )


def release(life):
    bucket = {"datasetId": life.ids["dataset"]}
    life.until(2, "data.info", "versionInfo.importStatus", **bucket)
    life.promise("data.info", "versionInfo.entityCount", len(ROWS), **bucket)
    life.call("data.release", **bucket)


def create_job(life):
    life.until(2, "data.info", "versionInfo.releaseStatus", datasetId=life.ids["dataset"])
    life.ids["job"] = life.call(
        "finetune.v2.create_job", name=life.name, model="ERNIE-4.5-Turbo-128K"
    )["jobId"]


def create_task(life):
    config = {
        "sourceType": "Platform",
        "versions": [{"versionId": life.ids["dataset"]}],
        "splitRatio": 20,
    }
    created = life.call(
        "finetune.v2.create_task",
        jobId=life.ids["job"],
        parameterScale="LoRA",
        hyperParameterConfig={"epoch": 1},
        datasetConfig=config,
    )
    life.ids["task"] = created["taskId"]
    life.promise("finetune.v2.describe_task", "jobId", life.ids["job"], taskId=created["taskId"])


def publish(life):
    life.until("Done", "finetune.v2.describe_task", "runStatus", taskId=life.ids["task"])
    origin = {"taskId": life.ids["job"], "iterationId": life.ids["task"]}
    created = life.call("model.publish", isNewModel=True, modelName=life.name, versionMeta=origin)
    life.ids |= {"model": created["modelIDStr"], "version": created["versionIdStr"]}


def deploy(life):
    life.until("Ready", "model.detail", "state", modelVersionId=life.ids["version"])
    created = life.call(
        "service.v2.create",
        modelSetId=life.ids["model"],
        modelId=life.ids["version"],
        name=life.name,
        urlSuffix=life.name,
        resourceConfig={"type": "GPU-I-2", "replicasCount": 1},
        billing={
            "paymentTiming": "Prepaid",
            "reservation": {"reservationTimeUnit": "Hour", "reservationLength": 1},
        },
    )
    life.ids["service"] = created["serviceId"]


def chat(life):
    life.until("Serving", "service.v2.describe", "runStatus", serviceId=life.ids["service"])
    path = f"{V1}/{life.call('service.v2.describe', serviceId=life.ids['service'])['url'].rpartition('/')[2]}"
    body = {"messages": [{"role": "user", "content": ROWS[0][0]}]}
    with open_client(life.address.url) as http:
        answer = http.post(
            path, json=body, headers=signed_headers(life.address, "POST", path)
        ).json()
    assert answer.get("result"), answer


STEPS = (
    upload,
    create_dataset,
    import_rows,
    release,
    create_job,
    create_task,
    publish,
    deploy,
    chat,
)
