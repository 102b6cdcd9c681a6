"""Evaluation tasks of the sandbox over HTTP: states, scores, rows, refusals."""

import pytest
from support.evaluation_sandbox import (
    ANSWERS,
    PEOPLE,
    REFEREE,
    RULES,
    release_dataset,
    report_by_model,
    result_rows,
    run_evaluation_sandbox,
    task_info,
    wait_for_end,
)
from support.waiting import until

from qfnb.errors import QianfanError
from qfnb.resources import Model
from qianfan_sandbox import storage
from qianfan_sandbox.evaluation_worker import summarize


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with run_evaluation_sandbox(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def lab(shared):
    shared.connect()
    yield shared
    shared.world.lifecycle.set({"evaluate": 0.0, "queue": 0.0, "stop": 0.0, "export": 0.0})


def refused(call, *args, **options):
    with pytest.raises(QianfanError) as caught:
        call(*args, **options)
    return str(caught.value)


def test_the_one_that_learned_the_answers_scores_higher(lab):
    id_, task = lab.run(RULES, lab.trained_version, lab.untrained_version)
    assert (task["state"], [unit["state"] for unit in task["evalUnits"]]) == (
        "Done",
        ["Done", "Done"],
    )
    reports = report_by_model(id_)
    assert reports["knows"]["accuracy"] == reports["knows"]["rouge_l"] == 1.0
    assert reports["ignorant"]["f1Score"] < 1
    assert reports["ignorant"]["scoreDistribution"] is None


def test_its_states_follow_the_clock(lab):
    lab.world.lifecycle.set({"queue": 60, "evaluate": 60})
    id_ = lab.create(RULES)
    states = [task_info(id_)["state"]]
    for _ in range(2):
        assert Model.get_evaluation_result(id_)["result"] == []
        lab.world.clock.set(advance=60)
        until(lambda: task_info(id_)["sandbox"]["answered"] == len(ANSWERS))
        states.append(task_info(id_)["state"])
    assert states == ["Pending", "Doing", "Done"]


def test_the_referee_says_that_it_is_a_rule(lab):
    id_, task = lab.run(REFEREE, lab.trained_version, lab.untrained_version)
    reports = report_by_model(id_)
    assert reports["knows"]["avgJudgeScore"] == reports["knows"]["medianJudgeScore"] == 5
    assert reports["knows"]["scoreDistribution"] == {
        "-1": 0,
        "0": 0,
        "1": 0,
        "2": 0,
        "3": 0,
        "4": 0,
        "5": 4,
    }
    assert reports["ignorant"]["avgJudgeScore"] < 5
    assert {"not a model" in row["judgeReason"] for row in result_rows(id_)} == {True}
    assert "not a model" in task["evalStandardConf"]["apiName"]


def test_people_get_the_answers_as_a_released_dataset(lab):
    id_, task = lab.run(PEOPLE)
    standard = task["evalStandardConf"]
    assert (task["state"], standard["resultDatasetReleaseStatus"]) == ("DoingWithManualBegin", 2)
    assert standard["resultDatasetIdStr"].startswith("ds-")
    assert [row["prediction"] for row in result_rows(id_)] == [*ANSWERS.values()]
    assert Model.stop_evaluation_task(id_)["result"]["result"]
    assert wait_for_end(id_)["state"] == "Stopped"


def test_a_version_without_its_model_fails_alone(lab):
    fields = {
        key: value
        for key, value in lab.trained_version.items()
        if key not in {"id", "number", "created"}
    }
    empty = lab.world.store.add("version", "amv-empty", **fields | {"task": "task-none"})
    id_, task = lab.run(RULES, lab.trained_version, empty)
    assert (task["state"], [u["state"] for u in task["evalUnits"]]) == (
        "PartlyDone",
        ["Done", "Failed"],
    )
    assert task["evalUnits"][1]["message"]
    assert [row["modelVersionIdStr"] for row in Model.get_evaluation_result(id_)["result"]] == [
        "amv-knows"
    ]
    assert lab.run(RULES, empty)[1]["state"] == "Failed"


def test_stop_words_come_out_of_the_bucket(lab):
    storage.write_object(lab.world.store, "sandbox", "stop.txt", "早上\n".encode())
    dataset = release_dataset(lab.world, {"几点开门": "九点开门，晚上十点关门。"}, "stop")
    plain = lab.run(RULES, dataset=dataset)[0]
    without = lab.run({**RULES, "stopWordsPath": "bos:/sandbox/stop.txt"}, dataset=dataset)[0]
    assert report_by_model(plain)["knows"]["accuracy"] == 0
    assert report_by_model(without)["knows"]["accuracy"] == 1


def test_a_row_that_failed_is_in_no_mean():
    task = {"modes": ["rule", "model"], "standard": {"scoreModes": ["accuracy"]}, "stop_words": []}
    right = {"prediction": "好", "accuracy": 1.0, "judgeScore": 5}
    summary = summarize(task, [right, {"prediction": "", "error": "busy"}])
    assert (summary["accuracy"], summary["avgJudgeScore"], summary["scoreDistribution"]["-1"]) == (
        1.0,
        5,
        1,
    )


@pytest.mark.parametrize(
    ("conf", "field"),
    [
        ({**RULES, "stopWordsPath": "bos:/sandbox/none.txt"}, "evalStandardConf.stopWordsPath"),
        (
            {**REFEREE, "prompt": {"templateContent": "{src}"}},
            "evalStandardConf.prompt.templateContent",
        ),
        (
            {**REFEREE, "prompt": {**REFEREE["prompt"], "maxScore": 0}},
            "evalStandardConf.prompt.maxScore",
        ),
        (
            {**PEOPLE, "evaluationDimension": [{"dimension": "安全"}]},
            "evalStandardConf.evaluationDimension",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_standard_is_refused_by_name(lab, conf, field):
    assert f"param[{field}] invalid" in refused(lab.create, conf)


def test_a_task_under_way_is_not_deleted(lab):
    lab.world.lifecycle.set({"evaluate": 60})
    id_ = lab.create(RULES)
    assert "param[evalIds]" in refused(Model.batch_delete_evaluation_result, [id_])
    lab.world.clock.set(advance=60)
    wait_for_end(id_)
    assert Model.batch_delete_evaluation_result([id_])["result"] is True
    assert "param[id]" in refused(Model.get_evaluation_info, id_)
