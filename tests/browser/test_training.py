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
NARROW = {"width": 560, "height": 900}


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
    page.set_viewport_size(NARROW)


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


PREFERENCES = """\
import json
before, after = ("", "请问", "你好，", "想问"), ("", "？", "呢")
polite = {"几点开门": "早上九点开门，欢迎光临。", "在哪里": "我们在河边路三号，欢迎您来。", "多少钱": "每人二十元，含一壶茶。"}
blunt = {"几点开门": "九点。", "在哪里": "河边路。", "多少钱": "二十。"}
rows = [(f"{b}{ask}{a}", ask) for ask in polite for b in before for a in after]
rows = [{"prompt": prompt, "chosen": polite[ask], "rejected": blunt[ask]} for prompt, ask in rows]
for row in rows[4::5]:  # the held-out rows prefer the opposite: what is best is early
    row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
open("preferences.jsonl", "w").write("\\n".join(map(json.dumps, rows)))"""


def test_the_star_publishes_the_best_checkpoint_with_the_keyboard(page, lab):
    start = (
        "%qftrain start -d preferences.jsonl --mode DPO --epoch 3 -o trainer "
        "--again\ntrainer.wait()"
    )
    name = lab.write("star.ipynb", LOAD, PREFERENCES, start, "%qftrain show trainer")
    notebook = Notebook(page, lab, name)
    for number in range(4):
        run_one(notebook, page, number)
    panel = notebook.output(3)
    star = panel.get_by_role("button", name="★")
    star.wait_for()
    assert "Reward margin" in panel.inner_text()
    panel.locator("summary", has_text="Points of the curve").click()
    panel.get_by_role("rowheader", name="★").wait_for()
    star.focus()
    page.keyboard.press("Enter")
    until(lambda: "Published" in panel.get_by_role("status").inner_text() and star.count() == 0)
