"""`%%qfchat` in JupyterLab: Stop inside the cell, several models, tables, completion, and what is
there afterwards.
"""

import json

import pytest
from playwright.sync_api import expect
from support.attacks import ATTACKS
from support.jupyterlab import Notebook, cut_focus_rings

pytestmark = pytest.mark.browser


def test_stop_works_inside_the_running_cell(page, lab, fault):
    fault("chat.v2", "stall", after=5)
    notebook = Notebook(
        page, lab, lab.write("stop-chat.ipynb", "%load_ext qfnb", "%%qfchat\n你是谁", "6 * 7")
    )
    notebook.run_all()
    answer = notebook.output(1)
    answer.get_by_text("我是 qfnb").first.wait_for()
    assert notebook.prompt(1) == "[*]:"
    assert cut_focus_rings(answer) == []
    answer.get_by_role("button", name="Stop").click()
    answer.get_by_text("This is what had arrived.").first.wait_for()
    notebook.idle()
    assert notebook.output(2).inner_text().endswith("42")
    assert answer.get_by_role("button").count() == 0


ANSWER = r"""
from qfnb.views import chat
from qfnb.views.panel import open_with_stop_button
from qfnb.views.display import publish
a = chat.StreamedAnswer("m", state="done", text=r'''设 $a_1 * b_1 * c$，共 $5 和 $6：
\[
A = \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}
- \{x\}
\]
- [x] 已证 \(x_i<y_i\)
- [ ] 未证

```python
def f(x: int) -> str:  # 注释
    return "值 $x$" + str(x * 2)
```''')
"""
LIVE = (
    "open_with_stop_button(a, html=chat.html, final=lambda _: {'text/plain': '', 'text/html': "
    "''}, stop=lambda: None, tooltip='')"
)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_formulas_are_typeset_alike_in_the_widget_and_in_the_final_output(page, lab, theme):
    lab.theme(f"JupyterLab {theme}")
    final = "publish({'text/plain': chat.text(a), 'text/html': chat.html(a)})"
    notebook = Notebook(page, lab, lab.write(f"formulas-{theme}.ipynb", ANSWER, LIVE, final))
    notebook.run_all()
    for number in (1, 2):
        output = notebook.output(number)
        output.locator("mjx-container").nth(2).wait_for()
        assert output.locator("mjx-container").count() == 3
        assert "共 $5 和 $6" in output.inner_text()
        assert output.get_by_text("☑ 已证").count() == 1
        assert output.locator("code span[class]").count() > 3


SINKS = """\
import json
from qfnb import Dataset, QianfanError
from qfnb.evaluation.report import EvaluationResult
from qfnb.evaluation.samples import Sample
from qfnb.resources.inference.reply import ChatResponse
from qfnb.resources.inference.reply import ToolCall, ToolStep
from qfnb.resources.inference.images import Text2Image
from qfnb.trainer.progress import Stage, TrainingProgress
from qfnb.views import chat
from qfnb.views.panel import open_with_stop_button
from qfnb.views.display import publish
from qfnb.views.evaluation import report as evaluation
from qfnb.views.training import panel as training
from IPython.display import display
attacks = json.loads(ATTACKS)
"""

EACH = (
    "for a in attacks: display(ChatResponse({'result': a, 'id': a, 'model': a}, dict))",
    ("for a in attacks:\n    x = chat.StreamedAnswer(a, text=a, reasoning=a, error=a, "
     "request_id=a)\n"
    "    steps = (ToolStep(ToolCall(a, {a: a}), a), ToolStep(ToolCall(a, {a: a}), a, "
    "is_error=True))\n"
    "    y = chat.StreamedAnswer(a + '2', text=a + ' other', state='done', preface=a, "
    "steps=steps, running=a)\n"
    "    publish({'text/plain': chat.text(x), 'text/html': chat.live_html((x, y))})"),
    ("for a in attacks:\n    x, still = chat.StreamedAnswer(a, text=a, reasoning=a), "
     "{'text/plain': '', 'text/html': ''}\n"
    "    open_with_stop_button(x, html=chat.html, final=lambda _: still, stop=lambda: None, "
    "tooltip=a)"),
    "for a in attacks: display(Dataset([{'prompt': a, 'response': a}], name=a))",
    ("for a in attacks: publish(training.bundle(TrainingProgress(a, (Stage('train'),), "
     "task_id='t', error=a, message=a,"
    " metrics={a: a}, model_id=a, service_endpoint=a)))"),
    ("s = tuple(Sample(m, i, a, a, a, {'m': float(m == 'b')}) for m in 'ab' for i, a in "
     "enumerate(attacks))\n"
    "display(EvaluationResult(s, ('a', 'b'), ('m',)))"),
    ("import pandas as pd\nwith pd.option_context('display.html.use_mathjax', False): "
    "display(pd.DataFrame({'text': attacks}))"),
    ("reply = Text2Image().do('山', size='768x768')\nfor a in attacks[:6]:\n    reply.prompt = a\n  "
    "  display(reply)"),
    ("for n in range(0, len(attacks), 6):\n    some = tuple(attacks[n : n + 6])\n"
    "    s = tuple(Sample(a, 0, a, a, a, {'m': 1.0}) for a in some)\n"
    "    publish(evaluation.bundle(EvaluationResult(s, some, ('m',))))"),
)  # fmt: skip

