"""Fine-tuning through the library: v1 as the seeds have it, v2 with the SDK's names."""

import re

import pytest
from support import finetune_runs
from support.waiting import wait_for

from qfnb import errors
from qfnb.resources import FineTune


@pytest.fixture(scope="module")
def dataset():
    return finetune_runs.create_dataset()


@pytest.fixture
def job(sandbox):
    return FineTune.V2.create_job("a job", "ERNIE-Speed-8K").data.job_id


def seed_job(task, dataset, **changes):
    """Return the job of seed 002, word for word but for the ids."""
    return {
        "taskId": task,
        "baseTrainType": "ERNIE-Bot-turbo",
        "trainType": "ERNIE-Bot-turbo-0725",
        "trainMode": "SFT",
        "peftType": "LoRA",
        "trainConfig": {"epoch": 4, "learningRate": 0.00002, "batchSize": 4, "maxSeqLen": 4096},
        "trainset": [{"type": 1, "id": dataset}],
        "trainsetRate": 20,
    } | changes


def run_of_seed(dataset, **changes):
    task = FineTune.create_task(name="task_name", description="task_desc")["result"]
    return task, FineTune.create_job(seed_job(task["id"], dataset, **changes))["result"]


def test_the_life_of_the_seed(dataset):
    task, job = run_of_seed(dataset)
    assert isinstance(task["id"], int)
    assert isinstance(job["id"], int)
    fetch = lambda: FineTune.get_job(task["id"], job["id"])["result"]
    finished = wait_for(fetch, lambda row: row["trainStatus"] != "RUNNING")
    assert (finished["trainStatus"], finished["progress"], finished["version"]) == (
        "FINISH",
        100,
        1,
    )
    assert finished["trainType"] == "ERNIE-Bot-turbo-0725"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", finished["finishTime"])


def test_a_v1_task_is_a_v2_job_and_a_v1_job_a_v2_task(dataset):
    task, job = run_of_seed(dataset)
    detail = FineTune.V2.task_detail(job["uuid"])["result"]
    assert (detail["jobId"], detail["jobName"], detail["model"]) == (
        task["uuid"],
        "task_name",
        "ERNIE-Lite-8K-0725",
    )
    assert FineTune.V2.task_detail(job["id"])["result"]["taskId"] == job["uuid"]
    assert FineTune.get_job(task["uuid"], job["uuid"])["result"]["id"] == job["id"]


def test_stopping_a_v1_job(dataset):
    task, job = run_of_seed(dataset)
    assert FineTune.stop_job(task["id"], job["id"])["result"] is True
    stopped = wait_for(
        lambda: FineTune.get_job(task["id"], job["id"])["result"],
        lambda row: row["trainStatus"] != "RUNNING",
    )
    assert stopped["trainStatus"] == "STOP"


@pytest.mark.parametrize(
    ("job", "field"),
    [
        ({}, "job.taskId"),
        ({"taskId": 1}, "job.trainset"),
        ({"taskId": 1, "trainset": []}, "job.trainset"),
        ({"taskId": 1, "trainset": [{"id": 1}], "trainsetRate": 101}, "job.trainsetRate=101"),
    ],
)
def test_a_wrong_job_is_refused_before_it_is_sent(job, field):
    with pytest.raises(errors.InvalidArgumentError, match=re.escape(field)):
        FineTune.create_job(job)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {
            "datasets": ["ds-1"],
            "dataset_config": {"versions": [{"versionId": "ds-1"}], "splitRatio": 20},
        },
        {"dataset_config": {"versions": [{"versionId": "ds-1"}]}},
        {"datasets": ["ds-1"], "split_ratio": 120},
        {"datasets": ["ds-1"], "increment_checkpoint_step": 3},
    ],
)
def test_a_run_without_sound_data_is_refused_before_it_is_sent(arguments):
    with pytest.raises(errors.InvalidArgumentError):
        FineTune.V2.create_task("job-1", "LoRA", {}, **arguments)


def test_runs_and_jobs_are_listed_newest_first_and_in_pages(sandbox, dataset, job):
    task_ids = [FineTune.V2.create_task(job, datasets=[dataset]).data.task_id for _ in range(3)]
    first = FineTune.V2.task_list(job, max_keys=2).data
    assert [row.task_id for row in first.task_list] == task_ids[:0:-1]
    next_page = FineTune.V2.task_list(job, marker=first.page_info.next_marker, max_keys=2).data
    assert ([row.task_id for row in next_page.task_list], next_page.page_info.is_truncated) == (
        [task_ids[0]],
        False,
    )
    assert FineTune.V2.job_list(max_keys=1).data.job_list[0].job_id == job


def test_deleting_a_run_and_its_job(sandbox, dataset, job):
    task = FineTune.V2.create_task(job, datasets=[dataset]).data.task_id
    finetune_runs.wait_for_end(task)
    assert FineTune.V2.delete_task(task)["result"] is True
    with pytest.raises(errors.APIError, match="does not exist"):
        FineTune.V2.task_detail(task)
    assert FineTune.V2.delete_job(job)["result"] is True
    assert job not in [row.job_id for row in FineTune.V2.job_list().data.job_list]
