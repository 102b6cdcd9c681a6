"""`batch_do`: at once, bounded, in order, nothing twice."""

import asyncio
import re

import pytest
from support.chat_script import sent_bodies, whole
from support.waiting import until

from qfnb import ChatCompletion, Completion, Embedding, Text2Image
from qfnb.errors import InvalidArgumentError

SAY = [{"role": "user", "content": "你好"}]


@pytest.fixture
def register(control):
    control.post("/_sandbox/register", json={"on": True})
    yield lambda: control.get("/_sandbox/register").json()
    control.post("/_sandbox/register", json={"on": False})


def test_it_returns_at_once_and_counts(hold):
    hold(8)
    task = ChatCompletion().batch_do(["你好"] * 20, worker_num=4)
    assert (len(task), task.total_count(), task.task_count()) == (20, 20, 20)
    assert task.finished_count() <= 8
    hold(release=True)
    task.wait()
    assert (task.finished_count(), task.progress.ok, task.progress.state) == (20, 20, "done")


def test_no_call_is_sent_twice_and_results_keep_their_order(register):
    texts = [f"第 {n} 问" for n in range(50)]
    results = Completion().batch_do(texts, worker_num=16).results()
    assert register()["most"] == 1
    assert len(results) == 50
    assert all(result["result"] for result in results)


def test_items_are_waited_for_in_order_and_as_they_complete(sandbox):
    task = ChatCompletion().batch_do(["你好"] * 12, worker_num=3)
    assert all(item.result()["result"] for item in task)
    assert sorted(item.index for item in task.as_completed()) == list(range(12))


def test_a_failed_call_is_an_exception_in_its_place(fault):
    fault("chat.v2", "status", status=400)
    task = ChatCompletion(version=2).batch_do([SAY] * 3, worker_num=1)
    results = task.results()
    assert [isinstance(result, Exception) for result in results] == [True, False, False]
    frame = task.to_frame()
    assert list(frame["error"].fillna("-")) == ["APIError", "-", "-"]
    assert frame["reply"][0] is None
    assert frame["reply"][1] is results[1]
    assert task.progress.latest_failures[0].number == 0


def test_each_row_may_have_its_own_options(scripted):
    server = scripted(whole("x"))
    rows = [{"messages": SAY, "temperature": 0.1}, {"messages": SAY, "model": "other"}]
    ChatCompletion(model="mine").batch_do(body_list=rows, worker_num=1, temperature=0.9).wait()
    assert [(body["model"], body["temperature"]) for body in sent_bodies(server)] == [
        ("mine", 0.1),
        ("other", 0.9),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "only one of them"),
        ({"messages_list": [SAY], "body_list": [{"messages": SAY}]}, "only one of them"),
        ({"messages_list": [SAY, SAY], "temperature": "9"}, r"messages_list\[0\]: temperature='9'"),
        ({"messages_list": [[], []]}, r"messages_list\[0\]: messages is empty"),
        ({"messages_list": [SAY], "worker_num": 0}, "worker_num=0"),
        ({"messages_list": [SAY], "worker_num": 1_000_000}, "worker_num=1000000"),
        ({"messages_list": [SAY], "worker_num": True}, "worker_num=True"),
        ({"messages_list": "abc"}, r"messages_list='abc': must be a list of conversations"),
        ({"messages_list": {"a": 1}}, r"messages_list=\{'a': 1\}: must be a list"),
        ({"messages_list": 5}, r"messages_list=5: must be a list"),
        ({"messages_list": [5]}, r"messages_list\[0\]: messages=5: must be a string, a Messages"),
        ({"messages_list": SAY}, r"messages_list\[0\]: messages=\{.*turns"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_sent(arguments, message, register):
    with pytest.raises(InvalidArgumentError, match=message):
        ChatCompletion().batch_do(**arguments)
    assert register()["came"] == 0


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (
            ChatCompletion,
            {"messages_list": [SAY, [], SAY]},
            r"messages_list\[1\]: messages is empty",
        ),
        (
            ChatCompletion,
            {"messages_list": ["x", None, "x"]},
            r"messages_list\[1\]: messages=None: must be",
        ),
        (
            ChatCompletion,
            {"body_list": [{"messages": SAY}, {"prompt": "x"}, {"messages": SAY}]},
            r"body_list\[1\]",
        ),
        (Completion, {"prompt_list": ["x", "", "x"]}, r"prompt_list\[1\]"),
        (Embedding, {"texts_list": [["x"], [], ["x"]]}, r"texts_list\[1\]"),
        (Text2Image, {"prompt_list": ["茶", "", "茶"]}, r"prompt_list\[1\]"),
    ],
)
def test_one_wrong_row_is_an_error_in_its_place(sandbox, model, arguments, message):
    good, wrong, also_good = asyncio.run(model().abatch_do(**arguments))
    assert isinstance(wrong, InvalidArgumentError)
    assert re.match(message, str(wrong))
    assert not isinstance(good, Exception)
    assert not isinstance(also_good, Exception)


def test_an_empty_list_is_done_at_once(sandbox):
    assert ChatCompletion().batch_do([]).results() == []


def test_a_wrong_key_stops_the_batch_early(sandbox, register):
    from qfnb import config

    now = config.get_config()
    now.console_api_base_url = now.base_url = sandbox.url
    now.api_key = "bce-v3/ALTAK-sandbox/wrong"
    task = ChatCompletion().batch_do(["你好"] * 200)
    results = task.results()
    assert all(isinstance(result, Exception) for result in results)
    assert task.progress.state == "stopped"
    assert "AuthError" in str(results[-1])
    assert task.finished_count() <= 10


def test_cancel_keeps_what_is_finished(hold, register):
    hold(8)
    task = ChatCompletion().batch_do([f"{n}" for n in range(500)], worker_num=4)
    until(lambda: task.finished_count() == 8 and register()["came"] == 12)
    task.cancel()
    hold(release=True)
    results = task.results()
    assert (
        sum(not isinstance(result, Exception) for result in results) == task.finished_count() >= 8
    )
    assert register()["came"] == 12


WRONG = [
    ({"request_timeout": "x"}, r"request_timeout='x': must be a number of seconds above 0"),
    ({"request_timeout": 0}, r"request_timeout=0: must be"),
    ({"request_timeout": float("nan")}, r"request_timeout=nan: must be"),
    ({"retry_count": 0}, r"retry_count=0: must be"),
    ({"retry_count": 1.5}, r"retry_count=1.5: must be"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
@pytest.mark.parametrize("kind", [ChatCompletion, Completion])
def test_wrong_timeouts_and_attempts_are_named_before_anything_is_sent(
    arguments, message, kind, register
):
    for call in (kind().do, lambda text, **more: asyncio.run(kind().ado(text, **more))):
        with pytest.raises(InvalidArgumentError, match=message):
            call("x", **arguments)
    with pytest.raises(InvalidArgumentError, match=rf"{kind.items_name}\[0\]: {message}"):
        kind().batch_do(["x"], **arguments)
    assert register()["came"] == 0


@pytest.mark.parametrize("kind", [ChatCompletion, Completion])
def test_the_results_of_a_batch_of_streams_are_iterators_over_pieces(kind, sandbox):
    task = kind().batch_do(["你是谁", "你是谁"], stream=True)
    first, second = ([piece["result"] for piece in item.result()] for item in task)
    assert first == second
    assert len(first) > 2
    assert "".join(first) == task.to_frame()["text"][0] == kind().do("你是谁").text
