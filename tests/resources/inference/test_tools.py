"""Functions that a model calls: how they are described, run, ended and refused, and what the
conversation gets.
"""

import asyncio
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import pytest
from pydantic import BaseModel, Field
from support.chat_script import sent_bodies, tool_call, whole

import qfnb
from qfnb import ChatCompletion, Messages, errors
from qfnb.resources.inference.arguments import MAX_RESULT_CHARS
from qfnb.resources.inference.reply import ToolCall
from qfnb.resources.inference.tools import run_tool, to_text, to_tool, to_tools


class Place(BaseModel):
    """A place."""

    city: str
    district: str = ""


def weather(
    place: Place, unit: Literal["C", "F"] = "C", days: Annotated[int, Field(ge=1, le=7)] = 1
) -> str:
    """Say the weather of a place.

    It is always fine.

    Args:
        place: where.
        unit: of the temperature.
    """
    return f"{place.city}: 21 {unit}, {days} d"


def call(*parts, finish="tool_calls"):
    """Return the script of a reply that calls functions: (name, arguments) each."""
    calls = [
        tool_call(name, json.dumps(arguments), f"call_{n}")
        for n, (name, arguments) in enumerate(parts)
    ]
    return whole("", tool_calls=calls, finish=finish)


def run_one(function, arguments=None, *, is_allowed=lambda _call: True):
    """Return the step of one call of a function."""
    one = ToolCall(to_tool(function).name, arguments or {})
    return asyncio.run(run_tool(to_tools([function]), one, is_allowed))


def test_a_function_is_described_by_its_signature_and_docstring():
    facts = to_tool(weather).definition()["function"]
    assert (facts["name"], facts["description"]) == (
        "weather",
        "Say the weather of a place.\n\nIt is always fine.",
    )
    properties = facts["parameters"]["properties"]
    assert properties["unit"] == {
        "default": "C",
        "enum": ["C", "F"],
        "type": "string",
        "description": "of the temperature.",
    }
    assert properties["days"] == {"default": 1, "maximum": 7, "minimum": 1, "type": "integer"}
    assert facts["parameters"]["required"] == ["place"]
    assert "Place" in facts["parameters"]["$defs"]


def test_a_method_and_an_undocumented_function_are_tools():
    class Shop:
        def price(self, item: str):
            return 3

    assert to_tool(Shop().price).definition()["function"]["parameters"]["required"] == ["item"]
    assert "description" not in to_tool(qfnb.tool(name="f")(lambda: 1)).definition()["function"]


def only_by_position(x, /):
    return x


def any_number(*values: int):
    return values


def takes_thread(worker: threading.Thread):
    return worker


def takes_unknown(x: "Nowhere"):  # noqa: F821
    return x


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        (weather, "tools=weather: must be a list of functions"),
        ([], "tools is empty"),
        ([weather, weather], "two are named 'weather'"),
        ([{"type": "function"}], "a described tool cannot be run: pass the function"),
        ([only_by_position], r"only_by_position\(x\): models pass arguments by name"),
        ([any_number], "make 'values' a named argument"),
        ([takes_thread], "takes_thread cannot be expressed as JSON Schema"),
        ([takes_unknown], "takes_unknown cannot be expressed"),
        ([lambda: 1], "'<lambda>' is not a name that models take"),
    ],
)
def test_what_cannot_be_a_tool_is_said_before_the_call(tools, message):
    with pytest.raises(errors.InvalidArgumentError, match=message):
        ChatCompletion(base_url="http://127.0.0.1:9/v1", model="m").run("x", tools)


@pytest.mark.parametrize("name", ["confirm", "on_step"])
def test_what_is_called_back_must_be_a_function(name):
    with pytest.raises(errors.InvalidArgumentError, match=f"{name}='true': must be a function"):
        ChatCompletion(base_url="http://127.0.0.1:9/v1", model="m").run(
            "x", [weather], **{name: True}
        )


def test_a_model_calls_a_function_and_answers(scripted):
    server = scripted(call(("weather", {"place": {"city": "杭州"}, "days": "2"})), whole("晴"))
    seen = []
    reply = ChatCompletion().run("天气", [weather], on_step=seen.append)
    assert reply.text == "晴"
    assert [(step.call.name, step.result, step.is_error) for step in reply.steps] == [
        ("weather", "杭州: 21 C, 2 d", False)
    ]
    assert seen == list(reply.steps)
    first, second = sent_bodies(server)
    assert first["tools"] == second["tools"] == [to_tool(weather).definition()]
    assert [turn["role"] for turn in second["messages"]] == ["user", "assistant", "tool"]
    assert second["messages"][2] == {
        "role": "tool",
        "tool_call_id": "call_0",
        "content": "杭州: 21 C, 2 d",
    }


