"""`%qfbatch` in JupyterLab: the panel moves and obeys while another cell is busy, and a restart
loses nothing.
"""

import re
import time

import pytest
from support.jupyterlab import Notebook, cut_focus_rings
from support.waiting import until

pytestmark = pytest.mark.browser

DATA = (
    "%load_ext qfnb\nimport pandas as pd, time\n"
    "df = pd.DataFrame({'review': [f'第 {n} 条评论：服务很好' for n in range(ROWS)]})"
)
START = '%qfbatch df --prompt "判断情感：{review}" -m ERNIE-Speed-8K -w 4 -o result'
BUSY = "began = time.time()\nwhile time.time() - began < 60: time.sleep(0.2)"


@pytest.fixture
def slow(control, fault):
    """Every answer takes a while."""
    fault("chat.v2", "slow", seconds=0.05, times=None)
    yield
    control.delete("/_sandbox/faults").raise_for_status()


def write_notebook(lab, name, rows, *cells):
    return lab.write(name, DATA.replace("ROWS", str(rows)), *cells)


def number(panel, pattern):
    match = re.search(pattern, panel.inner_text())
    return int(match.group(1).replace(",", "")) if match else 0


def finished_rows(panel):
    return number(panel, r"([\d,]+) / [\d,]+ rows")


def test_the_panel_moves_and_obeys_while_another_cell_is_busy(page, lab, slow):
    notebook = Notebook(page, lab, write_notebook(lab, "batch.ipynb", 2000, START, BUSY))
    notebook.run_all()
    panel = notebook.output(1)
    panel.locator("progress").wait_for()
    counts = set()
    until(lambda: counts.add(finished_rows(panel)) or len(counts) > 5)
    assert notebook.prompt(2) == "[*]:"

    assert cut_focus_rings(panel) == []
    panel.get_by_role("button", name="Pause").click()
    panel.get_by_text("Paused").first.wait_for()
    time.sleep(0.5)
    before = finished_rows(panel)
    time.sleep(0.6)
    assert finished_rows(panel) == before
    panel.get_by_role("button", name="Resume").press("Enter")
    until(lambda: finished_rows(panel) > before)

    panel.get_by_role("slider").press("ArrowRight")
    panel.get_by_text("of 5 at once").first.wait_for()

    panel.get_by_role("button", name="Cancel").click()
    panel.get_by_text("Cancelled").first.wait_for()
    assert notebook.prompt(2) == "[*]:", "it obeyed only when the other cell was over"
    assert panel.get_by_role("button").count() == 0
    assert 0 < finished_rows(panel) < 2000
