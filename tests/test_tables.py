"""Tables of other packages: datasets, trainings, batches and comparisons take each of them."""

import subprocess
import sys

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import qfnb
from qfnb._tables import open_table
from qfnb.batching.input_source import open_source
from qfnb.compat.tables.dataset import Dataset as SdkDataset
from qfnb.errors import InvalidArgumentError
from qfnb.evaluation.samples import as_rereadable, rows_of
from qfnb.trainer.actions import load_sources

ROWS = [{"prompt": "1 + 1?", "response": "2"}, {"prompt": "2 + 2?", "response": "4"}]
CONVERSATION = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}]


def relation():
    return duckdb.connect().sql(
        "SELECT * FROM (VALUES ('1 + 1?', '2'), ('2 + 2?', '4')) AS t(prompt, response)"
    )


WITHOUT_ARROW = {
    "pandas": lambda: pd.DataFrame(ROWS),
    "polars": lambda: pl.DataFrame(ROWS),
    "LazyFrame": lambda: pl.LazyFrame(ROWS).filter(pl.col("response") != ""),
    "DuckDB": relation,
}
TABLES = WITHOUT_ARROW | {
    "Arrow": lambda: pa.Table.from_pylist(ROWS),
    "Arrow batch": lambda: pa.RecordBatch.from_pylist(ROWS),
    "Arrow reader": lambda: pa.Table.from_pylist(ROWS).to_reader(),
}
every_table = pytest.mark.parametrize("build", TABLES.values(), ids=TABLES)


def pairs(dataset):
    return [{name: row[name] for name in ROWS[0]} for row in dataset.list()]


@every_table
def test_both_datasets_and_a_training_load_a_table(build):
    assert pairs(qfnb.Dataset.load(build())) == ROWS
    assert pairs(qfnb.Dataset(build())) == ROWS
    assert pairs(SdkDataset.load(build())) == pairs(SdkDataset.load(dataframe=build())) == ROWS
    [dataset] = load_sources(build())
    assert pairs(dataset) == ROWS


@every_table
def test_a_batch_and_an_evaluation_read_a_table(build):
    source = open_source(build())
    assert (source.columns, [*source.items()]) == (("prompt", "response"), ROWS)
    table = as_rereadable(build())
    assert rows_of(table) == rows_of(table) == rows_of(build()) == ROWS


@pytest.mark.parametrize("build", WITHOUT_ARROW.values(), ids=WITHOUT_ARROW)
def test_tables_that_are_not_arrows_do_without_pyarrow(build, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert [*open_table(build()).rows()] == ROWS


def test_an_arrow_table_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        InvalidArgumentError, match=r"type RecordBatch need pyarrow: pip install 'qfnb\[parquet\]'"
    ):
        qfnb.Dataset.load(pa.RecordBatch.from_pylist(ROWS))


def test_rows_conversations_paths_and_renamed_columns_load(tmp_path):
    assert pairs(qfnb.Dataset.load(ROWS)) == pairs(SdkDataset.load(ROWS)) == ROWS
    assert (
        len(qfnb.Dataset.load([CONVERSATION]).list())
        == len(SdkDataset.load([CONVERSATION]).list())
        == 1
    )
    path = tmp_path / "rows.jsonl"
    qfnb.Dataset(ROWS).save(path)
    assert pairs(qfnb.Dataset.load(path)) == pairs(SdkDataset.load(path)) == ROWS
    renamed = pd.DataFrame(ROWS).rename(columns={"prompt": "question", "response": "answer"})
    columns = {"question": "prompt", "answer": "response"}
    assert pairs(qfnb.Dataset.load(renamed, columns=columns)) == ROWS


@pytest.mark.parametrize("dataset", [qfnb.Dataset, SdkDataset])
@pytest.mark.parametrize("data", [7, 1.5, {"prompt": "1 + 1?"}, pl.DataFrame])
def test_what_has_no_rows_is_refused_with_what_is_taken(dataset, data):
    with pytest.raises(
        InvalidArgumentError, match="has no rows: use a table, a path or a list of dictionaries"
    ):
        dataset.load(data)


@pytest.mark.parametrize(
    "table", [pd.DataFrame([[1, 2]], columns=["a", "a"]), pa.table([[1], [2]], names=["a", "a"])]
)
def test_two_columns_of_one_name_are_refused(table):
    with pytest.raises(InvalidArgumentError, match="two columns have the same name: a, a"):
        qfnb.Dataset.load(table)


def test_no_package_of_tables_is_loaded_to_look_at_a_list():
    code = (
        "import sys; from qfnb._tables import open_table; open_table([]); print({'pandas', "
        "'polars', 'pyarrow'} & {*sys.modules})"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "set()\n"
    )
