"""Prompts times models and repeats in a notebook: one table, the best cell marked, texts inert, one
language.
"""

from dataclasses import replace

from support.reports import EVIL, build_report

from qfnb.views.evaluation import report as view
from qfnb.views.evaluation.report import render_page

SCORES = {
    "a · p": [0.0] * 12,
    "a · q": [1.0] * 9 + [0.0] * 3,
    "b · p": [0.0, 1.0] * 6,
    "b · q": [1.0] * 12,
}


def matrix_report(sign="", **fields):
    cells = {f"{label}{sign}": tuple(reversed(f"{label}{sign}".split(" · "))) for label in SCORES}
    scores = dict(zip(cells, SCORES.values(), strict=True))
    prompts = {prompt: f"{prompt}: {{prompt}}" for prompt, _ in cells.values()}
    return build_report(scores, texts=sign, cells=cells, prompts=prompts, **fields)


def test_the_table_has_a_row_for_each_prompt_and_marks_the_best_cell_and_its_rivals():
    page = view.html(matrix_report())
    assert (page.count("★ 1.000"), page.count("≈ 0.750"), "≈ 0.000" in page) == (1, 1, False)
    assert page.index("Prompt q with b has the best mean") < page.index("<table")
    assert "Evaluation: 2 prompts × 2 models" in page
    assert "q: {prompt}" in page


def test_a_matrix_has_every_format_and_the_report_the_same_table():
    bundle = view.matrix_bundle(matrix_report().matrix())
    assert set(bundle) == {"text/plain", "text/html"}
    assert "Prompt q with b has the best mean" in bundle["text/plain"]


def test_repeats_are_a_fold_of_their_own_and_questions_are_counted():
    report = matrix_report()
    twice = replace(
        report, records=(*report.records, *(replace(sample, repeat=1) for sample in report.records))
    )
    page = view.html(twice)
    assert "12 questions · 2 answers to each" in page
    assert "pass@2" in page
    assert "Repeats" not in view.html(report)


def test_names_of_prompts_are_inert_in_every_format(tmp_path):
    report = matrix_report(EVIL)
    report = replace(report, origins=dict.fromkeys(report.models, "sandbox"))
    bundle = view.matrix_bundle(report.matrix())
    for text in (bundle["text/html"], render_page(report)):
        assert "<img src=x" not in text
        assert "\x1b" not in text
    assert "\x1b" not in bundle["text/plain"]
