"""The buttons of a training's panel, its views, and the number of its widget models."""

from dataclasses import replace

import pytest
from ipywidgets.widgets.widget import _instances
from support.training_progress import DEPLOYED, FAILED, RUNNING, STAGES, TRAINED, Trainer
from support.waiting import wait_for

from qfnb import errors
from qfnb.trainer import DeployAction, LLMFinetune, ModelPublishAction, TrainAction
from qfnb.trainer.progress import Stage
from qfnb.views import display
from qfnb.views.training import controls, panel


def recording_action(name):
    return controls.Action(name, "", "really?" if name == "careful" else "", lambda t: t.executed.append(name))


def build_controls(trainer, *, stays_open=False):
    widgets = controls.Controls(trainer, panel.top, panel.below, close=lambda: None)
    box = widgets.build()
    widgets.draw(trainer.progress, stays_open=stays_open)
    return widgets, box


def labels(box):
    return [button.description for button in box.children[0].children[:-1]]


TRAIN, PUBLISH, DEPLOY = TrainAction(), ModelPublishAction(), DeployAction()


@pytest.mark.parametrize(
    ("progress", "actions", "running", "current", "words"),
    [
        (RUNNING, [TRAIN], True, TRAIN, "Stop Publish Deploy"),
        (RUNNING, [TRAIN, PUBLISH, DEPLOY], True, TRAIN, "Stop"),
        (DEPLOYED, [TRAIN, PUBLISH, DEPLOY], True, DEPLOY, "Stop Chat Evaluate"),
        (FAILED, [TRAIN], False, TRAIN, "Resume Close"),
        (replace(FAILED, service_endpoint="x_y"), [TRAIN], False, TRAIN, "Resume Chat Close"),
        (TRAINED, [TRAIN], False, None, "Publish ★ Deploy Close"),
        (DEPLOYED, [TRAIN, PUBLISH, DEPLOY], False, None, "★ Chat Evaluate Close"),
    ],
)
def test_buttons_are_there_only_when_they_can_do_something(progress, actions, running, current, words):
    _, box = build_controls(Trainer(progress, actions, running=running, current=current), stays_open=not running)
    button_labels = labels(box)
    assert len(button_labels) == len(words.split())
    assert all(word in label for word, label in zip(words.split(), button_labels, strict=True))


def test_what_costs_or_ends_something_needs_a_second_click(monkeypatch):
    trainer = Trainer(RUNNING)
    monkeypatch.setattr(
        controls, "available_actions", lambda _: [recording_action("careful"), recording_action("simple")]
    )
    _, box = build_controls(trainer)
    careful, simple = box.children[0].children[:2]
    careful.click()
    assert (careful.description, trainer.executed) == ("really?", [])
    simple.click()
    wait_for(lambda: list(trainer.executed), lambda seen: seen == ["simple"])
    careful.click()
    assert careful.description == "really?", "a click on something else in between disarms it"
    careful.click()
    wait_for(lambda: list(trainer.executed), lambda seen: seen == ["simple", "careful"])


def test_a_second_click_that_comes_late_counts_as_the_first(monkeypatch):
    trainer = Trainer(RUNNING)
    monkeypatch.setattr(controls, "available_actions", lambda _: [recording_action("careful")])
    monkeypatch.setattr(controls, "CONFIRM_WITHIN_S", 0.0)
    widgets, box = build_controls(trainer)
    button = box.children[0].children[0]
    button.click()
    widgets.draw(RUNNING, stays_open=False)
    assert button.description == "careful"
    button.click()
    assert trainer.executed == []


@pytest.mark.fault("F70")
def test_an_error_of_an_action_is_shown_in_the_panel(monkeypatch):
    def refuse(_):
        raise errors.APIError(336100, "<b>arrears</b>", hint="欠费，请充值 / top up the account")

    monkeypatch.setattr(controls, "available_actions", lambda _: [controls.Action("go", "", "", refuse)])
    widgets, box = build_controls(Trainer(RUNNING))
    button = box.children[0].children[0]
    button.click()
    wait_for(lambda: widgets._error, bool)
    widgets.draw(RUNNING, stays_open=False)
    assert "[336100] &lt;b&gt;arrears" in box.children[1].value
    assert "top up the account" in box.children[1].value
    assert not button.disabled


