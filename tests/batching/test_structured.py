"""`response_format=` of a batch: fields become columns; an answer that does not match is asked for
once more.
"""

import pandas as pd
import pytest
from pydantic import BaseModel, field_validator
from support.chat_script import sent_bodies, whole

import qfnb
from qfnb.errors import InvalidArgumentError

GOOD = '{"title": "红楼梦", "year": 1791}'
BAD = '{"title": "红楼梦", "year": "很早"}'
USAGE = {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50}
SCHEMA = {
    "type": "object",
    "properties": {"year": {"type": "integer"}, "text": {}},
    "required": ["year"],
}


class Book(BaseModel):
    """A novel."""

    title: str
    year: int
    tags: list[str] = []


class Late(Book):
    """A novel of the last century."""

    @field_validator("year")
    @classmethod
    def is_late(cls, year: int) -> int:
        if year < 1900:
            raise ValueError("too early")
        return year


def batch(rows, response_format, **options):
    return qfnb.batch(
        rows, model="my-own", response_format=response_format, canary=0, workers=1, **options
    )


def test_fields_are_columns_of_frames_and_files(scripted, tmp_path):
    scripted(whole(GOOD, usage=USAGE))
    books = batch(
        pd.DataFrame({"prompt": ["甲", "乙"], "title": ["x", "y"]}),
        Book,
        out=tmp_path / "books.jsonl",
    )
    frame = books.to_frame()
    assert list(frame.columns[:6]) == ["prompt", "title", "answer_title", "year", "tags", "text"]
    assert list(frame["year"]) == [1791, 1791]
    assert [row.parsed for row in books.results()] == [Book(title="红楼梦", year=1791)] * 2
    saved = pd.read_json(tmp_path / "books.jsonl", lines=True)
    assert list(saved["answer_title"]) == ["红楼梦"] * 2
    assert list(saved["tags"]) == [[], []]


def test_a_row_is_asked_once_more_and_what_both_tries_cost_is_counted(scripted):
    server = scripted(whole(BAD, usage=USAGE), whole(GOOD, usage=USAGE))
    row = batch(["红楼梦"], Book, name="again").results()[0]
    assert row.parsed.year == 1791
    first, second = sent_bodies(server)
    assert [message["content"] for message in second["messages"][:-1]][-1] == BAD
    assert "只输出 JSON" in first["messages"][0]["content"]
    assert row.prompt_tokens == 2 * USAGE["prompt_tokens"]
    assert first["messages"] == second["messages"][: len(first["messages"])]


def test_an_answer_that_never_matches_is_a_failure_that_keeps_text_and_cost(scripted):
    server = scripted(whole(BAD, usage=USAGE))
    books = batch(["红楼梦", "西游记"], Book, name="never")
    rows = books.results()
    assert [(row.ok, row.error, row.text, row.parsed) for row in rows] == [
        (False, "UnreadableAnswer", BAD, None)
    ] * 2
    assert "year" in rows[0].message
    assert len(server.requests) == 4
    assert books.progress.prompt_tokens == 4 * USAGE["prompt_tokens"]
    assert list(books.to_frame()["title"]) == [None, None]


def test_a_resumed_batch_knows_the_schema_and_counts_what_failures_cost(scripted):
    server = scripted(*[whole(BAD, usage=USAGE)] * 2, whole(GOOD, usage=USAGE))
    batch(["红楼梦"], Book, name="resumed").wait()
    resumed = qfnb.resume("resumed")
    assert resumed.results()[0].parsed == {"title": "红楼梦", "year": 1791}
    assert resumed.progress.prompt_tokens == 3 * USAGE["prompt_tokens"]
    assert len(server.requests) == 3


def test_a_schema_and_a_validator_of_a_class_are_obeyed(scripted):
    scripted(whole(GOOD, usage=USAGE))
    row = batch(["红楼梦"], Late, name="late").results()[0]
    assert "too early" in row.message
    frame = batch(["红楼梦"], SCHEMA, name="schema").to_frame()
    assert frame["year"].tolist() == [1791]
    assert frame["text"].tolist() == [GOOD]
    assert frame["answer_text"].isna().all()


@pytest.mark.parametrize("wrong", ["yaml", 3, Book(title="x", year=1), {"type": "nothing"}])
def test_a_format_that_is_none_is_refused_before_anything_is_sent(scripted, wrong):
    server = scripted(whole(GOOD, usage=USAGE))
    with pytest.raises(InvalidArgumentError, match="response_format"):
        batch(["甲"], wrong)
    assert not server.requests
