"""Mistakes, as a person meets them in JupyterLab."""

import pytest
from support.jupyterlab import Notebook

pytestmark = pytest.mark.browser

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
