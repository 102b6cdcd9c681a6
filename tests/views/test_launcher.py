"""The form drawn: as text, as HTML that is inert, and as at most forty widgets that say what is wrong."""

import time
from dataclasses import replace
from html.parser import HTMLParser

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances
from support.attacks import ATTACKS

from qfnb import Dataset, config
from qfnb.trainer.form import saved
from qfnb.trainer.form.value import Draft
from qfnb.views.launcher import launcher as launchers
from qfnb.views.launcher import render as drawn
from qfnb.views.launcher.fields import parse_others, split_parameters
from qfnb.views.launcher.launcher import Launcher
from qfnb.views.launcher.widget import LauncherWidget

PAIRS = Dataset([{"prompt": f"问 {n}", "response": "答"} for n in range(8)])
TAGS = {"div", "b", "span", "table", "caption", "tr", "th", "td", "pre"}


class Strict(HTMLParser):
    """Fails on anything but the form's own structure."""

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, tag
        assert {name for name, _ in attrs} <= {"style", "scope", "role"}, attrs


@pytest.fixture
def form(sandbox):
    """A launcher that has asked the platform and looked at its data."""
    launcher = Launcher("ds", list_datasets=lambda: {"ds": PAIRS})
    launcher._load_supported_models()
    return launcher


@pytest.fixture
def desk(form):
    """The widgets of a form, drawn anew at each change."""
    made = form._widget = LauncherWidget(form.choose, form.press)
    form._live = ImmediateOutput(made)
    made.draw(form.state)
    yield made
    made.root.close()
    made.close()


class ImmediateOutput:
    """An output that draws at once."""

    def __init__(self, desk):
        self.update = desk.draw
        self.ways = []

    def replace_with(self, show):
        self.ways.append(show)

    def finish(self, sheet):
        self.ended = sheet


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def field(desk, words):
    return next(part for part in desk.root.children if words in getattr(part, "description", ""))


@pytest.mark.parametrize(
    "part", ["ERNIE-Speed-8K", "LoRA", "learning_rate", "0.0003", "本地沙盒 sandbox", "steps"]
)
def test_a_form_that_is_only_read_says_what_is_chosen_and_what_it_takes(form, part):
    assert part in drawn.text(form.state)
    assert part in drawn.html(form.state)


def test_a_form_that_is_only_read_has_the_same_as_python(form):
    assert "TrainConfig(" in drawn.text(form.state)
    assert "&quot;ERNIE-Speed-8K&quot;" in drawn.html(form.state)


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_are_inert_in_every_field(form, attack):
    row = form.state.form.supported_models[0].model_copy(deep=True)
    row.model = attack
    parameter = row.support_train_mode[0].support_parameter_scale[0].support_hyper_parameter_config[0]
    parameter.name = parameter.description = parameter.key = attack
    names = dict.fromkeys(("model", "dataset", "name", "model_name", "suffix", "eval_dataset"), attack)
    hostile = replace(form.state.form, supported_models=(row,)).with_choice(
        **names, after="evaluate", scale="FullFineTuning"
    )
    sheet = replace(form.state, form=hostile, message=attack)
    labels = "".join(drawn.parameter_label(sheet, row) for row in hostile.parameters)
    Strict().feed(drawn.html(sheet) + drawn.summary(sheet) + drawn.preview(sheet) + labels)
    assert not set(drawn.text(sheet)) & set("\x1b\x00\u202e")


def test_the_largest_form_has_at_most_forty_models_and_leaves_none(form):
    before = set(_instances)
    desk = LauncherWidget(form.choose, form.press)
    form.choose("model", "CodeLlama-7B")
    form.choose("scale", "LoRA")
    form.choose("after", "evaluate")
    desk.draw(form.state)
    assert len(set(_instances) - before) <= 40
    desk.draw(
        replace(form.state, form=form.state.form.with_choice(model="ERNIE-Lite-8K-0704", after="train"))
    )
    for part in (*desk.root.children, desk.root):
        part.close()
        part.layout.close()
    desk.close()
    assert not set(_instances) - before


def test_a_fault_stands_in_the_label_and_the_form_cannot_be_launched(form, desk):
    field(desk, "epoch").value = "99"
    assert "it is 1 to 50" in field(desk, "epoch").description
    assert desk._buttons["launch"].disabled
    form.press("launch")
    assert form.state.stage == "editing"
    field(desk, "epoch").value = "2"
    assert not desk._buttons["launch"].disabled


def test_the_same_field_stays_the_same_widget(form, desk):
    before = field(desk, "model</b>"), field(desk, "epoch")
    field(desk, "scale").value = "FullFineTuning"
    assert (field(desk, "model</b>"), field(desk, "epoch")) == before
    assert field(desk, "learning_rate").value == "3e-05"
    assert "lora_rank" not in "".join(getattr(part, "description", "") for part in desk.root.children)


