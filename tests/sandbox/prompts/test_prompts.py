"""Prompt templates on the sandbox: one store, seen by v1 and v2; improving and scoring by plain
rules.
"""

import time

import pytest
from support.sandbox_thread import run_world
from support.waiting import wait_for

from qfnb import config, errors
from qfnb.resources import Prompt

V2 = Prompt.V2


def create_template(**options):
    return Prompt.create(**{"name": "诗", "template": "写一首关于{theme}的诗", **options}).data


def test_a_template_has_an_id_of_each_kind_and_both_views_show_it(sandbox):
    key = create_template()
    one = Prompt.info(key.template_id, theme="秋天")["result"]
    other = V2.info(key.template_pk, theme="秋天")["result"]
    assert one["content"] == other["content"] == "写一首关于秋天的诗"
    assert (one["templatePK"], other["templateId"]) == (key.template_pk, key.template_pk)
    assert (one["templateVariables"], other["sceneType"], other["type"]) == (
        "theme",
        "TextToText",
        "Custom",
    )


def test_variables_without_a_value_stay(sandbox):
    key = create_template(template="{one}和{two}")
    assert Prompt.info(key.template_pk, one="一").data.content == "一和{two}"


def test_a_template_for_pictures_has_a_negative_one(sandbox):
    key = create_template(scene=2, negative_template="不要{thing}")
    row = Prompt.info(key.template_id, theme="猫", thing="水印")["result"]
    assert (row["negativeTemplateVariables"], row["negativeContent"]) == ("thing", "不要水印")


def test_a_changed_template_has_the_variables_of_its_new_text(sandbox):
    key = create_template()
    assert (
        Prompt.update(
            key.template_pk, name="词", template="写((count))首词", identifier="(())"
        ).data
        == key
    )
    row = Prompt.info(key.template_id).data
    assert (row.template_name, row.template_variables, row.variable_identifier) == (
        "词",
        "count",
        "(())",
    )
    V2.update(key.template_pk, template_content="写((many))首")
    assert V2.info(key.template_id).data.template_variables == "many"


@pytest.mark.parametrize("prompts", [Prompt, V2])
def test_a_deleted_template_is_gone(sandbox, prompts):
    key = create_template()
    assert prompts.delete(key.template_pk).data is True
    with pytest.raises(errors.APIError, match=f"template {key.template_pk} does not exist"):
        prompts.info(key.template_pk)


def test_templates_are_found_by_text_label_and_page(sandbox):
    label = V2.create_label(["找"]).data.items[0].label_id
    ids = [V2.create(f"找到 {i}", "写{theme}", labels=[label]).data.template_id for i in range(3)]
    assert Prompt.list(name="找到", label_ids=[label]).data.total == 3
    assert [row.template_pk for row in Prompt.list(1, 1, name="找到").data.items] == [ids[1]]
    page = V2.list(name="找到", label_ids=[label], max_keys=2).data
    assert [row.template_id for row in page.items] == ids[:0:-1]
    assert [row.template_id for row in V2.list(marker=ids[1], name="找到").data.items] == ids[:1]
    assert not Prompt.list(name="找到", type=1).data.total
    assert not V2.list(name="找到", type="System").data.items


def test_labels_are_shared_and_leave_with_a_template_behind(sandbox):
    one, two = V2.create_label(["标签一", "标签二"]).data.items
    assert V2.create_label("标签一").data.items == [one]
    template = V2.create("诗", "写诗", labels=[one.label_id, two.label_id]).data.template_id
    assert {"标签一", "标签二"} <= {
        row["labelName"] for row in Prompt.list_labels(0, 100)["result"]["items"]
    }
    V2.delete_label(one.label_id)
    assert [row["labelName"] for row in V2.info(template).data.labels] == ["标签二"]
    assert one.label_id not in [row.label_id for row in V2.list_labels(max_keys=100).data.items]


def test_an_unknown_label_is_refused(sandbox):
    with pytest.raises(errors.APIError, match=r"param\[labelIds\] invalid"):
        create_template(label_ids=["pl-nothing"])
    with pytest.raises(errors.APIError, match=r"param\[labels\] invalid") as caught:
        V2.create("诗", "写诗", labels=[424242])
    assert caught.value.status == 400


def test_an_improvement_runs_and_then_is_there(sandbox):
    task = Prompt.create_optimization_task(
        "请帮我写 {job} 的总结", [{"opType": 2, "payload": 1}, {"opType": 4, "payload": 1}]
    ).data
    row = wait_for(
        lambda: Prompt.get_optimization_task(task.id).data, lambda row: row.process_status != 1
    )
    assert row.optimize_content.startswith("写 {job} 的总结\n")
    assert "一步一步" in row.optimize_content
    assert "rules" in row.sandbox["engine"]


def test_an_unknown_operation_is_refused(sandbox):
    with pytest.raises(errors.APIError, match="opType\\] invalid: 9"):
        Prompt.create_optimization_task("写诗", [{"opType": 9, "payload": 1}])


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


def test_a_pattern_that_is_none_is_refused(sandbox):
    with pytest.raises(errors.APIError, match="not a regular expression"):
        Prompt.evaluation_score(2, [{"scene": "(", "response_list": ["x"]}])


def test_prompts_are_summed_up(sandbox):
    scene = {"variables": {}, "expected_target": "九点", "response": "九点", "new_prompt": "几点"}
    reply = Prompt.evaluation_summary(
        [{"prompt": "几点", "scenes": [scene], "response_list": ["九点"]}, {}]
    )
    first, second = reply.data.responses
    assert "1 scene" in first["response"]
    assert "sandbox" in second["response"]


def test_templates_survive_a_restart(tmp_path):
    for round_ in range(2):
        with run_world(tmp_path, time.monotonic) as world:
            now = config.get_config()
            now.access_key = world.address.access_key
            now.secret_key = world.address.secret_key
            if not round_:
                key = create_template()
            assert Prompt.info(key.template_id, theme="茶").data.content == "写一首关于茶的诗"
