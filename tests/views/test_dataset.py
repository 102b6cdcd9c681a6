"""A dataset as it shows itself."""

import struct
import zlib
from html.parser import HTMLParser

import pytest
from hypothesis import given, strategies as st
from support.attacks import ATTACKS

from qfnb import Dataset
from qfnb.dataset import TransferStep
from qfnb.views import dataset

PAIR = {"prompt": "几点开门", "response": "九点"}


class Tags(HTMLParser):
    """The elements and attributes of some HTML."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.attributes = set(), set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_it_tells_name_kind_rows_columns_tokens_and_source(tmp_path):
    Dataset([{**PAIR, "topic": "时间"}] * 3, name="茶馆").save(tmp_path / "茶馆.jsonl")
    pairs = Dataset.load(tmp_path / "茶馆.jsonl")
    for text in (dataset.html(pairs), dataset.text(pairs)):
        for fact in ("茶馆", "单轮问答", "3 rows", "prompt, response, topic", "9 tokens", "茶馆.jsonl"):
            assert fact in text
    assert "重复 2 rows" in dataset.html(pairs)


def test_earlier_turns_are_shown_as_turns():
    row = {"history": [PAIR], "prompt": "几点关门", "response": "十点"}
    html = dataset.html(Dataset([row]))
    assert html.index("问 几点开门") < html.index("答 九点") < html.index("几点关门")
    assert "(1 轮 turns) 几点关门  →  十点" in dataset.text(Dataset([row]))


def test_sorted_answers_are_numbered_and_long_texts_cut():
    html = dataset.html(Dataset([{"prompt": "p", "responses": ["好", "长" * 500]}]))
    assert "<div>1. 好</div>" in html
    assert "长" * 96 not in html


def test_a_dataset_that_was_not_fetched_is_shown_without_a_call(scripted):
    server = scripted([b""])
    html = dataset.bundle(Dataset.load(qianfan_dataset_id="ds-<1>"))
    assert "ds-&lt;1&gt; · 平台上的数据集" in html["text/html"]
    assert "ds.head()" in html["text/plain"]
    assert not server.requests


def test_an_empty_dataset_is_shown():
    assert "0 rows" in dataset.html(Dataset())
    assert "0 rows" in dataset.text(Dataset())


def test_a_picture_is_drawn_only_when_it_is_one():
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    assert "data:image/png;base64" in dataset.html(Dataset([{"image": png, "prompt": "点"}]))
    html = dataset.html(Dataset([{"image": b"<svg onload=alert(1)>", "prompt": "点"}]))
    assert "<img" not in html
    assert "not a PNG" in html


@pytest.mark.fault("F92")
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_a_dataset_acts(attack):
    rows = [{"history": [{"prompt": attack, "response": attack}], "prompt": attack, "response": attack, attack: attack}]
    tags = Tags(dataset.html(Dataset(rows, name=attack)))
    assert tags.elements <= {"div", "b", "span", "table", "tr", "th", "td"}
    assert tags.attributes <= {"style"}


@given(text=st.text(min_size=1).filter(lambda text: not text.isspace()))
def test_whatever_a_text_holds_it_is_one_line_and_no_element(text):
    try:
        one_row = Dataset([{"prompt": text, "response": text}])
    except ValueError:
        return
    assert Tags(dataset.html(one_row)).elements <= {"div", "b", "span", "table", "tr", "th", "td"}
    assert len(dataset.text(one_row).split("\n")) == 2


def test_an_upload_shows_each_step_and_stays_at_the_last(monkeypatch, capsys):
    monkeypatch.setenv("QFNB_DISPLAY", "text")
    with dataset.UploadBar() as bar:
        bar(TransferStep("upload", 1 << 20, 3 << 20))
        bar(TransferStep("release", 1, 1))
    assert capsys.readouterr().out == "✔ 发布 release\n"
    assert "1.0 / 3.0 MB" in dataset.step_bundle(TransferStep("upload", 1 << 20, 3 << 20))["text/plain"]
    with pytest.raises(ValueError), dataset.UploadBar() as bar:
        raise ValueError
    assert capsys.readouterr().out == ""
