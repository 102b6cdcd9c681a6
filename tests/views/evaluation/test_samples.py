"""The samples of a report: which are shown, in which order, and how they are drawn."""

import re

import pytest
from ipywidgets.widgets.widget import _instances
from support.attacks import ATTACKS

from qfnb.errors import InvalidArgumentError
from qfnb.evaluation.report import EvaluationResult
from qfnb.evaluation.samples import Sample
from qfnb.views import display
from qfnb.views.evaluation.sample_browser import (
    SampleBrowser,
    SampleControls,
    SampleSelection,
    browse,
)


def sample(model, index, output, score, *, error="", seconds=0.1, prompt="几点开门"):
    return Sample(
        model, index, prompt, "九点", output, {} if error else {"m": score}, seconds, error
    )


def report_of(*rows, lower=()):
    """Return a report of (before, score, after, score) tuples; a None answer failed."""
    records = []
    for index, (before, a, after, b) in enumerate(rows):
        for model, text, score in (("base", before, a), ("tuned", after, b)):
            error = "" if text is not None else "ServerError: busy"
            records.append(
                sample(model, index, text or "", score, error=error, seconds=index + score)
            )
    return EvaluationResult(
        tuple(records), ("base", "tuned"), ("m",), lower_is_better=frozenset(lower)
    )


REPORT = report_of(
    ("九点", 1.0, "八点半钟", 0.2), ("八点", 0.0, "九点", 1.0), ("九点", 1.0, "九点", 1.0), ("九点", 1.0, None, 0.0),
    ("九点", 1.0, "早上八点", 0.5), ("七点", 0.0, "六点", 0.0),
)  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "places"),
    [
        ({}, [0, 4, 2, 5, 1, 3]),
        ({"show": "regressed"}, [0, 4]),
        ({"show": "improved"}, [1]),
        ({"show": "changed", "order": "place"}, [0, 1, 3, 4, 5]),
        ({"show": "failed"}, [3]),
        ({"show": "picked", "picked": (5, 1), "order": "place"}, [1, 5]),
        ({"order": "score"}, [5, 0, 4, 1, 2, 3]),
        ({"order": "latency"}, [5, 4, 2, 3, 1, 0]),
        ({"order": "length"}, [0, 4, 1, 2, 5, 3]),
        ({"search": "八点"}, [0, 4, 1]),
        ({"search": "  "}, [0, 4, 2, 5, 1, 3]),
        ({"search": "#5 #0"}, [0, 5]),
        ({"search": "没有"}, []),
        ({"base": "tuned", "tuned": "base", "show": "regressed"}, [1]),
    ],
)
def test_a_choice_shows_these_questions_in_this_order(choice, places):
    assert browse(REPORT).choose(**choice).rows == (list(choice.get("picked", ())) or places)
    selection = SampleSelection(**{"metric": "m", "base": "base", "tuned": "tuned"} | choice)
    assert [pair.before.index for pair in browse(REPORT).pairs(selection)] == places


def test_where_less_is_better_a_lower_score_is_no_regression():
    view = browse(report_of(("a", 1.0, "b", 0.0), ("a", 0.0, "b", 1.0), lower=["m"]))
    assert view.choose(show="regressed").rows == [1]
    assert view.choose(show="all", order="score").rows == [1, 0]


@pytest.mark.parametrize(
    "wrong", [{"show": "x"}, {"order": "x"}, {"metric": "x"}, {"base": "x"}, {"tuned": "x"}]
)
def test_unknown_options_are_refused(wrong):
    view = browse(REPORT)
    with pytest.raises(InvalidArgumentError):
        view.choose(**wrong)
    assert view.selection == browse(REPORT).selection


def test_only_one_page_is_drawn_and_a_page_beyond_the_end_is_the_last_one():
    view = browse(report_of(*[("a", 1.0, "b", 0.0)] * 34)).choose(page=9)
    bundle = view.bundle(view.selection)
    assert "Questions 31–34 of 34" in bundle["text/plain"]
    assert bundle["text/html"].count('qf-cols">') == 4
    assert view.choose(show="failed").selection.page == 0


def test_differences_are_marked_and_a_failure_is_no_difference():
    view = browse(REPORT)
    page = view.bundle(view.choose(search="#1").selection)["text/html"]
    assert "<del>九</del><ins>八</ins>点" in page
    assert '<p class="qf-text">九点</p>' in page
    failed = view.bundle(view.choose(search="#3").selection)["text/html"]
    assert "ServerError: busy" in failed
    assert "<del>" not in failed.replace("<del>missing</del>", "")


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_are_inert(attack):
    rows = tuple(sample(name, 0, attack, 1.0, prompt=attack) for name in (attack, "b"))
    report = EvaluationResult(rows, (attack, "b"), ("m",))
    view = browse(report)
    page = view.bundle(view.selection)
    assert set(re.findall(r"<(\w+)", page["text/html"])) <= {
        "style", "div", "section", "header", "h3", "h4", "span", "article", "small", "p", "ins", "del",
    }  # fmt: skip
    assert "\x1b" not in page["text/plain"]


def test_one_model_has_one_column_and_no_metric_is_no_error():
    alone = EvaluationResult((sample("only", 0, "九点", 1.0),), ("only",), ("m",))
    assert _page(alone)["text/html"].count('<article class="s') == 1
    failed = EvaluationResult((sample("only", 0, "", 0.0, error="Timeout"),), ("only",), ())
    assert "Timeout" in _page(failed)["text/plain"]
    SampleControls(browse(failed)).build()


def test_a_terminal_gets_a_page_without_controls(monkeypatch, capsys):
    monkeypatch.setattr(display, "display_mode", lambda: "text")
    before = set(_instances)
    browse(REPORT).show()
    assert "Questions 1–6 of 6" in capsys.readouterr().out
    assert set(_instances) == before


def test_the_controls_are_twenty_models_and_do_what_a_person_wants():
    before = set(_instances)
    view = SampleBrowser(report_of(*[("九点", 1.0, "八点", n / 20) for n in range(15)]))
    desk = SampleControls(view)
    box = desk.build()
    desk.draw(view.selection)
    assert len(set(_instances) - before) <= 20
    assert desk._back.disabled
    desk._next.click()
    assert view.selection.page == 1
    desk.draw(view.selection)
    desk._pick_box.value = (14,)
    desk.draw(view.choose(page=0).selection)
    desk._pick_box.value = (0, 1)
    assert view.rows == [14, 0, 1]
    desk._search_box.value = "#7"
    assert view.selection.search == "#7"
    desk._filter_box.value = "improved"
    desk.draw(view.selection)
    assert "No question matches." in desk._page.value
    assert dict(desk._filter_box.options)["Worse 15"] == "regressed"
    assert desk._pick_box.options == ()
    display.close_widget(box)
    assert set(_instances) == before


def _page(report):
    view = browse(report)
    return view.bundle(view.selection)
