"""Charts of a report: their texts, what they leave out, and legible names."""

import random

import pytest
from support.reports import EVIL, build_report

from qfnb import charts
from qfnb.views import formatters


def random_bars(*models, metrics=("m",)):
    """The bars of scores between 0 and 1."""
    dice = random.Random(7)
    scores = {model: [dice.random() for _ in range(12)] for model in models}
    return charts.bars(build_report(scores, metrics=metrics))


def test_bars_say_means_intervals_and_coverage():
    alt = charts.bars(build_report({"a": [1.0, 0.0, None], "b": [None] * 3})).alt
    assert "m, a: 0.500 (0.095–0.905), 2 of 3 scored" in alt
    assert "m, b: no score of 3" in alt


@pytest.mark.parametrize(
    "fields", [{"scores": {"a": [None]}}, {"scores": {"a": [1.0]}, "metrics": ()}]
)
def test_nothing_is_drawn_without_a_score(fields):
    with pytest.raises(charts.ChartNotDrawn, match="no answer has a score"):
        charts.bars(build_report(**fields))


def test_scores_of_a_wide_scale_have_their_own_axis():
    chart = charts.bars(build_report({"a": [1.0, 5.0], "b": [4.0, 5.0]}, scales={"m": (0, 5)}))
    assert ">4</text>" in chart.svg
    assert "m, b: 4.500" in chart.alt


@pytest.mark.parametrize("value", [-3.0, 0.0, 7.5, 1e6])
def test_scores_without_a_scale_draw(value):
    svg = charts.bars(build_report({"a": [value, value], "b": [value, -value]})).svg
    assert "nan" not in svg


@pytest.mark.fault("F92")
@pytest.mark.parametrize(
    "name",
    [EVIL, "<script>alert(1)</script>", "$x$", r"$\frac{1}", "长" * 200, "", " ", "🦙", "a\nb"],
)
def test_any_name_draws_and_is_inert(name):
    html = random_bars(name, "other", metrics=(name or "m",)).html
    assert "<script>" not in html
    assert "<img src=x" not in html


def test_a_long_name_lacks_its_middle_and_names_that_are_the_same_then_get_numbers():
    svg = random_bars("ERNIE-Speed-8K-tuned-20241101-lr3e-4", "b").svg
    assert ">ERNIE-Speed-8K…0241101-lr3e-4</text>" in svg
    assert ">2. 长长" in random_bars("长" * 200, "长" * 201).svg


def test_a_chart_is_on_a_saved_page_and_shows_itself_in_a_notebook(tmp_path):
    chart = random_bars("基础", "b")
    bundle = formatters._format("evaluation.charts", "chart_bundle", chart)
    saved = chart.report.save(tmp_path / "r.html", pictures=[chart]).read_text(encoding="utf-8")
    for page in (bundle["text/html"], saved):
        assert chart.svg in page
    assert bundle["text/plain"] == repr(chart)


def test_every_form_of_a_chart_says_recipe_coverage_and_the_sandbox():
    fields = {"recipes": {"m": "exact match [version 2]"}, "origins": {"a": "sandbox"}}
    scores = {"a": [0.0] * 20, "b": [1.0] * 19 + [None]}
    chart = charts.bars(build_report(scores, metrics=("m", "k"), **fields))
    assert "b is better than a · Local sandbox: a</figcaption>" in chart.html
    source = "39 of 40 answers scored · exact match [version 2] · k · Local sandbox"
    assert [source in form for form in (repr(chart), chart.html)] == [True] * 2
