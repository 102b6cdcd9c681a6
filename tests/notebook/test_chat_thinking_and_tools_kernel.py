"""`%%qfchat --think`, `--tools` and `-f pydantic:`, in a real kernel, asked of a scripted
server.
"""

import json

import pytest
from support.chat_script import sent_bodies, streamed, tool_call, whole
from support.scripted_server import http_answer

USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 50,
    "total_tokens": 80,
    "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 40},
}
WEATHER = '''
def weather(city: str) -> str:
    """Say the weather.

    Args:
        city: the name of a city.
    """
    if city == "?":
        raise ValueError("no such city <b>")
    return city + ": 21 <b>C</b>"
'''


@pytest.fixture
def answering(kernel, scripted):
    """Let the kernel ask a scripted server."""

    def start(*answers):
        server = scripted(*answers)
        kernel.run(
            "import qfnb\nfrom qfnb import config\n_settings, _url = config.get_config(), "
            f"{server.url!r}\n"
            "_settings.base_url = _settings.console_api_base_url = _url\n"
            "_settings.api_key = 'bce-v3/ALTAK-test/canary0123456789'"
        )
        return server

    yield start
    kernel.run("_settings._overrides.clear()")


def call(city):
    part = {"index": 0, **tool_call("weather", json.dumps({"city": city}))}
    return streamed(
        {"content": "我查一下。"}, {"tool_calls": [part]}, finish="tool_calls", usage=USAGE
    )


@pytest.mark.fault("F29")
def test_reasoning_is_folded_in_html_and_quoted_in_text(kernel, answering):
    server = answering(
        streamed({"reasoning_content": "想 <b>一</b>"}, {"content": "晴"}, usage=USAGE)
    )
    cell = kernel.run("%%qfchat -m glm-5.1 --think -o reply\n天气")
    assert sent_bodies(server)[0]["thinking"] == {"type": "enabled"}
    assert '<details class="qf-think"><summary' in cell.html
    assert "想 &lt;b&gt;一&lt;/b&gt;" in cell.html
    assert "  │ 想 <b>一</b>" in cell.text
    assert "80 tokens (40 thinking, 20 cached)" in cell.text
    assert kernel.value("(reply.reasoning, reply.text)") == "('想 <b>一</b>', '晴')"


@pytest.mark.parametrize(
    ("level", "fields"),
    [
        ("--think off", {"type": "disabled"}),
        ("--think", {"type": "enabled"}),
        ("", None),
        ("--think=on", {"type": "enabled"}),
    ],
)
def test_the_switch_has_levels(kernel, answering, level, fields):
    server = answering(whole("晴"))
    kernel.run(f"reply = %qfchat -m glm-5.1 {level} 天气")
    body = sent_bodies(server)[0]
    assert (body.get("thinking"), body["messages"][0]["content"]) == (fields, "天气")


def test_a_wrong_level_is_refused(kernel, answering):
    server = answering(whole("晴"))
    assert kernel.run("%%qfchat --think hihg\n天气").status == "error"
    assert (
        "InvalidArgumentError: --think hihg: must be on"
        in kernel.run("%%qfchat --think=hihg\n天气").text
    )
    assert server.requests == []


def test_a_remark_about_thinking_names_the_option(kernel, answering):
    answering(streamed({"content": "晴"}))
    cell = kernel.run("%%qfchat -m ernie-4.5-turbo-32k --think\n天气")
    assert "does not think: --think is not sent" in cell.text
    assert "think=" not in cell.html.replace("--think", "")


def test_reasoning_is_in_the_history_and_not_sent_back(kernel, answering, tmp_path):
    server = answering(streamed({"reasoning_content": "想"}, {"content": "晴"}))
    kernel.run("%%qfchat --session w --reset\n一")
    kernel.run("%%qfchat --session w\n二")
    assert "想" not in json.dumps(sent_bodies(server)[1], ensure_ascii=False)
    kernel.run("frame = %qfchat history w")
    assert kernel.value("list(frame['reasoning'])") == "['', '想', '', '想']"
    kernel.run(f"%qfchat export w {tmp_path}/w.jsonl\n%qfchat export w {tmp_path}/w.md")
    assert "想" not in (tmp_path / "w.jsonl").read_text()
    assert "<details><summary>reasoning</summary>\n\n想" in (tmp_path / "w.md").read_text()


def test_functions_of_the_notebook_are_called_and_shown(kernel, answering, tmp_path):
    server = answering(call("杭州"), streamed({"content": "晴"}, usage=USAGE))
    kernel.run(WEATHER)
    cell = kernel.run("%%qfchat --tools weather --session t --reset -o reply\n天气")
    assert cell.status == "ok"
    assert "weather(city=&#x27;杭州&#x27;)" in cell.html
    assert "杭州: 21 &lt;b&gt;C&lt;/b&gt;" in cell.html
    assert "<b>C" not in cell.html
    assert "160 tokens" in cell.text
    assert (
        kernel.value("(reply.text, reply.steps[0].result, len(reply.earlier))")
        == "('晴', '杭州: 21 <b>C</b>', 1)"
    )
    assert [turn["role"] for turn in sent_bodies(server)[1]["messages"]] == [
        "user",
        "assistant",
        "tool",
    ]
    kernel.run("%%qfchat --session t\n谢谢")
    roles = [turn["role"] for turn in sent_bodies(server)[2]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]
    kernel.run(f"%qfchat export t {tmp_path}/t.jsonl")
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 2


