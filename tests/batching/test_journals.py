"""Journals as they lie on the disk: read in pages, listed, deleted, waited for."""

import contextlib
import os
import sqlite3
import threading
import time

import pytest
from filelock import FileLock

import qfnb
from qfnb.batching import reading
from qfnb.batching.journal import Journal
from qfnb.batching.journals import batches, forget, path_of
from qfnb.batching.opening import locked
from qfnb.batching.plan import Plan
from qfnb.batching.reading import JournalError, JournalInUse
from qfnb.batching.row import Entry
from qfnb.resources.outcome import Outcome


def key(text):
    return text.encode().ljust(16, b".")


def made(name, items, *, dedupe=False, answer=True):
    """Write a journal in which every row has an answer."""
    journal = Journal(path_of(name))
    entries = [Entry(number, key(item), item) for number, item in enumerate(items)]
    with journal.writing():
        missing = journal.add(entries, dedupe=dedupe)
    for row in missing if answer else ():
        journal.keep(row.key, Outcome(text=row.item))
    journal.set(plan=Plan("sandbox", "m").to_json(), state="done", complete=1)
    journal.close()
    return journal.path


@contextlib.contextmanager
def held(path):
    """Work on a journal as another process does."""
    lock = locked(path)
    try:
        yield
    finally:
        lock.release()


def test_forgetting_a_batch_leaves_those_with_longer_names():
    made("x", ["a"])
    other = made("x.v2", ["a"])
    other.with_suffix(".owner").write_text("me", encoding="utf-8")
    forget("x")
    assert sorted(file.name for file in other.parent.glob("x*")) == ["x.v2.db", "x.v2.lock", "x.v2.owner"]


def test_a_broken_journal_can_be_forgotten():
    path = made("to-mend", ["a"])
    path.write_bytes(b"no database" * 100)
    forget("to-mend")
    assert list(path.parent.glob("to-mend*")) == []


def test_a_batch_under_way_is_not_forgotten():
    path = made("under-way", ["a"])
    with held(path), pytest.raises(JournalInUse):
        forget("under-way")
    assert path.is_file()


@pytest.mark.parametrize("most", [-1, 0, 7, 500, 1100])
def test_answers_come_in_pages_in_input_order(most):
    path = made("pages", [f"row {number}" for number in range(1203)])
    numbers = [answer.number for answer in reading.answers(path, after=2, most=most)]
    assert numbers == list(range(3, 1203))[: most if most >= 0 else None]


def test_an_iterator_over_answers_holds_nothing_open_and_goes_on_in_another_thread():
    path = made("held", [f"row {number}" for number in range(600)])
    answers, rest = reading.answers(path), []
    next(answers)
    with sqlite3.connect(path) as database:
        busy, _, _ = database.execute("pragma wal_checkpoint(truncate)").fetchone()
    database.close()
    thread = threading.Thread(target=lambda: rest.extend(answers))
    thread.start()
    thread.join(10)
    assert (busy, len(rest)) == (0, 599)


def test_repeated_rows_are_completed_together():
    path = made("repeats", ["same"] * 700 + ["other"] * 3, dedupe=True)
    first = reading.completed(path, 0)
    assert [answer.number for place, answer in first if place == 1] == list(range(700))
    second = reading.completed(path, first[-1][0])
    assert sorted(answer.number for _, answer in first + second) == list(range(703))


def test_every_row_of_a_batch_that_asks_repeated_ones_once_is_completed(sandbox):
    rows = [f"第 {number % 3} 问" for number in range(40)]
    batch = qfnb.batch(rows, name="repeats-asked-once", dedupe=True)
    assert sorted(answer.number for answer in batch.as_completed()) == list(range(40))


@pytest.mark.parametrize("plan", ["{", "[]", '{"unknown": 1}', "5"])
def test_a_journal_with_facts_that_cannot_be_read_is_listed_as_broken(plan):
    made("fine", ["a"])
    path = made("odd", ["a"])
    with sqlite3.connect(path) as database:
        database.execute("update fact set value = ? where name = 'plan'", (plan,))
    database.close()
    listed = batches().set_index("name")["state"]
    assert listed[["fine", "odd"]].tolist() == ["done", "broken"]
    with pytest.raises(JournalError, match="odd"):
        qfnb.resume("odd")


def test_a_journal_with_a_date_that_is_none_is_listed():
    path = made("undated", ["a"])
    with sqlite3.connect(path) as database:
        database.execute("insert or replace into fact values ('updated', 'yesterday')")
    database.close()
    assert batches().set_index("name")["state"]["undated"] == "broken"


def test_a_deleted_journal_is_said_to_be_gone_and_is_not_made_anew():
    path = made("gone", ["a"])
    path.unlink()
    with pytest.raises(JournalError, match=r"gone\.db is gone"):
        list(reading.answers(path))
    assert not path.exists()


def test_a_look_at_the_lock_does_not_keep_a_batch_from_starting():
    path = path_of("looked-at")
    path.parent.mkdir(parents=True, exist_ok=True)
    look = FileLock(reading.lock_path(path), thread_local=False)
    look.acquire()
    threading.Timer(0.1, look.release).start()
    locked(path).release()


def test_a_batch_under_way_is_named_soon():
    path = made("taken", ["a"])
    with held(path):
        began = time.monotonic()
        with pytest.raises(JournalInUse, match=f"process {os.getpid()}"):
            locked(path)
    assert 0.4 < time.monotonic() - began < 2


def test_a_relative_state_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QFNB_STATE_DIR", "here")
    assert qfnb.config.state_dir() == tmp_path / "here"
    assert list(reading.answers(made("relative", ["a"])))


def test_a_resumed_batch_does_not_count_wrong_rows_as_answered(sandbox):
    qfnb.batch(["你好", "", None], wrong_rows="keep", name="with-wrong").wait()
    batch = qfnb.resume("with-wrong")
    batch.wait()
    found = batch.preflight
    assert (found.rows, found.to_ask, found.cached, found.wrong) == (3, 0, 1, 2)


def test_failed_repetitions_are_no_wrong_rows():
    path = made("failed-repeats", ["same", "same"], dedupe=True, answer=False)
    journal = Journal(path)
    journal.keep(key("same"), Outcome(error="InvalidArgumentError", message="refused"))
    journal.close()
    assert reading.wrong_rows(path) == 0


def test_a_refused_resume_lets_the_journal_go():
    path = made("let-go", ["a"])
    with pytest.raises(qfnb.errors.QianfanError):
        qfnb.resume("let-go", workers=0)
    assert not reading.in_use(path)
