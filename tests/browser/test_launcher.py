"""The form of `%qftrain` in JupyterLab: filled in and launched without a mouse, readable in both themes."""

import time

import pytest
from support.jupyterlab import Notebook

pytestmark = pytest.mark.browser

START = "%load_ext qfnb\nfrom qfnb import Dataset\nds = Dataset.load('data/teahouse_train.jsonl').head(96)"
FOCUSED = """() => {
  const at = document.activeElement, label = at.id && document.querySelector(`label[for="${at.id}"]`)
  return label ? label.innerText : at.tagName == "BUTTON" ? at.innerText : ""
}"""


def open_form(page, lab, name, *cells):
    """Run all cells; return the notebook and the form below the second."""
    notebook = Notebook(page, lab, lab.write(name, START, *cells))
    notebook.run_all()
    form = notebook.output(1)
    form.get_by_label("learning_rate").wait_for(timeout=60_000)
    form.get_by_text("等价的 Python 单元格").wait_for(timeout=60_000)
    return notebook, form


def tab_to(page, words, limit=60):
    """Press Tab until what has the focus says some words."""
    for _ in range(limit):
        if words in page.evaluate(FOCUSED):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no tab stop says {words!r}")


def type_into(page, words, text):
    tab_to(page, words)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def test_a_training_is_launched_without_a_mouse_and_gets_to_its_end(page, lab):
    notebook, form = open_form(page, lab, "launch.ipynb", "%qftrain new ds -o trainer")
    type_into(page, "epoch", "99")
    form.get_by_text("it is 1 to 50").first.wait_for(timeout=60_000)
    form.locator("button:disabled", has_text="Launch").wait_for(timeout=60_000)
    notebook.screenshot("launcher-wrong-light", at=form)
    type_into(page, "epoch", "4")
    form.get_by_text("steps: 77").wait_for(timeout=60_000)
    tab_to(page, "启动训练 Launch")
    page.keyboard.press("Enter")
    form.get_by_text("确认启动").wait_for(timeout=60_000)
    time.sleep(0.5)
    page.keyboard.press("Enter")
    form.get_by_label("learning_rate").wait_for(state="detached", timeout=60_000)
    form.locator("progress").wait_for(timeout=60_000)
    notebook.screenshot("launcher-launched-light", at=form)
    form.get_by_text("ModelPublished").first.wait_for(timeout=60_000)
    assert form.locator("img[alt*='loss curve']").count() == 1


def test_what_is_wrong_is_said_beside_its_field_also_in_the_dark_and_when_it_is_narrow(page, lab):
    lab.theme("JupyterLab Dark")
    notebook, form = open_form(page, lab, "wrong.ipynb", "%qftrain new ds")
    form.get_by_label("train mode").select_option("PostPretrain")
    form.get_by_text("数据类型不符").first.wait_for(timeout=60_000)
    form.get_by_label("train mode").select_option("SFT")
    form.get_by_label("afterwards").select_option("发布并部署 publish and deploy")
    form.get_by_label("endpoint suffix").fill("No Spaces")
    form.get_by_label("learning_rate").fill("很大")
    form.get_by_text("须为数字").first.wait_for(timeout=60_000)
    form.get_by_text("lower-case letters").first.wait_for(timeout=60_000)
    notebook.screenshot("launcher-wrong-dark", at=form)
    page.set_viewport_size({"width": 620, "height": 1400})
    notebook.screenshot("launcher-narrow-dark", at=form)
    form.get_by_role("button", name="Close").click()
    form.locator("input").first.wait_for(state="detached", timeout=60_000)
    form.get_by_text("须为数字").first.wait_for(timeout=60_000)
    assert form.get_by_role("button").count() == 0


@pytest.mark.fault("F67")
def test_after_a_reload_the_form_still_launches_and_the_panel_takes_its_place(page, lab):
    notebook, form = open_form(page, lab, "reload.ipynb", "import qfnb; qfnb.launcher(ds)")
    notebook.save()
    page.reload()
    form = notebook.output(1)
    form.get_by_label("epoch").fill("30", timeout=60_000)
    form.get_by_text("steps: 578").wait_for(timeout=60_000)
    form.get_by_role("button", name="Launch").click()
    form.get_by_role("button", name="Confirm").click(delay=500)
    form.get_by_role("button", name="Stop").wait_for(timeout=60_000)
    assert form.get_by_label("epoch").count() == 0
    notebook.screenshot("launcher-reloaded-light", at=form)
