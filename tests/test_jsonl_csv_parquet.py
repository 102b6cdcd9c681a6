"""The one reader of JSONL, CSV and Parquet: values with their lines, problems with their
reasons.
"""

import io
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from qfnb import _jsonl_csv_parquet, _notices
from qfnb.errors import DatasetError


def read(reader, content):
    return list(reader(io.BytesIO(content), "x"))


def test_json_lines_are_numbered_and_blank_ones_skipped():
    content = '\ufeff{"a": 1}\r\n\n  \n[2]\noops\n'.encode() + b"\xff\n3"
    (*values, problem, undecodable, last) = read(_jsonl_csv_parquet.read_jsonl, content)
    assert values == [(1, {"a": 1}), (4, [2])]
    assert (problem[0], problem[1].reason) == (5, "not JSON (Expecting value at column 1): 'oops'")
    assert (undecodable[0], undecodable[1].reason) == (6, _jsonl_csv_parquet.NOT_UTF8)
    assert last == (7, 3)


def test_csv_rows_have_the_line_on_which_they_begin():
    content = '\ufeffa,b\r\n"1\n2",3\n\n4,5\r6,7'.encode()
    assert read(_jsonl_csv_parquet.read_csv, content) == [
        (1, ["a", "b"]),
        (2, ["1\n2", "3"]),
        (5, ["4", "5"]),
        (6, ["6", "7"]),
    ]


@pytest.mark.parametrize("reader", [_jsonl_csv_parquet.read_csv, _jsonl_csv_parquet.read_jsonl])
def test_utf_16_is_named(reader):
    with pytest.raises(DatasetError, match="x:1: the file is UTF-16"):
        read(reader, "a,b".encode("utf-16"))


ROWS = [["问题", "回答"], ["骑行多少钱？", "每小时 2 元"]]


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-8", "utf-8-sig"])
def test_what_excel_writes_in_china_is_read_and_a_notice_says_so(encoding, caplog):
    _notices.warn_once.cache_clear()
    table = "\r\n".join(map(",".join, ROWS)).encode(encoding)
    assert [cells for _, cells in read(_jsonl_csv_parquet.read_csv, table)] == ROWS
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode(encoding)
    assert [value for _, value in read(_jsonl_csv_parquet.read_jsonl, lines)] == ROWS
    notices = [] if encoding.startswith("utf") else ["x is not UTF-8 but GBK, and was read as GBK"]
    assert [record.message for record in caplog.records] == notices


@pytest.mark.parametrize(
    "content",
    [
        "café,élan\nGrüße,über\n".encode("latin-1"),
        "問題,答\n繁體中文\n".encode("big5"),
        "日本語の質問\n".encode("shift-jis"),
        "中文问题\n".encode("utf-16-le"),
        "问题\n".encode() + "回答\n".encode("gbk"),
        "问题".encode()[:-1],
        b"\xff",
    ],
    ids=[
        "Latin-1",
        "Big5",
        "Shift-JIS",
        "UTF-16 without its mark",
        "one line of GBK",
        "cut",
        "nothing",
    ],
)
def test_nothing_else_is_read_as_gbk(content):
    assert _jsonl_csv_parquet.find_encoding(io.BytesIO(content), "x") == "utf-8"


def test_a_line_far_into_a_csv_file_that_is_not_utf_8_is_named():
    with pytest.raises(DatasetError, match="x:20002: not UTF-8"):
        read(_jsonl_csv_parquet.read_csv, b"a\n" + b"1\n" * 20_000 + b"\xff\n")


def test_parquet_rows_are_dictionaries():
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"a": [1, None]}), buffer)
    assert read(_jsonl_csv_parquet.read_parquet, buffer.getvalue()) == [{"a": 1}, {"a": None}]
    with pytest.raises(DatasetError, match="x: not Parquet"):
        read(_jsonl_csv_parquet.read_parquet, b"PAR1")