def test_fields_of_what_comes_afterwards_appear_when_they_are_wanted(form, desk):
    field(desk, "afterwards").value = "deploy"
    assert isinstance(field(desk, "endpoint suffix"), ipywidgets.Text)
    field(desk, "afterwards").value = "train"
    assert all("endpoint suffix" not in getattr(part, "description", "") for part in desk.root.children)


def test_choices_are_dropdowns_and_several_choices_a_list(form, desk):
    assert [*field(desk, "max_seq_len").options] == [("4096", 4096), ("8192", 8192)]
    form.choose("model", "CodeLlama-7B")
    form.choose("scale", "LoRA")
    modules = field(desk, "lora_target_modules")
    assert modules.value == ("self_attn.q_proj", "self_attn.v_proj")
    modules.value = ("mlp.up_proj",)
    assert form.state.form.draft.values["loraTargetModules"] == ["mlp.up_proj"]


def test_a_launch_takes_a_second_click_and_a_double_click_is_one(form, desk, monkeypatch):
    monkeypatch.setattr(form, "_launch", lambda: None)
    button = desk._buttons["launch"]
    button.click()
    assert "确认启动" in button.description
    button.click()
    assert form.state.stage == "confirming"
    monkeypatch.setattr(launchers, "DOUBLE_CLICK_S", 0.0)
    button.click()
    assert form.state.stage == "launching"
    assert button.disabled


def test_a_change_takes_the_first_click_back(form, desk):
    desk._buttons["launch"].click()
    field(desk, "epoch").value = "2"
    assert form.state.stage == "editing"
    assert "Launch" in desk._buttons["launch"].description


def test_what_the_platform_refuses_at_the_launch_leaves_the_form(form, desk, fault):
    fault("finetune.v2.support_models", "error", code="AccessDenied", status=403)
    form._launch()
    assert form.trainer is None
    assert form.state.stage == "editing"
    assert "could not be started" in desk._summary.value


def test_a_platform_that_does_not_answer_is_told_and_asked_again(form, desk, sandbox):
    now = config.get_config()
    now.platform, now.access_key, now.secret_key = "qianfan", "ALTAKxxxx", "0123456789abcdef"
    now.console_api_base_url = "http://127.0.0.1:9"
    now.console_api_retry_count = 0
    form._load_supported_models()
    assert form.state.stage == "unanswered"
    assert "tells nothing" in desk._summary.value
    assert "Try again" in desk._buttons["launch"].description
    config.get_config()._overrides.clear()
    form.press("launch")
    until(lambda: form.state.stage == "editing")


def test_an_api_key_alone_is_told_which_key_is_needed(form):
    now = config.get_config()
    now.platform, now.api_key = "qianfan", "bce-v3/ALTAK-test/canary0123456789"
    form._load_supported_models()
    assert "QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY" in form.state.message
    assert "canary" not in drawn.html(form.state)


def test_the_cell_is_handed_to_the_notebook(form, desk):
    cells = []
    form._insert_cell = cells.append
    desk._buttons["insert"].click()
    assert "LLMFinetune(" in cells[0]
    assert "next cell that runs" in desk._summary.value


def test_a_configuration_is_saved_and_loaded_into_the_fields(form, desk):
    field(desk, "epoch").value = "5"
    field(desk, "configuration").value = "five"
    desk._buttons["save"].click()
    field(desk, "epoch").value = "6"
    desk._buttons["load"].click()
    assert field(desk, "epoch").value == "5"
    assert "five" in field(desk, "configuration").options


def test_a_configuration_that_is_not_there_is_told(form, desk):
    field(desk, "configuration").value = "../etc"
    desk._buttons["load"].click()
    assert "is no name" in desk._summary.value


def test_a_configuration_with_values_of_any_kind_draws(form, desk):
    saved.save("odd", Draft(model="ERNIE-Speed-8K", values={"epoch": [1], "maxSeqLen": {}, "zz": None}))
    field(desk, "configuration").value = "odd"
    desk._buttons["load"].click()
    assert desk._buttons["launch"].disabled
    assert "not of this model: zz" in desk._summary.value


def test_more_hyper_parameters_than_there_is_room_for_share_a_field(form):
    sheet = form.state.form.with_choice(model="CodeLlama-7B").with_choice(scale="LoRA")
    rows = sheet.parameters
    rows[-1:-1] = [rows[-2].model_copy(update={"key": f"extra{n}"}) for n in range(3)]
    separate, shared = split_parameters(sheet)
    assert (len(separate), len(shared)) == (10, 4)
    values = parse_others(sheet, "extra1=0.2; lora_target_modules=mlp.up_proj,mlp.down_proj; warp=9")
    assert values["extra1"] == "0.2"
    assert values["loraTargetModules"] == ["mlp.up_proj", "mlp.down_proj"]
    assert values["warp"] == "9"


def test_in_a_terminal_the_form_is_its_text(form, monkeypatch, capsys):
    monkeypatch.setenv("QFNB_DISPLAY", "text")
    form.show()
    assert "LLMFinetune(" in capsys.readouterr().out
