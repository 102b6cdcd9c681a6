"""What a screen reader meets in JupyterLab: Chromium's accessibility tree, and what is said when
something changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page
from support.jupyterlab import Notebook
from support.waiting import until

from .test_training import percent

pytestmark = pytest.mark.browser

SIGNS = re.compile("[▸▾▶▼●○✓✕⚠‖■▲]")
CONTROLS = {
    "button",
    "textbox",
    "combobox",
    "listbox",
    "slider",
    "checkbox",
    "radio",
    "DisclosureTriangle",
}

# Notes what is written into the regions of the page that a screen reader listens to.
LISTEN = """() => {
  const isListening = Boolean(window.said) // another test had this page
  window.said = []
  if (isListening) return
  const heard = new Set()
  new MutationObserver(() => {
    for (const region of document.querySelectorAll("#qf-status, #qf-alert")) {
      if (heard.has(region)) continue
      heard.add(region)
      const note = () => window.said.push([region.id.slice(3), region.innerText.replaceAll("\\n", " ")])
      new MutationObserver(note).observe(region, {childList: true, subtree: true})
    }
  }).observe(document.body, {childList: true})
}"""


class Node:
    """A node of the accessibility tree."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.role, self.name = (str(raw.get(key, {}).get("value", "")) for key in ("role", "name"))
        self.properties = {
            item["name"]: item["value"].get("value") for item in raw.get("properties", ())
        }

    def __repr__(self) -> str:
        return f"{self.role} {self.name!r} {self.properties}"


def read_tree(page: Page, at: Locator) -> list[Node]:
    """Return what a screen reader can come to within an element, in the order of the page."""
    at.evaluate("element => { window.subject = element }")
    session = page.context.new_cdp_session(page)
    element = session.send("Runtime.evaluate", {"expression": "window.subject"})["result"][
        "objectId"
    ]
    root = session.send("DOM.describeNode", {"objectId": element})["node"]["backendNodeId"]
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    by_id = {node["nodeId"]: node for node in nodes}

    def walk(node: dict[str, Any]) -> Iterator[Node]:
        if not node["ignored"]:
            yield Node(node)
        for child in node.get("childIds", ()):
            if child in by_id:
                yield from walk(by_id[child])

    return list(walk(next(node for node in nodes if node.get("backendDOMNodeId") == root)))


def check_output(page: Page, output: Locator) -> list[Node]:
    """Check that controls have names, folds say whether they are open, and nothing is a live region
    or a spoken sign.
    """
    nodes = read_tree(page, output)
    controls = [node for node in nodes if node.role in CONTROLS]
    assert [node for node in controls if not node.name] == []
    folds = output.locator(".qf-fold:visible, summary:visible").count()
    assert (
        len(
            [node for node in controls if "expanded" in node.properties and node.role != "combobox"]
        )
        == folds
    )
    assert [node for node in nodes if node.properties.get("live", "off") != "off"] == []
    texts = [
        node for node in nodes if node.role in {"StaticText", "heading", *CONTROLS} - {"listbox"}
    ]
    assert [node for node in texts if SIGNS.search(node.name)] == []
    assert page.locator("#qf-status").count() == page.locator("#qf-alert").count() == 1
    return nodes


def is_advanced(node: Node) -> bool:
    return node.role == "button" and node.name.startswith("Advanced settings")


def said(page: Page, role: str = "status") -> list[str]:
    return [text for kind, text in page.evaluate("window.said") if kind == role]


def open_notebook(page: Page, lab: Any, name: str, *cells: str) -> Notebook:
    first = (
        "%load_ext qfnb\nfrom qfnb import Dataset\nds = "
        "Dataset.load('data/teahouse_train.jsonl').head(96)"
    )
    notebook = Notebook(page, lab, lab.write(name, first, *cells))
    page.evaluate(LISTEN)
    notebook.run_all()
    return notebook


def test_a_form_says_what_is_missing_and_what_is_wrong_once(page, lab):
    notebook = open_notebook(page, lab, "aloud-form.ipynb", "%qftrain new")
    form = notebook.output(1)
    until(lambda: "Still to choose: Training data." in said(page))
    nodes = check_output(page, form)
    assert [node.properties.get("expanded") for node in nodes if is_advanced(node)] == [False]

    form.get_by_label("Training data").fill("ds")
    form.get_by_label("Training data").press("Tab")
    until(lambda: "Training data: 96 rows · 2,216 tokens" in said(page)[-1])
    form.get_by_role("button", name="Advanced settings").click()
    form.get_by_label("Epochs").fill("0")
    until(lambda: "Epochs epoch: 0 is too small: 1 to 50 is allowed." in said(page)[-1])
    assert "To correct first: Epochs." in said(page)[-1]
    nodes = check_output(page, form)
    epochs = next(node for node in nodes if node.name == "Epochs epoch")
    assert epochs.properties["invalid"] == "true"
    assert [node.properties.get("expanded") for node in nodes if is_advanced(node)] == [True]
    assert (len(said(page)), said(page, "alert")) == (len(set(said(page))), [])


def test_a_training_says_each_state_once_however_often_it_is_redrawn(page, lab):
    start = "%qftrain start -d data/teahouse_train.jsonl --epoch 50 -o trainer --again"
    notebook = open_notebook(page, lab, "aloud-training.ipynb", start)
    panel = notebook.output(1)
    panel.locator("svg").first.wait_for()
    percents = set()
    until(lambda: percents.add(percent(panel)) or len(percents) > 2)
    check_output(page, panel)
    states = [text.rpartition(": ")[2] for text in said(page)]
    assert states[-1] == "Training"
    assert len(states) == len(set(states))

    panel.get_by_role("button", name="Stop training…").press("Enter")
    until(lambda: said(page, "alert"))
    percents.clear()
    until(lambda: percents.add(percent(panel)) or len(percents) > 2)
    assert len(said(page, "alert")) == 1
    assert len(said(page)) == len(states)
    panel.get_by_role("button", name="Stop it").press("Enter")
    until(lambda: said(page)[-1].endswith(": Stopped"))
    until(lambda: panel.get_by_role("button").count() == 0)
    check_output(page, panel)
    assert said(page)[len(states) :][-1:] == [
        text for text in said(page) if text.endswith(": Stopped")
    ]


def test_an_answer_is_busy_while_it_streams_and_its_end_is_said(page, lab, fault):
    fault("chat.v2", "stall", after=5, times=1)
    notebook = open_notebook(page, lab, "aloud-chat.ipynb", "%%qfchat\n你是谁")
    answer = notebook.output(1)
    until(lambda: said(page)[-1:] == ["Answering"])
    busy = [node for node in check_output(page, answer) if node.properties.get("busy")]
    assert [node.role for node in busy] == ["article"]
    notebook.interrupt()
    until(lambda: said(page)[-1].startswith("Stopped. This is what had arrived."))
    notebook.idle()
    notebook.run_all()
    until(lambda: "first token" in said(page)[-1])
    nodes = check_output(page, answer)
    assert not [node for node in nodes if node.properties.get("busy")]
    assert said(page, "alert") == []
