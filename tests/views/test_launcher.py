"""The launch form as text, as inert HTML, and as at most forty widget models that show what is
wrong.
"""

from dataclasses import replace
from html import unescape

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances
from support.attacks import ATTACKS
from support.strict_html import assert_only
from support.waiting import until

from qfnb import Dataset, config
from qfnb.trainer.form.code_estimate import create_trainer
from qfnb.views import display
from qfnb.views.launcher import launcher, render
from qfnb.views.launcher.fields import FOLDS, list_fields
from qfnb.views.launcher.launcher import Launcher
from qfnb.views.launcher.widget import LauncherWidget

PAIRS = Dataset([{"prompt": f"问 {n}", "response": "答"} for n in range(8)])
ATTRIBUTES = {"scope", "role", "class", "lang", "aria-label", "title", "aria-hidden", "open"}
TAGS = {
    "style", "section", "header", "h3", "footer", "details", "summary", "small", "code", "dl", "dt", "dd",
    "div", "b", "span", "table", "caption", "thead", "tbody", "tr", "th", "td", "pre",
}  # fmt: skip


@pytest.fixture
def form(sandbox):
    """A launcher that has loaded its choices and inspected its data."""
    return shown(Launcher("ds", list_variables=lambda: {"ds": PAIRS}))


def shown(launcher):
    """Show a form where outputs cannot move: it then has loaded its choices."""
    launcher.show()
    return launcher


@pytest.fixture
def live(sandbox, monkeypatch):
    """A form that is shown live and draws at once, with everything unfolded; closed at the end."""
    monkeypatch.setenv("QFNB_DISPLAY", "live")
    monkeypatch.setattr(display, "REDRAW_S", 0.0)
    cells = []
    launched = []
    variables = {"ds": PAIRS}
    launcher = Launcher(
        "ds",
        list_variables=lambda: variables,
        insert_cell=cells.append,
        keep=variables.__setitem__,
        on_launch=launched.append,
    )
    launcher.cells = cells
    launcher.launched = launched
    launcher.variables = variables
    launcher.show()
    until(lambda: launcher.state.stage == "editing" and not launcher.state.has_issues)
    for key in FOLDS:
        launcher.press(key)
    until(lambda: "epoch" in descriptions(launcher))
    yield launcher
    launcher.close()
    for trainer in launched:
        trainer.stop().wait(180)


def parts(widget):
    """Return a widget and everything within it."""
    return [widget, *(part for child in getattr(widget, "children", ()) for part in parts(child))]


def field(launcher, words):
    return next(
        part for part in parts(launcher.widget.root) if words in getattr(part, "description", "")
    )


def texts(launcher):
    """Return the texts of the form outside of its fields."""
    return "".join(
        part.value for part in parts(launcher.widget.root) if isinstance(part, ipywidgets.HTML)
    )


def descriptions(launcher):
    return "".join(getattr(part, "description", "") for part in parts(launcher.widget.root))


def test_a_static_form_shows_the_values_the_estimate_and_the_same_as_python(form):
    bundle = render.bundle(form.state)
    for words in ("ERNIE-4.5-Turbo-128K", "SFT · LoRA", "Local sandbox", "Training steps"):
        assert words in bundle["text/html"]
        assert words in bundle["text/plain"]
    assert "TrainConfig(" in bundle["text/plain"]


@pytest.mark.parametrize("from_sandbox", [True, False])
def test_a_service_has_a_name_in_the_form_and_hours_only_where_they_are_paid(form, from_sandbox):
    choice = replace(form.state.form.with_choice(after="deploy"), from_sandbox=from_sandbox)
    shown_names = {field.name for field in list_fields(choice) if not field.is_advanced}
    assert "suffix" in shown_names
    assert ("hours" in shown_names) is not from_sandbox


def test_data_are_looked_up_again_when_their_file_is_corrected(sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "FILE_POLL_S", 0.01)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "1 + 1?", "response": ""}\n' * 24, encoding="utf-8")
    monkeypatch.setenv("QFNB_DISPLAY", "live")
    opened = Launcher(str(path), list_variables=dict)
    opened.show()
    until(lambda: opened.state.stage == "editing" and opened.state.has_issues)
    path.write_text('{"prompt": "1 + 1?", "response": "2"}\n' * 24, encoding="utf-8")
    until(lambda: not opened.state.has_issues)
    opened.close()


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_texts_are_inert_in_every_field(form, attack):
    row = form.state.form.supported_models[0].model_copy(deep=True)
    row.model = attack
    parameter = (
        row.support_train_mode[0].support_parameter_scale[0].support_hyper_parameter_config[0]
    )
    parameter.name = parameter.description = parameter.key = attack
    names = dict.fromkeys(
        ("model", "dataset", "name", "model_name", "suffix", "eval_dataset"), attack
    )
    hostile = replace(form.state.form, supported_models=(row,)).with_choice(
        **names, after="evaluate", scale="FullFineTuning"
    )
    state = replace(form.state, form=hostile, message=attack)
    labels = "".join(render.label(field) for field in list_fields(hostile))
    shown = [draw(state) for draw in (render.status, render.preview, render.python_code)]
    shown.append(render.bundle(state)["text/html"])
    assert_only("".join(shown) + labels, TAGS, ATTRIBUTES)
    assert not set(render.bundle(state)["text/plain"]) & set("\x1b\x00\u202e")


