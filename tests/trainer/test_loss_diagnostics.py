"""What a loss curve says, how long a training will still take, and a progress that goes through
JSON.
"""

import json
import math
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

import pytest

from qfnb.base.text import format_loss
from qfnb.trainer.consts import ActionState
from qfnb.trainer.event import Event
from qfnb.trainer.loss_diagnostics import LossPoint, diagnose_loss
from qfnb.trainer.progress import Stage, TrainingProgress, _with_poll, estimate_remaining


def curve(losses, validation=()):
    held_out = [*validation, *[None] * (len(losses) - len(validation))]
    return [
        LossPoint(10 * n, None, loss, other)
        for n, (loss, other) in enumerate(zip(losses, held_out, strict=True), 1)
    ]


FALLING = [3 * 0.8**n for n in range(12)]


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (curve(FALLING), None),
        (curve(FALLING[:4]), None),
        (curve([]), None),
        (curve([2.0] * 12), "does not fall"),
        (curve([2.0, 1.5, 1.2, 1.0, 0.9, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]), "diverges"),
        (curve([3.6, 1.0, 0.1, 0.01, 0.002, 0.001, 0.001, 0.001, 0.001, 0.01, 0.02, 0.01]), None),
        (curve([2.0, math.nan, 1.0]), "nan at step 20"),
        (curve(FALLING, [2, 1.5, 1.2, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5]), "at step 40"),
        (
            curve(FALLING, [2, 1.9, 1.8, 1.8, 1.8, 1.8, 1.8, 1.82, 1.81, 1.83, 1.82, 1.85]),
            "not fallen since step 30",
        ),
        (curve(FALLING, [2, 1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.38, 1.36, 1.35, 1.35, 1.36]), None),
        (curve([3 * 0.4**n for n in range(12)], [2, 0.5, 0.1, 0.02, *[0.02] * 8]), None),
    ],
    ids=[
        "falling",
        "short",
        "none",
        "flat",
        "diverged",
        "noise",
        "nan",
        "overfitted",
        "level",
        "still falling",
        "learned",
    ],
)
def test_a_curve_is_read_by_plain_rules(points, words):
    messages = diagnose_loss(points)
    assert (
        (messages == []) if words is None else (len(messages) == 1 and words in messages[0].problem)
    )


def test_advice_on_overfitting_ends_in_the_command_that_publishes_the_star():
    points = curve(FALLING, [2, 1.5, 1.2, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5])
    (hint,) = diagnose_loss(points, "bike")
    assert hint.remedy.endswith("★: `%qftrain publish bike --step 40`")


