"""Datasets on the platform: uploaded and fetched."""

import pytest

from qfnb import Dataset, errors
from qfnb.dataset import TransferStep, platform
from qfnb.resources.management.data import Data
from qfnb.resources.management.storage import Storage

PAIR = {"prompt": "几点开门", "response": "九点"}
TURNS = {"history": [PAIR], "prompt": "几点关门", "response": "十点"}
KINDS = {
    "pairs": [PAIR] * 3,
    "conversation": [TURNS, TURNS],
    "sorted": [{"prompt": "p", "responses": ["好", "坏"]}],
    "preference": [{"prompt": "p", "chosen": "好", "rejected": "坏"}],
    "text": [{"text": "第一篇\n两行"}, {"text": "第二篇"}],
    "prompts": [{"prompt": "1"}, {"prompt": "2"}],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_dataset_of_every_kind_goes_up_and_comes_back(sandbox, kind):
    dataset_id = Dataset(KINDS[kind], name=f"往返 {kind}").save(qianfan=True)
    again = Dataset.load(qianfan_dataset_id=dataset_id)
    assert (len(again), again.schema.name) == (
        len(KINDS[kind]),
        "pairs" if kind == "conversation" else kind,
    )
    assert not again.is_fetched
    assert again.list() == KINDS[kind]
    assert (again.schema.name, again.is_fetched) == (kind, True)


def test_nothing_is_asked_before_the_rows_are_looked_at(scripted):
    server = scripted([b""])
    dataset = Dataset.load(qianfan_dataset_id="ds-1", name="far")
    assert repr(dataset) == "<Dataset 'far': rows not fetched yet, on the platform as ds-1>"
    assert dataset
    assert not server.requests


def test_the_same_rows_are_not_brought_there_twice(sandbox):
    first = Dataset([PAIR, TURNS], name="一次").save(qianfan=True)
    assert Dataset([PAIR, TURNS], name="一次").release() == first
    assert Dataset([PAIR, TURNS], name="另名").release() != first
    Data.delete(first)
    assert Dataset([PAIR, TURNS], name="一次").release() != first


def test_each_step_is_told(sandbox):
    steps = []
    Dataset([{**PAIR, "response": "仅此一次"}], name="步骤").save(
        qianfan=True, progress=steps.append
    )
    assert [step.kind for step in steps] == ["upload"] * 2 + ["import"] * 2 + ["release"] * 2
    assert steps[0].done == steps[0].total > 50
    assert steps[-1] == TransferStep("release", 1, 1)


def test_what_the_platform_says_of_a_line_is_told(sandbox):
    address = Storage.upload(
        "bos:/sandbox/bad/bad.jsonl", b'[{"prompt": "p", "response": [["r"]]}]\n{oops\n'
    )
    dataset_id = Data.create("坏", "sandbox", "/bad/").data.dataset_id
    Data.import_files(dataset_id, [address])
    with pytest.raises(errors.DatasetError, match="could not import the rows") as caught:
        platform._wait_for_status(dataset_id, "import_status", 1, None)
    assert "line 2" in str(caught.value)
    assert "oops" in str(caught.value)


def test_rows_go_to_an_object_and_come_back(sandbox):
    for name in ("x.jsonl", "x.csv", "x.parquet", "x.zip"):
        assert Dataset([PAIR]).save(f"bos:/sandbox/rows/{name}") == f"bos:/sandbox/rows/{name}"
        again = Dataset.load(f"bos:/sandbox/rows/{name}")
        assert (again.list(), again.name, again.source) == (
            [PAIR],
            "x",
            f"bos:/sandbox/rows/{name}",
        )
    with pytest.raises(errors.APIError, match="NoSuchKey"):
        Dataset.load("bos:/sandbox/rows/nowhere.jsonl")


def test_a_download_may_have_no_more_than_is_allowed(sandbox, monkeypatch):
    monkeypatch.setattr("qfnb.dataset.file_reader.MAX_BYTES", 64)
    dataset_id = Dataset([PAIR] * 50, name="大").save(qianfan=True)
    with pytest.raises(errors.ResponseTooLarge, match="more than 64 bytes"):
        Dataset.load(qianfan_dataset_id=dataset_id).list()


@pytest.mark.parametrize("arguments", [{}, {"data_file": "x.jsonl", "qianfan": True}])
def test_a_dataset_is_saved_to_exactly_one_place(arguments):
    with pytest.raises(errors.InvalidArgumentError, match="Name one destination"):
        Dataset([PAIR]).save(**arguments)
