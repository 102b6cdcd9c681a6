"""The rows of an evaluation task: pages, filters, order, and exports."""

import io
import json
import urllib.error
import urllib.request
import zipfile

import pytest
from support.evaluation_sandbox import ANSWERS, REFEREE, RULES, result_rows, run_evaluation_sandbox
from support.waiting import until

from qfnb.errors import QianfanError
from qfnb.resources import Model

BOTH_MODES = {**RULES, **REFEREE, "evalMode": "rule,model"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with run_evaluation_sandbox(tmp_path_factory.mktemp("lab")) as lab:
        lab.id = lab.run(BOTH_MODES, lab.trained_version, lab.untrained_version)[0]
        yield lab


@pytest.fixture
def lab(shared):
    shared.connect()
    return shared


def exported(id_, **options):
    export_id = Model.create_evaluation_result_export_task(id_, **options)["result"]["exportID"]
    until(
        lambda: (
            Model.get_evaluation_result_export_task_status(export_id)["result"]["state"] == "Done"
        )
    )
    return Model.get_evaluation_result_export_task_status(export_id)["result"]


def lines(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["data.jsonl"]
        return [json.loads(line) for line in archive.read("data.jsonl").decode().splitlines()]


def fetch_export(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def test_rows_are_filtered_by_versions_and_units(lab):
    assert {
        row["modelName"] for row in result_rows(lab.id, model_version_ids=["amv-ignorant"])
    } == {"ignorant"}
    assert len(result_rows(lab.id, model_version_ids=[lab.trained_version["number"]])) == len(
        ANSWERS
    )
    unit = result_rows(lab.id)[0]["evalUnitId"]
    assert {row["evalUnitId"] for row in result_rows(lab.id, eval_unit_id=[unit])} == {unit}


def test_rows_are_ordered(lab):
    up = [row["rouge_1"] for row in result_rows(lab.id, order_by="rouge_1", order="asc")]
    down = [row["judgeScore"] for row in result_rows(lab.id, order_by="judgeScore", order="desc")]
    assert (up, down) == (sorted(up), sorted(down, reverse=True))


def test_an_export_is_the_platforms_zip(lab):
    rows = lines(fetch_export(exported(lab.id)["downloadUrl"]))
    assert [len(line) for line in rows] == [1] * 8
    assert rows[0][0] | {"裁判员模型打分理由": ""} == {
        "模型名称": "knows",
        "模型版本": "1",
        "Prompt问题": "几点开门",
        "模型结果": ANSWERS["几点开门"],
        "预期回答": ANSWERS["几点开门"],
        "BLEU-4": "100.00%",
        "ROUGE-1": "100.00%",
        "ROUGE-2": "100.00%",
        "ROUGE-L": "100.00%",
        "裁判员模型打分": "5",
        "裁判员模型打分理由": "",
    }


def test_a_part_with_some_fields(lab):
    one = result_rows(lab.id)[2]["id"]
    done = exported(lab.id, export_range="part", result_ids=[one], export_field=["prompt"])
    assert lines(fetch_export(done["downloadUrl"])) == [
        [{"模型名称": "knows", "模型版本": "1", "Prompt问题": "多少钱"}]
    ]


def test_wrong_exports_are_refused_by_name(lab):
    export = Model.create_evaluation_result_export_task
    for body, field in (
        ({"export_destination_type": "storage", "bos_bucket_id": "other"}, "volumeId"),
        ({"export_range": "part", "result_ids": ["no"]}, "resultIds"),
    ):
        with pytest.raises(QianfanError, match=rf"param\[{field}\]"):
            export(lab.id, **body)
    with pytest.raises(QianfanError, match=r"param\[id\]"):
        export("ame-no")
    with pytest.raises(QianfanError, match=r"param\[exportID\]"):
        Model.get_evaluation_result_export_task_status("amemt-no")
