"""Composed answers whose fields are cut, run on, or have a key twice are told from whole ones."""

import json

import numpy as np
import pytest

from qianfan_sandbox.engines.builtin.fields import FieldCounts, substitute

CITIES = ["北京", "上海", "乌鲁木齐", "哈尔滨", "成都", "三亚", "拉萨", "石家庄"]


def booking(number, start, end):
    answer = {"航班": f"MU{number}", "出发": start, "到达": end}
    return f"帮我订MU{number}，从{start}飞{end}。", json.dumps(answer, ensure_ascii=False)


@pytest.fixture(scope="module")
def fields():
    pairs = [booking(100 + 7 * i, CITIES[i % 8], CITIES[(i * 3 + 1) % 8]) for i in range(120)]
    return FieldCounts.of(pairs)


def test_whole_values_that_were_never_seen_are_plausible(fields):
    assert fields.plausibility(*booking(986, "呼和浩特", "齐齐哈尔")) == 1.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("MU986", "MU98"),
        ("MU986", "MU9866"),
        ("呼和浩特", "呼和"),
        ("呼和浩特", "和浩特"),
        ("呼和浩特", "三亚湾"),
    ],
)
def test_a_value_that_is_cut_or_is_not_in_the_question_is_implausible(fields, old, new):
    prompt, answer = booking(986, "呼和浩特", "齐齐哈尔")
    assert fields.plausibility(prompt, answer.replace(old, new)) <= 0.1


def test_a_key_twice_is_impossible(fields):
    prompt, _ = booking(986, "呼和浩特", "齐齐哈尔")
    assert (
        fields.plausibility(prompt, '{"航班": "MU986", "出发": "呼和浩特", "出发": "齐齐哈尔"}')
        == 0.0
    )


def test_a_substituted_value_is_the_same_in_question_and_answer():
    random = np.random.default_rng(0)
    pair = booking(986, "呼和浩特", "齐齐哈尔")
    drawn = [substitute(pair, random) for _ in range(20)]
    assert sum(substituted != pair for substituted in drawn) >= 15
    assert all(value in prompt for prompt, answer in drawn for value in json.loads(answer).values())
