"""The cycle collector's threshold while requests are in flight, and afterwards."""

from __future__ import annotations

import gc

import pytest

from qfnb._jobs.worker_pool import OBJECTS_PER_REQUEST, RelaxedGC


@pytest.fixture(autouse=True)
def threshold():
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_collector_looks_less_often_inside_and_as_before_outside():
    with RelaxedGC(1000):
        assert gc.get_threshold() == (1000 * OBJECTS_PER_REQUEST, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


def test_blocks_overlap_and_change():
    with RelaxedGC(10):
        inner = RelaxedGC(3)
        with inner:
            inner.resize(100)
            assert gc.get_threshold()[0] == 100 * OBJECTS_PER_REQUEST
        assert gc.get_threshold()[0] == 10 * OBJECTS_PER_REQUEST
        inner.resize(1000)
        assert gc.get_threshold()[0] == 10 * OBJECTS_PER_REQUEST
    assert gc.get_threshold()[0] == 700


@pytest.mark.parametrize("own", [0, 900_000])
def test_who_collects_less_or_not_at_all_is_left_alone(own):
    gc.set_threshold(own)
    with RelaxedGC(1000):
        assert gc.get_threshold()[0] == own
    assert gc.get_threshold()[0] == own


def test_a_setting_made_meanwhile_stays():
    with RelaxedGC(1000):
        gc.set_threshold(50)
    assert gc.get_threshold()[0] == 50
    with RelaxedGC(1000):
        assert gc.get_threshold()[0] == 1000 * OBJECTS_PER_REQUEST
    assert gc.get_threshold()[0] == 50
