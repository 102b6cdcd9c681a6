"""The official SDK creates, fills, cleans and downloads datasets of the sandbox, unchanged.

Where it uploads is the only thing that is told to it: it knows no other storage than Baidu's.
"""

import json

import pytest
from support.datasets import PAIR, create_dataset, exported_rows, import_rows, jsonl

pytestmark = [pytest.mark.peer, pytest.mark.long]

START = """
import json, os
os.environ |= {f"QIANFAN_{name}_STATUS_POLLING_INTERVAL": "0.05" for name in ("IMPORT", "EXPORT", "RELEASE", "ETL")}
from qianfan.resources.console.data import Data
from qianfan.resources.console.consts import *
from qianfan.dataset import Dataset
from qianfan.dataset.data_source import QianfanDataSource
from qianfan.dataset.qianfan_data_operators import ReplaceEmails, RemoveEmoji
from qianfan.utils.bos_uploader import BosHelper
from qfnb.resources.management.storage import Storage

def put(self, local, remote, bucket):
    with open(local, "rb") as file:
        Storage.upload(f"bos:/{bucket}/{remote.lstrip('/')}", file.read())

BosHelper.upload_file_to_bos = put
said = lambda value: print("said", json.dumps(value, ensure_ascii=False, default=str))
"""


@pytest.fixture
def run_sdk(sdk):
    """Run code after the imports; return what it passes to `said`."""

    def run_code(code, **names):
        values = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        lines = sdk(START + values + code)
        return [
            json.loads(line.removeprefix("said ")) for line in lines if line.startswith("said ")
        ]

    return run_code


def test_a_dataset_is_loaded_exported_and_downloaded(run_sdk):
    dataset_id, _ = import_rows(jsonl(PAIR, [PAIR, PAIR]))
    code = """
dataset = Dataset.load(qianfan_dataset_id=id)
said(dataset.row_number())
source = dataset.inner_data_source_cache
said(source.fetch().to_pydict()["_pack"])
said(len(Data.get_dataset_export_records(id)["result"]))
said(source.fetch().num_rows)
said(len(Data.get_dataset_export_records(id)["result"]))
said(dataset.list(0)[0]["entity_content"])
"""
    turn = {"prompt": PAIR["prompt"], "response": [[PAIR["response"]]]}
    rows, packed, exports, again, exports_still, row = run_sdk(code, id=dataset_id)
    assert (rows, packed) == (2, [[turn], [turn, turn]])
    assert (exports, again, exports_still) == (1, 2, 1)
    assert json.loads(row) == [turn]


def test_a_local_dataset_is_saved_and_released(run_sdk):
    code = """
made = QianfanDataSource.create_bare_dataset("sdk", DataTemplateType.NonSortedConversation, DataStorageType.PrivateBos, "sandbox", "/sdk")
local = Dataset.create_from_pyobj([{"prompt": "问", "response": [["答"]]}] * 3)
said(made.save(local, does_release=True))
said(made.id)
said(Data.get_dataset_info(made.id)["result"]["versionInfo"]["releaseStatus"])
"""
    save_output, dataset_id, released = run_sdk(code)
    assert (save_output, released) == (True, 2)
    assert exported_rows(dataset_id) == [[{"prompt": "问", "response": [["答"]]}]] * 3


