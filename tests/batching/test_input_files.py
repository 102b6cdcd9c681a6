"""Folders and patterns of files: what they hold is checked before anything is sent, and read again
from any row.
"""

import json

import pandas as pd
import pytest
from pyarrow import Table, parquet

import qfnb
from qfnb.batching import input_source, journal_reader
from qfnb.batching.input_files import InputFiles, RowReader
from qfnb.batching.input_source import open_source
from qfnb.batching.journal import Journal
from qfnb.batching.journal_store import journal_path
from qfnb.errors import DatasetError
from qfnb.resources import Storage

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
def test_a_folder_is_read_in_the_order_of_its_names_and_again_from_any_row(tmp_path, suffix):
    rows = write_parts(tmp_path, suffix)
    source = open_source(tmp_path)
    assert (
        list(source.items()) == rows == list(open_source(str(tmp_path / f"part-*{suffix}")).items())
    )
    files = InputFiles.from_json(source.files.to_json())
    reader = RowReader(files, source.files.marks[1:] if suffix == ".csv" else source.files.marks)
    order = [2100, 2101, 2090, 3, ROWS + 6, 599, 600, 0]
    assert [reader.read(number) for number in order if suffix != ".csv" or number >= ROWS] == [
        rows[number] for number in order if suffix != ".csv" or number >= ROWS
    ]
    assert source.total == (len(rows) if suffix == ".parquet" else None)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_rows_are_counted_before_they_are_read(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(input_source, "STREAM_ABOVE_BYTES", 0)
    monkeypatch.setattr(input_source, "COUNTED_BYTES", 7)
    rows = write_parts(tmp_path, suffix, (40, 3))
    # blank lines count, too
    assert open_source(tmp_path).total == len(rows) * (2 if suffix == ".jsonl" else 1)


@pytest.mark.parametrize(
    ("suffix", "second", "message"),
    [
        (
            ".parquet",
            {"q": [1]},
            r"part-1\.parquet: the column 'q' is int64, and in .*part-0\.parquet it is string",
        ),
        (
            ".parquet",
            {"q": ["x"], "late": [1]},
            r"part-1\.parquet: the column 'late' is int64.* it is none",
        ),
        (
            ".csv",
            {"Q": ["x"]},
            r"part-1\.csv: the column 'q' is none, and in .*part-0\.csv it is text",
        ),
        (
            ".jsonl",
            {"q": [1]},
            r"part-1\.jsonl: the column 'q' is number, and in .*part-0\.jsonl it is str",
        ),
    ],
)
def test_a_file_whose_columns_differ_is_named_before_anything_is_sent(
    tmp_path, suffix, second, message, count_requests
):
    for number, columns in enumerate([{"q": ["x"]}, second]):
        frame = pd.DataFrame(columns)
        path = tmp_path / f"part-{number}{suffix}"
        if suffix == ".jsonl":
            frame.to_json(path, orient="records", lines=True)
        else:
            frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(
                path, index=False
            )
    with pytest.raises(DatasetError, match=message):
        qfnb.batch(tmp_path, "{q}")
    assert count_requests()["came"] == 0


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


@pytest.fixture
def referred(tmp_path, monkeypatch, sandbox):
    """A file that the journal of the batch "referred" does not copy, and the rows of it."""
    monkeypatch.setattr(input_source, "COPY_UP_TO_BYTES", 0)
    (tmp_path / "in").mkdir()
    rows = write_parts(tmp_path / "in", ".jsonl", (12,))
    return tmp_path / "in" / "part-0.jsonl", rows


@pytest.mark.parametrize("streams", [False, True])
def test_rows_of_a_file_are_not_copied_and_come_with_their_answers(referred, monkeypatch, streams):
    path, rows = referred
    if streams:
        monkeypatch.setattr(input_source, "STREAM_ABOVE_BYTES", 0)
    batch = qfnb.batch(path, "{q}", name="referred", out=path.with_name("results.jsonl"))
    assert [row.input for row in batch.results()] == rows
    assert sorted(row.input["n"] for row in batch.as_completed()) == sorted(
        row["n"] for row in rows
    )
    journal = Journal(journal_path("referred"))
    assert journal.database.execute("select distinct input from row").fetchall() == [("",)]
    journal.database.execute(
        "delete from answer where key in (select key from row where number % 2)"
    )
    assert [row.item for row in journal.missing_rows(-1, -1)] == rows[1::2]
    journal.close()
    assert [row.input for row in qfnb.resume("referred").results() if row.ok] == rows
    lines = path.with_name("results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["n"] for line in lines] == [row["n"] for row in rows]


def test_a_file_that_has_changed_is_named_at_resume_and_its_answers_are_still_there(
    referred, caplog, count_requests
):
    path, _ = referred
    texts = [row.text for row in qfnb.batch(path, "{q}", name="referred").results()]
    journal = Journal(journal_path("referred"))
    journal.database.execute(
        "delete from answer where key in (select key from row where number = 5)"
    )
    journal.close()
    came = count_requests()["came"]
    path.write_text(path.read_text(encoding="utf-8").replace("第", "地"), encoding="utf-8")
    with pytest.raises(
        DatasetError, match=r"part-0\.jsonl: the file has changed since the batch began"
    ):
        qfnb.resume("referred")
    assert count_requests()["came"] == came
    read = list(journal_reader.read_rows(journal_path("referred")))
    assert [row.text for row in read if row.ok] == texts[:5] + texts[6:]
    assert {str(row.input) for row in read} == {"{}"}
    assert caplog.text.count("row 0 has changed since the batch began") == 1


def test_a_folder_and_a_pattern_of_a_bucket_are_read(sandbox):
    for number in range(2):
        Storage.upload(
            f"bos:/sandbox/batch-in/part-{number}.jsonl", f'{{"q": "问 {number}"}}\n'.encode()
        )
    Storage.upload("bos:/sandbox/batch-in/notes.txt", b"x")
    for address in (
        "bos:/sandbox/batch-in/",
        "bos:/sandbox/batch-in/part-*.jsonl",
        "bos://sandbox/batch-in",
    ):
        source = open_source(address)
        assert [row["q"] for _ in range(2) for row in source.items()] == ["问 0", "问 1"] * 2
    assert [
        row.input["q"] for row in qfnb.batch("bos:/sandbox/batch-in/part-1.jsonl", "{q}").results()
    ] == ["问 1"]
    with pytest.raises(DatasetError, match=r"bos:/sandbox/nowhere.*no file there ends in"):
        open_source("bos:/sandbox/nowhere/")
