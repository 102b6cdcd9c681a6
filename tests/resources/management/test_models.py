"""`qfnb.models()`: the catalogue as a frame."""

import asyncio
import json

import pandas as pd
import pytest
from support.scripted_server import http_answer

import qfnb
from qfnb.config import get_config
from qfnb.errors import InvalidArgumentError
from qfnb.wire import catalog

ROWS = {
    "data": [
        {"id": "ernie-5.1", "context_length": 1000},
        {"id": "brand-new", "type": "chat", "owned_by": None},
    ]
}

ANSWER = {"id": "as-1", "choices": [{"message": {"content": "好"}}]}


def test_a_row_says_what_is_known_of_a_model_and_where_it_is_from():
    row = qfnb.models("chat").set_index("id").loc["deepseek-v4-pro-0813"]
    assert (row["context"], row["max_output"], row["modality"]) == (1048576, 393216, "text → text")
    assert (row["price_input"], row["price_output"]) == (
        "08–22h 0.009",
        "08–22h 0.027, 22–08h 0.0135",
    )
    assert (row["thinking"], row["tools"], row["status"]) == ("optional (thinking)", True, "active")
    assert row["source"].startswith(
        "model list, 2026-09-16; prices: price page, 2026-09-22; thinking: guess"
    )


def test_what_is_not_known_is_not_a_number():
    row = qfnb.models().set_index("id").loc["deepseek-flash"]
    assert (row["price_input"], row["price_output"]) == ("", "")
    assert pd.isna(row["price_image"])
    assert pd.isna(row["json_schema"])
    assert qfnb.models("text2image").set_index("id").loc["qwen-image", "price_image"] == 0.25


def test_retired_models_come_on_request_with_what_lives_instead():
    assert "ernie-bot-turbo" not in set(qfnb.models()["id"])
    row = qfnb.models(include_retired=True).set_index("id").loc["minimax-m2.1"]
    assert (row["status"], row["ended"], row["replacement"]) == (
        "retired",
        "2026-04-23",
        "deepseek-v4-flash-0731",
    )


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(InvalidArgumentError, match="kind='image': must be one of chat"):
        qfnb.models("image")


def test_the_platform_is_asked_on_request(scripted, tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    scripted([http_answer(json.dumps(ROWS).encode())])
    frame = qfnb.models(refresh=True).set_index("id")
    assert (frame.loc["ernie-5.1", "context"], frame.loc["brand-new", "status"]) == (1000, "active")
    assert "context: 127.0.0.1" in frame.loc["ernie-5.1", "source"]
    assert set(asyncio.run(qfnb.models.aio())["id"]) == set(frame.index)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http_answer(b"<html>log in</html>", kind="text/html"), "html"),
        (
            http_answer(b'{"error": {"message": "no key", "code": "x"}}', status="403 Forbidden"),
            "no key",
        ),
    ],
)
def test_an_answer_that_is_no_list_is_a_warning_and_the_table_holds(scripted, answer, reason):
    scripted([answer])
    with pytest.warns(UserWarning, match="the table of 2026-09-22 is used") as caught:
        frame = qfnb.models(refresh=True)
    assert reason in str(caught[0].message)
    assert "ernie-5.1" in set(frame["id"])


def test_another_vendors_server_lists_its_own_models_only(scripted):
    server = scripted([http_answer(b'{"data": [{"id": "llama"}]}')])
    get_config().openai_base_url = f"{server.url}/v1"
    assert list(qfnb.models(refresh=True)["id"]) == ["llama"]
    assert catalog.load_models() is catalog.built_in_models()


def test_a_plans_address_is_not_asked(scripted):
    server = scripted([http_answer(b"{}")])
    get_config().openai_base_url = f"{server.url}/v2/tokenplan/personal"
    with pytest.warns(UserWarning, match="has no list of models"):
        qfnb.models(refresh=True)
    assert server.requests == []


def test_what_the_platform_lists_counts_from_the_next_call_on(scripted, tmp_path, monkeypatch):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    models = {"data": [{"id": "deepseek-v3.2", "type": "chat"}]}
    server = scripted(
        [http_answer(json.dumps(ANSWER).encode())],
        [http_answer(json.dumps(models).encode())],
        [http_answer(json.dumps(ANSWER).encode())],
    )
    chat = qfnb.ChatCompletion(model="deepseek-v3.2")
    chat.do("一")
    qfnb.models(refresh=True)
    chat.do("一")
    sent = [
        json.loads(request.partition(b"\r\n\r\n")[2])["model"] for request in server.requests[::2]
    ]
    assert sent == ["deepseek-v4-pro", "deepseek-v3.2"]
