"""The official SDK, unmodified, does the whole workflow on the sandbox: data, training, model,
service, evaluation.
"""

import io
import json
import uuid
import zipfile

import httpx
import pytest

from qfnb.resources.management.storage import Storage

pytestmark = pytest.mark.peer

ANSWERS = {"几点开门": "早上九点开门。", "在哪里": "在河边路三号。"}
BEFORE = ("", "请问", "你好，", "想知道", "麻烦问下")

LIFE = """
import json, time
import qianfan
from qianfan.resources import FineTune, Model, Service
from qianfan.resources.console.data import Data
from qianfan.resources.console.consts import *

version, address, name = {version!r}, {address!r}, {name!r}

def until(look, *states):
    end = time.time() + 40
    while (state := look()) not in states:
        assert time.time() < end, state
        time.sleep(0.05)
    return state

def said(**facts):
    print("said", json.dumps(facts, ensure_ascii=False))

data = Data.create_bare_dataset(name, DataSetType.TextOnly, DataProjectType.Conversation,
                                DataTemplateType.NonSortedConversation, DataStorageType.PublicBos)["result"]
Data.create_data_import_task(data["datasetId"], True, DataSourceType.PrivateBos, address)
info = lambda: Data.get_dataset_info(data["datasetId"])["result"]["versionInfo"]
until(lambda: info()["importStatus"], 2)
Data.release_dataset(data["datasetId"])
until(lambda: info()["releaseStatus"], 2)
said(rows=info()["entityCount"])

if version == 1:
    job = FineTune.create_task(name, "ERNIE-Speed", "ERNIE-Speed", "life")["result"]["id"]
    run = FineTune.create_job(dict(taskId=job, baseTrainType="ERNIE-Speed", trainType="ERNIE-Speed", trainMode="SFT",
        peftType="LoRA", trainConfig=dict(epoch=3), trainset=[dict(type=1, id=data["datasetId"])], trainsetRate=20))["result"]["id"]
    said(state=until(lambda: FineTune.get_job(job, run)["result"]["trainStatus"], "FINISH", "FAIL"))
else:
    job = FineTune.V2.create_job(name, "ERNIE-Speed-8K", "SFT", "life")["result"]["jobId"]
    sets = dict(sourceType="Platform", versions=[dict(versionId=data["datasetId"])], splitRatio=20)
    run = FineTune.V2.create_task(job, "LoRA", dict(epoch=3), sets)["result"]["taskId"]
    said(state=until(lambda: FineTune.V2.task_detail(run)["result"]["runStatus"], "Done", "Failed"))

model = Model.publish(True, dict(taskId=job, iterationId=run), name)["result"]
said(published=until(lambda: Model.detail(model["versionIdStr"])["result"]["state"], "Ready", "Fail"))

if version == 1:
    service = Service.create(model["modelId"], model["versionId"], "life", "life", 1, DeployPoolType.PrivateResource)["result"]["serviceId"]
    until(lambda: Service.get(service)["result"]["serviceStatus"], "Done")
    endpoint = Service.get(service)["result"]["uri"]
else:
    service = Service.V2.create_service(model["modelIDStr"], model["versionIdStr"], "life", "life",
        dict(type="GPU-I-2", replicasCount=1), dict(paymentTiming="Postpaid"))["result"]["serviceId"]
    until(lambda: Service.V2.service_detail(service)["result"]["runStatus"], "Serving")
    endpoint = Service.V2.service_detail(service)["result"]["url"].split("/")[-1]
chat = qianfan.ChatCompletion(version=str(version), **(dict(endpoint=endpoint) if version == 1 else dict(model=endpoint)))
answer = chat.do(messages=[dict(role="user", content="请问几点开门")])
said(answer=answer["result"] if version == 1 else answer["choices"][0]["message"]["content"])

versions = [dict(modelId=model["modelIDStr"], modelVersionId=model["versionIdStr"])]
conf = dict(evalMode="rule", scoreModes=["similarity", "accuracy"])
task = Model.create_evaluation_task(name, versions, data["datasetId"], conf)["result"]["evalIdStr"]
said(evaluated=until(lambda: Model.get_evaluation_info(task)["result"]["state"], "Done", "Failed", "PartlyDone"))
said(metrics=Model.get_evaluation_result(task)["result"][0]["effectMetric"])
export = Model.create_evaluation_result_export_task(task)["result"]["exportIDStr"]
status = lambda: Model.get_evaluation_result_export_task_status(export)["result"]
said(exported=until(lambda: status()["state"], "Done", "Fail"), url=status()["downloadUrl"])
"""


@pytest.mark.parametrize("version", [1, 2])
def test_from_the_rows_to_the_report(sdk, sandbox, version):
    name = f"life_{uuid.uuid4().hex[:8]}"
    rows = [
        [{"prompt": b + ask, "response": [[answer]]}]
        for ask, answer in ANSWERS.items()
        for b in BEFORE
    ]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    address = Storage.upload(f"bos:/sandbox/{name}/rows.jsonl", content)
    keys = ["QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY"]
    lines = sdk(LIFE.format(version=version, address=address, name=name), *keys)
    facts = {}
    for line in lines:
        facts |= json.loads(line.removeprefix("said ")) if line.startswith("said ") else {}
    assert (facts["rows"], facts["state"]) == (10, "FINISH" if version == 1 else "Done")
    assert (facts["published"], facts["evaluated"], facts["exported"]) == ("Ready", "Done", "Done")
    assert facts["answer"] == ANSWERS["几点开门"]
    assert facts["metrics"]["rouge_l"] > 0.9
    exported = zipfile.ZipFile(io.BytesIO(httpx.get(facts["url"], trust_env=False).content)).read(
        "data.jsonl"
    )
    assert len(exported.decode().splitlines()) == 10