def test_a_plain_call_describes_functions_and_runs_none(scripted):
    server = scripted(call(("weather", {"place": {"city": "杭州"}})))
    reply = ChatCompletion().do("天气", tools=[weather, to_tool(run_one).definition()])
    assert reply.tool_calls[0].arguments == {"place": {"city": "杭州"}}
    assert [tool["function"]["name"] for tool in sent_bodies(server)[0]["tools"]] == [
        "weather",
        "run_one",
    ]
    with pytest.raises(errors.InvalidArgumentError, match="'3' is not a function"):
        ChatCompletion().do("天气", tools=[3])


def test_parallel_calls_are_run_in_order(scripted):
    order = []

    def note(n: int) -> int:
        order.append(n)
        return n

    server = scripted(call(("note", {"n": 1}), ("note", {"n": 2})), whole("好"))
    reply = ChatCompletion().run("x", [note])
    assert order == [1, 2]
    assert [turn.get("tool_call_id") for turn in sent_bodies(server)[1]["messages"][2:]] == [
        "call_0",
        "call_1",
    ]
    assert [step.result for step in reply.steps] == ["1", "2"]


def test_the_conversation_gets_calls_and_results_before_the_answer(scripted):
    scripted(call(("weather", {"place": {"city": "杭州"}})), whole("晴"), whole("不客气"))
    messages = Messages([{"role": "user", "content": "天气"}])
    reply = ChatCompletion().run(messages, [weather])
    assert len(messages) == 1
    messages.append(reply)
    assert [turn["role"] for turn in messages] == ["user", "assistant", "tool", "assistant"]
    messages.append("谢谢")
    assert ChatCompletion().do(messages).text == "不客气"


def test_rounds_are_limited_and_the_error_has_the_calls(scripted):
    server = scripted(call(("weather", {"place": {"city": "杭州"}})))
    with pytest.raises(errors.ToolLoopError, match="after 2 rounds") as error:
        ChatCompletion().run("x", [weather], max_rounds=2)
    assert (len(error.value.steps), len(server.requests)) == (2, 3)


def test_a_choice_that_forces_a_call_holds_for_the_first_round(scripted):
    server = scripted(call(("weather", {"place": {"city": "杭州"}})), whole("晴"))
    ChatCompletion().run("x", [weather], tool_choice="required", temperature=0.5)
    first, second = sent_bodies(server)
    assert (first["tool_choice"], "tool_choice" in second, second["temperature"]) == (
        "required",
        False,
        0.5,
    )


def test_the_awaited_form_runs_async_functions_on_its_own_loop(scripted):
    scripted(call(("where", {})), whole("好"))
    loops = []

    async def where() -> str:
        loops.append(asyncio.get_running_loop())
        return "here"

    async def main():
        reply = await ChatCompletion().arun("x", [where])
        return reply.steps[0].result, loops == [asyncio.get_running_loop()]

    assert asyncio.run(main()) == ("here", True)


# -- one call ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "wrong arguments: place: "),
        ({"place": {"city": "x"}, "unit": "K"}, "unit: Input should be 'C' or 'F'"),
        ({"place": {"city": "x"}, "other": 1}, "other: Unexpected keyword argument"),
        ({"": "{oops"}, "not a JSON object"),
    ],
)
def test_wrong_arguments_are_told_to_the_model(arguments, message):
    step = run_one(weather, arguments)
    assert step.is_error
    assert message in step.result


def test_an_unknown_name_is_told_with_the_names(scripted):
    step = asyncio.run(run_tool(to_tools([weather]), ToolCall("wether", {}), lambda _: True))
    assert "did you mean weather?" in step.result


def test_what_a_function_raises_is_told_without_secrets_and_folders(tmp_path):
    def read(name: str) -> str:
        raise OSError(
            f"cannot read '{tmp_path}/{name}' with sk-1234567890abcdef; see https://example.com/a/b"
        )

    step = run_one(read, {"name": "a.txt"})
    assert step.is_error
    assert "a.txt" in step.result
    assert "https://example.com/a/b" in step.result
    assert str(tmp_path) not in step.result
    assert "sk-1234" not in step.result


