"""The progress of a training as HTML and text, and several trainings compared."""

import re
from dataclasses import replace

import pytest
from support.attacks import ATTACKS
from support.strict_html import (
    CHART_ATTRIBUTES,
    CHART_TAGS,
    OUTPUT_ATTRIBUTES,
    OUTPUT_TAGS,
    assert_only,
    without_stylesheet,
)
from support.training_progress import CURVE, DEPLOYED, FAILED, RUNNING, STAGES, TRAINED

from qfnb.trainer.consts import ActionState
from qfnb.trainer.loss_diagnostics import LossPoint
from qfnb.trainer.progress import LogLine, Stage
from qfnb.views.training import actions, panel, summary
from qfnb.views.training.loss_chart import comparison_chart, loss_chart, rewards_chart

TAGS = OUTPUT_TAGS | CHART_TAGS | {"ol", "li", "a"}
ATTRIBUTES = OUTPUT_ATTRIBUTES | CHART_ATTRIBUTES | {"href", "target", "rel"}

NOW = 120.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Twenty seconds after the start of RUNNING."""
    monkeypatch.setattr("time.time", lambda: NOW)


TEXT = """\
Fine-tuning ERNIE-Speed-8K [Local sandbox]: ● Training
teahouse · SFT · LoRA · 6 epochs
✓ Data 2 s → ● Train 18 s → ○ Publish
40%
epoch 6 of 6 · trained for 13 s · about"""
STOPPED = replace(FAILED, stages=(replace(STAGES[1], state=ActionState.Stopped),))


def test_a_running_training_shows_its_state():
    assert panel.text(RUNNING).startswith(TEXT)
    assert "Loss over 12 points: training from 4.000 to 0.348" in panel.text(RUNNING)


def test_a_training_that_is_saved_while_it_runs_shows_its_state_as_of_then():
    html = panel.html(RUNNING)
    for words in ("</span> As of ", "epoch 6 of 6 · trained for 13 s</div>", ">★ 110<", "task-1"):
        assert words in html
    assert "<button" not in html
    assert "qf-pill qf-run" not in html


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (DEPLOYED, ("✓ Deployed", "%qftrain chat teahouse", "%qftrain evaluate teahouse")),
        (FAILED, ("✕ [336003] bad data (request as-1)", "the data is wrong", "resume teahouse")),
        (replace(DEPLOYED, service_endpoint=""), ("%qftrain deploy teahouse",)),
        (replace(DEPLOYED, service_endpoint="", job_name="two words"), ('deploy "two words"',)),
        (replace(RUNNING, offline_since=100.0, message="refused"), ("answered since", "refused")),
        (replace(DEPLOYED, stages=STOPPED.stages, stop_error="no"), ("may go on there and be",)),
        (replace(DEPLOYED, verdict="ROUGE-L 0.830", report_id="e-12"), ("0.830", "open e-12")),
        (
            replace(RUNNING, points=tuple(replace(p, training_loss=2.0) for p in CURVE)),
            ("does not fall", "too low"),
        ),
    ],
)
def test_the_text_shows_the_state_and_the_next_step(progress, words):
    for word in words:
        assert word in panel.text(progress)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (RUNNING, ("run", "Training")),
        (replace(RUNNING, status="Created", training_at=None), ("idle", "Queued")),
        (replace(RUNNING, offline_since=100.0), ("warn", "Waiting for the platform")),
        (replace(RUNNING, started_at=None), ("idle", "Preparing")),
        (
            replace(RUNNING, stages=(replace(STAGES[0], state=ActionState.Running),)),
            ("run", "Uploading data"),
        ),
        (DEPLOYED, ("ok", "Deployed")),
        (TRAINED, ("ok", "Done")),
        (FAILED, ("bad", "Failed")),
        (STOPPED, ("warn", "Stopped")),
    ],
)
def test_the_state_is_a_word_and_a_colour(progress, expected):
    kind, _, words, _ = summary.state(progress)
    assert (kind, words) == expected


def test_a_queued_training_says_how_long_and_that_the_notebook_may_be_closed():
    queued = replace(RUNNING, status="Created", training_at=None, points=())
    value, label, below = summary.progress_line(queued)
    assert (value, label) == (None, "waiting for 18 s")
    assert "You may close the notebook" in below
    assert 'value="0"' in panel.html(queued), "nothing moves in a saved output"


def test_a_platform_without_a_curve_during_the_training_is_reported():
    words = "shows the loss curve when the training has ended"
    cloud = replace(RUNNING, points=(), from_sandbox=False)
    assert words in panel.html(cloud)
    assert "<svg" not in panel.html(cloud)
    for quiet in (
        replace(cloud, from_sandbox=True),
        replace(cloud, training_at=None),
        replace(DEPLOYED, points=()),
    ):
        assert words not in panel.html(quiet)


def test_the_time_between_the_end_and_a_later_step_is_not_work():
    later = (*DEPLOYED.stages[:1], Stage("deploy", ActionState.Running, "", 90_000.0))
    assert summary.elapsed(replace(DEPLOYED, stages=later, ended_at=None), 90_010.0) == 20


@pytest.mark.parametrize(
    ("state", "detail", "below"),
    [
        (ActionState.Preceding, "LoadDataSetAction starts", ""),
        (
            ActionState.Running,
            "bringing 800 rows onto the platform",
            "bringing 800 rows onto the platform",
        ),
    ],
)
def test_below_the_bar_is_what_a_step_does_and_no_name_of_a_class(state, detail, below):
    beginning = replace(
        RUNNING, training_at=None, stages=(Stage("dataset", state, detail, 118.0), *STAGES[2:])
    )
    assert summary.progress_line(beginning) == (None, "2 s", below)


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", [*ATTACKS, "evil\n!rm -rf /"])
def test_hostile_text_is_inert_in_every_field(attack):
    names = (
        "title",
        "status",
        "run_id",
        "task_id",
        "job_id",
        "model_version_id",
        "service_endpoint",
        "error",
    )
    names += ("job_name", "train_mode", "parameter_scale", "stop_error", "service_id")
    texts = dict.fromkeys((*names, "message", "run_state"), attack)
    mappings = {
        "metrics": {attack: attack},
        "hyper_parameters": {attack: attack},
        "links": {attack: attack},
    }
    lines = (LogLine(1.0, attack, attack, attack),)
    for progress in (RUNNING, DEPLOYED, FAILED, replace(RUNNING, offline_since=1.0)):
        hostile = replace(progress, log=lines, **texts, **mappings)
        assert_only(without_stylesheet(panel.html(hostile)), TAGS, ATTRIBUTES)
        assert_only(
            without_stylesheet(
                panel.comparison_bundle({attack: hostile, "b": RUNNING})["text/html"]
            ),
            TAGS,
            ATTRIBUTES,
        )
        assert not set(panel.text(hostile)) & set("\x1b\x00\u202e")
        assert actions.chat_cell(hostile) == actions.evaluation_cell(hostile) == ""


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://console.bce.baidu.com/qianfan/train/sft/job-1", True),
        ("http://console.bce.baidu.com/", False),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https://good.example@evil.example/", False),
        ("https://a.example/\njavascript:alert(1)", False),
        ("https://[", False),
        (None, False),
    ],
)
def test_only_plain_https_addresses_become_links(url, safe):
    html = summary.links({"VisualDL": url})
    assert ("href" in html) == safe


def test_points_that_are_no_numbers_do_not_break_the_curve():
    odd = (replace(CURVE[0], training_loss=float("nan")), *CURVE[1:], replace(CURVE[0], step=130, epoch=7.0,
           training_loss=float("inf")))  # fmt: skip
    svg = re.findall(r"<svg.*?</svg>", panel.html(replace(RUNNING, points=odd)))[0]
    assert not re.search(r"\b(nan|inf)\b", svg)
    assert "Loss over 11 points" in svg


def test_of_a_long_error_only_the_first_sentence_is_strong():
    (_, _, statement, remedy), *_ = summary.remarks(
        replace(FAILED, error=f"It is refused. {'x' * 200}\nDo it again")
    )
    assert (statement, remedy) == ("It is refused.", f"{'x' * 200} Do it again")


def test_the_best_checkpoint_has_the_star_and_dashes_are_the_validation():
    chart = loss_chart(RUNNING)
    assert chart.best == (5.5, pytest.approx(4.5 / 11))
    assert [(curve.label, bool(curve.dash)) for curve in chart.curves[1:]] == [
        ("training", False),
        ("validation", True),
    ]
    assert (chart.x_label, chart.x_end, chart.describe_x(5.5)) == ("epoch", 6.0, "Epoch 5.5")


def test_points_without_epochs_lie_at_their_steps():
    chart = loss_chart(replace(RUNNING, points=tuple(replace(p, epoch=None) for p in CURVE)))
    assert (chart.x_label, chart.x_end, chart.describe_x(110.0)) == ("step", 0.0, "Step 110")
    assert "lowest 0.409 at step 110" in chart.finding


def test_a_comparison_overlays_curves_and_shows_only_what_differs():
    changed = replace(
        RUNNING, hyper_parameters={"epoch": 5, "learningRate": 3e-4}, metrics={"BLEU-4": "90%"}
    )
    runs = {"first": DEPLOYED, "second": changed}
    html = panel.comparison_bundle(runs)["text/html"]
    assert "Loss of 2 trainings; at the end: first 0.348, second 0.348." in html
    assert [curve.label for curve in comparison_chart(runs).curves] == ["first", "second"]
    assert "learningRate" not in html
    text = panel.comparison_bundle(runs)["text/plain"].splitlines()
    assert text[2].split() == ["first", "second"]
    assert ["epoch", "6", "5"] in [line.split() for line in text]
    assert ["BLEU-4", "94.56%", "90%"] in [line.split() for line in text]


def test_the_rewards_of_preferences_are_a_number_and_a_chart():
    rewards = {"chosen": 0.1, "rejected": -0.4, "margins": 0.5, "accuracies": 1.0}
    points = (LossPoint(1, 0.1, 0.69), LossPoint(2, 0.2, 0.6, 0.61, rewards=rewards, is_kept=True))
    now = replace(TRAINED, points=points)
    assert "Reward margin: 0.500" in panel.text(now)
    assert "Rewards at the end: margins 0.500, accuracies 1.000." in panel.html(now)
    assert [curve.points for curve in rewards_chart(now).curves] == [[(0.2, 0.5)], [(0.2, 1.0)]]
