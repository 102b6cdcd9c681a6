"""The buttons of a training's panel, what they ask and say, and the number of its widget models."""

from dataclasses import replace

import pytest
from ipywidgets.widgets.widget import _instances
from support.training_progress import DEPLOYED, FAILED, RUNNING, TRAINED, Trainer
from support.waiting import wait_for

from qfnb import errors
from qfnb.dataset import Dataset
from qfnb.trainer import DeployAction, ModelPublishAction, TrainAction
from qfnb.trainer.consts import ActionState
from qfnb.views import display
from qfnb.views.training import actions, panel


def recording_action(key, question=""):
    return actions.Action(
        key,
        key,
        "",
        lambda t: t.executed.append(key),
        question,
        "one hour is lost",
        "do it",
        "leave it",
    )


def build_controls(trainer, *, stays_open=False):
    widgets = panel.TrainingPanel(trainer)
    widgets._stays_open = stays_open
    box = widgets.build()
    widgets.draw(trainer.progress)
    return widgets, box


def labels(box):
    return [button.description for button in box.children[1].children]


def button(box, label):
    return next(
        button for button in box.children[1].children if button.description.startswith(label)
    )


TRAIN = TrainAction()
PUBLISH = ModelPublishAction()
DEPLOY = DeployAction()
STOPPED = replace(FAILED, stages=(replace(FAILED.stages[1], state=ActionState.Stopped),), error="")


ALL = [TRAIN, PUBLISH, DEPLOY]
SERVED = replace(FAILED, service_endpoint="x_y", points=())


@pytest.mark.parametrize(
    ("progress", "steps", "current", "expected"),
    [
        (RUNNING, [TRAIN], TRAIN, "Stop training… | Publish | Deploy… | Show details"),
        (RUNNING, ALL, TRAIN, "Stop training… | Show details"),
        (
            replace(RUNNING, service_endpoint="x"),
            ALL,
            DEPLOY,
            "Stop training… | Chat | Evaluate | Show details",
        ),
        (FAILED, [TRAIN], TRAIN, "Resume… | Publish ★ epoch 5.5 | Close"),
        (SERVED, [TRAIN], TRAIN, "Resume… | Chat | Evaluate | Close"),
        (replace(TRAINED, points=()), [TRAIN, PUBLISH], PUBLISH, "Resume | Close"),
        (TRAINED, [TRAIN], None, "Publish ★ epoch 5.5 | Deploy… | Evaluate | Close"),
        (DEPLOYED, ALL, None, "Publish ★ epoch 5.5 | Chat | Evaluate | Close"),
    ],
)
def test_buttons_are_those_of_the_next_steps(progress, steps, current, expected):
    running = not progress.finished
    trainer = Trainer(progress, steps, running=running, current=current)
    _, box = build_controls(trainer, stays_open=not running)
    assert " | ".join(labels(box)) == expected
    filled = [b for b in box.children[1].children if "qf-main" in b._dom_classes]
    assert len(filled) == (not running)


def test_a_button_that_is_disabled_says_why():
    _, box = build_controls(
        Trainer(STOPPED, [TRAIN], running=False, current=TRAIN), stays_open=True
    )
    assert button(box, "Publish ★").disabled
    assert "Publish ★ epoch 5.5: resume the training first" in box.children[2].value


def test_what_costs_or_ends_something_is_asked_first_and_the_safe_answer_lies_below_the_pointer(
    monkeypatch,
):
    trainer = Trainer(RUNNING)
    rows = [recording_action("careful", "Really?"), recording_action("simple")]
    monkeypatch.setattr(actions, "available_actions", lambda _: list(rows))
    _, box = build_controls(trainer)
    pressed = button(box, "careful")
    pressed.click()
    assert labels(box) == ["leave it", "do it"]
    assert box.children[1].children[0] is pressed, "the focus stays"
    assert "Really?</b> one hour is lost" in box.children[2].value
    button(box, "leave it").click()
    assert labels(box)[:2] == ["careful", "simple"]
    button(box, "simple").click()
    wait_for(lambda: list(trainer.executed), lambda seen: seen == ["simple"])
    button(box, "careful").click()
    button(box, "do it").click()
    wait_for(lambda: list(trainer.executed), lambda seen: seen == ["simple", "careful"])


