"""The progress of a training as HTML and text, and several trainings compared."""

import base64
import re
from dataclasses import replace

import pytest
from support.attacks import ATTACKS
from support.strict_html import assert_only
from support.training_progress import CURVE, DEPLOYED, FAILED, LOG, RUNNING, STAGES, TRAINED, Trainer

from qfnb.trainer.consts import ActionState
from qfnb.trainer.loss_diagnostics import LossPoint
from qfnb.trainer.progress import LogLine, Stage
from qfnb.views.training import comparison, controls, details, panel
from qfnb.views.training.loss_chart import Curve, curves_svg

TAGS = {
    "div", "span", "b", "progress", "table", "caption", "tr", "th", "td", "details", "summary", "img", "a",
}  # fmt: skip
ATTRIBUTES = {"style", "scope", "max", "value", "aria-label", "alt", "src", "href", "target", "rel"}


@pytest.mark.parametrize(
    "part",
    [
        "ERNIE-Speed-8K",
        "数据 data: <b>✔ 完成 done</b> 2 s",
        "训练 train: <b>▶ 进行中 running</b> 18 s",
        "发布 publish: <b>· 等待 waiting</b>",
        "<b>40%</b>",
        "本地沙盒 sandbox",
        "排队 queued 5 s",
        "用时 elapsed 20 s",
        "剩余 left ≈ 12 s（",
        "loss 0.3333, validation 0.4091, 平滑 smoothed 0.",
        "perplexity 0.418",
        'alt="loss curve, 12 points',
        'alt="perplexity, 6 points"',
        "task-1",
        "learningRate",
        "bringing 800 rows",
        "★ 验证最低 lowest",
        "problems in the log（1）",
        "`%qftrain attach run-ab12cd34ef`",
    ],
)
def test_a_running_training_shows_its_state(part):
    assert part in panel.html(RUNNING, now=120.0)


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (DEPLOYED, ("Deployed", "94.56%", "endpoint ab12cd34_demo", "%qftrain chat run-ab12cd34ef")),
        (FAILED, ("[336003] bad data (request as-1)", "the data is wrong", "%qftrain resume")),
        (replace(DEPLOYED, service_endpoint=""), ("%qftrain deploy run-ab12cd34ef",)),
        (RUNNING, ("40%", "排队 queued 5 s")),
        (replace(RUNNING, offline_since=100.0, message="refused"), ("no answer since", "refused")),
        (replace(RUNNING, points=tuple(replace(p, training_loss=2.0) for p in CURVE)), ("does not fall",)),
    ],
)
def test_html_and_text_show_the_state_and_the_next_step(progress, words):
    for word in words:
        assert word in panel.html(progress)
        assert word in panel.text(progress)


def test_the_first_line_of_the_text_has_all_steps():
    assert panel.text(RUNNING).startswith("ERNIE-Speed-8K: Training   40%   dataset ✔  train ▶  publish ·\n")


def test_a_platform_without_a_curve_during_the_training_is_reported():
    cloud = replace(RUNNING, points=(), from_sandbox=False)
    assert "at the end of the run only" in panel.html(cloud)
    assert "<img" not in panel.html(cloud)
    for other in (replace(cloud, from_sandbox=True), replace(cloud, training_at=None), replace(DEPLOYED, points=())):
        assert "at the end of the run only" not in panel.html(other)


def test_a_run_that_could_not_be_stopped_is_reported_as_perhaps_running():
    line = LogLine(130.0, "train", "Stopped", "run task-1 could not be stopped: refused")
    stages = (replace(STAGES[1], state=ActionState.Stopped),)
    assert "it may still run" in panel.html(replace(DEPLOYED, stages=stages, log=(*LOG, line)))


def test_the_time_between_the_end_and_a_later_step_is_not_work():
    later = (*DEPLOYED.stages[:1], Stage("deploy", ActionState.Running, "", 90_000.0))
    assert "elapsed 20 s" in panel.fact_lines(replace(DEPLOYED, stages=later, ended_at=None), now=90_010.0)[0]


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", [*ATTACKS, "evil\n!rm -rf /"])
def test_hostile_text_is_inert_in_every_field(attack):
    names = ("title", "status", "run_id", "task_id", "job_id", "model_version_id", "service_endpoint", "error")
    texts = dict.fromkeys((*names, "message", "run_state"), attack)
    mappings = {"metrics": {attack: attack}, "hyper_parameters": {attack: attack}, "links": {attack: attack}}
    lines = (LogLine(1.0, attack, attack, attack),)
    for progress in (RUNNING, DEPLOYED, FAILED, replace(RUNNING, offline_since=1.0)):
        hostile = replace(progress, log=lines, **texts, **mappings)
        assert_only(panel.html(hostile), TAGS, ATTRIBUTES)
        assert_only(comparison.html({attack: hostile, "b": RUNNING}), TAGS, ATTRIBUTES)
        assert not set(panel.text(hostile)) & set("\x1b\x00\u202e")
        assert controls.chat_cell(hostile) == controls.evaluation_cell(hostile) == ""


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
    html = details.links({"VisualDL": url})
    assert ("href" in html) == safe


