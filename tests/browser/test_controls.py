"""Stop, interrupt and mistakes, as a person meets them in JupyterLab."""

import pytest
from support.jupyterlab import Notebook

pytestmark = pytest.mark.browser

START = "%qftrain start -d data/teahouse_train.jsonl --epoch 40 -o trainer --again"


def test_the_stop_button_ends_the_training_and_the_panel_says_so(page, lab):
    notebook = Notebook(page, lab, lab.write("stop.ipynb", "%load_ext qfnb", START))
    notebook.run_all()
    panel = notebook.output(1)
    panel.get_by_role("img", name="Loss over").wait_for(timeout=180_000)
    notebook.screenshot("stop-before", at=panel)
    panel.get_by_role("button", name="Stop training…").click()
    panel.get_by_role("button", name="Stop it").click()
    panel.get_by_role("status").filter(has_text="Stopped").wait_for(timeout=180_000)
    panel.get_by_role("button").first.wait_for(state="detached")
    assert panel.get_by_role("img", name="Loss over").count() == 1
    notebook.screenshot("stop-after", at=panel)


def test_interrupting_an_answer_keeps_what_came(page, lab, fault):
    fault("chat.v2", "stall", after=5)
    notebook = Notebook(
        page, lab, lab.write("stall.ipynb", "%load_ext qfnb", "%%qfchat\n你是谁", "1 + 1")
    )
    notebook.run_all()
    answer = notebook.output(1)
    answer.get_by_text("我是 qfnb").first.wait_for(timeout=180_000)
    notebook.interrupt()
    answer.get_by_text("This is what had arrived.").first.wait_for(timeout=180_000)
    notebook.idle()
    assert notebook.prompt(2) == "[ ]:", "Run All went on after an interrupt"
    notebook.screenshot("interrupted", at=answer)


MISTAKES = (
    "%load_ext qfnb",
    "%%qfchat\n ",
    "%%qfchat --modle x\n你好",
    "%%qfchat -t 3\n你好",
    "%qftrain start -d nowhere.jsonl",
    "%qftrain start -d bad.jsonl",
    "%qftrain start -d data/teahouse_train.jsonl --epoch 999",
    "%%qfimage --size 3x3\n猫",
    "%%qfchat\n<script>alert(1)</script>**不**",
    "import qfnb\nqfnb.ChatCompletion().do([])",
)


def test_mistakes_are_short_and_clear(page, lab):
    (lab.folder / "bad.jsonl").write_text(
        '{"prompt": "你好", "response": "您好"}\n{"prompt": "几点"}\n'
    )
    notebook = Notebook(page, lab, lab.write("mistakes.ipynb", *MISTAKES))
    for number in range(len(MISTAKES)):
        notebook.cell(number).click()
        page.keyboard.press("Control+Enter")
        notebook.idle()
    for number, words in enumerate(
        (
            "",
            "the cell is empty",
            "--model",
            "temperature: Input should be less than or equal to",
            "nowhere.jsonl",
            "bad.jsonl",
            "epoch=999",
        )
    ):
        assert words in notebook.output(number).inner_text()
    assert "messages is empty" in notebook.output(9).inner_text()
    notebook.screenshot("mistakes-light")
    notebook.save()
    lab.theme("JupyterLab Dark")
    Notebook(page, lab, "mistakes.ipynb").screenshot("mistakes-dark")
