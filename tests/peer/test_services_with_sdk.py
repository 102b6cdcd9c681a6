"""The official SDK's services, prompts, quotas and memories on the sandbox, unchanged."""

import json

import pytest
from support import finetune_runs
from support.waiting import wait_for

from qfnb.resources import Model

pytestmark = pytest.mark.peer

LIFE = """
import json, time
from datetime import datetime, timedelta
import qianfan
from qianfan.resources import Service
from qianfan.resources.console.consts import DeployPoolType

set_id, version_id = {set_id!r}, {version_id!r}
V2 = Service.V2

def until(look, wanted):
    end = time.time() + 20
    while (state := look()) != wanted:
        assert time.time() < end and state in ("New", "Deploying"), state
        time.sleep(0.05)

def ask(endpoint, version):
    answer = qianfan.ChatCompletion(version=version, endpoint=endpoint, model=endpoint if version == "2" else None).do(
        messages=[{{"role": "user", "content": "几点开门"}}])
    return answer["result"] if version == "1" else answer["choices"][0]["message"]["content"]

one = V2.create_service(
    model_set_id=set_id, model_id=version_id, name="by the sdk", url_suffix="sdkshop",
    resource_config={{"type": "GPU-I-2", "replicasCount": 1}},
    billing={{"paymentTiming": "Prepaid", "reservation": {{"reservationTimeUnit": "Hour", "reservationLength": 1}}}},
)["result"]
until(lambda: V2.service_detail(one["serviceId"])["result"]["runStatus"], "Serving")
endpoint = V2.service_detail(one["serviceId"])["result"]["url"].split("/")[-1]
print(ask(endpoint, "1"))
print(ask(endpoint, "2"))

two = Service.create({set_number!r}, {version_number!r}, "sdk_test", "svc_uri", 1, DeployPoolType.PrivateResource)["result"]
until(lambda: Service.get(two["serviceId"])["result"]["serviceStatus"], "Done")
print(ask(Service.get(two["serviceId"])["result"]["uri"], "1"))

now = datetime.utcnow()
counted = V2.service_metric(now - timedelta(hours=1), now + timedelta(days=1), service_id=[one["serviceId"]])["result"]
print(counted["serviceList"][0]["appList"][0]["metric"]["callTotal"])
listed = V2.service_list(max_keys=100, name="by the", run_status=["Serving"])["result"]["serviceList"]
print([row["serviceId"] for row in listed] == [one["serviceId"]])
print(V2.modify_service(one["serviceId"], set_id, version_id)["result"]["serviceId"] == one["serviceId"])
print(any(row["name"] == "sdk_test" for row in Service.list(["chat"])["result"]["custom"]))
print(len(V2.describe_preset_services(service_type=["embeddings"])["result"]["serviceList"]) > 0)
"""

DEPLOY = """
import qianfan
from qianfan.model import Model, DeployConfig
from qianfan.model.consts import ServiceType

qianfan.get_config().DEPLOY_STATUS_POLLING_INTERVAL = 0.1
service = Model(set_id={set_id!r}, id={version_id!r}).deploy(DeployConfig(service_type=ServiceType.Chat))
print(service.exec({{"messages": [{{"role": "user", "content": "几点开门"}}]}})["result"])
from datetime import datetime, timedelta
now = datetime.utcnow()
print(service.metrics(now - timedelta(hours=1), now + timedelta(days=1))["appList"][0]["metric"]["succeedCallTotal"])
"""

PROMPTS = """
import time
from qianfan.resources import Prompt
from qianfan.common import Prompt as Template
from qianfan.common.hub import hub
from qianfan.consts import PromptSceneType, PromptScoreStandard
from qianfan.model import Service

key = Prompt.create(name="sdk", template="写一首关于{theme}的诗", label_ids=[])["result"]
print(Prompt.info(key["templateId"], theme="秋天")["result"]["content"])
Prompt.update(key["templatePK"], name="sdk new", template="写((count))首诗", identifier="(())")
print(Prompt.list(name="sdk new")["result"]["items"][0]["templateVariables"])

hub.push(Template("画{thing}", name="sdk hub", scene_type=PromptSceneType.Text2Image, negative_template="不要水印"))
pulled = hub.load("prompt/sdk hub")
print(pulled.render(thing="猫"))
pulled.delete()

label = Prompt.V2.create_label(["sdk label"])["result"]["items"][0]
made = Prompt.V2.create("sdk v2", "写{theme}", labels=[label["labelId"]], hyper_parameters={"temperature": 0.5})["result"]
print(Prompt.V2.info(made["templateId"], theme="茶")["result"]["content"])
Prompt.V2.update(made["templateId"], template_content="写{drink}")
print(Prompt.V2.list(label_ids=[label["labelId"]])["result"]["items"][0]["templateVariables"])
print(Prompt.V2.delete_label(label["labelId"])["result"], Prompt.V2.delete(made["templateId"])["result"])
print(Prompt.list_labels()["result"]["total"], len(Prompt.V2.list_labels(max_keys=1)["result"]["items"]))

task = Prompt.create_optimiztion_task("帮我写一份{job}年终总结", [{"opType": kind, "payload": 1} for kind in (1, 2, 3, 4)])["result"]
while Prompt.get_optimization_task(task["id"])["result"]["processStatus"] == 1:
    time.sleep(0.05)
print("{job}" in Prompt.get_optimization_task(task["id"])["result"]["optimizeContent"])

from qianfan import Completion
scored = Template.evaluate(
    [Template("{question}"), Template("请问{question}")],
    [{"args": {"question": "你是谁"}, "expected": "我是沙盒里的小模型"}],
    Completion(model="ERNIE-Bot-turbo"),
    standard=PromptScoreStandard.Semantic,
)
print(all(0 <= row.scene[0]["score"] <= 1 and "sandbox" in row.summary for row in scored))
print(Prompt.delete(key["templatePK"])["result"])
failed = Prompt.delete(key["templatePK"])
print(failed["success"], "does not exist" in failed["message"]["global"])
"""