def test_a_function_that_exits_ends_nothing():
    def leave():
        raise SystemExit(3)

    assert run_one(leave).result == "RuntimeError: the function raised SystemExit"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_function_that_never_returns_is_ended(is_async):
    ended = threading.Event()

    def spin():
        try:
            while True:
                time.sleep(0.01)
        finally:
            ended.set()

    async def hang():
        try:
            await asyncio.sleep(600)
        finally:
            ended.set()

    step = run_one(qfnb.tool(timeout=0.2)(hang if is_async else spin))
    assert "did not return within 0.2 s and was ended" in step.result
    assert ended.wait(180)


def test_an_interrupt_ends_the_function(scripted):
    started = threading.Event()
    ended = threading.Event()

    def spin():
        started.set()
        try:
            while True:
                time.sleep(0.01)
        finally:
            ended.set()

    scripted(call(("spin", {})))

    async def main():
        task = asyncio.ensure_future(ChatCompletion().arun("x", [spin]))
        await asyncio.to_thread(started.wait, 180)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert asyncio.run(main())
    assert ended.wait(180)


@pytest.mark.parametrize("answer", ["y", "是", "n", ""])
def test_a_marked_function_is_called_after_a_yes_only(monkeypatch, answer):
    asked = []
    ran = []

    @qfnb.tool(confirm=True)
    def delete(name: str) -> str:
        ran.append(name)
        return "done"

    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or answer)
    from qfnb.resources.inference.tools import ask_user

    step = run_one(delete, {"name": "a"}, is_allowed=ask_user)
    assert "delete(name='a')" in asked[0]
    assert bool(ran) == (answer in {"y", "是"}) == (not step.is_error)


def test_without_a_user_a_marked_function_is_refused(scripted):
    @qfnb.tool(confirm=True)
    def delete() -> str:
        raise AssertionError("must not run")

    scripted(call(("delete", {})), whole("好"))  # pytest has no stdin: nobody can be asked
    assert ChatCompletion().run("x", [delete]).steps[0].result == "the user did not allow this call"


def test_the_decorator_leaves_the_function_as_it_was():
    @qfnb.tool(name="add_up", timeout=3)
    def add(a: int, b: int) -> int:
        return a + b

    assert add(1, 2) == 3
    assert (to_tool(add).name, to_tool(add).timeout_s) == ("add_up", 3)
    assert to_tool(qfnb.tool(add)).name == "add"


@pytest.mark.parametrize("timeout", [0, -1, True, "5", float("nan")])
def test_a_wrong_timeout_is_refused(timeout):
    with pytest.raises(errors.InvalidArgumentError, match="number of seconds above 0"):
        qfnb.tool(timeout=timeout)


@dataclass
class Point:
    """A point."""

    x: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("文", "文"),
        (None, "null"),
        (Place(city="杭州"), '{"city":"杭州","district":""}'),
        ([Point(1)], '[{"x":1}]'),
        (pd.DataFrame({"a": [1]}), ",a\n0,1\n"),
        (pd.Series([1, 2]).to_numpy(), "[1,2]"),
        (Path("a"), '"a"'),
        (object, "\"<class 'object'>\""),
    ],
)
def test_results_become_text(value, text):
    assert to_text(value) == text


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        ("x" * 10_000_000, "x\n… (9,934,528 characters left out)"),
        ("half of a pair: \ud800", "half of a pair: \ufffd"),
        (["\ud800"], '["\ufffd"]'),
        (ValueError("\ud800"), "ValueError: \ufffd"),
    ],
)
def test_a_long_result_is_cut_and_half_a_surrogate_pair_replaced(scripted, result, sent):
    def read() -> str:
        """Read a page."""
        if isinstance(result, Exception):
            raise result
        return result

    server = scripted(call(("read", {})), whole("fine"))
    reply = ChatCompletion().run("x", [read])
    content = sent_bodies(server)[1]["messages"][-1]["content"]
    assert (reply.text, content[-len(sent) :]) == ("fine", sent)
    messages = Messages()
    messages.append_result(reply.steps[0].call, content)
    assert (len(content) <= MAX_RESULT_CHARS, messages[0]["content"]) == (True, content)


def test_a_stream_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match="on_step="):
        ChatCompletion().run("x", [weather], stream=True)
