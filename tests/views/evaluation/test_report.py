"""The report and the card in a notebook: what comes first, what is folded, what is inert."""

import math

import pytest
from support.reports import EVIL, build_report

from qfnb.evaluation.report import Sample, html, html_tables
from qfnb.views.evaluation import report as evaluation


def tuned_report(n=20):
    return build_report({"base": [0.0] * n, "tuned": [1.0] * n})


def test_the_conclusion_comes_before_the_chart_and_the_numbers():
    page = evaluation.html(tuned_report())
    positions = [page.index(words) for words in ("▲ 更好 better", "<img", "均值 mean", "两两比较 pairs", "用量 usage")]
    assert positions == sorted(positions)
    assert "+1.000" in page


@pytest.mark.parametrize(
    ("first", "last", "lower_is_better", "words"),
    [
        (0.0, 1.0, False, "更好 better"),
        (0.0, 1.0, True, "更差 worse"),
        (1.0, 0.0, False, "更差 worse"),
        (1.0, 1.0, False, "无法判断 cannot tell"),
    ],
)
def test_the_verdict_knows_of_which_metrics_less_is_better(first, last, lower_is_better, words):
    report = build_report(
        {"a": [first] * 20, "b": [last] * 20}, lower_is_better=frozenset({"m"} if lower_is_better else ())
    )
    assert words in html.conclusion_html(report)[0]
    assert words in evaluation.card_html(report.card())


def test_a_report_without_difference_has_the_smallest_detectable_one():
    report = build_report({"a": [0.0, 1.0] * 10, "b": [1.0, 0.0] * 10})
    assert "20 题能看出的最小差" in html.conclusion_html(report)[0]
    assert "20 题能看出的最小差" in evaluation.card_html(report.card())


def test_the_conclusion_counts_failed_rows_with_their_error():
    lines = html.conclusion_html(build_report({"a": [1.0, None, None], "b": [1.0, 1.0, 0.0]}))
    assert "a: 1/3 有分 scored, 2 失败 failed" in lines[1]
    assert "2 × gone" in lines[1]


def test_when_every_row_failed_nothing_is_drawn_and_the_error_is_shown():
    report = build_report({"a": [None] * 3, "b": [None] * 3})
    page = evaluation.html(report)
    assert "没有得分" in html.conclusion_html(report)[0]
    assert "6 × gone" in page
    assert "<img" not in page


def test_one_model_has_a_mean_and_no_comparison():
    page = evaluation.html(build_report({"a": [0.0, 1.0, 1.0]}))
    assert "m 0.667" in page
    assert "两两比较" not in page
    assert "regressions" not in page


def test_a_report_without_metrics_says_so():
    report = build_report({"a": [1.0]}, metrics=())
    assert "no metric" in evaluation.html(report)
    assert "no metric" in evaluation.text(report)


def test_a_long_summary_is_folded():
    assert "汇总 summary" not in evaluation.html(build_report({"a": [1.0], "b": [0.0]}))
    many = build_report({f"m{n}": [1.0, 0.0] for n in range(13)})
    assert "汇总 summary (13)" in evaluation.html(many)


@pytest.mark.fault("F92")
def test_hostile_names_and_answers_are_only_text():
    report = build_report({EVIL: [0.0, 1.0], EVIL + "2": [1.0, 0.0]}, metrics=(EVIL,), texts=EVIL)
    for bundle in (evaluation.bundle(report), evaluation.card_bundle(report.card())):
        assert "<img src=x" not in bundle["text/html"]
        assert "\x1b" not in bundle["text/html"] + bundle["text/plain"]


def test_a_key_in_an_answer_is_hidden():
    key = "bce-v3/ALTAK-" + "a" * 22 + "/" + "b" * 40
    report = build_report({"a": [0.0, 1.0], "b": [1.0, 0.0]}, texts=key)
    assert key not in evaluation.html(report) + evaluation.card_html(report.card())


def test_the_bundle_is_the_same_each_time_and_drawn_once():
    report = tuned_report()
    assert evaluation.bundle(report) == evaluation.bundle(report)


def test_regressions_show_what_was_deleted_and_inserted():
    report = build_report({"a": [1.0, 1.0], "b": [0.0, 0.0]})
    page = evaluation.html(report)
    assert "退步 regressions (2 / 2)" in page
    assert '<del style="background:#d5520033">a</del> 0' in page
    assert ">b</ins> 0" in page


def test_long_equal_parts_of_an_answer_are_cut_around_the_difference():
    before, after = html_tables.mark_difference(
        (("equal", "同" * 500), ("delete", "旧"), ("insert", "新"), ("equal", "尾"))
    )
    assert "… (+420) …" in before
    assert "旧</del>尾" in before
    assert "新</ins>尾" in after
    assert len(after) < 250


def test_a_long_difference_is_cut_and_counted():
    before, after = html_tables.mark_difference((("delete", "旧" * 1000), ("insert", "新" * 10)))
    assert "… (+400)</del>" in before
    assert after.endswith("新</ins>")


def test_a_card_has_verdict_counts_shifts_and_guards():
    samples = [
        Sample(model, n, f"q{n}", "right", text, {"m": score}, seconds=seconds, cost=0.001)
        for model, text, score, seconds in (("a", "好" * 3, 1.0, 1.0), ("b", "", 0.0, 2.0))
        for n in range(20)
    ]
    page = evaluation.card_html(type(tuned_report())(tuple(samples), ("a", "b"), ("m",)).card())
    for words in ("▼ b 更差 worse", "胜 wins 0 · 负 losses 20 · 平 ties 0", "中位时延 median latency (s)", "(× 2.00)"):
        assert words in page
    assert "⚠ 空 empty" in page


def test_a_card_says_how_many_questions_would_tell():
    page = evaluation.card_html(
        build_report({"a": [0.0, 1.0, 0.0, 1.0] * 5, "b": [1.0, 0.0, 0.0, 1.0] * 4 + [1.0] * 4}).card()
    )
    assert "questions would show this difference" in page


def test_the_difference_is_that_of_shared_questions_and_says_so():
    page = evaluation.card_html(build_report({"a": [0.0, 0.0, 1.0], "b": [1.0, 1.0, None]}).card())
    assert "<b>m +1.000</b>" in page
    assert "共同的题 shared questions n = 2" in page
    assert ">+0.667<" in page


def test_guards_of_many_answers_say_how_many_were_looked_at(monkeypatch):
    monkeypatch.setattr(evaluation, "MAX_CHECKED_ANSWERS", 3)
    samples = [Sample(model, n, "q", "right", "", {"m": 1.0}) for model in "ab" for n in range(5)]
    page = evaluation.card_html(type(tuned_report())(tuple(samples), ("a", "b"), ("m",)).card())
    assert "⚠ 空 empty (前 first 3)" in page


def test_a_card_of_failed_rows_has_no_nan_in_its_words():
    card = build_report({"a": [None] * 3, "b": [1.0] * 3}).card()
    assert "nan" not in evaluation.card_html(card)
    assert "无法判断" in evaluation.card_html(card)
    assert math.isnan(card.difference)


def test_the_interval_method_is_a_column_of_pages_and_not_of_the_narrower_notebook():
    report = tuned_report()
    assert "方法 method" not in evaluation.html(report)
    assert "方法 method" in html.render_page(report)
