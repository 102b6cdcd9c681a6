"""What the sandbox refuses of fine-tuning, and in which shape; what it offers."""

import re

import pytest
from support import finetune_runs

from qfnb import connect, errors
from qfnb.resources import FineTune
from qfnb.transport import event_loop
from qfnb.wire import finetune
from qfnb.wire.base import Record


@pytest.fixture(scope="module")
def dataset():
    return finetune_runs.create_dataset()


@pytest.fixture
def job(sandbox):
    return FineTune.V2.create_job("a job", "ERNIE-Speed-8K").data.job_id


def refusal(endpoint, **body):
    """Return what the sandbox answers to a body that no operation would send."""
    with pytest.raises(errors.APIError) as caught:
        event_loop.run(send(endpoint, body))
    return caught.value


async def send(endpoint, body):
    return await (await connect.aclient()).send(endpoint, Record.model_validate(body))


def data_of(dataset, **fields):
    return {
        "sourceType": "Platform",
        "versions": [{"versionId": dataset}],
        "splitRatio": 20,
    } | fields


@pytest.mark.parametrize(
    ("change", "field"),
    [({"jobId": "job-none"}, "jobId"), ({"parameterScale": "PromptTuning"}, "parameterScale"), ({"hyperParameterConfig": {"epoch": 51}}, "epoch"), ({"hyperParameterConfig": {"epoch": True}}, "epoch"), ({"datasetConfig": {"versions": [{"versionId": "ds-none"}], "splitRatio": 20}}, "versionId"), ({"datasetConfig": {"sourceType": "Afs", "versions": [{}], "splitRatio": 20}}, "sourceType"), ({"incrementTaskId": "task-none"}, "incrementTaskId")],
)  # fmt: skip
def test_a_wrong_v2_run_is_refused_naming_the_field(job, dataset, change, field):
    refused = refusal(
        finetune.CREATE_TASK, **({"jobId": job, "datasetConfig": data_of(dataset)} | change)
    )
    assert (refused.error_code, refused.status) == ("InappropriateJSON", 400)
    assert re.search(rf"param\[([\w.]+\.)?{field}\] invalid", str(refused))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"taskId": 10**8}, "taskId"),
        ({"trainType": "GPT-2"}, "trainType"),
        ({"peftType": "P-tuning"}, "peftType"),
        ({"trainConfig": {"epoch": "two"}}, "epoch"),
        ({"trainset": [{"type": 1}]}, "trainset.id"),
        ({"trainset": []}, "trainset"),
    ],
)
def test_a_wrong_v1_job_is_refused_with_a_number_in_http_200(sandbox, dataset, change, field):
    task = FineTune.create_task("a task").data.id
    body = {"taskId": task, "trainType": "ERNIE-Speed", "trainset": [{"type": 1, "id": dataset}]}
    refused = refusal(finetune.CREATE_JOB_V1, **(body | change))
    assert (refused.error_code, refused.status) == (500001, 200)
    assert f"param[{field}] invalid" in str(refused)


def test_texts_are_no_data_for_sft_nor_pairs_for_post_pretraining(sandbox, dataset, job):
    texts = FineTune.V2.create_job("t", "ERNIE-Speed-8K", "PostPretrain").data.job_id
    refused = refusal(
        finetune.CREATE_TASK,
        jobId=texts,
        parameterScale="FullFineTuning",
        datasetConfig=data_of(dataset),
    )
    assert "has no texts" in str(refused)
    address = finetune_runs.put_object(sandbox.bucket, "only.txt", finetune_runs.TEXT)
    config = {"sourceType": "Bos", "versions": [{"versionBosUri": address}], "splitRatio": 20}
    assert "has no prompts and answers" in str(
        refusal(finetune.CREATE_TASK, jobId=job, datasetConfig=config)
    )


@pytest.mark.parametrize(("rate", "count"), [(1.0, 10), (0.5, 5), (2.0, 20), (1.5, 15), (0.01, 0)])
def test_a_sampling_rate_takes_so_many_rows(rate, count):
    from qianfan_sandbox.finetune import worker

    assert len(worker.sample([(str(n), "") for n in range(10)], rate)) == count
