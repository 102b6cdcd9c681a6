"""Imports of every format the platform knows: real rows, bad lines by name, nothing half done."""

import io
import stat
import zipfile

import httpx
import pytest
from support import finetune_runs
from support.datasets import (
    BUCKET,
    PAIR,
    create_dataset,
    exported_rows,
    import_rows,
    jsonl,
    refusal,
    start_import,
    unzip_rows,
    wait_until_idle,
)

from qfnb import errors
from qfnb.resources import Data
from qfnb.resources.management.finetune import FineTune
from qfnb.wire import data as wire


@pytest.mark.parametrize(
    ("template", "name", "content", "rows"),
    [
        (
            2000,
            "a.csv",
            "prompt,response\n问,答\n".encode(),
            [[{"prompt": "问", "response": [["答"]]}]],
        ),
        (
            2001,
            "a.jsonl",
            jsonl([{"prompt": "问", "response": ["好", "差"]}]),
            [[{"prompt": "问", "response": [["好"], ["差"]]}]],
        ),
        (
            2002,
            "a.jsonl",
            jsonl({"prompt": "问", "chosen": "好", "rejected": "差"}),
            [[{"prompt": "问", "chosen": "好", "rejected": "差"}]],
        ),
        (40100, "a.txt", "第一行\n第二行\n".encode(), ["第一行", "第二行"]),
        (40200, "a.txt", "问一\n问二".encode(), [[{"prompt": "问一"}], [{"prompt": "问二"}]]),
    ],
)
def test_every_format_is_imported_and_exported(sandbox, template, name, content, rows):
    dataset_id, version = import_rows(content, name, template)
    assert (version.import_status, version.entity_count) == (2, len(rows))
    assert (version.template_type, version.project_type) == (template, template // 100)
    assert exported_rows(dataset_id) == rows


@pytest.mark.parametrize(
    ("name", "content", "code", "expected"),
    [
        ("a.jsonl", jsonl(PAIR) + b"{no json\n", 3, "a.jsonl line 2: not JSON"),
        ("a.jsonl", jsonl(PAIR, PAIR, {"prompt": "x"}), 12, "a.jsonl line 3: response is missing"),
        ("a.jsonl", jsonl({"prompt": " ", "response": "x"}), 13, "line 1: prompt is empty"),
        ("a.jsonl", b'{"prompt": "\\ud800", "response": "x"}', 6, "surrogate"),
        ("a.jsonl", "{}\n中".encode("gbk"), 6, "line 2 is not UTF-8"),
        ("a.jsonl", b"\n\n", 13, "it has no rows"),
        ("a.txt", b"x", 3, "PromptResponse is imported from .jsonl, .csv or .zip"),
        ("a.csv", b"question,answer\n1,2\n", 9, "a.csv line 2: prompt is missing"),
        ("a.zip", b"PK no zip", 10, "cannot be unpacked"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(sandbox, name, content, code, expected):
    dataset_id, version = import_rows(content, name)
    assert (version.import_status, version.entity_count, version.err_code) == (3, 0, code)
    assert expected in version.import_error_info
    report = Data.get_dataset_import_error_detail(dataset_id, code).data
    assert report.content[0].sample_file_name.endswith(
        version.import_error_info.split(" line ")[0].split(":")[0]
    )
    assert httpx.get(report.download_url, trust_env=False).json()[0]["code"] == code


@pytest.mark.fault("F82")
def test_links_in_a_zip_are_refused(sandbox):
    link = zipfile.ZipInfo("passwd.jsonl")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "not JSON" in import_rows(packed.getvalue(), "a.zip")[1].import_error_info


def test_rows_count_when_their_import_is_over(sandbox, control):
    control.post("/_sandbox/durations", json={"import": 3600})
    dataset_id = create_dataset()
    start_import(dataset_id, jsonl(PAIR))
    control.post("/_sandbox/durations", json={"import": 0.2})
    now = Data.info(dataset_id).data.version_info
    assert (now.import_status, now.entity_count) == (1, 0)
    with pytest.raises(errors.APIError, match="already being imported"):
        start_import(dataset_id, jsonl(PAIR), "b.jsonl")
    with pytest.raises(errors.APIError, match="still being imported"):
        Data.release(dataset_id)
    control.post("/_sandbox/clock", json={"advance": 3601})
    assert Data.info(dataset_id).data.version_info.entity_count == 1


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:1/a.jsonl", "https://example.com/a.zip", "bos:", "file:///etc/passwd"],
)
def test_nothing_else_is_fetched(sandbox, address):
    dataset_id = create_dataset()
    Data.create_data_import_task(dataset_id, True, 1, address)
    assert wait_until_idle(dataset_id).import_status == 3


def test_an_export_into_the_bucket_is_an_object_there(sandbox):
    dataset_id, _ = import_rows(jsonl(PAIR))
    Data.create_dataset_export_task(dataset_id, 1, BUCKET)
    wait_until_idle(dataset_id)
    record = Data.export_records(dataset_id).data[0]
    assert (record.storage_id, record.export_to) == (BUCKET, 1)
    assert record.storage_path.startswith("bos:/sandbox/data/")
    assert len(unzip_rows(record.download_url)) == 1


def test_a_dataset_without_rows_is_neither_released_nor_exported(sandbox):
    dataset_id = create_dataset()
    for call in (Data.release, Data.export):
        with pytest.raises(errors.APIError, match="has no rows"):
            call(dataset_id)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"templateType": 1}, "templateType"),
        ({"storageType": "usrBos", "storageId": "other"}, "storageId"),
        ({"name": " "}, "name"),
    ],
)
def test_a_wrong_dataset_is_refused_in_the_familys_shape(sandbox, change, expected):
    error = refusal(wire.CREATE, **{"name": "x", "storageType": "sysBos", **change})
    assert (error.error_code, error.status) == ("500001", 200)
    assert f"param[{expected}] invalid" in error.error_msg


def test_what_a_waiting_run_learns_from_stays(sandbox):
    dataset_id = finetune_runs.create_long_dataset()
    task = finetune_runs.start_run(dataset_id, epoch=50)
    try:
        with pytest.raises(errors.APIError, match=f"run {task} needs it"):
            Data.delete(dataset_id)
    finally:
        FineTune.V2.stop_task(task)