ERRORS = """\
for a in attacks:
    try:
        raise QianfanError(a)
    except QianfanError:
        get_ipython().showtraceback()
"""


@pytest.mark.fault("F92")
def test_the_xss_corpus_is_inert_in_every_sink(page, lab):
    first = SINKS.replace("json.loads(ATTACKS)", f"json.loads({json.dumps(ATTACKS)!r})")
    notebook = Notebook(
        page, lab, lab.write("attacks.ipynb", "%load_ext qfnb", first, *EACH, ERRORS)
    )
    requested_urls = []
    page.on("request", lambda request: requested_urls.append(request.url))
    notebook.run_all()
    notebook.idle()
    for number in range(2 + len(EACH)):
        assert "Traceback" not in notebook.output(number).inner_text()
    assert notebook.output(2 + len(EACH)).locator(".jp-OutputArea-child").count() == len(ATTACKS)
    page.evaluate(
        "() => document.querySelectorAll('.jp-OutputArea a').forEach(a => "
        "{ if (!/^(https?|mailto):/.test(a.href)) a.click() })"
    )
    page.wait_for_timeout(500)
    assert page.evaluate("() => window.__hit") is None
    assert page.evaluate("() => getComputedStyle(document.body).display") != "none"
    assert not [url for url in requested_urls if "evil.invalid" in url]
    area = ".jp-OutputArea-output"
    typeset = page.locator(f"{area} mjx-container")
    assert (
        typeset.evaluate_all("all => all.filter(each => !each.closest('.mathjax_process')).length")
        == 0
    )
    for selector in (
        "script",
        "iframe",
        "form",
        "[onerror]",
        "[onload]",
        "[data-commandlinker-command]",
    ):
        assert page.locator(f"{area} {selector}").count() == 0, selector
    styles = page.locator(f"{area} style:not([scoped])").evaluate_all(
        "all => all.map(each => each.textContent)"
    )
    assert all(text.startswith(".qf{") for text in styles), "a style that is not ours"
    # JupyterLab itself links addresses in plain text
    ours = page.locator(".jp-RenderedHTML a, .jupyter-widgets a")
    links = ours.evaluate_all("all => all.map(a => a.getAttribute('href') || '')")
    assert not [
        link
        for link in links
        if link.lower().strip().startswith(("javascript:", "data:", "vbscript:"))
    ]
    page.context.close()  # what the attacks began to load keeps its connections


def test_an_error_is_one_card_with_the_cell_to_run_next_and_the_kernels_own_message_is_hidden(
    page, lab
):
    notebook = Notebook(page, lab, lab.write("error.ipynb", "%load_ext qfnb", "%qftrain bike.csv"))
    notebook.run_all()
    notebook.idle()
    output = notebook.output(1)
    expect(output.locator("[role=alert] code")).to_have_text("%qftrain new bike.csv")
    shown = output.locator(".jp-OutputArea-child").evaluate_all(
        "all => all.filter(each => each.offsetHeight).length"
    )
    assert (output.locator("[role=alert]").count(), shown) == (1, 1)
    notebook.save()
    kinds = [
        out["output_type"] for out in json.loads(notebook.path.read_text())["cells"][1]["outputs"]
    ]
    assert kinds == ["error", "display_data"]  # programs that read the notebook find the error
