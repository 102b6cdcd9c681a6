"""Tables of the official SDK on the platform: saved, listed, asked, trained on."""

import asyncio
import json

import pytest
from support.datasets import PAIR, exported_rows, import_rows, jsonl

from qfnb import LLMFinetune, TrainConfig, errors
from qfnb.compat.tables.dataset import Dataset
from qfnb.compat.tables.sources import BosDataSource, QianfanDataSource
from qfnb.evaluation import EvaluationManager, ExactMatchEvaluator
from qfnb.resources.console.consts import DataStorageType, DataTemplateType
from qfnb.trainer import LoadDataSetAction
from qfnb.views import dataset as views

TURN = {"prompt": "问", "response": [["答"]]}
BUCKET = (DataStorageType.PrivateBos, "sandbox", "/sdk")


@pytest.fixture(autouse=True)
def on_sandbox(sandbox):
    """Every test here asks the platform."""


def test_a_dataset_of_the_platform_is_listed_and_read():
    dataset_id, _ = import_rows(jsonl(PAIR, [PAIR, PAIR]))
    dataset = Dataset.load(qianfan_dataset_id=dataset_id)
    turn = {"prompt": PAIR["prompt"], "response": [[PAIR["response"]]]}
    assert (dataset.row_number(), dataset.is_dataset_located_in_qianfan(), dataset.is_fetched) == (
        2,
        True,
        False,
    )
    assert [json.loads(row["entity_content"]) for row in dataset.list()] == [[turn], [turn, turn]]
    assert json.loads(dataset.list(1)[0]["entity_content"]) == [turn, turn]
    assert dataset.inner_data_source_cache.fetch().to_pydict() == {"_pack": [[turn], [turn, turn]]}
    local = Dataset.load(
        qianfan_dataset_id=dataset_id, is_download_to_local=True, organize_data_as_group=True
    )
    assert ([row["_group"] for row in local], local.is_dataset_located_in_qianfan()) == (
        [0, 1, 1],
        False,
    )


def test_rows_are_saved_into_a_dataset_and_released():
    source = QianfanDataSource.create_bare_dataset(
        "sdk", DataTemplateType.NonSortedConversation, *BUCKET
    )
    saved = Dataset.create_from_pyobj([TURN] * 3).save(source, does_release=True)
    assert (saved.id, saved.is_dataset_located_in_qianfan(), len(saved)) == (source.id, True, 3)
    assert exported_rows(source.id) == [[TURN]] * 3


def test_save_makes_the_dataset_that_its_arguments_name():
    create = {
        "name": "made",
        "template_type": DataTemplateType.QuerySet,
        "storage_type": DataStorageType.PrivateBos,
    }
    arguments = {**create, "storage_id": "sandbox", "storage_path": "/sdk/"}
    saved = Dataset.create_from_pyobj([{"prompt": "1"}, {"prompt": "2"}]).save(
        qianfan_dataset_create_args=arguments
    )
    assert (saved.name, saved.inner_data_source_cache.template_type) == (
        "made",
        DataTemplateType.QuerySet,
    )
    assert len(Dataset.load(qianfan_dataset_id=saved.id)) == 2


def test_objects_in_storage_are_tables():
    address = {"region": "bj", "bucket": "sandbox", "bos_file_path": "/tables/rows.jsonl"}
    Dataset.create_from_pyobj([{"a": 1}, {"a": 2}]).save(bos_source_args=address)
    dataset = Dataset.load(BosDataSource(**address))
    assert "bos:/sandbox/tables/rows.jsonl" in views.text(dataset)
    assert not dataset.is_fetched
    assert LoadDataSetAction(dataset).exec() == {
        "datasets": [{"type": 2, "bosPath": "bos:/sandbox/tables/rows.jsonl"}]
    }
    assert dataset["a"] == {"a": [1, 2]}


def test_a_model_answers_each_row():
    dataset = Dataset.create_from_pyobj(
        {"question": ["1+1=", "2+2="], "answer": ["2", "4"]},
        input_columns=["question"],
        reference_column="answer",
    )
    answers = dataset.test_using_llm(
        service_model="ernie-4.5-turbo-128k", does_show_latency=True, temperature=0.1
    )
    names = [
        "question",
        "input_prompt",
        "llm_output",
        "request_complete_latency",
        "expected_output",
    ]
    assert (answers.col_names(), answers["expected_output"]) == (
        names,
        {"expected_output": ["2", "4"]},
    )
    assert all(answers["llm_output"]["llm_output"])
    report = EvaluationManager(local_evaluators=[ExactMatchEvaluator()]).eval_only(answers)
    assert report.result_dataset["expected_output"] == ["2", "4"]


def test_conversations_are_asked_by_their_last_question():
    turns = [{"prompt": "q", "response": [["a"]]}, {"prompt": "q2", "response": [["a2"]]}]
    dataset = Dataset.create_from_pyobj(
        [turns], input_columns=["prompt"], reference_column="response"
    )
    answers = asyncio.run(
        dataset.atest_using_llm(service_model="ernie-4.5-turbo-128k", system_prompt="be brief")
    )
    assert [turn["content"] for turn in answers.list(0)["input_chats"]] == ["q", "a", "q2"]
    assert answers.list(0)["expected_output"] == "a2"
    with pytest.raises(errors.InvalidArgumentError, match="service_model"):
        dataset.test_using_llm()


def test_a_training_takes_a_table():
    table = Dataset.create_from_pyobj([{"prompt": "q", "response": "a", "length": None}] * 8)
    trainer = LLMFinetune(
        "ERNIE-Speed-8K", table, TrainConfig(epoch=1), model_not_publish=True
    ).run()
    assert trainer.output["task_id"].startswith("task-")
