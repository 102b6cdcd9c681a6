"""The launch form as text, as inert HTML, and as at most forty widget models that show what is wrong."""

from dataclasses import replace

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances
from support.attacks import ATTACKS
from support.strict_html import assert_only
from support.waiting import until

from qfnb import Dataset, config
from qfnb.trainer.form import drafts
from qfnb.trainer.form.launch_form import Draft
from qfnb.views import display
from qfnb.views.launcher import launcher, render
from qfnb.views.launcher.launcher import Launcher
from qfnb.views.launcher.render import list_fields
from qfnb.views.launcher.widget import LauncherWidget

PAIRS = Dataset([{"prompt": f"问 {n}", "response": "答"} for n in range(8)])
ATTRIBUTES = {"style", "scope", "role", "class"}
TAGS = {"div", "b", "span", "table", "caption", "tr", "th", "td", "pre"}


@pytest.fixture
def form(sandbox):
    """A launcher that has loaded its choices and inspected its data."""
    return shown(Launcher("ds", list_datasets=lambda: {"ds": PAIRS}))


def shown(launcher):
    """Show a form where outputs cannot move: it then has loaded its choices."""
    launcher.show()
    return launcher


@pytest.fixture
def live(sandbox, monkeypatch):
    """A form that is shown live and draws at once; closed at the end."""
    monkeypatch.setenv("QFNB_DISPLAY", "live")
    monkeypatch.setattr(display, "REDRAW_S", 0.0)
    cells, launched = [], []
    launcher = Launcher("ds", list_datasets=lambda: {"ds": PAIRS}, insert_cell=cells.append, on_launch=launched.append)
    launcher.cells, launcher.launched = cells, launched
    launcher.show()
    until(lambda: launcher.state.stage == "editing" and not launcher.state.form.issues)
    until(lambda: "epoch" in descriptions(launcher))
    yield launcher
    launcher.close()
    for trainer in launched:
        trainer.stop().wait(60)


def field(launcher, words):
    parts = launcher.widget.root.children
    return next(part for part in parts if words in getattr(part, "description", ""))


def texts(launcher):
    """Return the texts of the form outside of its fields."""
    return "".join(part.value for part in launcher.widget.root.children if isinstance(part, ipywidgets.HTML))


def descriptions(launcher):
    return "".join(getattr(part, "description", "") for part in launcher.widget.root.children)


@pytest.mark.parametrize("part", ["ERNIE-Speed-8K", "LoRA", "learning_rate", "0.0003", "本地沙盒 sandbox", "steps"])
def test_a_static_form_shows_the_values_and_the_estimate(form, part):
    assert part in render.text(form.state)
    assert part in render.html(form.state)


def test_a_static_form_shows_the_same_as_python(form):
    assert "TrainConfig(" in render.text(form.state)
    assert "&quot;ERNIE-Speed-8K&quot;" in render.html(form.state)


@pytest.mark.fault("F92")
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
    state = replace(form.state, form=hostile, message=attack)
    labels = "".join(render.label(state, field) for field in list_fields(state))
    assert_only(render.html(state) + render.summary(state) + render.preview(state) + labels, TAGS, ATTRIBUTES)
    assert not set(render.text(state)) & set("\x1b\x00\u202e")


def test_the_largest_form_has_at_most_forty_models_and_leaves_none(form):
    before = set(_instances)
    widget = LauncherWidget(form.choose, form.press)
    form.choose("model", "CodeLlama-7B")
    form.choose("scale", "LoRA")
    form.choose("after", "evaluate")
    widget.draw(form.state)
    assert len(set(_instances) - before) <= 40
    smaller = form.state.form.with_choice(model="ERNIE-Lite-8K-0704", after="train")
    widget.draw(replace(form.state, form=smaller))
    for part in (*widget.root.children, widget.root):
        part.close()
        part.layout.close()
    widget.close()
    assert not set(_instances) - before


def test_an_issue_is_shown_in_the_label_and_the_form_cannot_be_launched(live):
    field(live, "epoch").value = "99"
    assert "it is 1 to 50" in field(live, "epoch").description
    assert field(live, "Launch").disabled
    live.press("launch")
    assert live.state.stage == "editing"
    field(live, "epoch").value = "2"
    assert not field(live, "Launch").disabled


def test_the_same_field_stays_the_same_widget(live):
    before = field(live, "model</b>"), field(live, "epoch")
    field(live, "scale").value = "FullFineTuning"
    assert (field(live, "model</b>"), field(live, "epoch")) == before
    assert field(live, "learning_rate").value == "3e-05"
    assert "lora_rank" not in descriptions(live)


def test_fields_of_later_steps_appear_when_the_step_is_chosen(live):
    field(live, "afterwards").value = "deploy"
    assert isinstance(field(live, "endpoint suffix"), ipywidgets.Text)
    field(live, "afterwards").value = "train"
    assert "endpoint suffix" not in descriptions(live)


def test_choices_are_dropdowns_and_several_choices_a_list(live):
    assert [*field(live, "max_seq_len").options] == [("4096", 4096), ("8192", 8192)]
    live.choose("model", "CodeLlama-7B")
    live.choose("scale", "LoRA")
    modules = field(live, "lora_target_modules")
    assert modules.value == ("self_attn.q_proj", "self_attn.v_proj")
    modules.value = ("mlp.up_proj",)
    assert live.state.form.draft.values["loraTargetModules"] == ["mlp.up_proj"]


