"""Journals that were cut on the disk, and those of earlier versions: nothing that was stored is lost."""

import os
import random
import shutil
from pathlib import Path

import pytest

from qfnb._jobs.row_result import RowResult
from qfnb.batching import journal_reader
from qfnb.batching.journal import Journal, add_rows
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


@pytest.mark.fault("F78")
def test_a_log_that_is_cut_at_any_byte_loses_only_what_was_not_stored_before_it(crashed, tmp_path):
    path, sizes = crashed
    log = path.with_suffix(".db-wal").read_bytes()
    cuts = range(len(log) + 1)
    if not FULL:
        cuts = [0, 1, len(log), *random.Random(1).sample(cuts, 20)]
    for cut in cuts:
        copy = Path(shutil.copy(path, tmp_path / "copy.db"))
        copy.with_suffix(".db-wal").write_bytes(log[:cut])
        copy.with_suffix(".db-shm").unlink(missing_ok=True)
        journal = Journal(copy)
        missing = {row.number for row in journal.missing_rows(-1, -1)}
        rows = list(journal_reader.read_rows(copy))
        journal.close()
        assert [row.input for row in rows] == [f"行 {number}" for number in range(ROWS)]
        good = {row.number: row.text for row in rows if row.ok}
        assert good == {number: text(number) for number in good}
        assert good.keys() | missing == set(range(ROWS))
        assert {number for number, size in enumerate(sizes) if size <= cut} <= good.keys(), cut


def test_a_journal_of_version_4_goes_on(tmp_path, sandbox):
    path = Path(shutil.copy(Path(__file__).with_name("journal-v4.db"), tmp_path))
    former = {row.number: row.text for row in journal_reader.read_rows(path)}
    journal = Journal(path)
    assert (journal.counts().ok, journal.count_missing()) == (3, 1)
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
