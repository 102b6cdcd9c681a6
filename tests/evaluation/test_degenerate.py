"""Degenerate answers are recognized, and good answers are left alone."""

import pytest

from qfnb.evaluation import local_evaluators as answers

REFERENCE = "周末去澄迈采摘杨桃，入园免费，带走按2.5元/斤，快来报名！"
LIST = "1. 苹果：每斤5元\n2. 香蕉：每斤3元\n3. 橙子：每斤6元\n4. 葡萄：每斤12元\n5. 西瓜：每斤2元"


@pytest.mark.parametrize(
    ("output", "flags"),
    [
        ("", ("empty",)),
        (" \n", ("empty",)),
        ("北京北京北京北京", ("repetition",)),
        (REFERENCE + "好的，" * 60, ("repetition",)),
        ("抱歉，我无法回答这个问题。", ("refusal",)),
        ("作为一个人工智能语言模型，我还没学习如何回答您的问题。", ("refusal",)),
        ("I’m sorry, but I can’t help with that.", ("refusal", "wrong_language")),
        ("The garden is open this weekend, and it is free.", ("wrong_language",)),
        ("週末はスターフルーツを摘みに行きましょう。", ("wrong_language",)),
    ],
)
def test_what_is_wrong_with_an_answer(output, flags):
    assert answers.degenerate_flags(output, reference=REFERENCE) == flags


@pytest.mark.parametrize(
    "output",
    [
        REFERENCE,
        LIST,
        "是",
        "很抱歉，您的包裹延误了，我们会尽快处理。",
        "可以用 Python：\n```python\nfor i in range(3):\n    print(i)\n```\n这样就行了。",
        "哈哈",
        "ERNIE 4.0 的 API 文档在官网上，可以按需查看。",
    ],
)
def test_good_answers_are_left_alone(output):
    assert answers.degenerate_flags(output, reference=REFERENCE, finish_reason="stop") == ()


def test_an_answer_that_was_cut_off():
    assert answers.degenerate_flags(
        "周末去澄迈采", reference=REFERENCE, finish_reason="length"
    ) == ("truncated",)
    assert answers.degenerate_flags("", finish_reason="length") == ("empty", "truncated")


def test_a_refusal_or_loop_of_the_reference_is_not_degenerate():
    refusal = "抱歉，我不能提供这类帮助。"
    loop = "哈哈哈哈哈哈哈哈哈哈"
    assert answers.degenerate_flags(refusal, reference="对不起，我无法回答。") == ()
    assert answers.degenerate_flags(loop, reference=loop) == ()


def test_the_question_tells_the_language_unless_it_asks_for_another():
    answer = "The weather is fine today."
    assert answers.degenerate_flags(answer, prompt="今天天气怎么样？") == ("wrong_language",)
    assert answers.degenerate_flags(answer, prompt="把这句话翻译成英文：今天天气很好") == ()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("今天用 GPT 写代码", "zh"),
        ("plain English words here", "en"),
        ("ok", ""),
        ("한국어 문장입니다", "ko"),
        ("12345", ""),
    ],
)
def test_the_language_of_a_text(text, language):
    assert answers.detect_language(text) == language
