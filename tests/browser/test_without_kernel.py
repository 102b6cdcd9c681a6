"""Panels whose kernel is gone: as soon as it is restarted, and in the notebook that is opened
again.
"""

import pytest
from playwright.sync_api import expect
from support.jupyterlab import JupyterLab, Notebook, run_jupyterlab

pytestmark = pytest.mark.browser

LOAD = """\
%load_ext qfnb
import qfnb
rows = [{"prompt": f"第{n}个问题", "response": "不知道"} for n in range(500)]
report = qfnb.compare("ernie-4.5-turbo-128k", "ernie-5.1", qfnb.Dataset(rows[:24]))
answers = __import__("pandas").DataFrame({"prompt": ["1 + 1"], "a": ["2"], "b": ["3"]})
%qfeval only answers --outputs a,b -o differing"""
PANELS = {
    "%qfbatch rows --prompt '{prompt}'": "Answered rows are kept",
    "%qftrain start -d data/teahouse_train.jsonl --epoch 50 --again": "%qftrain attach qfnb_",
    "%qftrain sweep -d data/teahouse_train.jsonl --grid "
    "epoch=40,50": "Trainings that were started go on",
    "%qfeval ernie-4.5-turbo-128k ernie-5.1 -d rows": "Answers are kept",
    "%qftrain new data/teahouse_train.jsonl": "Nothing was started",
    "qfnb.browse(report)": "1–10 of 24",
    "qfnb.label(differing)": "the same cell goes on",
    "%%qfchat\n写一首很长的诗": "run the cell again",
}


def run(notebook, number):
    notebook.cell(number).click()
    notebook.page.keyboard.press("Control+Enter")


def check(notebook):
    """Look at every output: what it was, what is safe and how to go on, and nothing that could be
    pressed.
    """
    for number, words in enumerate(PANELS.values(), 1):
        output = notebook.output(number)
        expect(output).to_contain_text(words)
        expect(output.get_by_role("button")).to_have_count(0)
        expect(output.locator(".qf-pill.qf-run, .jupyter-widgets-disconnected")).to_have_count(0)
    expect(notebook.page.locator(".jp-Notebook")).not_to_contain_text("Error displaying widget")


def test_every_panel_is_a_dated_form_after_a_restart_and_when_it_is_opened_again(page, lab, fault):
    notebook = Notebook(page, lab, lab.write("gone.ipynb", LOAD, *PANELS))
    run(notebook, 0)
    notebook.idle()
    fault("chat.v2", "slow", seconds=60, times=None)
    for number in range(1, len(PANELS) + 1):
        run(notebook, number)
        expect(
            notebook.output(number).locator(".jupyter-widgets, [data-qf-press]").first
        ).to_be_visible()
    notebook.restart()
    check(notebook)
    notebook.save()
    notebook.reload()
    check(notebook)


def test_a_panel_is_a_dated_form_when_its_kernel_is_shut_down(page, lab):
    cells = "%load_ext qfnb", "%qftrain new data/teahouse_train.jsonl"
    notebook = Notebook(page, lab, lab.write("shut_down.ipynb", *cells))
    notebook.run_all()
    form = notebook.output(1)
    expect(form.get_by_role("button", name="Start training…")).to_be_visible()
    notebook.menu("Kernel", "Shut Down Kernel")
    expect(form).to_contain_text("Nothing was started")
    expect(form.get_by_role("button")).to_have_count(0)


def test_a_panel_is_a_dated_form_when_the_server_has_ended(browser, tmp_path):
    (tmp_path / "lab").mkdir()
    with browser.new_context() as context:
        page = context.new_page()
        with run_jupyterlab(tmp_path / "lab", tmp_path / "home") as (url, token):
            lab = JupyterLab(url, token, tmp_path / "lab", tmp_path / "home" / "settings")
            lab.load(page)
            notebook = Notebook(
                page, lab, lab.write("ended.ipynb", "%load_ext qfnb", "%qftrain new")
            )
            notebook.run_all()
            form = notebook.output(1)
            expect(form.get_by_role("button", name="Advanced settings")).to_be_visible()
        expect(form).to_contain_text("Nothing was started")
        expect(form.get_by_role("button")).to_have_count(0)