def test_a_marked_function_is_refused_where_nobody_can_be_asked(kernel, answering):
    answering(call("杭州"), streamed({"content": "好"}))
    kernel.run(f"{WEATHER}\nweather = qfnb.tool(confirm=True)(weather)")
    assert "the user did not allow this call" in kernel.run("%%qfchat --tools weather\n天气").text


@pytest.mark.parametrize(
    "code", ["%%qfchat --tools weather\n天气", "qfnb.ChatCompletion().run('天气', [weather])"]
)
def test_an_interrupt_ends_a_function_that_never_returns(kernel, answering, tmp_path, code):
    one_call = [tool_call("weather", '{"city": "杭州"}')]
    is_cell = code.startswith("%%")
    answering(call("杭州") if is_cell else whole("", tool_calls=one_call, finish="tool_calls"))
    kernel.run(
        "import time, pathlib\n"
        "def weather(city: str):\n"
        f"    pathlib.Path({str(tmp_path / 'started')!r}).touch()\n"
        "    try:\n"
        "        while True: time.sleep(0.01)\n"
        "    finally:\n"
        f"        pathlib.Path({str(tmp_path / 'ended')!r}).touch()"
    )
    cell = kernel.start(code)
    kernel.until((tmp_path / "started").exists)
    kernel.interrupt()
    kernel.wait(cell)
    kernel.until(lambda: "Stopped" in cell.html if is_cell else "KeyboardInterrupt" in cell.text)
    kernel.until((tmp_path / "ended").exists)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--tools wether", "no function 'wether'; did you mean weather?"),
        ("--tools weather,weather", "two are named 'weather'"),
        ("--tools weather -m a,b", "--tools takes one model"),
        ("--tools number", "'3' is not a function"),
    ],
)
def test_a_wrong_tool_is_said_before_the_call(kernel, answering, options, message):
    server = answering(whole("晴"))
    kernel.run(f"{WEATHER}\nnumber = 3")
    assert message in kernel.run(f"%%qfchat {options}\n天气").text
    assert server.requests == []


BOOKS = '{"title": "红楼梦", "year": 1791}'


def test_an_object_is_the_cells_value(kernel, answering):
    server = answering(
        streamed({"content": '{"title": "红楼梦", "year": "x"}'}), streamed({"content": BOOKS})
    )
    kernel.run("import pydantic\nclass Book(pydantic.BaseModel):\n    title: str\n    year: int")
    cell = kernel.run("%%qfchat -f pydantic:Book -o reply\n红楼梦")
    assert cell.status == "ok"
    assert "Book(title='红楼梦', year=1791)" in cell.text
    assert kernel.value("(reply.parsed == _, len(reply.earlier))") == "(True, 1)"
    first, second = sent_bodies(server)
    assert first["response_format"] == {"type": "json_object"}
    assert "year: Input should be a valid integer" in second["messages"][-1]["content"]


def test_a_list_of_objects_is_a_table(kernel, answering):
    answering(streamed({"content": f"[{BOOKS}]"}))
    kernel.run(
        "import pydantic\nclass Book(pydantic.BaseModel):\n    title: str\n    year: int\nBooks = "
        "list[Book]"
    )
    cell = kernel.run("%%qfchat -f pydantic:Books -o reply\n名著")
    assert "<table" in cell.html
    assert kernel.value("reply.parsed[0].year") == "1791"


def test_an_answer_that_stays_wrong_is_shown_and_is_an_error(kernel, answering):
    server = answering(*[streamed({"content": "不会"})] * 2, whole("不会"))
    kernel.run("import pydantic\nclass Book(pydantic.BaseModel):\n    title: str")
    cell = kernel.run("%%qfchat -f pydantic:Book\n红楼梦")
    assert (cell.status, len(server.requests)) == ("error", 2)
    assert "不会" in cell.html
    assert "not pydantic:Book: it has no JSON" in cell.text
    assert kernel.run("%%qfchat -f pydantic:Bok\n红楼梦").text.count("did you mean Book?") == 1
    assert "needs the name of a class" in kernel.run("%%qfchat -f pydantic:\n红楼梦").text
    line = kernel.run("x = %qfchat -f pydantic:Book 红楼梦")
    assert "UnreadableAnswer: the answer is not Book" in line.text


@pytest.mark.fault("F25")
def test_a_reply_without_pictures_is_one_error_and_leaves_no_button(kernel, answering):
    answering([http_answer(b'{"id": "as-9", "data": null}')])
    cell = kernel.run("%%qfimage\n猫", live=True)
    kernel.until(lambda: not cell.html.strip())
    assert "UnexpectedContent" in cell.error[0]
    assert "(request as-9)" in cell.error[0]
    assert (
        cell.html.strip(),
        [output["output_type"] for output in cell.outputs].count("error"),
    ) == ("", 1)


def test_a_batch_thinks_and_its_answers_fit_a_class(kernel, answering):
    server = answering(whole('{"city": "杭州"}'))
    kernel.run("import pydantic\nclass Place(pydantic.BaseModel):\n    city: str\nrows = ['天气']")
    kernel.run(
        "%qfbatch rows -m glm-5.1 --think -f pydantic:Place --name think-and-format -o batch"
    )
    kernel.run("%qfbatch wait")
    assert kernel.value("batch.results()[0].parsed") == "Place(city='杭州')"
    assert sent_bodies(server)[0]["thinking"] == {"type": "enabled"}
