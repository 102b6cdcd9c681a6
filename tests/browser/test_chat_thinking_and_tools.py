"""Reasoning that streams into a folded block, and functions that a model calls, as a person sees
them in JupyterLab.
"""

import json
import secrets
import threading

import pytest
from playwright.sync_api import expect
from support.chat_script import sent_bodies, streamed, tool_call
from support.jupyterlab import Notebook

pytestmark = pytest.mark.browser

REASONING = "用户问杭州明天要不要带伞。先查天气，再看降水概率。" * 8
ANSWER = "**不用带伞**。明天杭州晴，21 °C，降水概率 5%。"
USAGE = {
    "prompt_tokens": 420,
    "completion_tokens": 260,
    "total_tokens": 680,
    "prompt_tokens_details": {"cached_tokens": 256},
    "completion_tokens_details": {"reasoning_tokens": 210},
}
TOOLS = '''
import pathlib, time
import pandas as pd

def weather(city: str, days: int = 1) -> pd.DataFrame:
    """Say the weather of a city."""
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
    return pd.DataFrame({"day": ["2026-11-23"], "city": [city], "temperature": [21], "rain": ["5%"]})

def rain(city: str) -> str:
    """Say how likely rain is."""
    raise OSError("cannot open '/home/someone/secret/rain.csv' <b>")

@qfnb.tool(confirm=True)
def buy(item: str, price: float) -> str:
    """Buy something."""
    return f"bought {item}"
'''


@pytest.fixture
def asking(lab, page, scripted):
    """Return a function that opens a notebook whose kernel asks a scripted server."""
    (lab.folder / "go").unlink(missing_ok=True)

    def start(*answers, cells):
        server = scripted(*answers)
        settings = (
            f"%load_ext qfnb\nimport qfnb\ns, url = qfnb.get_config(), {server.url!r}\n"
            "s.base_url = s.console_api_base_url = url\ns.api_key = "
            "'bce-v3/ALTAK-test/canary0123456789'"
        )
        notebook = Notebook(page, lab, lab.write(f"{secrets.token_hex(4)}.ipynb", settings, *cells))
        notebook.run_all()
        return server, notebook

    return start


def call(*parts):
    calls = [
        {"index": n, **tool_call(name, json.dumps(arguments, ensure_ascii=False), f"call_{n}")}
        for n, (name, arguments) in enumerate(parts)
    ]
    return streamed(
        {"reasoning_content": REASONING},
        {"content": "我查一下。"},
        {"tool_calls": calls},
        finish="tool_calls",
        usage=USAGE,
    )


def test_reasoning_streams_into_a_block_that_stays_as_the_reader_left_it(asking):
    halves = [
        {"reasoning_content": REASONING},
        {"reasoning_content": "所以不用带伞。"},
        {"content": ANSWER},
    ]
    head, first, second, *others = streamed(*halves, usage=USAGE)
    more = threading.Event()
    answer = threading.Event()
    cells = ["%%qfchat -m glm-5.1 --think\n明天去杭州要带伞吗"]
    _, notebook = asking([head, first, more, second, answer, *others], cells=cells)
    output = notebook.output(1)
    title = output.locator("summary", has_text="Reasoning")
    expect(title).to_be_visible()
    assert not output.get_by_text("先查天气").first.is_visible()
    title.press("Enter")
    output.get_by_text("先查天气").first.wait_for()
    more.set()
    output.get_by_text("所以不用带伞。").first.wait_for()
    answer.set()
    notebook.idle()
    assert not output.get_by_text("所以不用带伞。").is_visible()
    assert output.locator(".jupyter-widgets").count() == 0
    assert "680 tokens (210 thinking, 256 cached)" in output.inner_text()
    output.locator("summary").click()
    assert output.get_by_text("所以不用带伞。").is_visible()


def test_calls_of_functions_are_shown_and_a_marked_one_is_asked_about(asking, lab):
    calls = call(
        ("weather", {"city": "杭州"}),
        ("rain", {"city": "杭州"}),
        ("buy", {"item": "伞", "price": 39.0}),
    )
    cells = [TOOLS, "%%qfchat --tools weather,rain,buy -o reply\n明天去杭州要带伞吗", "reply"]
    server, notebook = asking(calls, streamed({"content": ANSWER}, usage=USAGE), cells=cells)
    output = notebook.output(2)
    output.get_by_text("running…").first.wait_for()
    (lab.folder / "go").touch()
    question = notebook.cell(2).locator(".jp-Stdin-input")
    question.wait_for()
    assert "buy(item='伞', price=39.0)" in notebook.cell(2).inner_text()
    question.fill("y")
    question.press("Enter")
    notebook.idle()
    results = [
        turn["content"] for turn in sent_bodies(server)[1]["messages"] if turn["role"] == "tool"
    ]
    assert results[0].startswith(",day,city,temperature,rain")
    assert results[1] == "OSError: cannot open '…/rain.csv' <b>"
    assert results[2] == "bought 伞"
    assert [
        text.split("(")[0].strip() for text in output.locator("summary code").all_inner_texts()
    ] == ["weather", "rain", "buy"]
