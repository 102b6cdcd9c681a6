"""An output with the rules that it needs looks as it does with the whole stylesheet."""

import re

import pytest
from support.training_progress import DEPLOYED, FAILED

from qfnb import Dataset
from qfnb.evaluation.report import EvaluationResult
from qfnb.evaluation.samples import Sample
from qfnb.views import chat, dataset, stylesheet
from qfnb.views.evaluation import report
from qfnb.views.training import panel

pytestmark = pytest.mark.browser

MARKDOWN = """# 标题\n\n- [x] 已做\n- 未做\n\n> 引用 `code`\n\n```python\ndef f(): return "值"  # 注释\n```\n
| a | b |\n|---|---:|\n| 1 | 2 |\n\n$x^2$"""
ANSWER = chat.StreamedAnswer(
    "m", text=MARKDOWN, reasoning="想", state="done", tokens=7, seconds=1.5, from_sandbox=True
)
SAMPLES = tuple(
    Sample(m, i, "问", "好", "好", {"accuracy": float((m == "b") ^ (i == 3))})
    for m in "ab"
    for i in range(9)
)
OUTPUTS = {
    "answer": lambda: chat.answers_bundle([ANSWER])["text/html"],
    "answers": lambda: chat.answers_bundle(
        [ANSWER, chat.StreamedAnswer("b", text="x", state="failed", error="no")]
    )["text/html"],
    "trained": lambda: panel.html(DEPLOYED),
    "failed": lambda: panel.html(FAILED),
    "dataset": lambda: dataset.html(Dataset([{"prompt": "a", "response": "b"}] * 7)),
    "evaluation": lambda: report.bundle(EvaluationResult(SAMPLES, ("a", "b"), ("accuracy",)))[
        "text/html"
    ],
}
PROPERTIES = sorted(set(re.findall(r"[;{ ]([a-z][a-z-]+):", stylesheet.whole_sheet())))
STYLES = """names => [...document.querySelectorAll(".qf, .qf *")].flatMap(element => ["", "::before"].map(pseudo => {
  const style = getComputedStyle(element, pseudo)
  return [element.tagName, element.className, pseudo, ...names.map(name => `${name}: ${style[name]}`)].join("; ")
}))"""


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_element_has_the_same_style(browser, name):
    own = OUTPUTS[name]()
    whole = own.replace(own[: own.index("</style>")], f"<style>{stylesheet.whole_sheet()}", 1)
    page = browser.new_page()
    styles = []
    for html in (own, whole):
        page.set_content(html)
        styles.append(page.evaluate(STYLES, PROPERTIES))
    page.close()
    assert len(styles[0]) > 5
    assert "; color: rgb" in styles[0][0]
    assert styles[0] == styles[1]
