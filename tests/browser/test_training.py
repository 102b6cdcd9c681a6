"""`%qftrain` in JupyterLab: the panel moves and obeys while another cell is busy, and no reload
loses it.
"""

import re

import pytest
from playwright.sync_api import expect
from support.jupyterlab import Notebook, cut_focus_rings
from support.waiting import until

pytestmark = pytest.mark.browser

LOAD = "%load_ext qfnb\nimport time"
START = "%qftrain start -d data/teahouse_train.jsonl --epoch EPOCHS -o trainer --again"
BUSY = "from pathlib import Path\nwhile not Path('enough').exists(): time.sleep(0.2)"


def write_notebook(lab, name, epochs, *cells):
    return lab.write(name, LOAD, START.replace("EPOCHS", str(epochs)), *cells)


def percent(panel):
    match = re.search(r"(\d+)%", panel.inner_text())
    return int(match.group(1)) if match else 0


def run_one(notebook, page, number):
    notebook.cell(number).click()
    page.keyboard.press("Control+Enter")


def test_the_panel_moves_and_obeys_while_another_cell_is_busy(page, lab):
    notebook = Notebook(page, lab, write_notebook(lab, "training.ipynb", 50, BUSY))
    notebook.run_all()
    panel = notebook.output(1)
    panel.locator("svg").first.wait_for()
    percents = set()
    until(lambda: percents.add(percent(panel)) or len(percents) > 2)
    assert notebook.prompt(2) == "[*]:"

    panel.get_by_role("button", name="Show details").click()
    panel.get_by_text("Perplexity").first.wait_for()
    panel.get_by_role("button", name="Stop training…").click()
    panel.get_by_role("button", name="Keep training").click()
    panel.get_by_role("button", name="Stop training…").press("Enter")
    expect(panel.get_by_role("button", name="Keep training")).to_be_focused()
    assert cut_focus_rings(panel) == []
    panel.get_by_text("Stop this training?").first.wait_for()
    panel.get_by_role("button", name="Stop it").press("Enter")
    panel.get_by_role("status").filter(has_text="Stopped").wait_for()
    assert notebook.prompt(2) == "[*]:", "it obeyed only when the other cell was over"
    (lab.folder / "enough").touch()
    until(lambda: panel.get_by_role("button").count() == 0)


@pytest.mark.fault("F67")
def test_a_reload_of_the_page_and_a_restart_of_the_kernel_lose_nothing(page, lab):
    lab.theme("JupyterLab Dark")
    attach = "%load_ext qfnb\nfrom qfnb import LLMFinetune\nrun = LLMFinetune.list_runs()[0]['id']"
    show = "get_ipython().run_line_magic('qftrain', f'attach {run} -o again')"
    notebook = Notebook(page, lab, write_notebook(lab, "reload.ipynb", 50, attach, show))
    for number in (0, 1):
        run_one(notebook, page, number)
    panel = notebook.output(1)
    panel.locator("svg").first.wait_for()
    notebook.save()
    notebook.reload()
    panel.locator("svg").first.wait_for()
    before = percent(panel)
    until(lambda: percent(panel) > before)

    notebook.restart()
    for number in (2, 3):
        run_one(notebook, page, number)
    panel = notebook.output(3)
    panel.locator("svg").first.wait_for()
    until(lambda: percent(panel) >= before)
    panel.get_by_role("button", name="Show details").click()
    panel.get_by_text("onto the platform").first.wait_for()


@pytest.mark.fault("F67")
def test_a_page_that_was_reloaded_sees_the_end(page, lab):
    notebook = Notebook(page, lab, write_notebook(lab, "seen.ipynb", 3))
    for number in (0, 1):
        run_one(notebook, page, number)
    panel = notebook.output(1)
    panel.locator("svg").first.wait_for()
    notebook.save()
    notebook.reload()
    panel.get_by_role("status").filter(has_text="Published").wait_for()
    until(lambda: panel.get_by_role("button").count() == 0)
    assert panel.get_by_role("img", name="Loss over").count() == 1
    notebook.reload()
    expect(panel.get_by_role("status").filter(has_text="Published")).to_be_visible()