def test_points_that_are_no_numbers_do_not_break_the_curve():
    odd = (replace(CURVE[0], training_loss=float("nan")), *CURVE[1:], replace(CURVE[0], step=130, epoch=7.0,
           training_loss=float("inf")))  # fmt: skip
    html = panel.html(replace(RUNNING, points=odd))
    for picture in re.findall(r"base64,([^\"]+)", html):
        svg = base64.b64decode(picture).decode()
        assert not re.search(r"\b(nan|inf)\b", svg)


def test_a_curve_of_thousands_of_points_stays_small():
    points = tuple(replace(CURVE[0], step=n, epoch=n / 10, perplexity=1.5) for n in range(50_000))
    assert len(panel.html(replace(RUNNING, points=points))) < 120_000


def test_an_error_of_a_hundred_thousand_characters_is_a_line():
    html = panel.html(replace(FAILED, points=(), error="x" * 100_000))
    assert len(html) < 10_000


@pytest.mark.parametrize(
    ("key", "part", "absent"),
    [
        ("all", "bringing 800 rows", "learningRate"),
        ("train", "run task-1: Running", "bringing 800 rows"),
        ("problems", "does not answer", "bringing 800 rows"),
        ("checkpoints", "困惑度 perplexity", "bringing 800 rows"),
        ("values", "learningRate", "bringing 800 rows"),
        ("publish", "no such line", "bringing 800 rows"),
    ],
)
def test_a_view_shows_its_part_only(key, part, absent):
    html = details.render_view(RUNNING, key)
    assert key in [key for _, key in details.view_options(RUNNING)]
    assert part in html
    assert absent not in html


def test_a_comparison_overlays_curves_and_shows_only_what_differs():
    other = replace(RUNNING, hyper_parameters={"epoch": 5, "learningRate": 3e-4}, metrics={"BLEU-4": "90%"})
    runs = {"first": DEPLOYED, "second": other}
    html = comparison.html(runs)
    assert 'alt="loss curves of 2 runs: first, second"' in html
    assert comparison.chart(runs).count("<polyline") == 2
    assert "learningRate" not in html
    text = comparison.text(runs).splitlines()
    assert text[0].split() == ["first", "second"]
    assert ["epoch", "3", "5"] in [line.split() for line in text]
    assert ["BLEU-4", "94.56%", "90%"] in [line.split() for line in text]


def test_equal_hyper_parameters_are_reported_as_equal():
    assert "the same hyper-parameters" in comparison.text({"a": DEPLOYED, "b": DEPLOYED})


def test_where_outputs_cannot_move_the_panel_is_the_state(monkeypatch, capsys):
    monkeypatch.setenv("QFNB_DISPLAY", "text")
    shown = panel.TrainingPanel(Trainer(DEPLOYED, running=False))
    shown.show()
    shown.publish_final()
    assert capsys.readouterr().out.count("Deployed") == 2


def test_negative_rewards_are_drawn_below_zero():
    svg = curves_svg([Curve("rewards/margins", [0, 1, 2], [-1.0, 0.0, 1.0])], height=160)
    heights = [float(point.split(",")[1]) for point in re.search(r'points="([^"]+)"', svg)[1].split()]
    assert heights[0] > heights[1] > heights[2]
    assert ">-1.1<" in svg


def test_the_rewards_of_preferences_are_a_line_a_chart_and_columns():
    rewards = {"chosen": 0.1, "rejected": -0.4, "margins": 0.5, "accuracies": 1.0}
    points = (LossPoint(1, 0.1, 0.69), LossPoint(2, 0.2, 0.6, 0.61, rewards=rewards, is_kept=True))
    now = replace(TRAINED, points=points)
    assert "rewards/margins 0.500" in panel.text(now)
    page = panel.html(now)
    assert "rewards: margins and accuracies" in page
    assert "rewards/rejected</th>" in page
    assert "困惑度 perplexity" not in details.checkpoints(points)
