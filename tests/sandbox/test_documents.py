"""Documents that the sandbox keeps as they were sent: prompts, quotas, cleanings; memories:
tests/resources.
"""

import json
import sqlite3

import pytest
from support.datasets import create_dataset, exported_rows, import_rows, wait_until_idle
from support.waiting import wait_for

from qfnb import errors
from qfnb.resources import Charge, Prompt
from qfnb.resources.management.data import Data
from qianfan_sandbox.state.store import Store

V2 = Prompt.V2
POSTPAID = {"paymentTiming": "Postpaid"}


def create_template(**options):
    return Prompt.create(**{"name": "诗", "template": "写一首关于{theme}的诗", **options}).data


def test_a_template_has_an_id_of_each_kind_and_both_versions_show_it(sandbox):
    key = create_template(scene=2, negative_template="不要{thing}")
    one = Prompt.info(key.template_id, theme="秋天", thing="水印")["result"]
    other = V2.info(key.template_pk, theme="秋天")["result"]
    assert one["content"] == other["content"] == "写一首关于秋天的诗"
    assert (one["negativeContent"], other["negativeContent"]) == ("不要水印", "不要{thing}")
    assert (one["templatePK"], other["templateId"]) == (key.template_pk, key.template_pk)
    assert (one["sceneType"], other["sceneType"], other["type"]) == (2, "TextToImage", "Custom")


def test_templates_are_listed_by_text_label_and_page(sandbox):
    label = V2.create_label(["找"]).data.items[0].label_id
    ids = [V2.create(f"找到 {i}", "写{theme}", labels=[label]).data.template_id for i in range(3)]
    assert Prompt.list(name="找到", label_ids=[label]).data.total == 3
    assert [row.template_pk for row in Prompt.list(1, 1, name="找到").data.items] == [ids[1]]
    page = V2.list(name="找到", label_ids=[label], max_keys=2).data
    assert [row.template_id for row in page.items] == ids[:0:-1]
    assert not Prompt.list(name="找到", type=1).data.total


def test_an_improvement_runs_and_then_is_there(sandbox):
    operations = [{"opType": 2, "payload": 1}, {"opType": 4, "payload": 1}]
    task = Prompt.create_optimization_task("请帮我写 {job} 的总结", operations).data
    row = wait_for(
        lambda: Prompt.get_optimization_task(task.id).data, lambda row: row.process_status != 1
    )
    assert row.optimize_content.startswith("写 {job} 的总结\n")
    assert "一步一步" in row.optimize_content
    assert "rules" in row.sandbox["engine"]


@pytest.mark.parametrize(
    ("kind", "expected", "answers", "scores"),
    [
        (1, "早上九点开门", ["早上九点开门", "九点开门", "晴天"], [1.0, 0.8, 0.0]),
        (2, r"\d+点", ["9点", "九点"], [1.0, 0.0]),
        (3, "九点", ["九点 ", "九点。"], [1.0, 0.0]),
    ],
)
def test_answers_are_scored(sandbox, kind, expected, answers, scores):
    reply = Prompt.evaluation_score(kind, [{"scene": expected, "response_list": answers}])
    assert reply.data.scores == [scores]


def test_a_quota_is_bought_resized_given_an_end_and_released(sandbox):
    id_ = Charge.charge_tpm_credit("ernie-speed-8k", 2, POSTPAID).data.instance_id

    def quota(**filters):
        rows = Charge.tpm_credit_info("ernie-speed-8k", instance_id=id_, **filters).data.instances
        return rows[0] if rows else None

    initial = quota(payment_type="Postpaid")
    assert (initial.status, initial.payment_timing, initial.expired_time) == (
        "Running",
        "Postpaid",
        "-",
    )
    assert Charge.resize_tpm_resource(id_, 4).data is True
    assert Charge.auto_release_tpm_resource(id_, "2100-01-01T00:00:00Z").data is True
    assert Charge.create_auto_renew_rules(id_, "TPM", "Month", 2).data is True
    assert (quota().rpm, quota().expired_time) == (2 * initial.rpm, "2100-01-01T00:00:00Z")
    Charge.auto_release_tpm_resource(id_, None)
    assert quota().expired_time == "-"
    assert Charge.stop_tpm_credit_charging("ernie-speed-8k", id_).data is True
    assert (quota(status="Running"), quota(status="Stopped").instance_id) == (None, id_)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: Charge.charge_tpm_credit("m", 10**6, POSTPAID), r"param\[purchaseCount\]"),
        (lambda: Charge.resize_service_resource_count("a-none", 1), "a-none does not exist"),
        (lambda: Charge.get_service_resource_list("svco-nothing"), r"param\[serviceId\]"),
        (
            lambda: Prompt.create_optimization_task("写诗", [{"opType": 9, "payload": 1}]),
            r"opType\] invalid: 9",
        ),
        (
            lambda: Prompt.evaluation_score(2, [{"scene": "(", "response_list": ["x"]}]),
            "not a regular expression",
        ),
        (
            lambda: Data.create_dataset_etl_task("x", create_dataset(), "ds-none", {}),
            "ds-none does not exist",
        ),
    ],
    ids=range(6),
)
def test_what_cannot_be_is_refused(sandbox, call, expected):
    with pytest.raises(errors.APIError, match=expected):
        call()


def test_a_cleaning_copies_the_rows_and_records_its_operations(sandbox):
    dataset_id, _ = import_rows("联系 a@b.com\n别的 一行\n".encode(), "a.txt", 40100)
    destination = create_dataset(40100)
    steps = {"desensitization": [{"name": "replace_emails", "args": {}}]}
    etl_id = Data.create_dataset_etl_task("清洗", dataset_id, destination, steps).data
    running = Data.get_dataset_etl_task_info(etl_id).data.process_status
    wait_until_idle(destination)
    done = Data.get_dataset_etl_task_info(etl_id).data
    assert (running, done.process_status, done.dest_dataset_str_id) == (1, 2, destination)
    assert exported_rows(destination) == ["联系 a@b.com", "别的 一行"]
    assert done.operations_v2 == steps
    assert Data.status([dataset_id]).data[dataset_id].etl_status == 2
    row = Data.get_dataset_etl_task_list(page_size=1).data.items[0]
    assert (row.etl_str_id, Data.delete_dataset_etl_task([row.etl_id]).data) == (etl_id, True)


def test_documents_of_an_older_sandbox_get_the_names_of_today(tmp_path):
    Store(tmp_path).close()
    older = {
        "template": {"name": "诗", "content": "写{a1}", "identifier": "{}", "variables": ["a1"], "negative": None,
                     "negative_variables": [], "scene": 2, "labels": [], "framework": 0},
        "quota": {"model": "m", "count": 2, "payment": "Prepaid", "until": None, "status": "Running"},
    }  # fmt: skip
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.execute("pragma user_version = 3")
        for kind, body in older.items():
            database.execute(
                "insert into document(kind, id, body) values (?, ?, ?)",
                (kind, kind, json.dumps(body)),
            )
    store = Store(tmp_path)
    template = store.get("template", "template")
    quota = store.get("quota", "quota")
    store.close()
    assert (template["templateVariables"], template["sceneType"], template["labels"]) == (
        "a1",
        "TextToImage",
        [],
    )
    assert (quota["purchaseCount"], quota["billing"]) == (2, {"paymentTiming": "Prepaid"})
