"""`%%qfchat` beyond one answer: comparing, formats, conversations, completion, pictures, waiting
without blocking.
"""

import json

import pytest
from support.canaries import SECRETS, search
from support.kernel import is_live, request_counts

pytestmark = pytest.mark.kernel


def test_several_models_answer_side_by_side(kernel):
    cell = kernel.run("%%qfchat -m ernie-speed-8k,ERNIE-4.0-8K -o both\n你是谁", live=True)
    kernel.until(lambda: not is_live(cell.outputs[0]))
    assert [output["output_type"] for output in cell.outputs].count("display_data") == 1
    assert cell.html.count("不是文心一言") == 2
    assert "ernie-speed-8k" in cell.html
    assert "ERNIE-4.0-8K" in cell.html
    assert kernel.value("[len(r.text) > 5 for r in both]") == "[True, True]"


def test_a_model_that_fails_does_not_take_the_others_with_it(kernel):
    cell = kernel.run("%%qfchat -m ernie-speed-8k,no-such-model\n你是谁")
    assert cell.status == "ok"
    assert "不是文心一言" in cell.html
    assert "✕" in cell.html
    assert "no-such-model" in cell.html


def test_comparing_asks_at_the_same_time(kernel, control, hold):
    before = request_counts(control)["chat.v2"]
    hold()
    cell = kernel.start("%%qfchat -m ernie-speed-8k,ernie-4.0-8k,ernie-3.5-8k\n你是谁", live=True)
    kernel.until(lambda: request_counts(control)["chat.v2"] == before + 3)
    hold(release=True)
    assert kernel.wait(cell).status == "ok"


@pytest.mark.fault("F65")
def test_a_click_on_stop_ends_the_answer_while_the_cell_runs(kernel, fault):
    fault("chat.v2", "stall", after=3)
    cell = kernel.start("%%qfchat -o partial\n你是谁", live=True)
    kernel.until_widget_shows("我是")
    kernel.press()
    if kernel.major < 7:
        kernel.interrupt()  # ipykernel 6 takes no click before the cell has ended
        assert kernel.wait(cell).status == "error"
        return
    kernel.wait(cell)
    assert cell.status == "ok"
    kernel.until(lambda: "Stopped" in cell.html)
    assert kernel.value("len(partial.text) > 0") == "True"


@pytest.mark.parametrize("code", ["%%time\n%%qfchat\n你是谁", "%autoawait False\nNone"])
def test_a_cell_that_cannot_be_awaited_still_answers(kernel, code):
    cell = kernel.run(code)
    if "autoawait" in code:
        cell = kernel.run("%%qfchat\n你是谁")
        kernel.run("%autoawait True")
    assert "不是文心一言" in cell.text


FACTS = '[{"书": "红楼梦", "作者": "曹雪芹"}, {"书": "西游记", "作者": "吴承恩"}]'


@pytest.fixture
def answering(kernel):
    """Make the next answers be these texts: what a model says is not ours to choose."""

    def say(*texts):
        kernel.run(
            "from qfnb.resources.inference.chat import ChatCompletion\n"
            "from qfnb.resources.inference.reply import ChatResponse\n"
            f"_texts = {list(texts)!r}\n"
            "_sent = []\n"
            "async def _stream(self, call):\n"
            "    _sent.append(str(call))\n"
            "    yield ChatResponse({'result': _texts.pop(0), 'usage': {'total_tokens': 5}, "
            "'is_end': True}, dict)\n"
            "ChatCompletion.stream = _stream"
        )

    yield say
    kernel.run("if 'stream' in vars(ChatCompletion): del ChatCompletion.stream")


@pytest.mark.parametrize(
    "text",
    [
        FACTS,
        f"好的：\n```json\n{FACTS}\n```",
        "| 书 | 作者 |\n|---|---|\n| 红楼梦 | 曹雪芹 |\n| 西游记 | 吴承恩 |",
    ],
)
def test_an_answer_becomes_a_frame(kernel, answering, text):
    answering(text)
    cell = kernel.run("%%qfchat -f df -o reply\n四大名著")
    assert cell.status == "ok"
    assert kernel.value("list(reply.parsed['作者'])") == "['曹雪芹', '吴承恩']"
    assert "<table" in cell.html


def test_code_goes_into_the_next_cell(kernel, answering):
    answering("这样写：\n```python\nprint(1 + 1)\n```\n好了")
    cell = kernel.start("%%qfchat -f code --next-cell -o reply\n写代码")
    kernel.wait(cell)
    reply = kernel.client.get_shell_msg(timeout=240)
    while reply["parent_header"].get("msg_id") != cell.id:
        reply = kernel.client.get_shell_msg(timeout=240)
    assert [part["text"] for part in reply["content"]["payload"]] == ["print(1 + 1)"]
    assert kernel.value("reply.parsed") == "'print(1 + 1)'"


