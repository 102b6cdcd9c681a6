"""What an evaluation shows in JupyterLab: samples by keyboard. test_evaluate_kernel.py has its
panel.
"""

import time

import pytest
from support.jupyterlab import Notebook, cut_focus_rings

pytestmark = pytest.mark.browser

ANSWERS = """\
%load_ext qfnb
import qfnb
from qfnb import EvaluationManager
from qfnb.evaluation import RougeLEvaluator
hostile = "<img src=x onerror=window.__hit=1><script>window.__hit=1</script>"
rows = [
    {"prompt": f"第 {n} 问：几点开门？", "response": "早上九点开门，晚上十点关门。", "基座": "早上九点开门，晚上十点关门。",
     "微调": "早上九点开门，晚上十点关门。" if n % 3 else f"早上八点开门，晚上{n}点关门。{hostile}"}
    for n in range(60)
]
rows[4]["微调"] = None
report = EvaluationManager(local_evaluators=[RougeLEvaluator()]).eval_only(rows, output_column=["基座", "微调"])
view = qfnb.browse(report)
"""


def test_samples_are_filtered_searched_and_picked_by_keyboard_and_closed_into_a_page(page, lab):
    lab.theme("JupyterLab Dark")
    name = lab.write("samples.ipynb", ANSWERS, "view", "print(view.rows)", "view.close()")
    notebook = Notebook(page, lab, name)
    for number in (0, 1):
        notebook.cell(number).click()
        page.keyboard.press("Control+Enter")
        notebook.idle()
    view = notebook.output(1)
    view.get_by_label("Show").wait_for()
    view.get_by_text("Questions 1–10 of 60").first.wait_for()

    view.get_by_label("Show").focus()
    for key in ("ArrowDown", "x"):  # neither moves the notebook nor cuts the cell
        page.keyboard.press(key)
    assert view.get_by_label("Show").evaluate("s => s.selectedOptions[0].label").startswith("Worse")
    view.get_by_text("Questions 1–10 of 20").first.wait_for()
    assert cut_focus_rings(view) == []
    view.get_by_role("button", name="Next").click()
    view.get_by_text("Questions 11–20 of 20").first.wait_for()
    search = view.get_by_label("Search")
    search.fill("第 9 问")
    search.press("Enter")
    view.get_by_text("Questions 1–1 of 1").first.wait_for()
    view.get_by_label("Pick").press("Home")
    view.get_by_text("1 picked: #9").first.wait_for()
    assert view.locator("ins").count() > 0
    assert page.evaluate("window.__hit") is None

    notebook.cell(2).click()
    page.keyboard.press("Control+Enter")
    notebook.output(2).get_by_text("[9]").first.wait_for()
    notebook.cell(3).click()
    page.keyboard.press("Control+Enter")
    view.get_by_label("Show").wait_for(state="detached")
    assert "1 picked: #9" in view.inner_text()
    notebook.save()
    notebook.restart()
    notebook.reload()
    notebook.output(1).get_by_text("1 picked: #9").first.wait_for()
    assert "Error displaying widget" not in page.locator(".jp-Notebook").inner_text()


def test_samples_in_a_narrow_window_and_in_the_light_and_labels_by_keyboard(page, lab):
    # a second try of this test has no labels yet
    answers = ANSWERS.replace("几点开门？", f"几点开门？{time.time_ns()}")
    notebook = Notebook(page, lab, lab.write("narrow.ipynb", answers, "view", "qfnb.label(report)"))
    notebook.run_all()
    notebook.output(1).get_by_text("Questions 1–10 of 60").first.wait_for()

    panel = notebook.output(2)
    panel.get_by_text("0 of 20").wait_for()
    panel.get_by_text("Which answer is better?").click()
    for key, count in (("a", 1), ("x", 1), ("t", 2), ("z", 1), ("s", 2)):  # x does not cut the cell
        page.keyboard.press(key)
        panel.get_by_text(f"{count} of 20").wait_for()
    assert cut_focus_rings(panel) == []
    panel.get_by_role("button", name="Tie (T)").click()
    panel.get_by_text("3 of 20").wait_for()
    panel.get_by_role("button", name="Finish").click()
    panel.get_by_role("button").first.wait_for(state="detached")
    assert "They stay blind until all are there." in panel.inner_text()
    assert page.evaluate("window.__hit") is None
