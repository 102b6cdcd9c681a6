"""The official `qianfan` SDK evaluates models of the sandbox, unchanged."""

import json

import pytest
from support.evaluation_sandbox import ANSWERS, PEOPLE, RULES, preset_model, upload_dataset

pytestmark = [pytest.mark.peer, pytest.mark.long]

HEAD = """
import json, os, time
os.environ.update(QIANFAN_EVALUATION_ONLINE_POLLING_INTERVAL="0.05", QIANFAN_EXPORT_STATUS_POLLING_INTERVAL="0.05",
                  QIANFAN_BATCH_RUN_STATUS_POLLING_INTERVAL="0.05")
os.chdir(os.environ["QIANFAN_CACHE_DIR"])
import qianfan
from qianfan.resources import Model as Api
"""

LIFE = """
made = Api.create_evaluation_task("n", [{versions}], {dataset!r}, {conf})["result"]
while (info := Api.get_evaluation_info(made["evalIdStr"])["result"])["state"] in ("Pending", "Doing"):
    time.sleep(0.02)
report = Api.get_evaluation_result(made["evalIdStr"])["result"]
listed = Api.get_evaluation_result_list(made["evalIdStr"], rouge_l={{"start": 0.0, "end": 1.0}})["result"]
stopped = Api.stop_evaluation_task(made["evalIdStr"])["result"]["result"]
deleted = Api.batch_delete_evaluation_result([made["evalIdStr"]])["result"]
print(json.dumps([info["state"], report[0]["modelName"], listed["total"], stopped, deleted]))
"""

MANAGER = """
from qianfan.dataset import Dataset
from qianfan.evaluation import EvaluationManager
from qianfan.evaluation.evaluator import QianfanRefereeEvaluator, QianfanRuleEvaluator
from qianfan.model import Model
evaluators = [QianfanRuleEvaluator(using_similarity=True, using_accuracy=True), QianfanRefereeEvaluator(app_id=7)]
found = EvaluationManager(qianfan_evaluators=evaluators).eval(
    [Model(version_id=None, id={version!r})], Dataset.load(qianfan_dataset_id={dataset!r}))
print(json.dumps([found.metrics, found.result_dataset.list()], ensure_ascii=False))
"""

PREDICT = """
from qianfan.dataset import Dataset
from qianfan.model import Model
found = Model(id={version!r}).batch_inference(Dataset.load(qianfan_dataset_id={dataset!r}))
print(json.dumps(found.list(), ensure_ascii=False))
"""

V2 = """
from qianfan.resources.console.eval import Eval
objects = {{"evalModelConfig": {{"versionId": {dataset!r}, "storageType": "sysStorage",
           "evalModelConfigList": [{{"modelId": {version!r}, "promptTemplate": "请回答：{{input}}"}}]}}}}
id_ = Eval.V2.create_eval_task("sdk", "model", objects, {{"evalMode": "model", "autoModelEvalConfig": {{"apiName": "x"}}}})["result"]
while (task := Eval.V2.describe_eval_task(id_)["result"])["state"] in ("Queued", "Running"):
    time.sleep(0.02)
listed = [row["taskId"] for row in Eval.V2.describe_eval_tasks("auto", key_filter=id_)["result"]["taskList"]]
report = Eval.V2.describe_eval_task_report(id_)["result"][0]
print(json.dumps([task["state"], listed == [id_], report["modelId"], Eval.V2.delete_eval_task(id_)["result"]]))
"""


@pytest.fixture
def model_and_dataset(sandbox):
    return preset_model(), upload_dataset(sandbox, ANSWERS, "sdk")


def parse_last(lines):
    return json.loads(lines[-1])


def test_it_walks_through_the_calls(sdk, model_and_dataset):
    model, dataset = model_and_dataset
    version = {"modelId": model["modelIdStr"], "modelVersionId": model["modelVersionIdStr"]}
    code = LIFE.format(versions=version, dataset=dataset, conf=RULES)
    assert parse_last(sdk(HEAD + code)) == ["Done", model["name"], len(ANSWERS), False, True]
    code = LIFE.format(
        versions={"modelVersionId": model["modelVersionId"]}, dataset=dataset, conf=PEOPLE
    )
    assert (
        "DoingWithManualBegin" in sdk(HEAD + code.split("report =")[0] + "print(info['state'])")[-1]
    )


def test_its_manager_evaluates(sdk, model_and_dataset):
    model, dataset = model_and_dataset
    code = MANAGER.format(version=model["modelVersionIdStr"], dataset=dataset)
    metrics, rows = parse_last(sdk(HEAD + code))
    (scores,) = metrics.values()
    assert next(iter(metrics)).startswith(model["name"])
    assert sum(scores["scoreDistribution"].values()) == len(ANSWERS)
    flat = [row[0] if isinstance(row, list) else row for row in rows]
    assert [row["预期回答"] for row in flat] == [*ANSWERS.values()]
    assert {"ROUGE-L", "裁判员模型打分"} <= set(flat[0])


def test_its_model_predicts_in_batches(sdk, model_and_dataset):
    model, dataset = model_and_dataset
    rows = parse_last(
        sdk(HEAD + PREDICT.format(version=model["modelVersionIdStr"], dataset=dataset))
    )
    assert [row["prompt"] for row in rows] == [*ANSWERS]
    assert [row["expected_output"] for row in rows] == [*ANSWERS.values()]
    assert all(row["llm_output"] for row in rows)


def test_it_uses_v2(sdk, model_and_dataset):
    model, dataset = model_and_dataset
    code = V2.format(version=model["modelVersionIdStr"], dataset=dataset)
    assert parse_last(sdk(HEAD + code)) == ["Successed", True, model["modelVersionIdStr"], True]