def test_texts_are_saved_as_a_zip_and_a_cleaning_copies_them(run_sdk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the SDK zips into the current folder
    code = """
made = QianfanDataSource.create_bare_dataset("sdk", DataTemplateType.GenericText, DataStorageType.PrivateBos, "sandbox", "/sdk")
made.save(Dataset.create_from_pyobj({"_pack": ["写信到a@b.com😀", "第二段"]}))
dataset = Dataset.load(qianfan_dataset_id=made.id)
said(sorted(dataset.inner_data_source_cache.fetch().to_pydict()["_pack"]))
said(dataset.online_data_process([ReplaceEmails(), RemoveEmoji()]))
"""
    texts, result = run_sdk(code)
    assert [text.strip() for text in texts] == ["写信到a@b.com😀", "第二段"]
    assert result["is_succeeded"]
    # a recorded task
    assert sorted(exported_rows(result["new_dataset_id"])) == ["写信到a@b.com😀", "第二段"]


def test_every_call_of_v1_is_understood(run_sdk):
    dataset_id, _ = import_rows(jsonl(PAIR))
    destination = create_dataset()
    code = """
def call(operation, *arguments, **more):
    said(operation(*arguments, **more)["result"])

def settle(dataset_id):
    while 1 in [Data.get_dataset_info(dataset_id)["result"]["versionInfo"][k] for k in ("importStatus", "exportStatus")]:
        pass

call(Data.get_dataset_status_in_batch, [id])
call(Data.release_dataset, id)
call(Data.create_dataset_export_task, id, DataExportDestinationType.PrivateBos, "sandbox")
settle(id)
call(Data.get_dataset_export_records, id)
call(Data.get_dataset_import_error_detail, id, 3)
call(Data.create_dataset_augmenting_task, "sdk", id, to, "ebt", 1, 2, 3, 0.99)
call(Data.get_dataset_aug_task_list, "sdk", True)
task = Data.get_dataset_aug_task_list("sdk")["result"]["items"][0]["id"]
call(Data.get_dataset_augmenting_task_info, task)
call(Data.delete_dataset_augmenting_task, [task])
entity = Data.list_all_entity_in_dataset(id, listing_type=EntityListingType.AnnotatedOnly)["result"]["items"][0]["id"]
call(Data.annotate_an_entity, entity, id, content=[{"prompt": "问", "response": [["答"]]}])
call(Data.delete_an_entity, [entity], id)
call(Data.get_dataset_etl_task_list, 5)
settle(to)
call(Data.delete_dataset, to)
"""
    answers = run_sdk(code, id=dataset_id, to=destination)
    assert answers[0][dataset_id]["importStatus"] == 2
    assert answers[1:3] == [True, True]
    assert (answers[3][0]["exportTo"], answers[4]["content"]) == (1, [])
    assert (answers[5], answers[6]["total"], answers[7]["name"], answers[8]) == (
        True,
        1,
        "sdk",
        True,
    )
    assert (answers[9], answers[10], answers[12]) == (
        True,
        {"failedOnes": None},
        {"versionCount": 0},
    )


def test_a_refusal_is_the_sdks_own_error(run_sdk):
    code = """
try:
    Data.get_dataset_info("ds-none")
except Exception as error:
    said([type(error).__name__, str(error)])
"""
    [(name, message)] = run_sdk(code)
    assert name == "QianfanError"
    assert "ds-none does not exist" in message


def test_every_action_of_v2_is_understood(run_sdk):
    code = """
from qianfan.resources.console.consts import V2 as Kinds
Storage.upload("bos:/sandbox/v2/a.jsonl", b'{"prompt": "x", "response": "y"}')
made = Data.V2.create_dataset("sdk v2", Kinds.DatasetFormat.PromptResponse, Kinds.StorageType.Bos, "bos:/sandbox/v2")["result"]
task = Data.V2.create_dataset_version_import_task(made["versionId"], ["bos:/sandbox/v2/a.jsonl"])["result"]
while (now := Data.V2.get_dataset_version_import_task_info(task)["result"])["importStatus"] == "Importing":
    pass
said(now["importStatus"])
said(Data.V2.publish_dataset_version(made["versionId"])["result"])
export = Data.V2.create_dataset_version_export_task(made["versionId"], Kinds.StorageType.SysStorage)["result"]
while (now := Data.V2.get_dataset_version_export_task_info(export)["result"])["exportStatus"] == "Exporting":
    pass
said(now["downloadUrl"])
said(Data.V2.get_dataset_version_info(made["versionId"])["result"]["storagePath"])
other = Data.V2.create_dataset_version(made["datasetId"], "zwei")["result"]["versionId"]
said([row["versionId"] for row in Data.V2.get_dataset_version_list(made["datasetId"])["result"]["versionList"]] == [other, made["versionId"]])
said(Data.V2.delete_dataset_version(other)["result"])
said(len(Data.V2.get_dataset_list(filter={"datasetName": "sdk v2"}, max_keys=500)["result"]["datasetList"]))
said(Data.V2.delete_dataset(made["datasetId"])["result"])
"""
    imported, published, url, path, order, deleted, found_count, delete_result = run_sdk(code)
    assert (imported, published, path) == ("ImportFinished", True, "bos:/sandbox/v2/")
    assert "/_exports/" in url
    assert (order, deleted, found_count, delete_result) == (True, True, 1, True)
