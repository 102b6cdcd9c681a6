"""Prompts as objects, over HTTP."""

import json

import pytest
from qfnb.common import Prompt, hub

from qfnb import Completion
from qfnb.errors import InvalidArgumentError

pytestmark = pytest.mark.usefixtures("sandbox")


def test_a_prompt_is_rendered_with_its_negative_text():
    prompt = Prompt("写一首关于{theme}的诗", negative_template="不要{thing}")
    assert prompt.variables == ["theme"]
    assert prompt.render(theme="秋天", thing="雨") == ("写一首关于秋天的诗", "不要雨")
    with pytest.raises(InvalidArgumentError, match="theme"):
        prompt.render()


def test_a_template_is_replaced_with_its_variables():
    prompt = Prompt("{first}")
    prompt.set_template("{second}")
    assert (prompt.template, prompt.variables) == ("{second}", ["second"])


def test_a_prompt_goes_into_a_file_and_comes_back(tmp_path):
    Prompt("关于((theme))", identifier="(())").save_to_file(tmp_path / "prompt.txt")
    assert Prompt.from_file(tmp_path / "prompt.txt", identifier="(())").variables == ["theme"]


def test_a_prompt_is_stored_changed_loaded_and_deleted():
    prompt = Prompt("写一首关于{theme}的诗", name="compat_poem")
    hub.push(prompt)
    first_id = prompt.id
    prompt.set_template("写一篇关于{subject}的文章")
    hub.push(prompt)
    loaded = hub.load("prompt/compat_poem")
    assert (loaded.id, loaded.template, loaded.variables) == (
        first_id,
        prompt.template,
        ["subject"],
    )
    loaded.delete()
    assert loaded.id is None
    with pytest.raises(InvalidArgumentError, match="compat_poem"):
        hub.load("prompt/compat_poem")


def test_a_prompt_is_json(tmp_path):
    text = hub.save(Prompt("关于{theme}", name="poem"), path=tmp_path / "prompt.json")
    loaded = hub.load(path=tmp_path / "prompt.json")
    assert (loaded.template, loaded.name) == ("关于{theme}", "poem")
    assert hub.load(json_str=text).type is loaded.type


def test_a_file_cannot_name_another_class():
    evil = {"obj": {"module": "os", "type": "system", "args": {"command": "true"}}}
    with pytest.raises(InvalidArgumentError, match="system"):
        hub.load(json_str=json.dumps(evil))


def test_a_prompt_is_optimized_by_the_platform():
    better = Prompt("写一首关于{theme}的诗").optimize(simplify_prompt=True, enable_cot=True)
    assert better.template
    assert better.template != "写一首关于{theme}的诗"


def test_prompts_are_compared():
    prompts = [Prompt("请回答：{question}"), Prompt("{question}")]
    scenes = [{"args": {"question": "你好"}, "expected": "你好"}]
    results = Prompt.evaluate(prompts, scenes, Completion())
    assert [result.scene[0]["new_prompt"] for result in results] == ["请回答：你好", "你好"]
    assert all(0 <= result.scene[0]["score"] <= 1 and result.summary for result in results)


def test_frameworks_are_texts():
    assert Prompt.crispe_prompt("写诗", capacity="诗人") == "能力与角色：诗人\n指令：写诗"
    assert Prompt.fewshot_prompt("翻译", [("猫", "cat")]) == "翻译\n\n输入:猫\n输出:cat"
    assert Prompt.base_prompt("写诗", background="秋天").startswith("指令:写诗\n背景信息:秋天")
