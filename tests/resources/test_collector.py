"""The cycle collector's threshold while requests are in flight, and afterwards."""

from __future__ import annotations

import gc

import pytest

from qfnb.resources.collector import EACH, InFlight


@pytest.fixture(autouse=True)
def threshold():
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_the_collector_looks_less_often_inside_and_as_before_outside():
    with InFlight(1000):
        assert gc.get_threshold() == (1000 * EACH, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


def test_blocks_overlap_and_change():
    with InFlight(10):
        other = InFlight(3)
        with other:
            other.resize(100)
            assert gc.get_threshold()[0] == 100 * EACH
        assert gc.get_threshold()[0] == 10 * EACH
        other.resize(1000)
        assert gc.get_threshold()[0] == 10 * EACH
    assert gc.get_threshold()[0] == 700


@pytest.mark.parametrize("own", [0, 900_000])
def test_who_collects_less_or_not_at_all_is_left_alone(own):
    gc.set_threshold(own)
    with InFlight(1000):
        assert gc.get_threshold()[0] == own
    assert gc.get_threshold()[0] == own


def test_a_setting_made_meanwhile_stays():
    with InFlight(1000):
        gc.set_threshold(50)
    assert gc.get_threshold()[0] == 50
    with InFlight(1000):
        assert gc.get_threshold()[0] == 1000 * EACH
    assert gc.get_threshold()[0] == 50