def test_a_star_before_the_end_of_the_first_pass_is_not_proposed():
    losses = [0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01]
    rising = [2.6, 2.7, 2.8, 2.8, 2.9, 2.9, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    points = [replace(point, epoch=point.step / 50) for point in curve(losses, rising)]
    (hint,) = diagnose_loss(points, "bike")
    assert "Add rows of their kind" in hint.remedy
    assert "publish" not in hint.remedy


@pytest.mark.parametrize(
    ("loss", "text"), [(2.3456, "2.346"), (0.00012345, "0.000123"), (0.0, "0.000"), (None, "")]
)
def test_a_small_loss_has_three_digits_that_count(loss, text):
    assert format_loss(loss) == text


def test_a_steady_pace_tells_the_rest_exactly():
    marks = [(10.0 * n, 5.0 * n) for n in range(6)]
    estimate = estimate_remaining(marks, 50.0)
    assert (estimate.low, estimate.likely, estimate.high) == pytest.approx((150, 150, 150))


def test_pauses_that_come_again_count_and_a_single_one_does_not():
    validated = [*accumulate([1.0 + 9.0 * (percent % 3 == 0) for percent in range(31)])]
    estimate = estimate_remaining(
        [(at, float(percent)) for percent, at in enumerate(validated)], validated[-1]
    )
    assert estimate.likely == pytest.approx(70 * 4, rel=0.2)
    asleep = [*accumulate([1.0 + 900.0 * (percent == 25) for percent in range(31)])]
    estimate = estimate_remaining(
        [(at, float(percent)) for percent, at in enumerate(asleep)], asleep[-1]
    )
    assert estimate.likely == pytest.approx(70, rel=0.1)


RECORDED_RUNS = sorted(Path(__file__).with_name("recorded_runs").glob("*.txt"))
"""Trainings in the sandbox, on a computer with two processors that had up to nine other things to
do.
"""


@pytest.mark.parametrize("path", RECORDED_RUNS, ids=[path.stem for path in RECORDED_RUNS])
def test_the_time_left_of_recorded_trainings_holds(path):
    """From 15 % on it is within a factor of two, give or take 3 s; and 11 s near the end, where
    answers are scored.
    """
    polls = [
        line.split()
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    progress = TrainingProgress("m", ())
    was_shown = False
    end = float(polls[-1][0])
    for (at, state, percent, points), (following, *_) in pairwise(polls):
        result = {
            "runStatus": state,
            "sandbox": {},
            "runProgress": None if percent == "-" else f"{percent}%",
        }
        result["checkpointList"] = [
            {"step": step, "trainingLoss": "1.0"} for step in range(1, int(points) + 1)
        ]
        progress = _with_poll(progress, result, float(at))
        for now in (float(at), (float(at) + float(following)) / 2):
            left = progress.remaining(now)
            truth = end - now
            assert left is not None or not was_shown
            was_shown = left is not None
            if left is None or progress.percent < 15:
                continue
            slack = 3 if progress.percent < 85 else 11
            assert 0 <= left.low <= left.likely <= left.high < math.inf
            assert truth / 2 - slack <= left.likely <= 2 * truth + slack
            assert left.low / 2 - slack <= truth <= 2 * left.high + slack


def polls(*results, at=100.0):
    now = TrainingProgress("t", (Stage("train"),), run_id="run-x")
    for number, result in enumerate(results):
        event = Event(
            "a",
            ActionState.Running,
            "poll",
            {"result": result},
            action_class="TrainAction",
            at=at + number,
        )
        now = now.with_event(event)
    return now


def test_a_percent_that_goes_back_or_repeats_does_not_go_back():
    now = polls(
        *(
            {"runStatus": "Running", "runProgress": p}
            for p in ("30%", "30%", "12%", "37.5%", "", "odd")
        )
    )
    assert now.percent == 38
    assert [percent for _, percent in now.marks] == [30, 38]


def test_the_time_in_the_queue_is_counted_apart():
    now = polls(
        {"runStatus": ""},
        {"runStatus": "Waiting"},
        {"runStatus": "Waiting"},
        {"runStatus": "Running"},
    )
    assert (now.queued(999.0), now.training_at, now.status) == (3.0, 103.0, "Training")
    assert polls({"runStatus": "Waiting"}).status == "Created"


def test_the_log_page_is_linked_for_the_cloud_only():
    ids = {"runStatus": "Running", "taskId": "task-1", "jobId": "job-1"}
    assert polls(ids).links["log"].endswith("/train/sft/job-1/task-1/detail/traininglog")
    assert polls({**ids, "sandbox": {}}).links == {}


def test_a_progress_goes_through_json():
    now = polls(
        {
            "runStatus": "Running",
            "runProgress": "5%",
            "checkpointList": [{"step": 1, "trainingLoss": 0.5}],
        }
    )
    assert TrainingProgress.from_json(json.loads(json.dumps(now.to_json()))) == now
    assert TrainingProgress.from_json({**now.to_json(), "of_tomorrow": 1}) == now


def test_odd_answers_of_any_kind_leave_it_standing():
    now = polls(
        {"runStatus": "Running", "runProgress": "5%"}, {"checkpointList": "none"}, {"metrics": 7}
    )
    assert (now.percent, now.run_state) == (5, "Running")
