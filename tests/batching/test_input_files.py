"""Folders and patterns of files: what they hold is checked before anything is sent, and read again
from any row.
"""

import json

import pandas as pd
import pytest
from pyarrow import Table, parquet

import qfnb
from qfnb.batching import journal_reader
from qfnb.batching.input_source import open_source
from qfnb.batching.journal import Journal
from qfnb.batching.journal_store import journal_path
from qfnb.errors import DatasetError, InvalidArgumentError

ROWS = 2500


def write_parts(folder, suffix, counts=(ROWS, 0, 7)):
    """Write rows with rising numbers into a file for each count; return all rows."""
    rows = []
    start = 0
    for part, count in enumerate(counts):
        path = folder / f"part-{part}{suffix}"
        chunk = [
            {"q": f"第 {number} 行\n", "n": str(number)} for number in range(start, start + count)
        ]
        if suffix == ".jsonl":
            path.write_text(
                "".join(f"{json.dumps(row, ensure_ascii=False)}\n\n" for row in chunk),
                encoding="utf-8",
            )
        elif suffix == ".csv":
            pd.DataFrame(chunk, columns=["q", "n"]).to_csv(path, index=False)
        else:
            columns = {name: [row[name] for row in chunk] for name in ("q", "n")}
            parquet.write_table(
                Table.from_pandas(pd.DataFrame(columns, dtype=str)), path, row_group_size=600
            )
        rows = rows + chunk
        start = start + count
    (folder / "_SUCCESS").touch()
    return rows


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_folder_is_read_in_the_order_of_its_names(tmp_path, suffix):
    rows = write_parts(tmp_path, suffix)
    source = open_source(tmp_path)
    assert (
        list(source.items()) == rows == list(open_source(str(tmp_path / f"part-*{suffix}")).items())
    )
    assert source.total == (len(rows) if suffix == ".parquet" else None)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_column_that_one_file_lacks_is_named_with_its_file(tmp_path, suffix, count_requests):
    write_parts(tmp_path, suffix, [2, 0])
    other = tmp_path / f"part-2{suffix}"
    if suffix == ".jsonl":
        other.write_text('{"q": 1, "n": "x"}\n{"q": 2.5}\n', encoding="utf-8")
    elif suffix == ".csv":
        other.write_text("q,m\n1,2\n", encoding="utf-8")
    else:
        parquet.write_table(Table.from_pydict({"q": [1, 2]}), other)
    reason = "#1: it has no 'n'" if suffix == ".jsonl" else " has no column 'n'; it has q"
    with pytest.raises(InvalidArgumentError, match=f"part-2{suffix}{reason}"):
        qfnb.batch(tmp_path, "{q} {n}")
    assert count_requests()["came"] == 0
    assert len(qfnb.batch(tmp_path, "{q}").results()) == (4 if suffix != ".csv" else 3)


def test_an_unreadable_file_among_many_is_named_before_anything_is_sent(tmp_path, count_requests):
    write_parts(tmp_path, ".parquet", [1] * 30)
    (tmp_path / "part-17.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DatasetError, match=r"part-17\.parquet: not Parquet"):
        qfnb.batch(str(tmp_path / "*.parquet"), "{q}")
    assert count_requests()["came"] == 0


@pytest.mark.parametrize(
    ("names", "asked", "message"),
    [
        (["a.csv", "b.jsonl"], "", r"files of several kinds: .*a\.csv.*b\.jsonl; name one kind"),
        (["a.txt"], "", r"no file there ends in \.jsonl, \.csv, \.parquet"),
        ([], "*.csv", r"no file there ends in"),
    ],
)
def test_what_names_no_files_of_one_kind_is_refused(tmp_path, names, asked, message):
    for name in names:
        (tmp_path / name).write_text("x")
    with pytest.raises(DatasetError, match=message):
        qfnb.estimate(str(tmp_path / asked))


def test_addresses_without_their_package_or_protocol_are_refused():
    with pytest.raises(qfnb.QianfanError, match=r"fsspec|Protocol not known"):
        qfnb.estimate("nowhere://bucket/rows.jsonl")


def test_rows_that_an_earlier_version_left_in_their_file_keep_their_answers(
    tmp_path, count_requests
):
    rows = write_parts(tmp_path, ".jsonl", (12,))
    qfnb.batch(tmp_path, "{q}", name="referred").wait()
    journal = Journal(journal_path("referred"))
    journal.database.execute("update row set input = ''")
    journal.database.execute("delete from answer where place = 7")
    journal.close()
    assert sum(row.ok for row in journal_reader.read_rows(journal_path("referred"))) == 11
    batch = qfnb.resume("referred")
    batch.wait()
    assert "run the batch again with its input" in batch.progress.reason
    again = qfnb.batch(tmp_path, "{q}", name="referred")
    assert [row.input for row in again.results() if row.ok] == rows
    assert count_requests()["came"] == 13
