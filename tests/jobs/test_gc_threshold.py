"""The cycle collector's threshold while requests are in flight, and afterwards."""

from __future__ import annotations

import gc

import pytest

from qfnb._jobs.worker_pool import GC_THRESHOLD, relaxed_gc


@pytest.fixture(autouse=True)
def threshold():
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_collector_looks_less_often_inside_and_as_before_outside():
    with relaxed_gc(), relaxed_gc():
        assert gc.get_threshold() == (GC_THRESHOLD, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("own", [0, 900_000])
def test_who_collects_less_or_not_at_all_is_left_alone(own):
    gc.set_threshold(own)
    with relaxed_gc():
        assert gc.get_threshold()[0] == own
    assert gc.get_threshold()[0] == own
