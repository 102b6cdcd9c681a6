"""Journals that were cut or changed on the disk: nothing that was stored is lost or wrong without a
word.
"""

import os
import random
import shutil
from pathlib import Path

import pytest

from qfnb._jobs.row_result import RowResult
from qfnb.batching import journal_reader
from qfnb.batching.journal import EMPTIED, Journal, add_rows
from qfnb.batching.journal_reader import JournalError
from qfnb.batching.request_spec import InputRow

FULL = bool(os.environ.get("QFNB_FULL"))
"""`make bench` cuts at every byte; the suite cuts at some."""

ROWS = 12


def key(number):
    return number.to_bytes(16, "big")


def text(number):
    return f"{number} 号答案 " * 3


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """The files of a journal whose process died, and the size of the log when each answer was
    stored.
    """
    folder = tmp_path_factory.mktemp("crashed")
    journal = Journal(folder / "live.db")
    with journal.transaction():
        add_rows(
            journal,
            [InputRow(number, key(number), f"行 {number}") for number in range(ROWS)],
            dedupe=False,
        )
    journal.set_facts(plan='{"platform": "sandbox"}', complete=1)
    journal.checkpoint()
    sizes = []
    for number in range(ROWS):
        journal.write(
            [(key(number), RowResult(text=text(number), cost=0.25, prompt_tokens=number))]
        )
        sizes.append((folder / "live.db-wal").stat().st_size)
    for ending in (".db", ".db-wal"):
        shutil.copy(folder / f"live{ending}", folder / f"dead{ending}")
    journal.close()
    return folder / "dead.db", sizes


@pytest.fixture(scope="module")
def closed(crashed):
    """A journal in one file."""
    path = crashed[0]
    target = path.with_name("closed.db")
    for ending in (".db", ".db-wal"):
        shutil.copy(path.with_suffix(ending), target.with_suffix(ending))
    Journal(target).close()
    return target


def sample(count, seed):
    """Return the positions at which a file is damaged: all, or some with both ends."""
    return (
        range(count)
        if FULL
        else sorted({0, 1, count - 1, *random.Random(seed).sample(range(count), 20)})
    )


def opened(path, folder, change=None, change_log=None):
    """Return a copy of a journal after a change of its bytes, opened; None where it is refused as
    broken.
    """
    copy = folder / "copy.db"
    for ending, edit in ((".db", change), (".db-wal", change_log)):
        source = path.with_suffix(ending)
        target = copy.with_suffix(ending)
        target.unlink(missing_ok=True)
        if source.exists():
            content = bytearray(source.read_bytes())
            target.write_bytes(edit(content) if edit else content)
    copy.with_suffix(".db-shm").unlink(missing_ok=True)
    try:
        return Journal(copy)
    except JournalError:
        return None


def stored(journal):
    """Return the answers by row, after the check that every row is answered rightly or to be asked
    again.
    """
    try:
        answers = {row.number: row for row in journal_reader.read_rows(journal.path)}
        missing = {row.number for row in journal.missing_rows(-1, -1)}
    except JournalError:
        return None
    finally:
        journal.close()
    good = {number: row.text for number, row in answers.items() if row.ok}
    assert all(
        good[number] == text(number) and answers[number].input == f"行 {number}" for number in good
    )
    assert all(
        answers[number].error in {"NotAsked", "JournalError"}
        for number in answers.keys() - good.keys()
    )
    is_reported = (
        any(row.error == "JournalError" for row in answers.values()) or journal.damage == EMPTIED
    )
    assert good.keys() | missing >= set(range(ROWS)) or is_reported
    return good


@pytest.mark.fault("F78")
def test_a_log_that_is_cut_at_any_byte_loses_only_what_was_not_stored_before_it(crashed, tmp_path):
    path, sizes = crashed
    for cut in sample(sizes[-1] + 1, 1):
        journal = opened(path, tmp_path, change_log=lambda content: content[:cut])  # noqa: B023 - called at once
        good = stored(journal)
        assert {number for number, size in enumerate(sizes) if size <= cut} <= set(good), cut


def test_a_file_that_is_cut_at_any_byte_is_refused_or_loses_nothing(closed, tmp_path):
    for cut in sample(closed.stat().st_size, 2):
        journal = opened(closed, tmp_path, change=lambda content: content[:cut])  # noqa: B023 - called at once
        assert (
            journal is None
            or journal.damage
            or stored(journal) in (None, {n: text(n) for n in range(ROWS)})
        ), cut
        if journal is not None:
            journal.close()


def test_a_journal_of_version_4_goes_on(tmp_path, sandbox):
    path = Path(shutil.copy(Path(__file__).with_name("journal-v4.db"), tmp_path))
    former = {row.number: row.text for row in journal_reader.read_rows(path)}
    journal = Journal(path)
    assert (journal.damage, journal.counts().ok, journal.count_missing()) == ("", 3, 1)
    journal.write([(row.key, RowResult(text="长" * 500)) for row in journal.missing_rows(-1, 1)])
    tables = {
        name
        for (name,) in journal.database.execute(
            "select name from sqlite_master where type = 'table'"
        )
    }
    assert "seen" not in tables
    journal.close()
    rows = {row.number: row for row in journal_reader.read_rows(path)}
    assert {number: row.text for number, row in rows.items()} == former | {2: "长" * 500}
    assert [row.input for row in rows.values()] == [f"第 {number} 行" for number in range(4)]
