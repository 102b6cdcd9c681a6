"""The one reader of JSONL, CSV and Parquet: values with their lines, problems with their reasons."""

import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from qfnb import _jsonl_csv_parquet
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


def test_a_line_far_into_a_csv_file_that_is_not_utf_8_is_named():
    with pytest.raises(DatasetError, match="x:20002: not UTF-8"):
        read(_jsonl_csv_parquet.read_csv, b"a\n" + b"1\n" * 20_000 + b"\xff\n")


def test_parquet_rows_are_dictionaries():
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"a": [1, None]}), buffer)
    assert read(_jsonl_csv_parquet.read_parquet, buffer.getvalue()) == [{"a": 1}, {"a": None}]
    with pytest.raises(DatasetError, match="x: not Parquet"):
        read(_jsonl_csv_parquet.read_parquet, b"PAR1")
