"""What a batch of texts sends is byte for byte what single calls send."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from qfnb import ChatCompletion
from qfnb.config import Credentials
from qfnb.transport.platform import Platform

OPTIONS = {
    "system": 'You are "qfnb" \\ 千帆',
    "temperature": 0.5,
    "max_output_tokens": 7,
    "stop": ["\n"],
}
ARGUMENTS = [{}, {"model": "ERNIE-Speed", **OPTIONS}, {"endpoint": "my_service", "user_id": "x"}]
QIANFAN = Platform("qianfan", Credentials(), *["https://qianfan.example"] * 4)
OTHER = Platform(
    "custom", Credentials(), *["https://qianfan.example"] * 4, openai="https://other.example/v1"
)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(texts)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=["bare", "options", "endpoint"])
def test_a_template_encodes_what_the_record_would(arguments, version, text):
    chat = ChatCompletion(version=version)
    expected = chat.prepare(text, **arguments).request_for(QIANFAN)
    options = dict(arguments)
    target = options.pop("model", None), options.pop("endpoint", None)
    rendered = chat.batch_requests(QIANFAN, *target, options).for_row(text)
    assert (rendered.endpoint, rendered.model) == (expected.endpoint, expected.model)
    assert rendered.record.to_json() == expected.record.to_json()
    assert rendered.record.to_wire() == expected.record.to_wire()


def test_a_rendered_request_has_the_records_fields():
    record = (
        ChatCompletion(version=1)
        .batch_requests(QIANFAN, None, None, OPTIONS)
        .for_row("hello")
        .record
    )
    assert record.max_output_tokens == 7
    with pytest.raises(AttributeError):
        _ = record.max_completion_tokens


def test_names_are_translated_for_qianfan_alone():
    chat = ChatCompletion(version=2)
    models = [
        chat.batch_requests(platform, "ERNIE-Speed", None, {}).model
        for platform in (QIANFAN, OTHER)
    ]
    # it has ended, and is replaced where it was Qianfan's
    assert models == ["ernie-4.5-turbo-128k", "ERNIE-Speed"]
