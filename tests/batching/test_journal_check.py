"""`qfnb.check_batch` and `qfnb batch check`: what is damaged is named, with what to do."""

import re
import sqlite3

import pytest

import qfnb
from qfnb.batching import input_source
from qfnb.batching.journal_store import journal_path
from qfnb.cli import main


@pytest.fixture(params=["jsonl", "csv", "parquet"])
def checked(request, tmp_path, monkeypatch, sandbox):
    """A batch "checked" of four rows of a file that is not copied, with a results file; the paths
    of both.
    """
    monkeypatch.setattr(input_source, "COPY_UP_TO_BYTES", 0)
    path = tmp_path / "in.csv"
    out = tmp_path / f"out.{request.param}"
    path.write_text("q,text\n=1+1,a\n第二行,b\n第三行,c\n第四行,d\n", encoding="utf-8")
    qfnb.batch(path, "{q}", name="checked", out=out).wait()
    return path, out


def change(statement):
    with sqlite3.connect(journal_path("checked")) as database:
        database.execute(statement)
    database.close()


def test_a_whole_batch_is_called_whole(checked, capsys):
    assert (
        str(qfnb.check_batch("checked"))
        == "checked: whole\n4 rows: 4 answered, 0 failed, 0 not asked"
    )
    assert (main(["batch", "check", "checked"]), capsys.readouterr().out.splitlines()[0]) == (
        0,
        "checked: whole",
    )


def test_every_damage_is_named_with_what_to_do(checked, capsys):
    path, out = checked
    change("update answer set text = 'x' where key = (select key from row where number = 1)")
    change("delete from row where number = 2")
    path.write_text(path.read_text(encoding="utf-8").replace("第四行", "第五行"), encoding="utf-8")
    out.write_bytes(out.read_bytes()[: out.stat().st_size // 2])
    report = str(qfnb.check_batch("checked"))
    for text in (
        "1 answer has changed on the disk: resume asks it again",
        "1 rows of the input are not there",
        "in.csv has changed since the batch began: put it back",
        r"out\.\w+.*(write it again|cannot be read|not Parquet|not JSON)",
    ):
        assert re.search(text, report), report
    assert main(["batch", "check", "checked"]) == 3


def test_results_that_are_gone_or_differ_are_named(checked):
    _, out = checked
    change("delete from answer where key = (select key from row where number = 0)")
    assert "differs from the journal: row 0" in str(qfnb.check_batch("checked"))
    out.unlink()
    assert re.search(r"out\.\w+ is not there; write it again", str(qfnb.check_batch("checked")))


def test_a_second_word_is_refused_elsewhere(capsys):
    assert main(["batch", "rows.jsonl", "other"]) == 2
    assert "only `qfnb batch check NAME` has a second word" in capsys.readouterr().err
