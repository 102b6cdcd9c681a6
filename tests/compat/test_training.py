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
from qfnb.trainer import (
    DPO,
    DeployAction,
    EventHandler,
    LLMFinetune,
    LoadDataSetAction,
    TrainAction,
    TrainConfig,
)
from qfnb.trainer.configs import CorpusConfig, CorpusConfigItem, DatasetConfig, ResourceConfig
from qfnb.trainer.consts import FinetuneStatus, PeftType, TrainStatus
from qfnb.trainer.event import Event
from qfnb.trainer.model_info import TrainLimit, get_default_train_config, get_model_info

PAIR = {"prompt": "几点开门", "response": "九点"}
LINE = b'[{"prompt": "q", "response": [["a"]]}]\n'


@pytest.fixture(autouse=True)
def on_sandbox(sandbox):
    """Every test here asks the platform."""


def test_several_datasets_with_shares_and_a_corpus():
    first, second = (Dataset.create_from_pyobj([PAIR] * n, name=f"d{n}") for n in (4, 5))
    data = DatasetConfig(
        datasets=[first, second],
        sampling_rates=[0.5, 2.0],
        eval_split_ratio=10,
        corpus_type=1,
        corpus_proportion="1:5",
    )
    trainer = LLMFinetune("ERNIE-Speed-8K", data, TrainConfig(epoch=1), model_not_publish=True)
    config = trainer.actions[1].train_config
    assert config.trainset_rate == 10
    assert config.corpus_config == {"config": [{"proportion": "1:5", "corpusType": 1}]}
    rows = trainer.run().output["datasets"]
    assert [(row["name"], row["samplingRate"]) for row in rows] == [("d4", 0.5), ("d5", 2.0)]
    with pytest.raises(errors.InvalidArgumentError, match="1 sampling_rates for 2 datasets"):
        LLMFinetune("ERNIE-Speed-8K", DatasetConfig(datasets=[first, second], sampling_rates=[1.0]))


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
    facts = action.exec(
        {
            "datasets": {
                "sourceType": "Platform",
                "versions": [{"versionId": dataset_id}],
                "splitRatio": 20,
            }
        }
    )
    assert facts["task_id"].startswith("task-")


def test_keywords_of_the_sdk_are_taken_and_others_warned_of(caplog):
    table = Dataset.create_from_pyobj([PAIR] * 3)
    corpus = CorpusConfig(corpus_configs=[CorpusConfigItem(corpus_type=1, corpus_proportion="1:1")])
    trainer = LLMFinetune(
        train_type="ERNIE-Speed-8K",
        dataset=table,
        corpus_config=corpus,
        resource_config=ResourceConfig(node_num=2, extras={"zone": "a"}),
        sampling_rate=0.5,
        eval_split_ratio=30,
        validate_strict=True,
    )
    config = trainer.actions[1].train_config
    assert (config.trainset_rate, config.resource_config) == (30, {"nodeNum": 2, "zone": "a"})
    assert config.corpus_config == {"config": [{"proportion": "1:1", "corpusType": 1}]}
    assert "LLMFinetune does not know validate_strict" in caplog.text
    assert trainer.actions[0].sources[0][1] == 0.5


def test_a_training_is_saved_listed_and_loaded(tmp_path):
    trainer = LLMFinetune("ERNIE-Speed-8K", qfnb.Dataset([PAIR] * 3), name="kept")
    trainer.save(tmp_path / "trainer.json")
    assert (
        LLMFinetune.load(file=tmp_path / "trainer.json").id
        == LLMFinetune.load(id=trainer.id).id
        == trainer.id
    )
    assert trainer.id in [one.id for one in LLMFinetune.list()]
    assert (trainer.info()["id"], trainer.info()["train_type"]) == (trainer.id, "ERNIE-Speed-8K")
    pipeline = trainer.ppls[0]
    assert (len(pipeline), pipeline[pipeline.current_action]) == (3, trainer.actions[0])


def test_what_can_be_tuned_and_within_which_limits():
    info = LLMFinetune.train_type_list()["ERNIE-Speed-8K"]
    assert PeftType.LoRA in info.support_peft_types
    limits = info.specific_peft_types_params_limit[PeftType.LoRA]
    assert limits.epoch == limits["epoch"] == [1, 50]
    assert get_model_info("SFT", "ERNIE-Speed") == info
    assert get_model_info("SFT", "none") is None
    assert get_default_train_config("SFT")["ERNIE-Speed-8K"]["LoRA"].epoch
    assert TrainLimit(epoch=[1, 2]) | TrainLimit(epoch=[3, 4], rank=[8]) == {
        "epoch": [1, 2],
        "rank": [8],
    }


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


def test_states_and_kinds_of_tuning():
    assert TrainStatus is FinetuneStatus
    assert TrainStatus.TrainCreated == FinetuneStatus.Created
    assert TrainConfig(peft_type=PeftType.ALL).parameter_scale == PeftType.ALL == "FullFineTuning"
    assert issubclass(DPO, LLMFinetune)
    assert EventHandler().dispatch(Event("a1", "Done")) is None


def test_a_config_is_compared_with_limits():
    config = TrainConfig(epoch=4, batch_size=4, max_seq_len=4096)
    limits = {"epoch": (1, 8), "batch_size": (1, 10), "max_seq_len": [2048, 4096]}
    assert config.validate_config(TrainLimit(**limits))
    assert not config.validate_config(TrainLimit(**limits | {"epoch": (1, 2)}))
    assert not config.validate_config(TrainLimit(epoch=(1, 8)))


def test_a_corpus_takes_fields_that_qfnb_does_not_know(caplog):
    config = CorpusConfig(data_copy=True, corpus_configs=[CorpusConfigItem(corpus_type=1)])
    assert config.to_wire() == {"data_copy": True, "config": [{"corpusType": 1}]}
    assert caplog.messages == ["CorpusConfig does not know data_copy: sent as it is"]


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
