"""The first words of the magics: a slip of the finger is no question and no name, an empty list is
a sentence.
"""

import re
from types import SimpleNamespace

import pytest

from qfnb import errors
from qfnb.notebook.auth import AuthMagics
from qfnb.notebook.batch import BatchMagics
from qfnb.notebook.chat import ChatMagics
from qfnb.notebook.evaluate import EvalMagics
from qfnb.notebook.home import HomeMagics
from qfnb.notebook.train import TrainMagics

MAGICS = {"qf": HomeMagics, "qfauth": AuthMagics, "qfbatch": BatchMagics, "qfchat": ChatMagics, "qfeval": EvalMagics,
          "qftrain": TrainMagics}  # fmt: skip


def run(line, **variables):
    name, _, remaining = line.partition(" ")
    return getattr(MAGICS[name](SimpleNamespace(user_ns=variables)), name)(remaining)


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("qf clen", "clean"),
        ("qfauth sett", "set"),
        ("qfbatch lst", "list"),
        ("qfchat histroy", "history"),
        ("qfchat List", "list"),
        ("qfchat alais", "alias"),
        ("qfeval shwo", "show"),
        ("qfeval opne", "open"),
        ("qftrain strat", "start"),
    ],
)
def test_a_slip_of_the_finger_is_answered_with_the_verb(line, verb):
    with pytest.raises(errors.InvalidArgumentError, match=f"did you mean {verb}"):
        run(line)


def test_a_variable_that_is_nearly_a_verb_is_a_variable():
    with pytest.raises(errors.InvalidArgumentError, match="no rows"):
        run("qfbatch shows", shows=[])


@pytest.mark.parametrize(
    "line",
    [
        "qfbatch list",
        "qfchat list",
        "qfchat sessions",
        "qfchat history",
        "qfeval list",
        "qftrain list",
    ],
)
def test_an_empty_list_says_what_makes_an_entry(line, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    assert run(line) is None
    assert re.search(r"`%%?qf\w+", capsys.readouterr().out)


def test_an_alias_that_is_not_there_says_how_to_make_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    assert run("qfchat alias") is None
    assert "%qfchat alias NAME MODEL" in capsys.readouterr().out
