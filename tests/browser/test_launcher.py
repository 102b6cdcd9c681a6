"""The form of `%qftrain` in JupyterLab: filled in and launched without a mouse, readable aloud and
in both themes.
"""

import re

import pytest
from playwright.sync_api import expect
from support.jupyterlab import Notebook, cut_focus_rings

pytestmark = pytest.mark.browser

START = """%load_ext qfnb
from qfnb import Dataset
from qfnb.views.launcher import launcher
launcher.DOUBLE_CLICK_S = 0.0
ds = Dataset.load('data/teahouse_train.jsonl').head(96)"""
FOCUSED = """() => {
  const at = document.activeElement, label = at.labels?.[0]?.querySelector(".qf-label")
  return label ? label.innerText : at.tagName == "BUTTON" ? at.innerText : ""
}"""
LEARNING_RATE = re.compile("^Learning rate(?! schedule)")
CONTROL = re.compile(r"^\s*- (textbox|combobox|listbox|button)(.*)$", re.MULTILINE)


def open_form(page, lab, name, *cells):
    """Run all cells; return the notebook and the form below the second."""
    notebook = Notebook(page, lab, lab.write(name, START, *cells))
    notebook.run_all()
    form = notebook.output(1)
    form.get_by_text("Training steps", exact=True).first.wait_for()
    form.get_by_role("button", name="Start training").wait_for()
    return notebook, form


def tab_to(page, words, key="Tab", limit=60):
    """Press Tab until what has the focus says some words."""
    for _ in range(limit):
        if words in page.evaluate(FOCUSED):
            return
        page.keyboard.press(key)
    raise AssertionError(f"no tab stop says {words!r}")


def type_into(page, words, text):
    tab_to(page, words)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def test_a_training_is_launched_by_keyboard_alone_drop_downs_included(page, lab):
    _, form = open_form(page, lab, "launch.ipynb", "%qftrain new ds -o tuned", "3 + 4")
    tab_to(page, "Method")
    page.keyboard.press("ArrowUp")
    expect(form.get_by_text("learns from questions and answers; all weights")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(form.get_by_text("learns from questions and answers; few weights")).to_be_visible()
    page.keyboard.press("x")  # which cuts the cell of what else has the focus
    tab_to(page, "Advanced settings")
    page.keyboard.press("x")
    page.keyboard.press("Enter")
    type_into(page, "Epochs", "0")
    expect(form.get_by_text("0 is too small: 1 to 50 is allowed.")).to_be_visible()
    assert cut_focus_rings(form) == []
    tab_to(page, "Use 3")
    page.keyboard.press("Enter")
    expect(form.get_by_label("Epochs")).to_have_value("")
    expect(form.get_by_text("Use 3")).to_have_count(0)  # now the form has been drawn anew
    tab_to(page, "Epochs", key="Shift+Tab")
    page.keyboard.type("4")
    expect(form.get_by_text("77 × 4 ÷ 16")).to_be_visible()
    tab_to(page, "Start training")
    page.keyboard.press("Enter")
    expect(form.get_by_role("button", name="Back to the form")).to_be_focused()  # the safe one
    tab_to(page, "Confirm: start, free in the sandbox", key="Shift+Tab")
    page.keyboard.press("Enter")
    form.locator("progress").wait_for()
    assert form.get_by_label("Epochs").count() == 0
    expect(page.locator(".jp-CodeCell")).to_have_count(3)


def test_where_the_front_end_of_anywidget_is_missing_the_form_works_all_the_same(browser, lab):
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.route("**/anywidget/**", lambda route: route.abort())
    lab.load(page)
    try:
        _, form = open_form(page, lab, "without.ipynb", "%qftrain new ds")
        type_into(page, "Job name", "teahouse")
        form.get_by_label("Method").select_option("SFT · full")
        tab_to(page, "Start training")
        page.keyboard.press("Enter")
        form.get_by_role("button", name="Confirm").click()
        form.locator("progress").wait_for()
        assert form.get_by_text("Error").count() == 0
    finally:
        lab.tidy_up(page)
        page.context.close()


@pytest.mark.fault("F67")
def test_after_a_reload_the_form_still_launches_and_the_panel_takes_its_place(page, lab):
    notebook, form = open_form(page, lab, "reload.ipynb", "import qfnb; qfnb.launcher(ds)")
    form.get_by_role("button", name="Advanced settings").click()
    notebook.save()
    notebook.reload()
    form = notebook.output(1)
    form.get_by_label("Epochs").fill("30")
    form.get_by_text("77 × 30 ÷ 16").first.wait_for()
    form.get_by_role("button", name="Start training").click()
    form.get_by_role("button", name="Confirm").click()
    form.get_by_role("button", name="Stop").wait_for()
    assert form.get_by_label("Epochs").count() == 0
