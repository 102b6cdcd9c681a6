"""The rows of a dataset one by one: pages, marks, deletions, and their text without a key."""

import json

import httpx
import pytest
from support.datasets import PAIR, exported_rows, import_rows, jsonl, refusal

from qfnb.resources.management.data import Data
from qfnb.wire import data

ROWS = [{"prompt": f"第 {number} 问", "response": f"第 {number} 答"} for number in range(45)]


@pytest.fixture(scope="module")
def large_dataset():
    return import_rows(jsonl(*ROWS))[0]


def list_rows(dataset_id, **query):
    return Data.list_all_entity_in_dataset(dataset_id, **query).data


def prompt_of(entity):
    return json.loads(httpx.get(entity.url, trust_env=False).text)[0]["prompt"]


def test_pages_come_in_the_order_of_the_rows(sandbox, large_dataset):
    page = list_rows(large_dataset, offset=28, page_size=2)
    assert (page.total, page.total_all, len(page.items)) == (45, 45, 2)
    assert [prompt_of(entity) for entity in page.items] == ["第 28 问", "第 29 问"]
    assert len(list_rows(large_dataset).items) == 20
    assert list_rows(large_dataset, offset=45).items == []


def test_annotating_a_row_gives_it_answers(sandbox):
    dataset_id, _ = import_rows(jsonl({"prompt": "问"}, {"prompt": "又问"}), annotated=False)
    entity = list_rows(dataset_id, listing_type=2).items[1]
    annotated = [{"prompt": "又问", "response": [["又答"]]}]
    assert Data.annotate_an_entity(entity.id, dataset_id, annotated).data is True
    assert [row.id for row in list_rows(dataset_id, listing_type=1).items] == [entity.id]
    assert exported_rows(dataset_id) == [[{"prompt": "问"}], annotated]


def test_deleted_rows_are_gone_and_unknown_ones_told(sandbox):
    dataset_id, _ = import_rows(jsonl(*ROWS[:3]))
    first = list_rows(dataset_id).items[0].id
    assert Data.delete_an_entity([first, "none"], dataset_id).data.failed_ones == ["none"]
    assert Data.info(dataset_id).data.version_info.entity_count == 2
    assert (
        Data.delete_an_entity([list_rows(dataset_id).items[0].id], dataset_id).data.failed_ones
        is None
    )


def test_a_row_needs_no_key_but_its_address(sandbox, large_dataset):
    url = list_rows(large_dataset, page_size=1).items[0].url
    assert httpx.get(url, trust_env=False).headers["content-type"].startswith("text/plain")
    assert httpx.get(url[:-1] + "!", trust_env=False).status_code == 404


@pytest.mark.parametrize(
    ("endpoint", "change", "expected"),
    [
        (data.LIST_ENTITIES, {"pageSize": 31}, "pageSize"),
        (data.ANNOTATE, {"id": "none", "content": [PAIR]}, "id"),
        (data.DELETE_ENTITIES, {"id": "no list"}, "id"),
    ],
)
def test_wrong_input_is_refused(sandbox, large_dataset, endpoint, change, expected):
    assert (
        f"param[{expected}] invalid"
        in refusal(endpoint, datasetId=large_dataset, **change).error_msg
    )