def test_conversations_are_listed_undone_forked_and_written(kernel, tmp_path):
    kernel.run("%%qfchat --session trip --reset\n第一句")
    kernel.run("%%qfchat --session trip\n第二句")
    kernel.run("frame = %qfchat history trip")
    assert kernel.value("list(frame['role'])") == "['user', 'assistant', 'user', 'assistant']"
    assert "2 turns" in kernel.run("%qfchat undo trip").text
    assert "from trip" in kernel.run("%qfchat fork trip other").text
    assert "no conversation 'nowhere' in this kernel" in kernel.run("%qfchat history nowhere").text
    kernel.run(f"%qfchat export trip {tmp_path / 'trip.jsonl'}")
    assert json.loads((tmp_path / "trip.jsonl").read_text(encoding="utf-8"))["prompt"] == "第一句"
    assert ".json" in kernel.run(f"%qfchat export trip {tmp_path / 'trip.exe'}").text
    assert "forgotten" in kernel.run("%qfchat forget other").text


def test_an_interrupted_answer_does_not_enter_the_conversation(kernel, fault):
    kernel.run("%%qfchat --session calm --reset\n第一句")
    fault("chat.v2", "cut", after=2)
    assert kernel.run("%%qfchat --session calm\n第二句").status == "error"
    kernel.run("frame = %qfchat history calm")
    assert kernel.value("len(frame)") == "2"


def test_the_last_exception_is_explained_without_secrets(kernel):
    kernel.run("from qfnb import config; config.get_config().app_id = 'x'")
    kernel.run("key = 'bce-v3/ALTAK-canary/0123456789abcdef'\n1 / 0")
    cell = kernel.run("%qfchat --explain --session why --reset")
    assert cell.status == "ok"
    kernel.run("frame = %qfchat history why")
    prompt = kernel.value("frame['content'][0]")
    assert "ZeroDivisionError" in prompt
    assert "0123456789abcdef" not in prompt


def test_an_alias_stands_for_a_model(kernel):
    kernel.run("%qfchat alias fast ernie-speed-8k")
    assert "ernie-speed-8k" in kernel.run("%%qfchat -m fast\n你是谁").html


def test_a_picture_is_edited_and_saved_at_once(kernel, tmp_path):
    kernel.run(f"%cd {tmp_path}")
    kernel.run("%%qfimage --size 768x768 --seed 1 -o mountain\n山")
    cell = kernel.run("%%qfimage --edit mountain --save -o edited\n变成黑白")
    assert "data:image/png" in cell.html
    assert "pictures/变成黑白_1.png" in cell.html
    again = kernel.run("%%qfimage --edit pictures/变成黑白_1.png\n水平翻转")
    assert "data:image/png" in again.html
    assert kernel.value("edited.model") == repr("qwen-image-edit")
    assert "cannot be read" in kernel.run("%%qfimage --edit nowhere.png\n变成黑白").text


def test_pictures_that_cannot_be_saved_are_shown_all_the_same(kernel):
    cell = kernel.run("%%qfimage --size 768x768 --save /proc/nowhere -o kept\n山")
    assert cell.status == "error"
    assert "cannot be written there" in cell.text
    assert "data:image/png" in cell.html
    assert kernel.value("len(kept.images)") == "1"


FAILING = [
    (
        "%xmode Verbose\nimport logging, sys\nlogging.basicConfig(level=logging.DEBUG, "
        "stream=sys.stdout, force=True)"
    ),
    "%qfauth",
    "%%qfchat\n你好",
    (
        "from qfnb import ChatCompletion, config\nconfig.get_config(), vars(config.get_config()), "
        "config.settings()"
    ),
    (
        "try:\n    ChatCompletion(retry_count=1).do('x')\nexcept Exception as error:\n    raise "
        "RuntimeError('mine') from error"
    ),
    "reply = ChatCompletion().do('x', retry_count=1)\nreply",
    "import pickle\npickle.dumps(config.credentials())",
]


@pytest.mark.fault("F50", "F51")
def test_a_saved_notebook_has_no_key(kernel):
    names = {
        f"QIANFAN_{name.upper()}": SECRETS[name] for name in ("api_key", "access_key", "secret_key")
    }
    names |= {
        f"QIANFAN_{name}": "http://127.0.0.1:9" for name in ("BASE_URL", "CONSOLE_API_BASE_URL")
    }
    kernel.run(f"import os\nos.environ.update({names | {'QIANFAN_LLM_API_RETRY_COUNT': '1'}})")
    cells = [kernel.run(code) for code in FAILING]
    kernel.run(
        f"for name in {[*names]}: "
        "os.environ.pop(name)\nos.environ.pop('QIANFAN_LLM_API_RETRY_COUNT')\n%xmode Context"
    )
    kernel.run("logging.basicConfig(level=logging.WARNING, force=True)")
    assert [cell.status for cell in cells] == ["ok", "ok", "error", "ok", "error", "error", "error"]
    assert "API key" in cells[1].text
    assert (
        search(json.dumps([cell.outputs for cell in cells], ensure_ascii=False, default=str)) == []
    )


@pytest.mark.parametrize(
    ("question", "asked"), [("Four classic novels", "JSON array only"), ("四大名著", "JSON 数组")]
)
def test_a_table_is_asked_for_in_the_language_of_the_question(kernel, answering, question, asked):
    answering(FACTS)
    kernel.run(f"%%qfchat -f df -o reply\n{question}")
    system = kernel.value("_sent[-1]")
    assert asked in system
    assert ("只输出" in system) == ("数组" in asked)
