"""Cleaning and augmentation tasks: their states, and what they do to rows."""

import pytest
from support.datasets import (
    PAIR,
    create_dataset,
    exported_rows,
    import_rows,
    jsonl,
    refusal,
    wait_until_idle,
)

from qfnb import errors
from qfnb.resources.management.data import Data
from qfnb.wire import cleaning as wire


def step(group, name, **arguments):
    return {group: [{"name": name, "args": arguments}]}


def cleaned(dataset_id, destination, operations):
    etl_id = Data.create_dataset_etl_task("清洗", dataset_id, destination, operations).data
    running = Data.get_dataset_etl_task_info(etl_id).data.process_status
    wait_until_idle(destination)
    return etl_id, running


def test_a_cleaning_copies_the_rows_and_records_its_operations(sandbox):
    texts = "联系 a@b.com\n别的 一行\n别的 一行\n".encode()
    dataset_id, _ = import_rows(texts, "a.txt", 40100)
    destination = create_dataset(40100)
    steps = step("desensitization", "replace_emails") | step(
        "deduplication", "deduplication_simhash", distance=0
    )
    etl_id, running = cleaned(dataset_id, destination, steps)
    done = Data.get_dataset_etl_task_info(etl_id).data
    assert (running, done.process_status, done.dest_dataset_str_id) == (1, 2, destination)
    assert exported_rows(destination) == ["联系 a@b.com", "别的 一行", "别的 一行"]
    assert done.operations_v2 == steps
    assert Data.status([dataset_id]).data[dataset_id].etl_status == 2


def test_cleanings_are_listed_and_deleted(sandbox):
    dataset_id, _ = import_rows(b"x\n", "a.txt", 40100)
    etl_id, _ = cleaned(dataset_id, create_dataset(40100), {})
    page = Data.get_dataset_etl_task_list(page_size=1).data
    assert (page.items[0].etl_str_id, page.total >= 1) == (etl_id, True)
    assert Data.delete_dataset_etl_task([page.items[0].etl_id]).data is True
    with pytest.raises(errors.APIError, match="etlId"):
        Data.get_dataset_etl_task_info(etl_id)


@pytest.mark.parametrize(
    ("operations", "expected"),
    [({"wash": []}, "'wash'"), (step("clean", "remove_dust"), "remove_dust")],
)
def test_unknown_operations_are_refused(sandbox, operations, expected):
    body = {
        "etlTaskName": "x",
        "sourceDatasetId": create_dataset(),
        "destDatasetId": create_dataset(),
        "operationsV2": operations,
    }
    assert expected in refusal(wire.CREATE, **body).error_msg


def test_source_and_destination_are_two_of_one_format(sandbox):
    dataset_id, _ = import_rows(jsonl(PAIR))
    for destination, reason in (
        (dataset_id, "itself"),
        (create_dataset(40100), "it is Text"),
        ("ds-none", "does not exist"),
    ):
        with pytest.raises(errors.APIError, match=reason):
            Data.create_dataset_etl_task("x", dataset_id, destination, {})


def augmented(dataset_id, name, count):
    destination = create_dataset()
    Data.create_dataset_augmenting_task(name, dataset_id, destination, "1", 1, 3, count, 1.0)
    wait_until_idle(destination)
    return destination


def test_new_rows_ask_the_same_in_other_words(sandbox):
    dataset_id, _ = import_rows(jsonl(PAIR, PAIR | {"prompt": "另一个问题"}))
    rows = exported_rows(augmented(dataset_id, "增强一", 1))
    assert rows == [[{"prompt": f"请问，{PAIR['prompt']}", "response": [[PAIR["response"]]]}]]


def test_augmentations_are_found_described_and_deleted(sandbox):
    dataset_id, _ = import_rows(jsonl(PAIR))
    for name in ("找甲", "找乙"):
        augmented(dataset_id, name, 1)
    names = [
        row.name
        for row in Data.get_dataset_aug_task_list(
            dataset_id, sorted_by_start_time_asc=True
        ).data.items
    ]
    assert names == ["找甲", "找乙"]
    task = Data.get_dataset_aug_task_list("找乙").data.items[0]
    described = Data.get_dataset_augmenting_task_info(task.task_id)
    assert (described.data.id, described["result"]["sandbox"]["engine"]) == (
        task.id,
        "qfnb rules, not a model",
    )
    assert Data.delete_dataset_augmenting_task([task.id]).data is True
    assert Data.get_dataset_aug_task_list("找乙").data.total == 0
