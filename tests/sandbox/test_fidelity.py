"""The table of what the sandbox was seen doing has a row for each operation."""

from support.fidelity import HEAD, TABLE, merge_evidence, render_table

from qfnb.sandbox import app  # noqa: F401 - loads every row of the endpoint table
from qfnb.wire.endpoints import ENDPOINTS


def test_every_operation_has_its_row():
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    assert [line.split("`")[1] for line in lines if line.startswith("| `")] == sorted(ENDPOINTS)


def test_it_says_that_no_live_account_was_used():
    assert TABLE.read_text(encoding="utf-8").startswith(HEAD)
    assert "No live account was used" in HEAD


def test_what_several_servers_saw_is_put_together(tmp_path):
    (tmp_path / "a.json").write_text('{"chat.v2": {"good": 1, "states": {"status": ["A"]}}}')
    (tmp_path / "b.json").write_text('{"chat.v2": {"good": 2, "sdk": 1, "states": {"status": ["B", "A"]}}}')
    assert merge_evidence(tmp_path) == {"chat.v2": {"good": 3, "sdk": 1, "states": {"status": ["A", "B"]}}}


def line(evidence, name):
    return next(row for row in render_table(evidence).splitlines() if row.startswith(f"| `{name}`"))


def test_a_tick_needs_to_have_been_seen():
    evidence = {"chat.v2": {"shape": 1}}
    assert ["✓" in line(evidence, name) for name in ("chat.v2", "chat.v1")] == [True, False]


def test_an_answer_that_does_not_fit_takes_the_tick_away():
    assert "✓" not in line({"chat.v2": {"shape": 1, "misfit": "x"}}, "chat.v2")
