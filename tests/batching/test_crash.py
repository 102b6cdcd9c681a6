"""What a batch survives: a killed kernel, a torn journal, a full disk, a file that is not a
journal.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys

import pytest
from support.waiting import until

import qfnb
from qfnb.batching import journal_reader
from qfnb.batching.journal_reader import JournalError
from qfnb.batching.journal_store import journal_path
from qfnb.sandbox import ensure, stop

pytestmark = pytest.mark.long

WORKERS = 8

FULL = bool(os.environ.get("QFNB_FULL"))
"""`make bench` runs the long forms."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A sandbox of this file's own: calls that are counted and held here are no other file's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFNB_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield ensure()
        stop()


SCRIPT = """
import sys, qfnb
with qfnb.testing():
    batch = qfnb.batch((f"row {n} of {sys.argv[1]}" for n in range(int(sys.argv[2]))), name=sys.argv[1], workers=int(sys.argv[3]))
    batch.wait()
print(batch.progress.ok)
"""


def start_kernel(name, rows):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, name, str(rows), str(WORKERS)],
        stdout=subprocess.PIPE,
        text=True,
    )


def kill(running):
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()


def count_answered(name):
    try:
        return journal_reader.read_facts(journal_path(name))[1].ok
    except JournalError:
        return 0


@pytest.mark.fault("F69")
def test_three_kills_and_thirty_percent_faults_lose_no_row(repeat_fault, count_requests, control):
    rows = 2000 if FULL else 300
    name = "killed"
    dice = random.Random(3)
    control.post("/_sandbox/register", json={"on": True, "marker": f"of {name}"}).raise_for_status()
    for number in range(3):
        minimum = (number + 1) * rows // 5 + dice.randrange(10)
        control.delete("/_sandbox/faults").raise_for_status()
        repeat_fault("status", 0.3)
        repeat_fault("slow", times=minimum - count_answered(name) + WORKERS)
        repeat_fault("hold")
        running = start_kernel(name, rows)
        until(lambda: count_answered(name) >= minimum or running.poll() is not None, 120)  # noqa: B023 - called at once
        assert running.poll() is None, "it ended before it was killed"
        kill(running)
    control.delete("/_sandbox/faults").raise_for_status()
    repeat_fault("status", 0.3)
    out, _ = start_kernel(name, rows).communicate(timeout=300)
    assert out.split() == [str(rows)]
    counts = count_requests()
    assert counts["distinct_answered"] == rows
    assert counts["answered"] <= rows + 3 * WORKERS, (
        "one repeat per slot in flight at a kill, at most"
    )
    assert {row.ok for row in journal_reader.read_rows(journal_path(name))} == {True}


def write_journal(name, count):
    """Return the path of a journal with `count` answered rows."""
    batch = qfnb.batch([f"行 {n}" for n in range(count)], name=name)
    batch.wait()
    return journal_path(name)


@pytest.mark.fault("F77")
def test_a_full_disk_stops_the_batch_and_the_rows_in_memory_are_there(monkeypatch, sandbox):
    batch = qfnb.batch([f"满 {n}" for n in range(400)], name="full", workers=4, canary=0)
    pages = batch._runner._journal.database.execute("pragma page_count").fetchone()[0]
    batch._runner._journal.database.execute(f"pragma max_page_count = {pages + 4}")
    batch.wait()
    progress = batch.progress
    assert progress.state == "stopped"
    assert "the disk is full" in progress.reason
    assert str(journal_path("full")) in progress.reason
    answers = batch.results()
    assert sum(answer.ok for answer in answers) == progress.ok > 0
    assert len(answers) == 400
    batch.resume()
    batch.wait()
    assert batch.progress.ok == 400


def test_a_file_that_is_no_journal_is_left_alone_and_named(sandbox):
    path = journal_path("nonsense")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not a database, and longer than one header " * 50)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"nonsense\.db is broken"):
        qfnb.batch(["甲"], name="nonsense")
    assert path.read_bytes() == before
    assert qfnb.batches().set_index("name").loc["nonsense", "state"] == "broken"
    path.unlink()


def test_a_journal_of_another_version_is_left_alone(sandbox):
    path = write_journal("future", 1)
    with sqlite3.connect(path) as database:
        database.execute("pragma user_version = 99")
    with pytest.raises(JournalError, match="another version"):
        qfnb.batch(["行 0"], name="future")


@pytest.mark.fault("F77")
def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch, count_requests):
    (tmp_path / "batches").write_text("a file where the folder should be")
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    qfnb.get_config().platform = "qianfan"
    qfnb.get_config().api_key = "bce-v3/ALTAK-test/x"
    with pytest.raises(JournalError, match="cannot be written"):
        qfnb.batch(["甲"])
    assert count_requests()["came"] == 0


@pytest.mark.fault("F79")
def test_a_second_process_on_a_journal_is_refused_and_names_the_first(repeat_fault, sandbox):
    repeat_fault("slow", seconds=0.05)
    running = start_kernel("taken", 200)
    try:
        until(lambda: count_answered("taken") >= 1)
        with pytest.raises(JournalError, match=rf"'taken' is running in process {running.pid}"):
            qfnb.batch([f"第 {n} 个" for n in range(200)], name="taken")
    finally:
        kill(running)
