"""Commands run in this process; their output is read as a shell would."""

from __future__ import annotations

import io
from typing import NamedTuple

import pytest

from qfnb import cli


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(sandbox, capsys, monkeypatch):
    """Return a function that runs a command, with a text on stdin."""

    def command(*words, stdin=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        output = capsys.readouterr()
        return Result(code, output.out, output.err)

    return command
