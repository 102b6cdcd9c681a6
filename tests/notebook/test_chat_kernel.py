"""`%%qfchat`, `%%qfimage` and `%qfauth` in a real kernel."""

import json
import time

import pytest
from support.kernel import is_live, record_messages
from support.scripted_server import stream_head
from support.waiting import until

pytestmark = pytest.mark.kernel


@pytest.mark.fault("F73")
def test_loading_prints_one_line_and_loading_again_changes_nothing(kernel):
    again = kernel.run("%reload_ext qfnb")
    assert len(again.text.strip().splitlines()) == 1
    assert "sandbox" in again.text
    assert kernel.run("%%qfchat\n你是谁").status == "ok"


@pytest.mark.fault("F73")
def test_unloading_takes_the_magics_away(kernel):
    assert kernel.run("%unload_ext qfnb").status == "ok"
    assert "not found" in kernel.run("%%qfchat\n你好").text
    assert "sandbox" in kernel.run("%load_ext qfnb").text


def test_a_chat_cell_ends_as_one_static_output(kernel):
    cell = kernel.run("%%qfchat\n你是谁")
    assert len(cell.outputs) == 1
    assert "不是文心一言" in cell.text
    assert "Local sandbox" in cell.html
    assert not is_live(cell.outputs[0])


def test_a_live_cell_streams_then_turns_static_and_leaves_no_widget(kernel):
    before = set(kernel.open_comms)
    cell = kernel.start("%%qfchat\n你是谁", live=True)
    kernel.until(lambda: bool(cell.outputs))
    assert is_live(cell.outputs[0])
    kernel.wait(cell)
    kernel.until(lambda: not is_live(cell.outputs[0]) and kernel.open_comms == before)
    assert len(cell.outputs) == 1
    assert "不是文心一言" in cell.html


VERBATIM = "花括号 {x} {{y}} $HOME ${z} \"引号\" 'single' \\n `code` %d {"


@pytest.mark.fault("F75")
def test_the_prompt_goes_through_as_it_is_written(kernel):
    kernel.run("x = y = z = 'expanded'")
    kernel.run(f"%%qfchat --session verbatim --reset\n{VERBATIM}")
    sent = kernel.value(
        "get_ipython().magics_manager.registry['ChatMagics'].conversations['verbatim'][0]['content']"
    )
    assert sent == repr(VERBATIM)


def test_auth_shows_the_platform_and_no_key(kernel, sandbox):
    text = kernel.run("%qfauth").text
    assert "sandbox" in text
    assert not any(key in text for key in (sandbox.api_key, sandbox.secret_key, sandbox.sk))


def test_the_default_model_is_set_by_its_name(kernel):
    assert "model: ernie-5.1" in kernel.run("%qfauth model ernie-5.1").text
    assert "image_model: qwen-image" in kernel.run("%qfauth model qwen-image").text
    assert "ernie-5.1" in kernel.run("%%qfchat\n你好").text
    assert "ernie-4.5-turbo-128k" in kernel.run("%qfauth reset").text


@pytest.mark.fault("F12", "F60")
def test_interrupting_a_stalled_stream_keeps_what_came(kernel, fault, control):
    fault("chat.v2", "stall", after=3)
    cell = kernel.start("%%qfchat -o partial\n你是谁", live=True)
    kernel.until_widget_shows("我是")
    assert control.get("/_sandbox/health").json()["streams"] == 1
    kernel.interrupt()
    kernel.wait(cell)
    kernel.until(lambda: "Stopped" in cell.html)
    assert not is_live(cell.outputs[0])
    assert len(cell.error) == 1
    until(lambda: control.get("/_sandbox/health").json()["streams"] == 0)
    assert kernel.value("len(partial.text) > 0") == "True"


@pytest.mark.fault("F71")
def test_ten_thousand_tokens_are_drawn_ten_times_a_second_at_most_and_stored_once(
    kernel, scripted, monkeypatch
):
    pieces = [
        {"id": "x", "choices": [{"index": 0, "delta": {"content": f"word{n} "}}]}
        for n in range(10_000)
    ]
    events = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n"
    url = scripted([stream_head(), events.encode()]).url
    kernel.run(f"c = config.get_config(); c.base_url = c.console_api_base_url = {url!r}")
    kernel.run("c.api_key = 'bce-v3/ALTAK-test/canary0123456789'")
    messages = record_messages(kernel, monkeypatch)
    started_at = time.monotonic()
    cell = kernel.run("%%qfchat\n你是谁", live=True)
    kernel.until(lambda: not is_live(cell.outputs[0]))
    redraws = [kind for _, kind, _ in messages if kind in {"comm_msg", "update_display_data"}]
    assert len(redraws) <= 10 * (time.monotonic() - started_at) + 10
    assert len(cell.outputs) == 1, cell.texts[1:]
    assert [output["data"].keys() for output in cell.outputs] == [{"text/plain", "text/html"}]
    assert cell.text.count("word9999 ") == cell.html.count("word9999") == 1


@pytest.mark.fault("F07", "F08")
def test_a_cut_stream_keeps_what_came_and_is_an_error(kernel, fault):
    fault("chat.v2", "cut", after=3)
    cell = kernel.run("%%qfchat -o partial\n你是谁", live=True)
    assert cell.status == "error"
    kernel.until(lambda: "Not complete" in cell.html)
    assert len("\n".join(cell.error).splitlines()) <= 3
    assert kernel.value("len(partial.text) > 0") == "True"


def test_a_cell_without_a_body_shows_help_explains_and_says_what_it_lacks(kernel):
    for cell, option in (
        ("%%qfchat --help", "--session"),
        ("%%qfimage --help\n", "--size"),
        ("%qftrain wait -h", "--to"),
    ):
        helped = kernel.run(cell)
        assert option in helped.text
        assert not helped.error
    assert not kernel.run("%%qfchat --reset").error
    assert "--size" in kernel.run("%%time\n%%qfimage --help").text
    kernel.run("1 / 0")
    assert "tokens" in kernel.run("%%qfchat --explain").html
    assert "write the question below" in kernel.run("%%qfchat").text


def test_an_image_cell_shows_the_picture_with_its_prompt(kernel):
    cell = kernel.run("%%qfimage --seed 7 --size 768x768 -o picture\n山和湖")
    assert 'alt="山和湖"' in cell.html
    assert "data:image/png;base64," in cell.html
    assert kernel.value("picture['data'][0]['image'][:4]") == repr(b"\x89PNG")
