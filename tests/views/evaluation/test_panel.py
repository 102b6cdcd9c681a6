"""The panel of a running evaluation."""

from dataclasses import replace

import pytest
from ipywidgets.widgets.widget import _instances
from support.attacks import ATTACKS
from support.strict_html import OUTPUT_ATTRIBUTES, OUTPUT_TAGS, assert_only, without_stylesheet

from qfnb._jobs.background_batch import BatchProgress
from qfnb.evaluation.background import EvaluationProgress, ModelProgress
from qfnb.evaluation.report import EvaluationResult
from qfnb.evaluation.samples import Sample
from qfnb.views import display
from qfnb.views.evaluation import panel
from qfnb.views.evaluation.panel import EvaluationPanel, html, text

BATCH = BatchProgress(
    "b", "ERNIE-Speed-8K", "running", 200, 20, 60, 4, 9, 8, 8, 12_000, 345, 0.0123, 0.5, 12.5, 100.0
)
RUNNING = EvaluationProgress(
    (ModelProgress("基座 base", BATCH), ModelProgress("published", None)), 200, started_at=1.0
)
SCORING = replace(
    RUNNING, state="scoring", scoring_steps=(1, 4), judge_progress=replace(BATCH, ok=30, failed=0)
)
SAMPLES = tuple(Sample(name, 0, "问", "答", "答", {"m": 1.0}) for name in ("a", "b"))
REPORT = EvaluationResult(SAMPLES, ("a", "b"), ("m",))
DONE = replace(SCORING, state="done", ended_at=9.0, report=REPORT)


class Task:
    def __init__(self, progress):
        self.progress = progress
        self.cancelled = 0

    def cancel(self):
        self.cancelled += 1


TEXT = """\
Evaluation: published and 基座 base: ● Scoring
200 questions · 1 min 00 s elapsed
基座 base
64 / 200 questions
12.5 answers/s · 20 answers from the cache · 4 failed · 12,345 tokens · ¥0.01 of ¥0.5
published
answered
Scoring, step 1 / 4
judge: 30 / 200 answers
to follow it: `%qfeval show`"""


def test_each_model_has_a_line_and_scoring_shows_its_steps_and_the_judge(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 61.0)
    assert text(SCORING) == TEXT
    assert "answers on the platform" in text(RUNNING)
    assert 'max="4" value="1"' in html(SCORING)


def test_a_cancel_shows_while_it_ends_and_above_the_report():
    assert "■ Cancelling…" in text(replace(RUNNING, cancelled=True))
    assert "Cancelled with 60 answers" in panel.bundle(replace(DONE, cancelled=True))["text/plain"]
    assert "ancelled" not in panel.bundle(DONE)["text/plain"]


def test_the_reason_of_a_failure_has_at_most_three_lines():
    failed = replace(RUNNING, state="failed", ended_at=3.0, reason="a\nb\nc\nd")
    lines = panel.bundle(failed)["text/plain"].splitlines()
    assert [line for line in lines if line.startswith("✕")] == ["✕ a", "✕ b", "✕ c"]
    assert html(failed).count('<div class="qf-note qf-bad">') == 3


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_names_and_reasons_are_inert(attack):
    models = (ModelProgress(attack, replace(BATCH, reason=attack)),)
    page = html(replace(RUNNING, models=models, reason=attack))
    assert_only(without_stylesheet(page), OUTPUT_TAGS, OUTPUT_ATTRIBUTES)


def test_the_widgets_are_few_and_cancel_obeys_once():
    before = set(_instances)
    task = Task(RUNNING)
    controls = EvaluationPanel(task)
    box = controls.build()
    controls.draw(RUNNING)
    assert len(set(_instances) - before) <= 12
    controls._cancel.click()
    controls.draw(replace(RUNNING, cancelled=True))
    assert (task.cancelled, controls._cancel.disabled) == (1, True)
    display.close_widget(box)
    assert set(_instances) == before
