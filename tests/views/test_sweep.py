"""A sweep as HTML, Markdown and text: its rows, its remarks, and what the best is worth."""

from dataclasses import replace

import pytest
from support.attacks import ATTACKS
from support.reports import build_report
from support.strict_html import (
    CHART_ATTRIBUTES,
    CHART_TAGS,
    OUTPUT_ATTRIBUTES,
    OUTPUT_TAGS,
    assert_only,
    without_stylesheet,
)
from support.training_progress import DEPLOYED, FAILED, RUNNING

from qfnb.trainer.sweep import SweepProgress
from qfnb.views.training import sweep

LIVE = SweepProgress(
    {"epoch=1": RUNNING, "epoch=2": replace(RUNNING, started_at=None)}, ("epoch=2",), started_at=1.0
)
REPORT = build_report(
    {"base": [0, 1] * 12, "epoch=1": [1, 1] * 12, "epoch=2": [0, 1, 1] * 8},
    origins={"base": "sandbox"},
)
DONE = SweepProgress({"epoch=1": DEPLOYED, "epoch=2": DEPLOYED}, started_at=1.0, ended_at=2.0)


def test_a_running_sweep_has_a_row_for_each_training():
    lines = sweep.text(LIVE).splitlines()
    assert lines[0] == "Sweep of ERNIE-Speed-8K [Local sandbox]: ● Training"
    assert [line.split()[:4] for line in lines[4:6]] == [
        ["epoch=1", "●", "Training", "40%"],
        ["epoch=2", "○", "Waiting", "40%"],
    ]


def test_the_best_by_an_evaluation_is_corrected_for_the_choice():
    progress = replace(DONE, report=REPORT)
    assert progress.choose().label == "epoch=1"
    page = sweep.html(progress)
    assert "epoch=1 gains +0.500 in m over the base model" in page
    assert "On new questions expect +0." in page
    assert "%qftrain deploy teahouse" in page


def test_curves_are_named_by_values_where_the_settings_are_long():
    trainings = {
        "epoch=1, learning_rate=0.0003": DEPLOYED,
        "epoch=3, learning_rate=0.0003": DEPLOYED,
    }
    page = sweep.html(replace(DONE, trainings=trainings))
    assert "1, 0.0003 0.4" in page
    assert "epoch=1, learni…" not in page


def test_without_an_evaluation_nothing_corrects_the_lowest_loss_and_it_is_said():
    assert "nothing corrects it here" in sweep.text(DONE)
    assert "looks better" not in sweep.text(LIVE)


def test_what_failed_and_what_was_refused_are_said():
    progress = replace(
        DONE,
        trainings={"a": FAILED, "b": DEPLOYED},
        problems={"c": "no key"},
        evaluation_error="gone",
    )
    text = sweep.text(progress)
    for words in (
        "Failed in part",
        "a failed. [336003] bad data",
        "c could not be started. no key",
        "gone",
    ):
        assert words in text


@pytest.mark.parametrize("attack", ATTACKS)
def test_labels_and_errors_are_inert(attack):
    progress = replace(DONE, trainings={attack: DEPLOYED, "b": FAILED}, problems={"b": attack})
    page = without_stylesheet(sweep.html(progress))
    assert_only(page, OUTPUT_TAGS | CHART_TAGS, OUTPUT_ATTRIBUTES | CHART_ATTRIBUTES)
