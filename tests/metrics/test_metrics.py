"""Scores of single answers: values computed by hand, and peculiarities of Chinese."""

import math
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from qfnb import errors
from qfnb.metrics import choice, exact_json, recipes, rouge_bleu_chrf, units

characters = units.characters


@pytest.mark.parametrize(
    ("output", "reference", "score"),
    [
        ("九点开门。", "九点开门", 1),
        ("ＡＢＣ，１２３", "abc,123", 1),
        ("  九点 开门！ ", "九点 开门", 1),
        ("“你好”", '"你好"', 1),
        ("九点开门", "十点开门", 0),
        ("", "x", 0),
    ],
)
def test_exact_match_ignores_form_not_content(output, reference, score):
    assert exact_json.exact_match(output, reference) == score


@pytest.mark.parametrize("recipe", recipes.RECIPES)
@pytest.mark.parametrize("mark", [*"！!？?。.，；：…—·¡×＋", "！！"])
def test_an_empty_answer_to_a_reference_of_marks_is_wrong(mark, recipe):
    scores = {name: recipes.score(name, "", mark, recipe) for name in recipes.METRICS}
    assert {name for name, score in scores.items() if score > 0} == set()
    assert (scores["exact_match"], exact_json.exact_match(mark, mark)) == (0, 1)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("北京。", ["北", "京"]),
        ("GPT-4 涨了3.5％，对吗？", ["gpt", "-", "4", "涨", "了", "3.5", "%", "对", "吗"]),
        ("１２３（国家）", ["123", "国", "家"]),
        ("don't", ["don", "t"]),
        ("，。！", []),
    ],
)
def test_units_are_characters_words_and_numbers_without_punctuation(text, units):
    assert list(characters(text)) == units


@pytest.mark.parametrize(
    ("output", "reference", "f1", "rouge_1", "rouge_2", "rouge_l"),
    [
        ("九点开门", "九点开门", 1, 1, 1, 1),
        ("门开点九", "九点开门", 1, 1, 0, 1 / 4),
        ("九点开门", "早上九点开门", 8 / 10, 8 / 10, 6 / 8, 8 / 10),
        ("甲乙", "丙丁", 0, 0, 0, 0),
        ("", "丙丁", 0, 0, 0, 0),
    ],
)
def test_overlap_by_hand(output, reference, f1, rouge_1, rouge_2, rouge_l):
    a = characters(output)
    b = characters(reference)
    scores = (
        rouge_bleu_chrf.unit_f1(a, b),
        rouge_bleu_chrf.rouge_n(a, b, 1),
        rouge_bleu_chrf.rouge_n(a, b, 2),
        rouge_bleu_chrf.rouge_l(a, b),
    )
    assert scores == pytest.approx((f1, rouge_1, rouge_2, rouge_l))


def test_saying_it_eight_times_pays_by_sets_only():
    repeated = characters("北京" * 8)
    once = characters("北京")
    assert rouge_bleu_chrf.rouge_n(repeated, once, 1, count_repeats=False) == 1
    assert rouge_bleu_chrf.rouge_n(repeated, once, 1) == pytest.approx(2 * 2 / 18)
    assert rouge_bleu_chrf.rouge_l(repeated, once) == pytest.approx(2 * 2 / 18)


def test_bleu_by_hand():
    # Of "九点开门了" 4 of 5, 3 of 4, 2 of 3 and 1 of 2 n-grams are in the reference; it is not shorter.
    assert rouge_bleu_chrf.bleu4(characters("九点开门了"), characters("九点开门")) == pytest.approx(
        (1 / 5) ** 0.25
    )
    shorter = rouge_bleu_chrf.bleu4(characters("九点开门"), characters("早上九点开门"))
    assert shorter == pytest.approx(math.exp(1 - 6 / 4))


