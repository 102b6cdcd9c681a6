"""A dataset as it shows itself."""

import pytest
from hypothesis import given, strategies as st
from support.attacks import ATTACKS
from support.strict_html import OUTPUT_ATTRIBUTES, OUTPUT_TAGS, assert_only

from qfnb import Dataset
from qfnb.dataset import TransferStep
from qfnb.views import dataset

PAIR = {"prompt": "几点开门", "response": "九点"}


def test_it_tells_name_kind_rows_columns_tokens_and_source(tmp_path):
    Dataset([{**PAIR, "topic": "时间"}] * 3, name="茶馆").save(tmp_path / "茶馆.jsonl")
    pairs = Dataset.load(tmp_path / "茶馆.jsonl")
    for text in dataset.bundle(pairs).values():
        for fact in ("茶馆", "questions and answers", "3 rows", "9 tokens", "茶馆.jsonl"):
            assert fact in text
    assert "2 rows are the same as an earlier one." in dataset.html(pairs)
    assert "<code>ds = ds.deduplicate()</code>" in dataset.html(pairs)


def test_earlier_turns_are_shown_as_turns():
    row = {"history": [PAIR], "prompt": "几点关门", "response": "十点"}
    html = dataset.html(Dataset([row]))
    assert html.index("几点开门") < html.index("→ 九点") < html.index("几点关门")
    assert "(1 earlier turn) 几点关门  →  十点" in dataset.text(Dataset([row]))


def test_a_dataset_that_was_not_fetched_is_shown_without_a_call(scripted):
    server = scripted([b""])
    html = dataset.bundle(Dataset.load(qianfan_dataset_id="ds-<1>"))
    assert "ds-&lt;1&gt;" in html["text/html"]
    assert all("ds.head()" in part for part in html.values())
    assert not server.requests


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_a_dataset_acts(attack):
    rows = [
        {
            "history": [{"prompt": attack, "response": attack}],
            "prompt": attack,
            "response": attack,
            attack: attack,
        }
    ]
    assert_only(
        dataset.html(Dataset(rows, name=attack)), {*OUTPUT_TAGS, "style"}, OUTPUT_ATTRIBUTES
    )


@given(text=st.text(min_size=1).filter(lambda text: not text.isspace()))
def test_whatever_a_text_holds_it_is_one_line_and_no_element(text):
    try:
        one_row = Dataset([{"prompt": text, "response": text}])
    except ValueError:
        return
    assert_only(dataset.html(one_row), {*OUTPUT_TAGS, "style"}, OUTPUT_ATTRIBUTES)
    assert len(dataset.text(one_row).split("\n")) == 2


def test_an_upload_shows_each_step_and_stays_at_the_last(monkeypatch, capsys):
    monkeypatch.setenv("QFNB_DISPLAY", "text")
    with dataset.UploadBar() as bar:
        bar(TransferStep("upload", 1 << 20, 3 << 20))
        bar(TransferStep("release", 1, 1))
    assert capsys.readouterr().out == "✓ Released\n"
    assert (
        "1.0 / 3.0 MB"
        in dataset.step_bundle(TransferStep("upload", 1 << 20, 3 << 20))["text/plain"]
    )
    with pytest.raises(ValueError), dataset.UploadBar() as bar:
        raise ValueError
    assert capsys.readouterr().out == ""