def test_a_launch_takes_a_second_click_and_a_double_click_is_one(live, monkeypatch):
    button = field(live, "Launch")
    button.click()
    assert "确认启动" in button.description
    button.click()
    assert live.state.stage == "confirming"
    monkeypatch.setattr(launcher, "DOUBLE_CLICK_S", 0.0)
    button.click()
    assert live.state.stage == "launching"
    assert button.disabled
    until(lambda: live.launched == [live.trainer])
    assert live.trainer.train_type == "ERNIE-Speed-8K"
    until(lambda: live.widget is None)


def test_a_change_takes_the_first_click_back(live):
    field(live, "Launch").click()
    field(live, "epoch").value = "2"
    assert live.state.stage == "editing"
    assert not field(live, "启动训练 Launch").disabled


def test_a_launch_that_is_refused_keeps_the_form(live, monkeypatch, tmp_path):
    data = tmp_path / "pairs.jsonl"
    PAIRS.save(data)
    live.choose("dataset", str(data))
    until(lambda: not live.state.form.issues)
    data.unlink()
    monkeypatch.setattr(launcher, "DOUBLE_CLICK_S", -1.0)
    live.press("launch")
    live.press("launch")
    until(lambda: "could not be started" in texts(live))
    assert live.state.stage == "editing"
    assert live.trainer is None


def test_what_is_chosen_before_the_fields_are_there_stays_and_the_others_have_their_defaults(sandbox, monkeypatch):
    monkeypatch.setenv("QFNB_DISPLAY", "live")
    form = Launcher("ds", list_datasets=lambda: {"ds": PAIRS})
    form.choose("model", "ERNIE-4.5-Turbo-128K")
    form.choose("epoch", "7")
    form.show()
    until(lambda: form.state.stage == "editing")
    values = form.state.form.draft.values
    assert (values["epoch"], values["maxSeqLen"], values["earlyStopping"]) == ("7", 4096, False)
    form.close()


def test_a_choice_without_a_value_is_shown_as_blank(live):
    live.choose("model", "ERNIE-4.5-Turbo-128K")
    live.choose("maxSeqLen", "")
    fields = {row.name: row for row in list_fields(live.state)}
    assert fields["maxSeqLen"].choices[0] == ("—", "")
    assert fields["earlyStopping"].choices[0] != ("—", "")


def test_load_before_the_fields_are_there_is_a_message(monkeypatch):
    monkeypatch.setenv("QFNB_DISPLAY", "live")
    form = Launcher("ds", list_datasets=lambda: {"ds": PAIRS})
    monkeypatch.setattr(form, "_run_in_background", lambda task: None)  # the choices do not arrive
    form.show()
    for button in ("load", "save"):
        form.press(button)
        assert "has not loaded its fields yet" in form.state.message
    form.close()


def test_a_platform_that_does_not_answer_is_reported_and_asked_again(sandbox, monkeypatch):
    now = config.get_config()
    now.platform, now.access_key, now.secret_key = "qianfan", "ALTAKxxxx", "0123456789abcdef"
    now.console_api_base_url = "http://127.0.0.1:9"
    now.console_api_retry_count = 0
    monkeypatch.setenv("QFNB_DISPLAY", "live")
    monkeypatch.setattr(display, "REDRAW_S", 0.0)
    form = Launcher("ds", list_datasets=lambda: {"ds": PAIRS})
    form.show()
    until(lambda: "gives no answer" in texts(form))
    assert form.state.stage == "unavailable"
    assert "Try again" in descriptions(form)
    config.get_config()._overrides.clear()
    form.press("launch")
    until(lambda: form.state.stage == "editing")
    form.close()


def test_with_an_api_key_alone_the_message_names_the_keys_that_are_needed(form):
    now = config.get_config()
    now.platform, now.api_key = "qianfan", "bce-v3/ALTAK-test/canary0123456789"
    form.show()
    assert "QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY" in form.state.message
    assert "canary" not in render.html(form.state)


def test_the_cell_is_inserted_into_the_notebook(live):
    field(live, "Insert").click()
    assert "LLMFinetune(" in live.cells[0]
    assert "next cell that runs" in texts(live)


def test_a_configuration_is_saved_and_loaded_into_the_fields(live):
    field(live, "epoch").value = "5"
    field(live, "configuration").value = "five"
    field(live, "Save").click()
    field(live, "epoch").value = "6"
    field(live, "Load").click()
    assert field(live, "epoch").value == "5"
    assert "five" in field(live, "configuration").options


def test_a_configuration_with_an_invalid_name_is_reported(live):
    field(live, "configuration").value = "../etc"
    field(live, "Load").click()
    assert "is not a valid name" in texts(live)


def test_a_configuration_with_values_of_any_kind_draws(live):
    drafts.save("odd", Draft(model="ERNIE-Speed-8K", values={"epoch": [1], "maxSeqLen": {}, "zz": None}))
    field(live, "configuration").value = "odd"
    field(live, "Load").click()
    assert field(live, "Launch").disabled
    assert "not of this model: zz" in texts(live)


def test_each_hyper_parameter_has_a_field_however_many_there_are(form):
    chosen = form.state.form.with_choice(model="CodeLlama-7B").with_choice(scale="LoRA")
    rows = chosen.parameters
    rows[-1:-1] = [rows[-2].model_copy(update={"key": f"extra{n}"}) for n in range(3)]
    names = [field.name for field in list_fields(replace(form.state, form=chosen))]
    assert {"extra0", "extra1", "extra2", "loraTargetModules"} <= set(names)


def test_in_a_terminal_the_form_is_text(form, monkeypatch, capsys):
    monkeypatch.setenv("QFNB_DISPLAY", "text")
    form.show()
    assert "LLMFinetune(" in capsys.readouterr().out
