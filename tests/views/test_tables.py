"""`models()` and `usage()` in a notebook: a short table, and the whole frame as the value."""

import copy
import pickle

import pandas as pd
import pytest
from support.chat_script import whole
from support.scripted_server import http_answer

import qfnb
from qfnb import ChatCompletion, errors
from qfnb.views import tables


def test_models_are_shown_by_their_kind_with_the_columns_that_matter():
    bundle = tables.models_bundle(qfnb.models())
    html = bundle["text/html"]
    assert "Longest output" in html
    assert html.count("<details open>") == 1
    assert html.index("ernie-5.1") < html.index("embedding-v1")
    assert "price_cached" not in html
    assert "| Model | Context |" in bundle["text/markdown"]


def test_usage_is_summed_and_the_last_calls_are_shown(scripted):
    no = http_answer(b'{"error": {"code": "invalid_argument", "message": "no"}}', status="400 Bad Request")
    scripted(whole("ok", usage={"prompt_tokens": 1200, "completion_tokens": 5, "total_tokens": 1205}), [no])
    ChatCompletion(model="ernie-5.1").do("x")
    with pytest.raises(errors.QianfanError):
        ChatCompletion(model="ernie-5.1").do("x")
    frame = qfnb.usage()
    bundle = tables.usage_bundle(frame.__class__(frame.tail(2)))
    assert ["1,200" in bundle[kind] for kind in ("text/html", "text/markdown")] == [True, True]
    assert "2 calls" in bundle["text/html"]
    assert "BadRequest" in bundle["text/html"] or "APIError" in bundle["text/html"]


def test_a_log_without_a_call_is_shown_too():
    frame = qfnb.usage()
    assert "0 calls" in tables.usage_bundle(frame.__class__(frame.head(0)))["text/html"]


@pytest.mark.parametrize("read", [qfnb.models, qfnb.usage])
def test_the_value_is_a_frame_and_so_is_what_is_made_of_it(read):
    frame = read()
    for other in (frame.head(3), frame[list(frame.columns[:2])], pickle.loads(pickle.dumps(frame)), copy.copy(frame)):
        assert type(other) is pd.DataFrame
    assert isinstance(frame, pd.DataFrame)
    assert len(pickle.loads(pickle.dumps(frame))) == len(frame)
