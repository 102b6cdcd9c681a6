"""What a batch of texts sends is byte for byte what single calls send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qfnb.resources.messages import checked
from qfnb.resources.series import Series

OPTIONS = {"system": 'You are "qfnb" \\ 千帆', "temperature": 0.5, "max_output_tokens": 7, "stop": ["\n"]}
SERIES = [
    Series(None, None, {}, stream=False),
    Series("ERNIE-Speed", None, OPTIONS, stream=False),
    Series(None, "my_service", {"user_id": "x"}, stream=False),
]

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(texts)
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("series", SERIES, ids=["bare", "options", "endpoint"])
def test_a_form_says_what_the_record_would(series, version, text):
    whole = series.route(checked(text), version, aliases=True)
    filled = series.prompt(text, version, aliases=True)
    assert (filled.endpoint, filled.model) == (whole.endpoint, whole.model)
    assert filled.record.to_json() == whole.record.to_json()
    assert filled.record.to_wire() == whole.record.to_wire()


def test_a_form_answers_for_the_records_fields():
    record = SERIES[1].prompt("hello", 1, aliases=True).record
    assert record.max_output_tokens == 7
    with pytest.raises(AttributeError):
        _ = record.max_completion_tokens


def test_names_are_translated_for_qianfan_alone():
    model = [SERIES[1].prompt("hello", 2, aliases=aliases).model for aliases in (True, False)]
    assert model == ["ernie-speed-8k", "ERNIE-Speed"]
