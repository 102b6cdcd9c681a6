"""Replies of the Responses API in a notebook."""

import json

import pytest
from support.attacks import ATTACKS
from support.strict_html import OUTPUT_ATTRIBUTES, OUTPUT_TAGS, assert_only, without_stylesheet

from qfnb.resources.inference.responses import ResponseReply
from qfnb.views import chat
from qfnb.wire import responses as wire


def bundle(*output, **more):
    return chat.response_bundle(
        ResponseReply(
            {"id": "resp_1", "model": "glm-5.1", "output": list(output), **more},
            wire.ResponseObject,
        )
    )


def message(text):
    return {"type": "message", "content": [{"type": "output_text", "text": text}]}


def test_text_thinking_and_facts_are_shown():
    usage = {
        "input_tokens": 3,
        "output_tokens": 4,
        "total_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    reasoning = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "先想想"}]}
    shown = bundle(reasoning, message("**二**"), usage=usage)
    assert "<strong>二</strong>" in shown["text/html"]
    for text in ("先想想", "glm-5.1", "7 tokens", "2 thinking"):
        assert text in shown["text/html"]
        assert text in shown["text/plain"] or text == "先想想"


def test_a_function_call_is_shown_where_there_is_no_text():
    call = {
        "type": "function_call",
        "name": "add",
        "call_id": "c",
        "arguments": json.dumps({"城市": "北京"}),
    }
    assert 'add({"城市": "北京"})' in bundle(call)["text/plain"]


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_become_text(attack):
    markdown = "em strong ul ol li a blockquote hr s h1 h2 h3 h4 h5 h6"
    html = without_stylesheet(bundle(message(attack))["text/html"])
    assert_only(
        html,
        OUTPUT_TAGS | {*markdown.split()},
        OUTPUT_ATTRIBUTES | {"href", "target", "rel", "style", "start"},
    )
