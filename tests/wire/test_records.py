"""The wire's records: tolerant of what the platform really sends."""

import pytest

from qfnb.wire import catalog, chat, error_codes, finetune
from qfnb.wire.endpoints import ENDPOINTS


@pytest.mark.parametrize(
    ("raw", "percent"), [("37%", 37), ("37", 37), (37.2, 37), (None, None), ("", None), ("x", None)]
)
def test_progress_is_read_in_every_form(raw, percent):
    assert finetune.Task.model_validate({"runProgress": raw}).run_progress == percent


def test_unknown_fields_are_kept():
    assert finetune.Task.model_validate({"newField": {"a": 1}}).model_extra == {"newField": {"a": 1}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"result": "a"}, "a"),
        ({"choices": [{"message": {"content": "b"}}]}, "b"),
        ({"choices": [{"delta": {"content": None}}]}, ""),
        ({"choices": []}, ""),
        ({"choices": None, "usage": None}, ""),
        ({}, ""),
    ],
)
def test_the_text_of_any_reply_is_found(body, text):
    assert chat.text_of(body) == text


def test_old_model_names_stand_for_present_ones():
    assert catalog.path_segment("chat", "ERNIE-Bot-turbo") == "eb-instant"
    assert catalog.v2_id("chat", "ernie-bot-turbo") == "ernie-lite-8k"


def test_an_unknown_model_is_passed_through():
    assert catalog.v2_id("chat", "ernie-9.9-future") == "ernie-9.9-future"


def test_an_unknown_code_is_judged_by_its_status():
    assert error_codes.lookup("new_code", 503).kind == "server"
    assert error_codes.lookup("new_code", 400).kind == "user"


def test_every_endpoint_row_has_a_plane_and_a_path():
    assert all(row.path.startswith("/") and row.plane for row in ENDPOINTS.values())
