"""Records accept what the platform really sends; the endpoint table is consistent."""

import string

import pytest

from qfnb.wire import chat, error_codes, finetune_v2
from qfnb.wire.endpoints import ENDPOINTS


@pytest.mark.fault("F34")
@pytest.mark.parametrize(
    ("raw", "percent"), [("37%", 37), ("37", 37), (37.2, 37), (None, None), ("", None), ("x", None)]
)
def test_progress_is_read_in_every_form(raw, percent):
    assert finetune_v2.Task.model_validate({"runProgress": raw}).run_progress == percent


@pytest.mark.fault("F31")
def test_unknown_fields_are_kept():
    assert finetune_v2.Task.model_validate({"newField": {"a": 1}}).model_extra == {"newField": {"a": 1}}


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
def test_the_text_is_read_from_every_shape_of_reply(body, text):
    assert chat.text_of(body) == text


def test_an_unknown_code_is_judged_by_its_status():
    assert error_codes.lookup("new_code", 503).kind == "server"
    assert error_codes.lookup("new_code", 400).kind == "user"


@pytest.mark.parametrize("row", ENDPOINTS.values(), ids=ENDPOINTS)
def test_every_row_of_the_endpoint_table_is_consistent(row):
    names = {name for _, name, _, _ in string.Formatter().parse(row.path) if name}
    assert names <= {"model", *row.body.model_fields}, "placeholders are filled from the record"
    is_action = row.plane == "console" and row.path.startswith("/v2/")
    assert (row.action is not None, row.envelope == "action") == (is_action, is_action)
    assert row.plane != "console" or is_action or row.path.startswith("/wenxinworkshop/")
    assert row.repeatable or row.method == "POST"
