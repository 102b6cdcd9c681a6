"""Every python block of seeds 001 and 002, taken from their text, with the ids of objects that the
test creates.
"""

import re
import time

import pytest
from support import finetune_runs, seeds
from support.waiting import wait_for

from qfnb import Dataset
from qfnb.resources import Data, FineTune, Model

MODELS = "001-model-management.md"
TRAINING = "002-train-and-service.md"
ROWS = [
    {"prompt": f"{before}{ask}", "response": answer}
    for ask, answer in {"几点开门": "早上九点。", "在哪里": "河边路三号。"}.items()
    for before in ("", "请问", "你好，", "想知道", "麻烦问下")
]


def job(task_id, dataset):
    """Return a run's description as seed 002 writes it."""
    return {
        "taskId": task_id,
        "baseTrainType": "ERNIE-Bot-turbo",
        "trainType": "ERNIE-Bot-turbo-0725",
        "trainMode": "SFT",
        "peftType": "LoRA",
        "trainConfig": {"epoch": 1, "learningRate": 0.0003, "batchSize": 4, "maxSeqLen": 4096},
        "trainset": [{"type": 1, "id": dataset}],
        "trainsetRate": 20,
    }


def wait_for_state(fetch, *states):
    wait_for(fetch, lambda state: state in states)


@pytest.fixture(scope="module")
def resources(mode):
    """Datasets, a finished run, two versions of a model and a finished evaluation, by their integer
    ids.
    """
    released = Dataset(ROWS, name="seed").release()
    dataset = Data.info(released).body["result"]["versionInfo"]["datasetId"]
    task = FineTune.create_task("seed")["result"]["id"]
    run = FineTune.create_job(job(task, dataset))["result"]["id"]
    wait_for_state(lambda: FineTune.get_job(task, run)["result"]["trainStatus"], "FINISH")
    origin = {"taskId": task, "iterationId": run}
    models = [Model.publish(True, origin, f"seed_{n}_{time.time_ns()}")["result"] for n in range(2)]
    for model in models:
        wait_for_state(lambda: Model.detail(model["versionId"])["result"]["state"], "Ready")  # noqa: B023
    versions = [
        {"modelId": model["modelId"], "modelVersionId": model["versionId"]} for model in models
    ]
    conf = {"evalMode": "rule", "scoreModes": ["accuracy"]}
    evaluation = Model.create_evaluation_task("seed", versions, dataset, conf)["result"]["evalId"]
    wait_for_state(lambda: Model.get_evaluation_info(evaluation)["result"]["state"], "Done")
    long = Data.info(finetune_runs.create_long_dataset()).body["result"]["versionInfo"]["datasetId"]
    return {
        "dataset": dataset,
        "long": long,
        "task": task,
        "run": run,
        "models": models,
        "evaluation": evaluation,
    }


def models_changes(resources):
    """The placeholders of each block of seed 001, and their values."""
    first, second = resources["models"]
    return [
        {},
        {"5862": str(first["modelId"])},
        {"5659": str(first["versionId"])},
        {
            "9220": str(resources["task"]),
            "5234": str(resources["run"]),
            "sdk_test_1": f"sdk_{time.time_ns()}",
        },
        {
            "2259": str(first["modelId"]),
            "2744": str(first["versionId"]),
            "2258": str(second["modelId"]),
            "2743": str(second["versionId"]),
            "14666": str(resources["dataset"]),
            "test_name_only_rule": f"rule_{time.time_ns()}",
        },
        *[{"14670": str(resources["evaluation"])}] * 3,
    ]


PRINTED_MODELS = [
    "",
    r"seed_0_\d+",
    r"seed_0_\d+",
    r"\d+",
    r"\{'evalId': \d+, 'evalIdStr': 'ame-\w+'\}",
    r"\{'evaluationId': \d+, .*'state': 'Done'.*\}",
    r"\[\{'modelId': .*\}, \{'modelId': .*\}\]",
    r"\{'result': False, .*\}",
]


@pytest.mark.parametrize("number", range(8))
def test_a_block_of_model_management_runs(sandbox, resources, number, capsys):
    blocks = seeds.python_blocks(MODELS)
    assert len(blocks) == 8
    space = {}
    for block in {0, number}:
        code = blocks[block].replace("from qianfan", "from qfnb")
        seeds.run_block(seeds.fill_placeholders(code, models_changes(resources)[block]), space)
    assert re.fullmatch(PRINTED_MODELS[number], capsys.readouterr().out.strip(), re.DOTALL)


@pytest.fixture(scope="module")
def space():
    """The variables that the blocks of seed 002 share."""
    return {}


def training_changes(resources, space):
    """The placeholders of each block of seed 002, and their values."""
    first = resources["models"][0]
    stamp = time.time_ns()
    run = {"task_id, job_id": "task_id, create_job_resp['result']['id']"}
    return [
        {},
        {"task_name": f"task_{stamp}"},
        # still running when it is stopped
        {"1234": str(resources["long"]), '"epoch": 4': '"epoch": 50'},
        run,
        run,
        {},
        {"5862": str(first["modelId"])},
        {"5659": str(first["versionId"])},
        {
            "9220": str(resources["task"]),
            "5234": str(resources["run"]),
            "sdk_test_1": f"sdk_{stamp}",
        },
        {},
        {"123": str(first["modelId"]), "456": str(first["versionId"])},
        {
            "2047": str(space["g"]["result"]["serviceId"])
            if "serviceId" in space.get("g", {}).get("result", {})
            else "0"
        },
    ]


PRINTED_TRAINING = [
    "",
    r"\d+",
    r"\d+",
    r"\{'id': \d+, .*'trainStatus': 'RUNNING'.*\}",
    "True",
    "",
    r"seed_0_\d+",
    r"seed_0_\d+",
    r"\d+",
    "",
    r"\{'result': True, 'serviceId': \d+\}",
    r"\d+",
]


@pytest.mark.parametrize("number", range(12))
def test_a_block_of_training_and_services_runs(sandbox, resources, space, number, capsys):
    blocks = seeds.python_blocks(TRAINING)
    assert len(blocks) == 12
    code = blocks[number].replace("from qianfan", "from qfnb")
    seeds.run_block(
        seeds.fill_placeholders(code, training_changes(resources, space)[number]), space
    )
    printed = capsys.readouterr().out.strip()
    assert re.fullmatch(PRINTED_TRAINING[number], printed, re.DOTALL)
    if number == 11:
        assert printed == str(space["g"]["result"]["serviceId"])
