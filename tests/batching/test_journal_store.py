"""Journals on the disk: read in pages, listed, locked, deleted."""

import itertools
import os
import sqlite3
import threading
import zlib

import pytest

import qfnb
from qfnb._jobs.row_result import RowResult
from qfnb.batching import journal as journal_module, journal_reader
from qfnb.batching.journal import Journal, acquire_lock, add_rows
from qfnb.batching.journal_reader import JournalError, JournalInUse, unpack_text
from qfnb.batching.journal_store import batches, delete_journal, is_in_use, journal_path
from qfnb.batching.request_spec import InputRow, RequestSpec
from qfnb.errors import InvalidArgumentError


def key(text):
    return text.encode().ljust(16, b".")


def write_journal(name, items, *, dedupe=False, answer=True):
    """Write a journal in which every row has an answer."""
    journal = Journal(journal_path(name))
    entries = [InputRow(number, key(item), item) for number, item in enumerate(items)]
    with journal.transaction():
        missing = add_rows(journal, entries, dedupe=dedupe)
    for row in missing if answer else ():
        journal.write([(row.key, RowResult(text=row.item))])
    journal.set_facts(plan=RequestSpec("sandbox", "m").to_json(), state="done", complete=1)
    journal.close()
    return journal.path


def test_forgetting_a_batch_leaves_those_with_longer_names():
    write_journal("x", ["a"])
    other = write_journal("x.v2", ["a"])
    other.with_suffix(".owner").write_text("me", encoding="utf-8")
    delete_journal("x")
    assert sorted(file.name for file in other.parent.glob("x*")) == [
        "x.v2.db",
        "x.v2.lock",
        "x.v2.owner",
    ]


@pytest.mark.parametrize("after", [-1, 2, 202, 702, 1202])
def test_answers_come_in_pages_in_input_order(after):
    path = write_journal("pages", [f"row {number}" for number in range(1203)])
    numbers = [answer.number for answer in journal_reader.read_rows(path, after)]
    assert numbers == list(range(after + 1, 1203))


def test_the_log_of_a_journal_begins_anew_while_answers_are_written(monkeypatch):
    monkeypatch.setattr(journal_module, "MAX_LOG_PAGES", 50)
    journal = Journal(journal_path("busy"))
    has_long_log = threading.Event()
    is_enough = threading.Event()

    def write():
        for number in itertools.takewhile(lambda _: not is_enough.is_set(), itertools.count()):
            journal.write([(key(str(number)), RowResult(text="answer"))])
            if number > 50:
                has_long_log.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert has_long_log.wait(180)
    journal.checkpoint()
    is_enough.set()
    writer.join()
    journal.write([(key("last"), RowResult(text="answer"))])
    beginnings = int.from_bytes(journal.path.with_suffix(".db-wal").read_bytes()[12:16], "big")
    journal.close()
    assert beginnings >= 1  # two where the writer stood still during the first checkpoint


def test_repeated_rows_are_completed_together():
    path = write_journal("repeats", ["same"] * 700 + ["other"] * 3, dedupe=True)
    first = journal_reader.read_completed(path, 0)
    assert [answer.number for position, answer in first if position == 1] == list(range(700))
    second = journal_reader.read_completed(path, first[-1][0])
    assert sorted(answer.number for _, answer in first + second) == list(range(703))


@pytest.mark.parametrize("plan", ["{", "[]", '{"unknown": 1}', "5"])
def test_a_journal_with_facts_that_cannot_be_read_is_listed_as_broken(plan):
    write_journal("fine", ["a"])
    path = write_journal("odd", ["a"])
    with sqlite3.connect(path) as database:
        database.execute("update fact set value = ? where name = 'plan'", (plan,))
    database.close()
    states = batches().set_index("name")["state"]
    assert states[["fine", "odd"]].tolist() == ["done", "broken"]
    with pytest.raises(JournalError, match="odd"):
        qfnb.resume("odd")


def test_a_deleted_journal_is_said_to_be_gone_and_is_not_made_anew():
    path = write_journal("gone", ["a"])
    path.unlink()
    with pytest.raises(JournalError, match=r"gone\.db is gone"):
        list(journal_reader.read_rows(path))
    assert not path.exists()


def test_a_batch_under_way_is_named_soon():
    path = write_journal("taken", ["a"])
    with acquire_lock(path), pytest.raises(JournalInUse, match=f"process {os.getpid()}"):
        acquire_lock(path)


def test_a_resumed_batch_does_not_count_wrong_rows_as_answered(sandbox):
    qfnb.batch(["你好", "", None], invalid_rows="fail", name="with-wrong").wait()
    batch = qfnb.resume("with-wrong")
    batch.wait()
    preflight = batch.preflight
    assert (preflight.rows, preflight.requests, preflight.cached, preflight.invalid) == (3, 0, 1, 2)


def test_a_refused_resume_lets_the_journal_go():
    path = write_journal("let-go", ["a"])
    with pytest.raises(qfnb.errors.QianfanError):
        qfnb.resume("let-go", workers=0)
    assert not is_in_use(path)


def test_a_batch_that_does_not_exist_is_answered_with_the_nearest_names():
    # batches of other tests are there, too
    for name in ("quarter-2026", "quarter-2025", "poems", "titles"):
        write_journal(name, ["a"])
    with pytest.raises(
        InvalidArgumentError, match=r"did you mean quarter-2026, quarter-2025\?"
    ) as caught:
        qfnb.resume("quarer-2026")
    assert "poems" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "好", "答案" * 500, "\x00" * 300])
def test_an_answer_comes_out_of_a_journal_as_it_went_in(text):
    path = write_journal("texts", [text])
    assert [row.text for row in journal_reader.read_rows(path)] == [text]
    assert unpack_text(zlib.compress(text.encode())) == text, "as an earlier version stored it"
    delete_journal("texts")
