"""The report and the card in a notebook: what comes first, what is folded, what is inert, in one
language.
"""

import html
import math
import re
import subprocess
import sys

import pytest
from support.reports import EVIL, build_report

from qfnb.base import language
from qfnb.evaluation.report import Sample
from qfnb.views import formats
from qfnb.views.evaluation import report as evaluation
from qfnb.views.evaluation.report import render_page

SANDBOX = {"a": "sandbox", "b": "sandbox"}


def tuned_report(n=20, **fields):
    return build_report({"base": [0.0] * n, "tuned": [1.0] * n}, **fields)


def words_of(page):
    """Return the texts of a page, without stylesheet and tags."""
    text = re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page))
    return re.sub(r"\s+", " ", html.unescape(text))


@pytest.fixture
def _chinese():
    language.choose_language("zh")
    yield
    language.choose_language(None)


def test_the_verdict_comes_before_the_numbers_and_the_evidence():
    page = evaluation.html(tuned_report())
    parts = (
        "tuned is better than base",
        "on the same 20 questions",
        "Means with",
        "Pairs",
        "Usage and speed",
    )
    assert [page.index(words) for words in parts] == sorted(page.index(words) for words in parts)


@pytest.mark.parametrize(
    ("first", "last", "lower_is_better", "words"),
    [
        (0.0, 1.0, False, "b is better than a"),
        (0.0, 1.0, True, "b is worse than a"),
        (1.0, 0.0, False, "b is worse than a"),
        (1.0, 1.0, False, "Cannot tell whether b or a is better"),
    ],
)
def test_the_verdict_knows_of_which_metrics_less_is_better(first, last, lower_is_better, words):
    report = build_report(
        {"a": [first] * 20, "b": [last] * 20},
        lower_is_better=frozenset({"m"} if lower_is_better else ()),
    )
    assert f"<strong>{words}</strong>" in evaluation.html(report)
    assert f"<strong>{words}</strong>" in evaluation.card_html(report.card())


def test_a_report_ends_in_commands_that_browse_save_and_train():
    footer = evaluation.html(tuned_report()).split("<footer")[1]
    commands = (
        "%qfeval browse|%qfeval save report.html|%qfeval open -o questions|questions.to_sft()"
    )
    assert "|".join(re.findall(r"<code>(.*?)</code>", footer)) == commands


def test_interval_number_of_questions_and_test_stand_in_one_sentence():
    sentence = (
        "m of tuned is higher than that of base by 1.000 (95% interval +0.760 to +1.000) on the "
        "same 20 questions; exact McNemar test, p < 0.0001."
    )
    assert sentence in words_of(evaluation.card_html(tuned_report().card()))
    assert sentence in evaluation.text(tuned_report())


@pytest.mark.usefixtures("_chinese")
def test_in_chinese_nothing_but_names_is_english():
    report = build_report(
        {"a": [0.0] * 9 + [None], "b": [1.0] * 10}, origins=SANDBOX, cost={"a": 0.1, "b": 0.2}
    )
    page = words_of(evaluation.html(report) + evaluation.card_html(report.card()))
    assert "b 优于 a" in page
    assert "本地沙盒" in page
    allowed = "a|b|m|n|p|q\\d+|right|gone|Holm|McNemar|Wilson|qfeval|browse|save|open|to_sft|report|questions|html|csv|xlsx|Tokens"
    assert not re.findall(rf"(?<![\w-])(?!(?:{allowed})(?![\w-]))[A-Za-z]{{3,}}", page)


def test_missing_answers_are_counted_with_their_commonest_error():
    page = words_of(evaluation.html(build_report({"a": [1.0, None, None], "b": [1.0, 1.0, 0.0]})))
    assert (
        "a: 1 of 3 questions have a score, 2 failed; the mean would be 0.333–1.000 if the others"
        in page
    )
    assert "2 times: gone" in page
    assert "Done, 2 failed" in page


def test_when_every_row_failed_nothing_is_drawn_and_the_error_is_shown():
    bundle = evaluation.bundle(build_report({"a": [None] * 3, "b": [None] * 3}))
    assert "No answer has a score." in bundle["text/html"]
    assert "6 times: gone" in bundle["text/html"]
    assert "<svg" not in bundle["text/html"]