@pytest.mark.parametrize(
    ("progress", "running", "key", "words"),
    [
        (
            RUNNING,
            True,
            "stop",
            "It has reached epoch 6. The platform keeps the checkpoints so far",
        ),
        (STOPPED, False, "resume", "from the beginning."),
        (
            replace(STOPPED, from_sandbox=False),
            False,
            "resume",
            "and is billed like the first one.",
        ),
        (replace(RUNNING, from_sandbox=False), True, "deploy", "paid in advance"),
    ],
)
def test_a_question_says_what_is_lost_or_billed(progress, running, key, words):
    rows = actions.available_actions(Trainer(progress, [TRAIN], running=running, current=TRAIN))
    assert words in next(row for row in rows if row.key == key).consequence


@pytest.mark.fault("F70")
def test_an_error_of_an_action_is_shown_in_the_panel(monkeypatch):
    def refuse(_):
        raise errors.APIError(336100, "<b>arrears</b>", hint="top up the account")

    monkeypatch.setattr(
        actions, "available_actions", lambda _: [actions.Action("go", "go", "", refuse)]
    )
    widgets, box = build_controls(Trainer(RUNNING))
    button(box, "go").click()
    wait_for(lambda: widgets._error, bool)
    wait_for(lambda: widgets._busy_key, lambda key: key == "")
    widgets.draw(RUNNING)
    assert "[336100] &lt;b&gt;arrears" in box.children[2].value
    assert "top up the account" in box.children[2].value
    assert not button(box, "go").disabled


def test_chat_and_evaluate_show_the_cell_that_does_it():
    trainer = Trainer(DEPLOYED, [TRAIN, PUBLISH, DEPLOY], running=False)
    widgets, box = build_controls(trainer, stays_open=True)
    for label, words in (
        ("Chat", "%%qfchat -m teahouse"),
        ("Evaluate", "%qfeval ERNIE-Speed-8K ab12cd34_demo -d DATA -o report"),
    ):
        button(box, label).click()
        wait_for(lambda words=words: words in widgets._cell, bool)
        wait_for(lambda: widgets._busy_key, lambda key: key == "")
    widgets.draw(DEPLOYED)
    assert "%qfeval" in box.children[2].value
    assert "<code>%qftrain evaluate teahouse</code>" in box.children[2].value


@pytest.mark.parametrize(
    ("facts", "variables", "data"),
    [
        ({"evaluation_data": "test.jsonl"}, [], "test.jsonl"),
        ({"evaluation_data": "ds-1"}, ["other"], "ds-1"),
        ({"evaluation_data": "a\nimport os"}, [], ""),
        ({"training_data": "teahouse_train.jsonl"}, ["other"], "teahouse_heldout.jsonl"),
        ({"training_data": "train"}, ["other", "train"], "other"),
        ({"training_data": "train"}, ["train"], ""),
    ],
)
def test_a_model_is_tested_on_the_rows_of_its_run_or_on_others_of_the_notebook(
    facts, variables, data, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("test.jsonl", "teahouse_heldout.jsonl"):
        (tmp_path / name).touch()
    values = {name: Dataset([{"prompt": "q", "response": "a"}]) for name in variables}
    monkeypatch.setattr(actions, "find_variables", lambda matches: {
        name: value for name, value in values.items() if matches(value)
    })  # fmt: skip
    progress = replace(DEPLOYED, **facts)
    cell = actions.evaluation_cell(progress)
    assert f" -d {data or 'DATA'} -o report" in cell
    assert cell.startswith("#") is not bool(data)
    assert actions.evaluation_rows(progress) == data


def test_a_panel_has_twelve_models_at_most_and_leaves_none():
    before = set(_instances)
    widgets, box = build_controls(Trainer(RUNNING, [TRAIN], current=TRAIN))
    assert len(set(_instances) - before) <= 12
    button(box, "Stop").click()
    assert len(set(_instances) - before) <= 12
    widgets.job.progress = DEPLOYED
    widgets.draw(DEPLOYED)
    assert len(set(_instances) - before) <= 12
    display.close_widget(box)
    assert set(_instances) == before
    widgets._click("stop", None)
    assert set(_instances) == before, "a click that comes late opens nothing"


def test_what_has_not_changed_is_not_sent():
    widgets, box = build_controls(
        Trainer(DEPLOYED, [TRAIN, PUBLISH, DEPLOY], running=False), stays_open=True
    )
    sent = []
    for widget in (*box.children, *box.children[1].children):
        widget.observe(sent.append)
    widgets.draw(DEPLOYED)
    assert sent == []


def test_the_details_of_a_running_training_stay_open_while_it_is_redrawn():
    widgets, box = build_controls(Trainer(RUNNING))
    assert "<h4>Points of the curve" not in box.children[2].value
    button(box, "Show details").click()
    widgets.draw(RUNNING)
    assert "<h4>Points of the curve" in box.children[2].value
    button(box, "Hide details").click()
    assert "<h4>Points of the curve" not in box.children[2].value