def test_chat_and_evaluate_show_the_cell_that_does_it():
    widgets, box = build_controls(Trainer(DEPLOYED, [TRAIN, PUBLISH, DEPLOY], running=False), stays_open=True)
    _, chat, evaluate, _ = box.children[0].children[:4]
    for button, words in ((chat, "%%qfchat -e ab12cd34_demo"), (evaluate, "manager.eval([base, tuned]")):
        button.click()
        wait_for(lambda words=words: words in widgets._cell_html, bool)
    widgets.draw(DEPLOYED, stays_open=True)
    assert "manager.eval" in box.children[1].value


def test_the_cells_that_evaluate_are_python():
    compile(controls.evaluation_cell(DEPLOYED), "cell", "exec")
    compile(controls.checkpoint_cell(DEPLOYED, 30), "cell", "exec")
    assert "step='best'" in controls.checkpoint_cell(DEPLOYED, "best")


def best_step():
    return min((p for p in TRAINED.points if p.validation_loss), key=lambda p: p.validation_loss).step


@pytest.mark.parametrize("published", [None, "best"])
def test_the_star_is_a_button_until_the_best_checkpoint_is_published(published):
    done = [TRAIN, ModelPublishAction(step=best_step() if published else None)]
    labels = [row.label for row in controls.available_actions(Trainer(TRAINED, done, running=False))]
    assert any(label.startswith("★") and str(best_step()) in label for label in labels) is (published is None)


def test_a_best_checkpoint_that_is_the_last_needs_no_star():
    first = replace(TRAINED, points=TRAINED.points[:1])
    assert not any(
        row.label.startswith("★") for row in controls.available_actions(Trainer(first, [TRAIN], running=False))
    )


def test_a_checkpoint_that_was_published_later_can_be_deployed():
    actions = [TRAIN, PUBLISH, DEPLOY, ModelPublishAction(step=best_step())]
    assert controls.DEPLOY in controls.available_actions(Trainer(DEPLOYED, actions, running=False))


def test_a_panel_has_twelve_models_at_most_and_leaves_none():
    before = set(_instances)
    widgets, box = build_controls(Trainer(RUNNING, [TRAIN], current=TRAIN))
    assert len(set(_instances) - before) <= 12
    widgets._trainer.progress = DEPLOYED
    widgets.draw(DEPLOYED, stays_open=False)
    assert len(set(_instances) - before) <= 12
    display.close_widget(box)
    assert set(_instances) == before


def test_a_reloaded_page_keeps_one_text():
    before = set(_instances)
    _, box = build_controls(Trainer(RUNNING, [TRAIN], current=TRAIN))
    display._leave_static(box, panel.bundle(DEPLOYED))
    assert "Deployed" in box.children[0].value
    assert len(set(_instances) - before) == 4
    display.close_widget(box)
    assert set(_instances) == before


def test_what_has_not_changed_is_not_sent():
    widgets, box = build_controls(Trainer(DEPLOYED, [TRAIN, PUBLISH, DEPLOY], running=False), stays_open=True)
    sent = []
    for widget in (*box.children, *box.children[0].children):
        widget.observe(sent.append)
    widgets.draw(DEPLOYED, stays_open=True)
    assert sent == []


def test_the_chosen_view_stays_when_a_step_is_added():
    widgets, box = build_controls(Trainer(RUNNING))
    choice = box.children[0].children[-1]
    choice.value = "checkpoints"
    widgets.draw(replace(RUNNING, stages=(*STAGES, Stage("deploy"))), stays_open=False)
    assert choice.value == "checkpoints"
    assert ("日志 log: 部署 deploy", "deploy") in choice.options


def test_the_buttons_call_what_the_trainer_has():
    assert controls.STOP.execute is LLMFinetune.stop
    assert controls.PUBLISH.execute is LLMFinetune.publish