def test_one_model_has_a_mean_and_no_comparison():
    page = words_of(evaluation.html(build_report({"a": [0.0, 1.0, 1.0]})))
    assert "Evaluation: a" in page
    assert "0.667 0.208–0.939 3" in page
    assert "Pairs" not in page
    assert "got worse" not in page


@pytest.mark.fault("F92")
def test_hostile_names_and_answers_are_only_text():
    report = build_report({EVIL: [0.0, 1.0], EVIL + "2": [1.0, 0.0]}, metrics=(EVIL,), texts=EVIL)
    for bundle in (evaluation.bundle(report), evaluation.card_bundle(report.card())):
        assert "<img" not in bundle["text/html"]
        assert "\x1b" not in bundle["text/html"] + bundle["text/plain"]


def test_a_key_in_an_answer_or_a_name_is_hidden():
    key = "bce-v3/ALTAK-" + "a" * 22 + "/" + "b" * 40
    report = build_report({"a": [0.0, 1.0], key: [1.0, 0.0]}, texts=key)
    for bundle in (evaluation.bundle(report), evaluation.card_bundle(report.card())):
        assert not [
            kind for kind, content in bundle.items() if isinstance(content, str) and key in content
        ]


@pytest.mark.parametrize(
    ("expected", "text", "marked"),
    [
        ("九点开门", "八点开门", "<del>九</del><ins>八</ins>点开门"),
        ("Open at nine.", "Open at eight.", "Open at <del>nine</del><ins>eight</ins>."),
        (
            "Yes, helmets start at 35 pounds",
            "N(Local sandbox) I do not know",
            "N(Local sandbox) I do not know",
        ),
        ("早上九点开门", "不知道您在问什么", "不知道您在问什么"),
        ("", "九点", "九点"),
        ("九点", "九点", "九点"),
    ],
)
def test_answers_are_marked_against_the_reference_where_they_are_like_it(expected, text, marked):
    assert formats.mark_difference(expected, text, 600) == marked


def test_of_a_long_answer_the_parts_around_differences_are_shown():
    marked = formats.mark_difference("同" * 700 + "旧尾", "同" * 700 + "新尾", 600)
    assert "… (+620) …" in marked
    assert marked.endswith("<del>旧</del><ins>新</ins>尾")
    assert formats.cut_text("长" * 700, 600).endswith("… (100 characters more)")


def test_a_card_has_counts_shifts_and_guards():
    samples = [
        Sample(model, n, f"q{n}", "right", text, {"m": score}, seconds=seconds, cost=0.001)
        for model, text, score, seconds in (("a", "好" * 3, 1.0, 1.0), ("b", "", 0.0, 2.0))
        for n in range(20)
    ]
    page = words_of(
        evaluation.card_html(type(tuned_report())(tuple(samples), ("a", "b"), ("m",)).card())
    )
    assert "Questions: 0 better, 20 worse, 0 equal." in page
    assert "Median latency (s) 1 2 +1 (× 2.00)" in page
    assert "empty answers 0 20 +20" in page


def test_a_card_of_failed_rows_has_no_nan_in_its_words():
    card = build_report({"a": [None] * 3, "b": [1.0] * 3}).card()
    page = words_of(evaluation.card_html(card))
    assert not re.search(r"\bnan\b", page)
    assert "No question has a score of both models." in page
    assert math.isnan(card.difference)


def test_a_page_is_unfolded_and_has_the_answers_in_a_fold():
    page = render_page(tuned_report(origins={"base": "sandbox"}))
    assert "<title>Evaluation: tuned and base · Local sandbox: base</title>" in page
    assert page.count("<details>") == page.count("<details open>") - 3 == 1


def test_values_show_themselves_without_the_magics():
    code = (
        "from IPython.core.interactiveshell import InteractiveShell; shell = "
        "InteractiveShell.instance(); import qfnb\n"
        "from qfnb.evaluation.report import EvaluationResult, Sample\n"
        "report = EvaluationResult((Sample('a', 0, 'q', 'r', 'r', {'m': 1.0}),), ('a',), ('m',))\n"
        "print(sorted(shell.display_formatter.format(report)[0]))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert "['text/html', 'text/plain']" in shown
