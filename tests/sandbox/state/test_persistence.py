"""Killed at any point of a life, the sandbox has kept what it acknowledged, and the life goes
on.
"""

import os
import signal

import pytest
from support.model_life import STEPS, Life

from qfnb.sandbox import ensure, stop

pytestmark = pytest.mark.long


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "sandbox"
    stop(tmp_path / "sandbox")


def kill(address):
    os.kill(address.pid, signal.SIGKILL)


def test_nothing_acknowledged_is_lost_when_it_is_killed_after_each_step(home):
    life = Life(ensure(home))
    for step in STEPS:
        step(life)
        kill(life.address)
        life.address = ensure(home)
        assert life.missing() == [], step.__name__
