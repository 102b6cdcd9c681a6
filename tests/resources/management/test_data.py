"""Datasets of the platform as the library's users call them."""

import pytest
from support.datasets import (
    BUCKET,
    PAIR,
    exported_rows,
    import_rows,
    jsonl,
    upload,
    wait_until_idle,
)

from qfnb import errors
from qfnb.resources import Data


def test_a_dataset_from_nothing_to_released(sandbox):
    dataset_id = Data.create("从无到有", BUCKET, "/life").data.dataset_id
    assert Data.info(dataset_id).data.version_info.import_status == -1
    Data.import_files(dataset_id, [upload(BUCKET, "life/a.jsonl", jsonl(PAIR, PAIR))])
    assert Data.info(dataset_id).data.version_info.import_status == 1
    assert (wait_until_idle(dataset_id).import_status, Data.release(dataset_id).data) == (2, True)
    assert Data.info(dataset_id).data.version_info.release_status == 1
    assert (
        wait_until_idle(dataset_id).release_status,
        wait_until_idle(dataset_id).entity_count,
    ) == (2, 2)


@pytest.mark.fault("F32")
def test_ids_are_words_or_numbers(sandbox):
    created = Data.create_bare_dataset("两种编号").data
    both = Data.status([created.id, created.dataset_id]).data
    assert both.keys() == {str(created.id), created.dataset_id}
    assert Data.info(created.id).data.version_info.dataset_pk == created.dataset_id


def test_what_is_exported_is_what_was_imported(sandbox):
    dataset_id, version = import_rows(jsonl(PAIR))
    assert version.export_record_count == 0
    assert exported_rows(dataset_id) == [
        [{"prompt": PAIR["prompt"], "response": [[PAIR["response"]]]}]
    ]
    record = Data.get_dataset_export_records(dataset_id).data[0]
    assert (record.status, record.record_num, record.export_to) == (2, 1, 0)


def test_versions_are_what_v1_calls_datasets(sandbox):
    created = Data.V2.create_dataset("版本", "PromptResponse").data
    task = Data.V2.create_dataset_version_import_task(
        created.version_id, [upload(BUCKET, "v.jsonl", jsonl(PAIR))]
    ).data
    assert Data.V2.get_dataset_version_import_task_info(task).data.import_status == "Importing"
    wait_until_idle(created.version_id)
    done = Data.V2.get_dataset_version_import_task_info(task).data
    assert (done.import_status, done.progress, done.sample_count) == ("ImportFinished", "100%", 1)
    assert Data.V2.publish_dataset_version(created.version_id).data is True
    assert Data.info(created.version_id).data.version_info.release_status in {1, 2}
    wait_until_idle(created.version_id)
    assert Data.V2.get_dataset_version_info(created.version_id).data.publish_status == "Published"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Data.create_bare_dataset("x", 4, 20, 40100), "project_type=20: .* 401"),
        (lambda: Data.create_bare_dataset("x", 7, 20, 2000), "data_set_type=7"),
        (lambda: Data.create_bare_dataset("x", 4, 20, 7), "template_type=7"),
        (lambda: Data.create_bare_dataset("x", storage_type="usrBos"), "storage_id"),
        (lambda: Data.create_bare_dataset("x", storage_id="b"), "storage_path"),
        (lambda: Data.create_data_import_task("ds-1", True, 1, ""), "file_url"),
        (lambda: Data.create_dataset_export_task("ds-1", 1), "storage_id"),
        (lambda: Data.list_all_entity_in_dataset("ds-1", page_size=31), "page_size=31"),
        (lambda: Data.list_all_entity_in_dataset("ds-1", import_time_closure=[1]), "two times"),
        (lambda: Data.annotate_an_entity("e", "ds-1"), "one of them is needed"),
        (lambda: Data.create_dataset_etl_task("x", 1, 2, {"wash": []}), "wash.*clean, filter"),
        (
            lambda: Data.create_dataset_augmenting_task("x", 1, 2, "a", 1, 11, 5, 0.5),
            "num_seed_fewshot=11",
        ),
        (
            lambda: Data.create_dataset_augmenting_task("x", 1, 2, "a", 1, 1, 5, 1.5),
            "similarity_threshold",
        ),
        (lambda: Data.V2.create_dataset("x", "Text", "BOS"), "storage_path"),
        (lambda: Data.V2.create_dataset_version_export_task("ds-1", "disk"), "storage_type='disk'"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_sent(call, message):
    with pytest.raises(errors.InvalidArgumentError, match=message):
        call()
