"""Conversations of `%%qfchat --session` last beyond the kernel; each `Conversations` here stands
for one kernel.
"""

import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from qfnb import ChatCompletion, config, errors
from qfnb.notebook.conversations import Conversations, ConversationStore
from qfnb.views import chat as view


@pytest.fixture(scope="module")
def reply():
    return ChatCompletion().do("你好")


@pytest.fixture
def state(tmp_path, monkeypatch, reply):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    return tmp_path


def ask(conversations, name, text, reply):
    conversations.store(
        name, [*conversations.turns(name), {"role": "user", "content": text}], reply
    )


def questions(conversations, name):
    return [turn["content"] for turn in conversations[name] if turn["role"] == "user"]


def test_another_kernel_opens_a_conversation_and_goes_on(state, reply):
    ask(Conversations(), "tour", "一", reply)
    later = Conversations()
    later.run_command(["open", "tour"])
    ask(later, "tour", "二", reply)
    assert questions(later, "tour") == ["一", "二"]
    assert (state / "conversations.db").stat().st_mode & 0o077 == 0


def test_a_kernel_that_runs_the_notebook_again_begins_anew_and_loses_nothing(state, reply):
    first = Conversations()
    second = Conversations()
    ask(first, "tour", "一", reply)
    ask(second, "tour", "二", reply)
    assert questions(second, "tour") == ["二"]
    listed = second.run_command(["list"])
    assert list(listed["name"]) == ["tour", "tour"]
    assert list(listed["begins"]) == ["二", "一"]
    second.run_command(["open", str(listed["id"].iloc[1])])
    assert questions(second, "tour") == ["一"]


def test_two_kernels_in_one_conversation_lose_no_turn(state, reply):
    ask(Conversations(), "shared", "0", reply)
    kernels = [Conversations(), Conversations()]
    for kernel in kernels:
        kernel.run_command(["open", "shared"])

    def talk(number):
        for n in range(8):
            ask(kernels[number], "shared", f"{number}-{n}", reply)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(talk, range(2)))
    turns = kernels[0]["shared"]
    assert len(turns) == 34
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 17
    assert set(questions(kernels[1], "shared")) == {
        "0",
        *(f"{k}-{n}" for k in range(2) for n in range(8)),
    }


def test_a_conversation_that_is_deleted_elsewhere_is_written_anew(state, reply):
    conversations = Conversations()
    ask(conversations, "tour", "一", reply)
    Conversations().run_command(["delete", "tour"])
    turns = [
        {"role": "user", "content": "一"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "二"},
    ]
    conversations.store("tour", turns, reply)
    assert questions(conversations, "tour") == ["一", "二"]


def test_one_of_several_is_deleted_by_its_number(state, reply):
    for text in "一二":
        ask(Conversations(), "tour", text, reply)
    conversations = Conversations()
    with pytest.raises(
        errors.InvalidArgumentError, match=r"several conversations are named 'tour'.*2, 1"
    ):
        conversations.run_command(["delete", "tour"])
    assert conversations.run_command(["delete", "1"]) == "tour (1) is deleted"
    assert list(conversations.run_command(["list"])["id"]) == [2]


def test_an_unknown_name_is_answered_with_the_nearest(state, reply):
    ask(Conversations(), "tour", "一", reply)
    with pytest.raises(errors.InvalidArgumentError, match="did you mean tour"):
        Conversations().run_command(["open", "tuor"])
    assert Conversations().names_behind("open") == ["tour"]


def test_undo_and_forget_change_what_is_stored(state, reply):
    conversations = Conversations()
    for text in "一二":
        ask(conversations, "tour", text, reply)
    conversations.run_command(["undo", "tour"])
    conversations.run_command(["fork", "tour", "other"])
    conversations.run_command(["forget", "tour"])
    later = Conversations()
    later.run_command(["open", "other"])
    assert questions(later, "other") == ["一"]
    assert list(later.run_command(["list"])["name"]) == ["other"]


def test_the_setting_keeps_conversations_in_memory_only(state, reply):
    config.get_config().keep_conversations = False
    conversations = Conversations()
    ask(conversations, "tour", "一", reply)
    assert questions(conversations, "tour") == ["一"]
    assert not list(state.glob("conversations*"))
    assert conversations.run_command(["list"]) is None


def test_an_answer_that_cannot_be_written_stays_in_the_kernel(state, reply, caplog):
    (state / "conversations.db").write_bytes(b"no database, " * 400)
    conversations = Conversations()
    with caplog.at_level(logging.WARNING, "qfnb.chat"):
        ask(conversations, "tour", "一", reply)
    assert "ends with the kernel" in caplog.text
    ask(conversations, "tour", "二", reply)
    assert questions(conversations, "tour") == ["一", "二"]
    assert (state / "conversations.db").read_bytes().startswith(b"no database")


def test_a_file_of_a_newer_version_is_left_as_it_is(state):
    store = ConversationStore(state / "conversations.db")
    store.begin("tour")
    with sqlite3.connect(store.path) as database:
        database.execute("pragma user_version = 9")
    database.close()
    with pytest.raises(errors.QianfanError, match=r"newer version of qfnb wrote it \(9\)"):
        store.list_all()


def test_a_conversation_shows_itself_and_what_was_said_is_inert(state, reply):
    conversations = Conversations()
    ask(conversations, "tour", "<img src=x onerror=alert(1)>", reply)
    shown = conversations.run_command(["open", "tour"])
    bundle = shown._repr_mimebundle_()
    assert "<img" not in bundle["text/html"]
    assert "You" in bundle["text/html"]
    assert "%%qfchat --session tour" in bundle["text/plain"]


def test_a_long_conversation_is_shown_from_its_end(state):
    turns = tuple({"role": "user", "content": f"no. {n}"} for n in range(60))
    html = view.conversation_bundle(view.ConversationView("long", turns, 0.0))["text/html"]
    assert "20 earlier turns" in html
    assert ("no. 19<" in html, "no. 20<" in html) == (False, True)