def test_a_form_opens_with_at_most_fifty_models_and_leaves_none(form):
    before = set(_instances)
    widget = LauncherWidget(form.choose, form.press)
    widget.draw(form.state)
    assert len(set(_instances) - before) <= 50
    chosen = form.state.form.with_choice(model="CodeLlama-7B", after="evaluate").with_choice(
        method="SFT LoRA"
    )
    widget.draw(replace(form.state, form=chosen, unfolded=frozenset(FOLDS), dialog="load"))
    assert len(set(_instances) - before) <= 75
    widget.draw(
        replace(form.state, form=chosen.with_choice(model="ERNIE-Lite-8K-0704", after="train"))
    )
    widget.close()
    display.close_widget(widget.root)
    assert not set(_instances) - before


def test_an_issue_is_shown_at_its_field_and_corrected_by_a_button(live):
    field(live, "epoch").value = "0"
    assert "0 is too small: 1 to 50 is allowed." in field(live, "epoch").description
    assert "To correct first: Epochs." in texts(live)
    assert field(live, "Start training").disabled
    live.press("launch")
    assert live.state.stage == "editing"
    field(live, "Epochs: Use 3").click()
    assert field(live, "epoch").value == ""
    assert not field(live, "Start training").disabled


def test_an_empty_form_says_what_a_row_is_and_writes_and_chooses_the_sample(
    live, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    live.choose("dataset", "")
    assert "qf-err" not in descriptions(live)
    assert "Still to choose: Training data." in texts(live)
    assert 'A row: {"prompt": "...", "response": "..."}' in unescape(descriptions(live))
    field(live, "Try it with teahouse, 800 rows").click()
    until(lambda: not live.state.has_issues)
    assert field(live, "Training data").value == "teahouse_train.jsonl"
    assert live.state.form.datasets["teahouse_train.jsonl"].rows == 800
    assert "Try it" not in [getattr(part, "description", "") for part in parts(live.widget.root)]


def test_the_same_field_stays_the_same_widget(live):
    before = field(live, "Base model"), field(live, "epoch")
    field(live, "Method").value = "SFT FullFineTuning"
    assert (field(live, "Base model"), field(live, "epoch")) == before
    assert field(live, "learning_rate").placeholder == "0.00003"
    assert "lora_rank" not in descriptions(live)


def test_choices_are_dropdowns_and_several_choices_a_list(live):
    assert [*field(live, "max_seq_len").options][:3] == [
        ("default: 4096", ""),
        ("512", 512),
        ("1024", 1024),
    ]
    live.choose("model", "CodeLlama-7B")
    assert field(live, "Base model").value == "CodeLlama-7B"
    live.choose("scale", "LoRA")
    modules = field(live, "lora_target_modules")
    assert modules.value == ("self_attn.q_proj", "self_attn.v_proj")
    modules.value = ("mlp.up_proj",)
    assert live.state.form.draft.values["loraTargetModules"] == ["mlp.up_proj"]


def test_a_launch_takes_a_second_click_and_a_double_click_is_one(live, monkeypatch):
    field(live, "Variable").value = "tuned"
    button = field(live, "Start training")
    button.click()
    assert button.description == "Confirm: start, free in the sandbox"
    button.click()
    assert live.state.stage == "confirming"
    monkeypatch.setattr(launcher, "DOUBLE_CLICK_S", 0.0)
    button.click()
    assert live.state.stage == "launching"
    assert button.disabled
    until(lambda: live.launched == [live.trainer])
    assert live.variables["tuned"] is live.trainer
    until(lambda: live.widget is None)


def test_the_confirmation_names_the_run_that_would_be_repeated(live):
    trainer = create_trainer(live.state.form).run()
    live.press("launch")
    until(lambda: f"{trainer.id} has the same data, model and settings" in texts(live))
    live.press("insert")
    live.choose("epoch", "2")
    live.press("launch")
    assert trainer.id not in texts(live)


def test_a_launch_that_is_refused_keeps_the_form(live, monkeypatch, tmp_path):
    data = tmp_path / "pairs.jsonl"
    PAIRS.save(data)
    live.choose("dataset", str(data))
    until(lambda: not live.state.has_issues)
    data.unlink()
    monkeypatch.setattr(launcher, "DOUBLE_CLICK_S", -1.0)
    live.press("launch")
    live.press("launch")
    until(lambda: "could not be started" in texts(live))
    assert live.state.stage == "editing"
    assert live.trainer is None


def test_a_platform_that_does_not_answer_is_reported_and_asked_again(sandbox, monkeypatch):
    now = config.get_config()
    now.platform = "qianfan"
    now.access_key = "ALTAKxxxx"
    now.secret_key = "0123456789abcdef"
    now.console_api_base_url = "http://127.0.0.1:9"
    now.console_api_retry_count = 0
    monkeypatch.setenv("QFNB_DISPLAY", "live")
    monkeypatch.setattr(display, "REDRAW_S", 0.0)
    form = Launcher("ds", list_variables=lambda: {"ds": PAIRS})
    form.show()
    until(lambda: "gives no answer" in texts(form))
    assert form.state.stage == "unavailable"
    assert "Try again" in descriptions(form)
    config.get_config()._overrides.clear()
    form.press("launch")
    until(lambda: form.state.stage == "editing")
    form.close()


def test_the_cell_is_inserted_into_the_notebook(live):
    field(live, "Insert").click()
    assert "LLMFinetune(" in live.cells[0]
    assert "next cell that runs" in texts(live)


def test_a_configuration_is_saved_and_loaded_into_the_fields(live):
    field(live, "epoch").value = "5"
    field(live, "Save settings").click()
    field(live, "Name of the settings").value = "five"
    live.press("dialog")
    assert "Saved: five" in texts(live)
    field(live, "epoch").value = "6"
    field(live, "Load settings").click()
    assert "five" in field(live, "Name of the settings").options
    field(live, "Name of the settings").value = "five"
    live.press("dialog")
    assert field(live, "epoch").value == "5"
    assert "Name of the settings" not in descriptions(live)
