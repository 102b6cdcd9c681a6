"""What a batch of texts sends is byte for byte what single calls send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qfnb.resources.inference.messages import validate_messages
from qfnb.resources.inference.request_template import ChatRequestBuilder

OPTIONS = {"system": 'You are "qfnb" \\ 千帆', "temperature": 0.5, "max_output_tokens": 7, "stop": ["\n"]}
BUILDERS = [
    ChatRequestBuilder(None, None, {}, stream=False),
    ChatRequestBuilder("ERNIE-Speed", None, OPTIONS, stream=False),
    ChatRequestBuilder(None, "my_service", {"user_id": "x"}, stream=False),
]

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(texts)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("series", BUILDERS, ids=["bare", "options", "endpoint"])
def test_a_form_says_what_the_record_would(series, version, text):
    expected = series.route(validate_messages(text), version, translate_names=True)
    rendered = series.route_for_text(text, version, translate_names=True)
    assert (rendered.endpoint, rendered.model) == (expected.endpoint, expected.model)
    assert rendered.record.to_json() == expected.record.to_json()
    assert rendered.record.to_wire() == expected.record.to_wire()


def test_a_form_answers_for_the_records_fields():
    record = BUILDERS[1].route_for_text("hello", 1, translate_names=True).record
    assert record.max_output_tokens == 7
    with pytest.raises(AttributeError):
        _ = record.max_completion_tokens


def test_names_are_translated_for_qianfan_alone():
    model = [
        BUILDERS[1].route_for_text("hello", 2, translate_names=aliases).model for aliases in (True, False)
    ]
    assert model == ["ernie-speed-8k", "ERNIE-Speed"]
