"""Result frames and result files: every row once, every column of the user unchanged."""

import csv
import json
import math
import sys

import openpyxl
import pandas as pd
import pytest
from pyarrow import parquet

import qfnb
from qfnb import _notices
from qfnb._jsonl_csv_parquet import excel_cell
from qfnb.batching import export
from qfnb.batching.journal_reader import BatchRow
from qfnb.errors import InvalidArgumentError


def answers(*inputs):
    return [
        BatchRow(number=number, input=item, text=f"答 {number}")
        for number, item in enumerate(inputs)
    ]


def read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


LEVELS = pd.MultiIndex.from_tuples([("q", "a"), ("q", "b")])


@pytest.mark.parametrize(
    "labels",
    [
        {"index": [7, 7]},
        {"index": [7, None]},
        {"index": LEVELS},
        {"columns": LEVELS},
        {"columns": [0, 1]},
        {"columns": pd.to_datetime(["2024-01-01", "2024-01-02"])},
    ],
    ids=str,
)
def test_an_index_and_columns_of_any_kind_are_kept_beside_the_results(labels):
    frame = pd.DataFrame([["x", 1], ["y", 2]], **labels)
    results = export.to_frame(answers({"a": "x"}, {"a": "y"}), frame)
    assert results.iloc[:, :2].equals(frame)
    assert list(results["text"]) == ["答 0", "答 1"]
    assert str(results["prompt_tokens"].dtype) == "Int64"


def test_a_result_column_takes_a_name_that_is_free():
    frame = pd.DataFrame({"text": [1], "answer_text": [2], "answer_text_2": [3]})
    results = export.to_frame(answers(*frame.to_dict("records")), frame)
    assert results.loc[0, ["text", "answer_text", "answer_text_2", "answer_text_3"]].tolist() == [
        1,
        2,
        3,
        "答 0",
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_file_has_every_column_of_rows_that_differ(tmp_path, name):
    rows = answers({"q": "x"}, {"q": "y", "text": "mine", "late": 1}, "z")
    path = export.save(lambda: rows, tmp_path / name)
    results = read_csv(path) if name.endswith("csv") else read_jsonl(path)
    assert [row["answer_text"] for row in results] == ["答 0", "答 1", "答 2"]
    assert (results[1]["text"], str(results[1]["late"]), results[2]["prompt"]) == ("mine", "1", "z")
    assert results[0].get("text", "") == ""
    assert sorted(file.name for file in tmp_path.iterdir()) == [name]


def test_what_is_no_number_is_null_in_json(tmp_path):
    rows = answers({"q": "x", "n": math.nan, "more": [math.inf, {"a": math.nan}]})
    path = export.save(lambda: rows, tmp_path / "a.jsonl")
    line = path.read_text(encoding="utf-8")
    row = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (row["n"], row["more"]) == (None, [None, {"a": None}])


def test_half_a_surrogate_pair_does_not_cost_the_file(tmp_path):
    rows = answers({"q": "\ud83d"})
    assert read_jsonl(export.save(lambda: rows, tmp_path / "a.jsonl"))[0]["q"] == "\ud83d"
    assert read_csv(export.save(lambda: rows, tmp_path / "a.csv"))[0]["q"] == "\\ud83d"


@pytest.mark.parametrize(
    "formula", ['=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", " =1"]
)
def test_a_formula_is_a_text_in_csv_and_unchanged_elsewhere(tmp_path, formula):
    rows = [BatchRow(number=0, input={formula: formula, "change": "-5.5"}, text=formula)]
    row = read_csv(export.save(lambda: rows, tmp_path / "a.csv"))[0]
    assert (row[f"'{formula}"], row["text"], row["change"]) == (
        f"'{formula}",
        f"'{formula}",
        "-5.5",
    )
    assert read_jsonl(export.save(lambda: rows, tmp_path / "a.jsonl"))[0]["text"] == formula
    assert export.to_frame(rows)["text"][0] == formula


def test_rows_changed_after_the_start_are_answered_as_they_were(sandbox):
    rows = pd.DataFrame({"q": ["丙", "甲", "乙"]})
    batch = qfnb.batch(rows, "{q}", name="changed-frame")
    rows.iloc[:] = rows.iloc[[1, 2, 0]].to_numpy()
    rows.index = [1, 2, 0]
    results = batch.to_frame()
    assert list(results.index) == [0, 1, 2]
    assert list(results["q"]) == [answer.input["q"] for answer in batch] == ["丙", "甲", "乙"]


def test_parquet_without_its_package_is_refused_before_any_request(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidArgumentError, match="need pyarrow"):
        qfnb.batch(["甲"], out=tmp_path / "a.parquet", name="no-package")
    assert "no-package" not in list(qfnb.batches()["name"])


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.xlsx", "a.parquet"])
def test_every_kind_of_file_has_all_rows_in_order(tmp_path, monkeypatch, name):
    monkeypatch.setattr(export, "ROWS_PER_GROUP", 2)
    rows = answers(*({"q": f"问 {number}"} for number in range(6)))
    export.save(lambda: rows, tmp_path / name)
    frame = {"csv": pd.read_csv, "parquet": pd.read_parquet, "xlsx": pd.read_excel}.get(
        name[2:], lambda path: pd.read_json(path, lines=True)
    )
    assert frame(tmp_path / name)["text"].tolist() == [f"答 {number}" for number in range(6)]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name == "a.parquet":
        assert parquet.ParquetFile(tmp_path / name).num_row_groups == 3


def test_parquet_has_a_common_type_for_numbers_texts_and_nested_values(tmp_path):
    inputs = [
        {"n": 1, "t": "x", "s": {"a": 1}},
        {"n": 2.5, "t": 3, "s": {"b": "y"}},
        {"n": None, "t": None, "s": None},
    ]
    frame = pd.read_parquet(export.save(lambda: answers(*inputs), tmp_path / "a.parquet"))
    assert frame["n"].tolist()[:2] == [1.0, 2.5]
    assert frame["t"].tolist()[:2] == ["x", "3"]
    assert frame["s"].tolist() == [{"a": 1.0, "b": None}, {"a": None, "b": "y"}, None]


def test_a_text_that_excel_cannot_hold_is_cut_and_a_notice_says_so(caplog):
    _notices.warn_once.cache_clear()
    sheet = openpyxl.Workbook(write_only=True).create_sheet()
    cell = excel_cell(sheet, "x" * 40_000)
    assert len(cell.value) == 32_767
    assert "more than 32,767 characters" in caplog.text
