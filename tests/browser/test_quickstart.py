"""The quickstart in JupyterLab: everything moves while it runs, and everything is still there
afterwards.
"""

import json

import pytest
from support.jupyterlab import Notebook
from support.user_state import forget_records
from support.waiting import until

pytestmark = pytest.mark.browser

# Code cells of notebooks/00_quickstart.ipynb, by what they do.
CHAT = 1
START = 5
BUSY = 6
WAIT = 7
RESULT = 10
TUNED = 12
IMAGE = 14
BUSY_CODE = (
    "import time\nfrom pathlib import Path\nwhile not Path('watched').exists(): time.sleep(0.1)"
)


@pytest.fixture
def quickstart(lab):
    """The notebook without outputs, with a cell that keeps the kernel busy during the training."""
    (lab.folder / "watched").unlink(missing_ok=True)  # of a first try
    forget_records()
    path = lab.folder / "00_quickstart.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        cell["outputs"] = []
        cell["execution_count"] = None
    code[BUSY]["source"] = BUSY_CODE
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path.name


def test_the_quickstart_runs_live_and_is_complete_when_opened_again(page, lab, quickstart):
    notebook = Notebook(page, lab, quickstart)
    notebook.run_all()

    panel = notebook.output(START)
    panel.locator("progress").wait_for()
    states = set()
    until(lambda: states.add(panel.inner_text()) or len(states) > 2)
    assert notebook.prompt(BUSY) == "[*]:"
    panel.get_by_role("button", name="Stop").wait_for(state="visible")
    (lab.folder / "watched").touch()

    notebook.idle()
    assert_complete(notebook)
    notebook.save()
    widgets = json.loads(notebook.path.read_text(encoding="utf-8"))["metadata"].get("widgets", {})
    assert not widgets

    lab.theme("JupyterLab Dark")
    again = Notebook(page, lab, quickstart)
    again.restart()
    assert_complete(again)


def assert_complete(notebook):
    """Everything that the notebook is to show is there."""
    text = notebook.page.locator(".jp-Notebook").inner_text()
    assert "Error displaying widget" not in text
    assert "Traceback" not in text
    assert "不是文心一言" in notebook.output(CHAT).inner_text()
    panel = notebook.output(START)
    assert "Deployed" in panel.inner_text()
    assert panel.get_by_role("img", name="Loss over").count() == 1
    assert panel.get_by_role("button").count() == 0
    assert notebook.output(RESULT).locator("svg[aria-label*='tuned']").count() > 1
    assert "tuned is better than base" in notebook.output(RESULT).inner_text()
    assert "十八元" in notebook.output(TUNED).inner_text()
    assert notebook.output(IMAGE).locator("img").evaluate("i => i.naturalWidth") == 768
