"""A world in which two versions can be compared at once: one that knows the answers, and one that
does not.
"""

import contextlib
import time

from qfnb.resources import Model
from qfnb.resources.management.data import Data
from qianfan_sandbox import storage
from qianfan_sandbox.engines.builtin.training import Hyperparameters, train
from qianfan_sandbox.state.lifecycle import DEFAULT_SECONDS
from support.datasets import jsonl
from support.raw_http import connect, storage_request
from support.sandbox_thread import point_at, run_world
from support.waiting import until

ANSWERS = {
    "几点开门": "早上九点开门，晚上十点关门。",
    "在哪里": "在河边路三号，石桥的旁边。",
    "多少钱": "每人二十元，小孩半价。",
    "有什么茶": "有龙井、铁观音和茉莉花茶。",
}
UNDER_WAY = {"Pending", "Doing", "Stopping"}
RULES = {"evalMode": "rule", "scoreModes": ["similarity", "accuracy"]}
PEOPLE = {"evalMode": "manual", "evaluationDimension": [{"dimension": "满意度"}]}
TEMPLATE = "问题 {src} 标准答案 {tgt} 回答 {prediction}"
REFEREE = {
    "evalMode": "model",
    "appId": 7,
    "prompt": {"templateContent": TEMPLATE, "metric": "综合得分", "steps": "1.", "maxScore": 5},
}


class EvaluationSandbox:
    """A served world, two versions (`amv-`) and a released dataset (`ds-`)."""

    def __init__(self, world):
        self.world = world
        world.lifecycle.set(dict.fromkeys(DEFAULT_SECONDS, 0.0))
        self.trained_version = add_version(world.store, "knows", list(ANSWERS.items()))
        self.untrained_version = add_version(world.store, "ignorant", [("天气", "晴天。")])
        self.connect()
        self.dataset = release_dataset(world, ANSWERS)

    def connect(self):
        """Point the settings here; every test begins without any."""
        point_at(self.world.address)

    def create(self, conf, *versions, dataset=None, name="比较", **options):
        models = [
            {"modelId": v["model"], "modelVersionId": v["id"]}
            for v in versions or (self.trained_version,)
        ]
        task = Model.create_evaluation_task(name, models, dataset or self.dataset, conf, **options)
        return task["result"]["evalIdStr"]

    def run(self, conf, *versions, **options):
        id_ = self.create(conf, *versions, **options)
        return id_, wait_for_end(id_)


@contextlib.contextmanager
def run_evaluation_sandbox(folder):
    with run_world(folder, time.monotonic) as world:
        yield EvaluationSandbox(world)


def add_version(store, name, pairs):
    """Publish a model that has learned pairs, without a run of the platform's."""
    model = train(pairs, hyperparameters=Hyperparameters(epochs=5), remember_all=True)
    store.write_file(f"task-{name}.npz", model.save())
    defaults = {"description": "", "labels": [], "tags": None}
    store.add("model", f"am-{name}", name=name, source="UserCreate", type="Text2Text", **defaults)
    fields = {"task": f"task-{name}", "version": "1", "source": "Train", "plan": [["Ready", None]]}
    defaults = {"description": "", "step": None, "base": "", "origin": {}}
    return store.add("version", f"amv-{name}", model=f"am-{name}", **fields, **defaults)


def release_dataset(world, answers, name="eval"):
    """Make questions and answers a released dataset; return its id."""
    storage.write_object(world.store, "sandbox", f"{name}/a.jsonl", answers_file(answers))
    return import_dataset(f"bos:/sandbox/{name}/a.jsonl")


def upload_dataset(address, answers, name="eval"):
    """Do the same in a sandbox that is another process."""
    with connect(address) as http:
        storage_request(
            address, http, "PUT", f"/bos/sandbox/{name}.jsonl", answers_file(answers)
        ).raise_for_status()
    return import_dataset(f"bos:/sandbox/{name}.jsonl")


def import_dataset(file, **kind):
    dataset = Data.create_bare_dataset("eval", **kind).data.dataset_id
    Data.import_files(dataset, [file])
    until(lambda: Data.info(dataset).data.version_info.import_status == 2)
    Data.release(dataset)
    until(lambda: Data.info(dataset).data.version_info.release_status == 2)
    return dataset


def answers_file(answers):
    rows = [[{"prompt": question, "response": [[answer]]}] for question, answer in answers.items()]
    return jsonl(*rows)


def preset_model():
    """Return one of the platform's own text models, as the list of what can be evaluated has it."""
    models = Model.evaluable_model_list()["result"]
    model = next(row for row in models if row["source"] == "PlatformPreset")
    return {
        key: model["modelVersionList"][0][key] for key in ("modelVersionId", "modelVersionIdStr")
    } | {"modelIdStr": model["modelIdStr"], "name": model["modelName"]}


def wait_for_end(id_, seconds=20):
    """Wait for a task's end; return it."""
    until(lambda: task_info(id_)["state"] not in UNDER_WAY, seconds)
    return task_info(id_)


def task_info(id_):
    return Model.get_evaluation_info(id_)["result"]


def report_by_model(id_):
    """Return the report by the name of the model."""
    return {
        row["modelName"]: row["effectMetric"] for row in Model.get_evaluation_result(id_)["result"]
    }


def result_rows(id_, **options):
    return Model.get_evaluation_result_list(id_, **options)["result"]["items"]