@pytest.mark.parametrize(
    "score",
    [
        lambda: rouge_bleu_chrf.bleu4(characters("北京"), characters("北京")),
        lambda: rouge_bleu_chrf.rouge_n(("北京",), ("北京",), 2),
        lambda: rouge_bleu_chrf.rouge_l(characters("北京"), ()),
        lambda: rouge_bleu_chrf.unit_f1(characters("北京"), ()),
        lambda: rouge_bleu_chrf.chrf("北京", " "),
        lambda: exact_json.exact_match("北京", ""),
        lambda: exact_json.edit_similarity("北京", ""),
        lambda: choice.multiple_choice("A", "不知道"),
        lambda: exact_json.json_fields("{}", "没有"),
    ],
)
def test_a_score_that_is_not_applicable_is_nan_not_zero(score):
    assert math.isnan(score())


def test_chrf_by_hand():
    # "ab" in "abc": precision 1, recall (2/3 + 1/2) / 2; recall counts twice.
    recall = (2 / 3 + 1 / 2) / 2
    assert rouge_bleu_chrf.chrf("a b", "abc") == pytest.approx(5 * recall / (4 + recall))


def test_edit_similarity_by_hand():
    assert exact_json.edit_similarity("九点开门", "十点开门。") == pytest.approx(3 / 4)
    assert exact_json.edit_similarity("１２３", "123") == 1


@pytest.mark.parametrize(
    ("output", "score"),
    [
        ('```json\n{"城市": "北京。", "人口": 2189}\n```', 1),
        ('结果如下：{"城市": "北京", "人口": 2000}，请看。', 0.5),
        ('{"城市": "上海"}', 0),
        ("北京", 0),
        ("", 0),
    ],
)
def test_json_fields_are_counted(output, score):
    assert exact_json.json_fields(output, '{"城市": "北京", "人口": 2189}') == score


def test_only_the_named_fields_count():
    reference = '{"a": true, "b": [1, "Ｘ"], "c": 3}'
    assert exact_json.json_fields('{"a": 1, "b": [1, "x"]}', reference, ["b"]) == 1
    assert exact_json.json_fields('{"a": 1, "b": [1, "x"]}', reference, ["a", "b"]) == 0.5


PHRASINGS = (
    (Path(__file__).parent / "choice_phrasings.tsv").read_text(encoding="utf-8").splitlines()[1:]
)


def test_a_choice_is_read_out_of_free_text_and_never_out_of_an_ambiguous_one():
    readings = [row.replace("↵", "\n").split("\t") for row in PHRASINGS]
    wrong = {
        text: letters
        for letters, text in readings
        if choice.chosen_letters(text) != letters.strip("-")
    }
    assert len(readings) > 400
    assert not wrong


def test_no_choice_is_a_wrong_answer():
    answers = ("选B", "选A", "我不知道", "答案不是 B", "B or C", "A 错误")
    assert [choice.multiple_choice(text, "B") for text in answers] == [1, 0, 0, 0, 0, 0]


@given(st.text(max_size=40), st.text(min_size=1, max_size=40))
def test_scores_are_bounded_and_the_same_text_is_right(a, b):
    units = characters(a)
    expected = characters(b)
    for score in (rouge_bleu_chrf.unit_f1, rouge_bleu_chrf.rouge_l, rouge_bleu_chrf.bleu4):
        assert math.isnan(score(units, expected)) or 0 <= score(units, expected) <= 1 + 1e-12
        assert math.isnan(score(expected, expected)) or score(expected, expected) == pytest.approx(
            1
        )
    if b.strip():
        assert rouge_bleu_chrf.chrf(b, b) == pytest.approx(1)
    if expected:
        assert (
            rouge_bleu_chrf.rouge_l(units, expected)
            <= rouge_bleu_chrf.unit_f1(units, expected) + 1e-9
        )


def test_without_jieba_words_say_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jieba", None)
    units.load_cutter.cache_clear()
    with pytest.raises(errors.InvalidArgumentError, match=r"qfnb\[zh\]"):
        units.jieba_words("没有人切过这一句")
    units.load_cutter.cache_clear()
