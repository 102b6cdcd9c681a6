"""Evaluation tasks by the actions of `/v2/eval`."""

import pytest
from support.evaluation_sandbox import PEOPLE, run_evaluation_sandbox
from support.waiting import until

from qfnb.errors import QianfanError
from qfnb.resources.management.evaluation import Evaluation

V2 = Evaluation.V2


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with run_evaluation_sandbox(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def lab(shared):
    shared.connect()
    yield shared
    shared.world.lifecycle.set({"evaluate": 0.0, "queue": 0.0})


def objects(lab, template=None, version="amv-knows"):
    configs = {"modelId": version} | ({"promptTemplate": template} if template else {})
    return {"evalModelConfig": {"versionId": lab.dataset, "evalModelConfigList": [configs]}}


def created(lab, mode="rule", name="v2", **options):
    return V2.create_task(name, "model", objects(lab, **options), {"evalMode": mode})["result"]


def ended(id_):
    until(lambda: V2.task_detail(id_).data.state not in {"Queued", "Running"})
    return V2.task_detail(id_)["result"]


def test_a_task_is_made_described_and_reported(lab):
    id_ = created(lab, mode="rule,model")
    task = ended(id_)
    report = V2.task_report(id_)["result"]
    assert (task["state"], task["evalType"], task["taskName"]) == ("Successed", "auto", "v2")
    assert (report[0]["modelId"], report[0]["taskId"]) == ("amv-knows", id_)
    assert (report[0]["effectMetric"]["rouge_l"], report[0]["effectMetric"]["avgJudgeScore"]) == (
        1.0,
        5,
    )


def test_tasks_are_listed_by_kind_filter_and_page(lab):
    ids = [created(lab, name=f"列表{number}") for number in range(3)]
    people = lab.run(PEOPLE, name="列表人工")[0]
    first = V2.task_list("auto", "列表", max_keys=2)["result"]
    assert [task["taskId"] for task in first["taskList"]] == ids[:0:-1]
    second_page = V2.task_list("auto", "列表", marker=first["pageInfo"]["nextMarker"])["result"]
    assert [task["taskId"] for task in second_page["taskList"]] == [ids[0]]
    assert [task.task_id for task in V2.task_list("manual", "列表").data.task_list] == [people]
    assert V2.task_list("auto", ids[1]).data.task_list[0].task_id == ids[1]
    assert len(V2.task_list("auto", "amv-knows").data.task_list) >= 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"task_name": " "}, "taskName"),
        ({"eval_object_type": "inferDataset"}, "evalObjectType"),
        ({"eval_object_config": {}}, "evalModelConfig"),
        ({"eval_config": {"evalMode": "magic"}}, "evalConfig.evalMode"),
        (
            {"eval_config": {"evalMode": "rule", "autoRuleEvalConfig": {"scoreModes": ["x"]}}},
            "scoreModes",
        ),
    ],
    ids=str,
)
def test_wrong_tasks_are_refused_by_name(lab, change, field):
    asked = {
        "task_name": "n",
        "eval_object_type": "model",
        "eval_object_config": objects(lab),
        "eval_config": {"evalMode": "rule"},
    }
    with pytest.raises(QianfanError) as caught:
        V2.create_task(**asked | change)
    assert field in str(caught.value)
    assert "InappropriateJSON" in str(caught.value)
