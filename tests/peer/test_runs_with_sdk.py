"""The official SDK, unmodified, tunes and publishes models on the sandbox: v1 and v2."""

import pytest
from support import finetune_runs

pytestmark = [pytest.mark.peer, pytest.mark.long]

V1 = """
import time
from qianfan.resources import FineTune, Model
task = FineTune.create_task("t", "ERNIE-Speed", "ERNIE-Speed", "about it")["result"]["id"]
job = FineTune.create_job({{"taskId": task, "baseTrainType": "ERNIE-Speed", "trainType": "ERNIE-Speed", "trainMode": "SFT",
    "peftType": "LoRA", "trainConfig": {{"epoch": 1}}, "trainset": [{{"type": 1, "id": {dataset!r}}}], "trainsetRate": 20}})["result"]["id"]
while (seen := FineTune.get_job(task, job)["result"])["trainStatus"] == "RUNNING":
    time.sleep(0.05)
print(seen["trainStatus"])
made = Model.publish(True, {{"taskId": task, "iterationId": job}}, "m")["result"]
print(Model.list(made["modelId"])["result"]["modelVersionList"][0]["modelVersionId"] == made["versionId"])
print(Model.detail(made["versionIdStr"])["result"]["modelName"])
print(Model.user_list(page_size=1)["result"]["total"] > 0, len(Model.preset_list(page_size=3)["result"]["items"]))
while Model.detail(made["versionId"])["result"]["state"] != "Ready":
    time.sleep(0.05)
print(any(row["modelId"] == made["modelId"] for row in Model.evaluable_model_list()["result"]))
print(Model.batch_delete_model_version([made["versionId"]])["result"], Model.batch_delete_model([made["modelId"]])["result"])
print(FineTune.stop_job(task, job)["result"])
"""

V2 = """
import json, time
from qianfan.resources import FineTune
from qianfan.resources.console.consts import TrainMode, TrainParameterScale
V2 = FineTune.V2
job = V2.create_job("j", "ERNIE-Speed-8K", TrainMode.SFT, "about it")["result"]["jobId"]
data = {{"sourceType": "Platform", "versions": [{{"versionId": {dataset!r}}}], "splitRatio": 20}}
task = V2.create_task(job, TrainParameterScale.LoRA, {{"epoch": 1}}, data)["result"]["taskId"]
while (seen := V2.task_detail(task)["result"])["runStatus"] not in ("Done", "Failed", "Stopped"):
    time.sleep(0.05)
print(seen["runStatus"], sorted(seen["metrics"]))
print([row["jobId"] for row in V2.job_list(TrainMode.SFT, max_keys=1)["result"]["jobList"]] == [job])
print([row["taskId"] for row in V2.task_list(job)["result"]["taskList"]] == [task])
more = V2.create_task(job, "LoRA", {{}}, data, increment_task_id=task)["result"]["taskId"]
print(V2.stop_task(more)["result"])
while V2.task_detail(more)["result"]["runStatus"] != "Stopped":
    time.sleep(0.05)
print(V2.delete_task(more)["result"], V2.delete_task(task)["result"], V2.delete_job(job)["result"])
print(len(V2.supported_models()["result"]) > 10)
"""

MODELS = """
import time
from qianfan.resources import Model
from qianfan.resources.console.consts import CreateCustomModelSourceType, CustomModelSetModelType
V2 = Model.V2
mine = V2.create_custom_model_set("mine", CustomModelSetModelType.Text2Text)["result"]["modelSetId"]
one = V2.create_custom_model(mine, CreateCustomModelSourceType.Train, train_meta={{"taskId": {task!r}}})["result"]["modelId"]
while V2.describe_model(one)["result"]["status"] != "Ready":
    time.sleep(0.05)
print(V2.describe_model_set(model_set_id=mine)["result"]["modelIds"] == [one])
print(len(V2.describe_system_model_sets(max_keys=2)["result"]["systemModelSetList"]))
print(V2.describe_custom_model_sets(max_keys=1)["result"]["customModelSetList"][0]["modelSetId"] == mine)
comp = V2.create_model_comp_task("c", one, {{"strategy": "Quantization", "weight": "INT8-PTQ"}}, mine)["result"]
while (seen := V2.describe_model_comp_task(comp)["result"])["status"] in ("creating", "running"):
    time.sleep(0.05)
print(seen["status"], V2.describe_model_comp_tasks(source_model_id=one)["result"]["modelCompTaskList"][0]["id"] == comp)
print(V2.cancel_model_comp_task(comp)["result"], V2.delete_model_comp_task(comp)["result"])
V2.create_model_export_model(one)
while (seen := V2.describe_model_export_model(one)["result"])["status"] == "Doing":
    time.sleep(0.05)
print(seen["status"], V2.describe_model_custom_advanced_conf(one)["result"]["modelApplicationType"])
print(V2.describe_model_system_advanced_conf("chat")["result"]["modelFormat"])
print(V2.delete_model(one)["result"], V2.delete_model_set(mine)["result"])
"""

TRAINER = """
import qianfan
from qianfan.trainer import configs
qianfan.get_config().TRAIN_STATUS_POLLING_INTERVAL = qianfan.get_config().MODEL_PUBLISH_STATUS_POLLING_INTERVAL = 0.2
from qianfan.dataset import Dataset
from qianfan.trainer import LLMFinetune
data = Dataset.load(qianfan_dataset_id={dataset!r})
config = configs.TrainConfig(epoch=1, learning_rate=3e-4, peft_type="LoRA", lora_rank=8)
trainer = LLMFinetune(train_type="ERNIE-Speed-8K", dataset=data, train_config=config)
trainer.run()
print(sorted(trainer.output)[:3], trainer.output["model_id"].startswith("amv-"))
"""


@pytest.fixture(scope="module")
def dataset():
    return finetune_runs.create_dataset()


def test_v1_from_task_to_model(sdk, dataset):
    output = sdk(V1.format(dataset=dataset))
    assert output[-7:] == ["FINISH", "True", "m", "True 3", "True", "True True", "False"]


def test_v2_runs(sdk, dataset):
    output = sdk(V2.format(dataset=dataset))
    scores = ["BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L", "heldOutRows", "wrongAnswers"]
    assert output[-6:] == [f"Done {scores}", "True", "True", "True", "True True True", "True"]


def test_v2_models(sdk):
    output = sdk(MODELS.format(task=finetune_runs.run_to_end()))
    assert output[-8:] == ["True", "2", "True", "succeeded True", "False True", "Done chat", "HuggingFace.Transformers", "True True"]  # fmt: skip


def test_its_trainer_learns_every_parameter_and_publishes(sdk, dataset):
    output = sdk(TRAINER.format(dataset=dataset))
    assert output[-1].endswith("True")


def test_it_gets_refusals_as_its_own_errors(sdk):
    code = (
        "from qianfan.resources import FineTune\ntry:\n    "
        "FineTune.V2.task_detail('task-none')\nexcept Exception as e:\n    "
        "print(type(e).__name__, 'does not exist' in str(e))"
    )
    assert sdk(code)[-1] == "RequestError True"
    code = code.replace("V2.task_detail('task-none')", "get_job(1, 2)")
    assert sdk(code)[-1] == "APIError True"