PAID = """
from qianfan.resources import Charge, Memory

bought = Charge.charge_tpm_credit("ernie-speed-8k", 2, {{"paymentTiming": "Postpaid"}})["result"]["instanceId"]
rows = Charge.tpm_credit_info("ernie-speed-8k", "Postpaid", bought)["result"]["instances"]
print(rows[0]["instanceId"] == bought, rows[0]["status"], rows[0]["expiredTime"])
print(Charge.resize_tpm_resource(bought, 3)["result"], Charge.auto_release_tpm_resource(bought, "2100-01-01T00:00:00Z")["result"])
print(Charge.stop_tpm_credit_charging("ernie-speed-8k", bought)["result"])

service = {service_id!r}
unit = Charge.purchase_service_resource(service, {{"paymentTiming": "Postpaid"}}, 2)["result"]["instanceId"]
print(len(Charge.get_service_resource_list(service)["result"]["instances"]))
print(Charge.get_service_resource_instance_info(service, unit)["result"]["instance"]["replicasCount"])
print(Charge.resize_service_resource_count(unit, 4)["result"], Charge.create_auto_renew_rules(unit, "ComputingUnit")["result"])
print(Charge.release_service_resource_instance_info(service, unit)["result"])

memory = Memory.create_system_memory("7", "人设")["result"]["systemMemoryId"]
Memory.modify_system_memory(memory, [{{"content": "店在河边"}}])
print(Memory.describe_system_memory(memory)["result"]["memories"][0]["content"])
print(memory in [row["systemMemoryId"] for row in Memory.describe_system_memories("7", max_keys=100)["result"]["items"]])
print(Memory.delete_system_memory(memory)["result"])
"""


@pytest.fixture(scope="module")
def version():
    """A published version of a model that has learned when the shop opens."""
    from qfnb.sandbox import ensure

    ensure()
    task = finetune_runs.run_to_end(epoch=2, learningRate=3e-4)
    job = finetune_runs.describe_run(task)["jobId"]
    publish = Model.publish(True, {"taskId": job, "iterationId": task}, "sdkshop").data
    wait_for(lambda: Model.detail(publish.version_id).data.state, lambda state: state == "Ready")
    return publish


def of(version):
    return {
        "set_id": version.model_id_str,
        "version_id": version.version_id_str,
        "set_number": version.model_id,
        "version_number": version.version_id,
    }


def test_it_deploys_calls_meters_and_changes_services_of_both_versions(sdk, version):
    answer = finetune_runs.ANSWERS["几点开门"]
    assert sdk(LIFE.format(**of(version))) == [
        answer,
        answer,
        answer,
        "2",
        "True",
        "True",
        "True",
        "True",
    ]


def test_its_model_deploys_with_its_default_names(sdk, version):
    assert sdk(DEPLOY.format(**of(version)))[-2:] == [finetune_runs.ANSWERS["几点开门"], "1"]


def test_it_stores_renders_optimizes_and_scores_prompts(sdk):
    output = sdk(PROMPTS)
    assert output[:5] == ["写一首关于秋天的诗", "count", "('画猫', '不要水印')", "写茶", "drink"]
    assert output[5] == "True True"
    assert output[7:] == ["True", "True", "True", "False True"]


def test_it_buys_and_releases_quotas_and_units_and_stores_memories(sdk, version):
    from qfnb.resources import Service

    service = Service.V2.create_service(
        version.model_id_str, version.version_id_str, "paid", "paid"
    )
    output = sdk(PAID.format(service_id=service.data.service_id))
    assert output == [
        ("True Running "
        "-"), "True True", "True", "2", "2", "True True", "True", "店在河边", "True", "True",
    ]  # fmt: skip


def test_it_gets_the_platforms_error_messages(sdk, version):
    code = """
import json
from qianfan.resources import Service
for call in (lambda: Service.create(1, 2, "name", "uri", 1), lambda: Service.V2.service_detail("svco-nothing")):
    try:
        call()
    except Exception as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""
    (v1, output), (v2, why) = map(json.loads, sdk(code))
    assert (v1, v2) == ("APIError", "RequestError")
    assert "500001" in output
    assert "InappropriateJSON" in why
