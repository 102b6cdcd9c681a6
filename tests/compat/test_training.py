"""Trainings as the official SDK writes them."""

import pytest
from support.datasets import PAIR as PAIR_TURN, import_rows, jsonl

import qfnb
from qfnb import errors
from qfnb.compat.tables.dataset import Dataset
from qfnb.compat.tables.sources import QianfanDataSource
from qfnb.model import DeployConfig
from qfnb.resources import FineTune
from qfnb.resources.management.storage import Storage
from qfnb.trainer import DPO, DeployAction, LLMFinetune, LoadDataSetAction, TrainAction, TrainConfig
from qfnb.trainer.event import Event

PAIR = {"prompt": "几点开门", "response": "九点"}
LINE = b'[{"prompt": "q", "response": [["a"]]}]\n'


@pytest.fixture(autouse=True)
def on_sandbox(sandbox):
    """Every test here asks the platform."""


def test_datasets_are_named_by_ids_addresses_and_dictionaries():
    dataset_id = qfnb.Dataset([PAIR] * 3, name="named").release()
    Storage.upload("bos:/sandbox/training/rows.jsonl", LINE * 3)
    by_id = {"id": dataset_id, "type": 1, "name": dataset_id}
    address = {"type": 2, "bosPath": "bos:/sandbox/training/rows.jsonl"}
    assert LoadDataSetAction(dataset_id).exec() == {"datasets": [by_id]}
    assert LoadDataSetAction({"datasets": [{"type": 1, "id": dataset_id}]}).exec() == {
        "datasets": [by_id]
    }
    assert LoadDataSetAction("bos:/sandbox/training/rows.jsonl").exec() == {"datasets": [address]}
    assert LoadDataSetAction([dataset_id, dataset_id]).exec() == {"datasets": [by_id, by_id]}
    action = TrainAction("ERNIE-Speed-8K", TrainConfig(epoch=1))
    assert action.exec({"datasets": [by_id]})["task_id"].startswith("task-")


def test_several_datasets_are_trained_on_with_one_share():
    tables = [Dataset.create_from_pyobj([PAIR] * n, name=f"d{n}") for n in (4, 5)]
    trainer = LLMFinetune(
        "ERNIE-Speed-8K", tables, TrainConfig(epoch=1, sampling_rate=0.5), model_not_publish=True
    ).run()
    assert [row["name"] for row in trainer.output["datasets"]] == ["d4", "d5"]
    detail = FineTune.V2.task_detail(trainer.output["task_id"])["result"]
    assert [row["samplingRate"] for row in detail["datasetConfig"]["versions"]] == [0.5, 0.5]


def test_keywords_of_the_sdk_are_taken_and_others_warned_of(caplog):
    table = Dataset.create_from_pyobj([PAIR] * 3)
    corpus = {"config": [{"proportion": "1:1", "corpusType": 1}]}
    trainer = LLMFinetune(
        train_type="ERNIE-Speed-8K",
        dataset=table,
        corpus_config=corpus,
        resource_config={"nodeNum": 2},
        sampling_rate=0.5,
        eval_split_ratio=30,
        validate_strict=True,
    )
    config = trainer.actions[1].train_config
    assert (config.trainset_rate, config.resource_config) == (30, {"nodeNum": 2})
    assert config.corpus_config == corpus
    assert "LLMFinetune does not know validate_strict" in caplog.text
    assert config.sampling_rate == 0.5


def test_trainings_are_listed():
    trainer = LLMFinetune("ERNIE-Speed-8K", qfnb.Dataset([PAIR] * 3), name="kept")
    trainer.save()
    assert trainer.id in [one.id for one in LLMFinetune.list()]
    assert trainer.ppls[0].current_action == trainer.actions[0].id


def test_a_model_is_that_of_the_run_to_continue_from():
    trainer = LLMFinetune(
        "ERNIE-Speed-8K", qfnb.Dataset([PAIR] * 4), TrainConfig(epoch=1), model_not_publish=True
    ).run()
    again = LLMFinetune(dataset=qfnb.Dataset([PAIR] * 4), previous_trainer=trainer)
    assert again.train_type == FineTune.V2.task_detail(trainer.output["task_id"])["result"]["model"]
    with pytest.raises(errors.InvalidArgumentError, match="train_type is missing"):
        LLMFinetune(dataset=qfnb.Dataset([PAIR] * 4))


def test_an_events_class_is_a_name_and_a_class():
    event = Event("a1", "Done", action_class="TrainAction")
    assert event.action_class == TrainAction == event.action_class
    assert event.action_class == "TrainAction" == event.action_class.__name__
    assert event.action_class != LoadDataSetAction
    assert {"TrainAction": 1}[event.action_class] == 1


def test_rows_of_the_platform_in_groups_are_still_the_platforms():
    dataset_id, _ = import_rows(jsonl(PAIR_TURN, [PAIR_TURN, PAIR_TURN]))
    source = QianfanDataSource.get_existed_dataset(dataset_id, False)
    dataset = Dataset.load(source, organize_data_as_group=True)
    assert LoadDataSetAction(dataset).exec()["datasets"][0]["id"] == dataset_id


def test_the_facts_of_the_official_sdk_name_a_model(sandbox):
    published = (
        LLMFinetune("ERNIE-Speed-8K", Dataset.create_from_pyobj([PAIR] * 4), TrainConfig(epoch=1))
        .run()
        .output
    )
    facts = {"model_set_id": published["model_set_id"], "model_id": published["model_version_id"]}
    output = DeployAction(DeployConfig(replicas=1)).exec(facts)
    assert output["service_endpoint"]
    assert output["service"].model.id == published["model_version_id"]


def test_the_older_form_of_datasets_is_sent_and_judged_by_the_platform():
    job = FineTune.V2.create_job("j", "ERNIE-Speed-8K", "SFT").data.job_id
    data = {"sourceType": "Platform", "datasets": [{"datasetId": "ds-1"}], "splitRatio": 20}
    with pytest.raises(errors.APIError, match=r"datasetConfig\.versions"):
        FineTune.V2.create_task(job, "LoRA", {"epoch": 1}, data)


@pytest.mark.parametrize("trainer_class", [LLMFinetune, DPO])
def test_a_table_of_other_columns_is_refused_with_their_names(trainer_class):
    table = Dataset.create_from_pyobj([{"ask": "几点开门", "say": "九点"}])
    with pytest.raises(
        errors.InvalidArgumentError, match=r"(?s)these rows have the columns ask, say.*columns="
    ):
        trainer_class("ERNIE-Speed-8K", table)
