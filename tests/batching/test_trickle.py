"""Reading an iterator ahead: what is there can be taken, whatever comes after it."""

import threading

import pytest

from qfnb.batching.trickle import Trickle


def everything(trickle):
    while taken := trickle.take():
        yield taken


def test_a_fast_iterator_is_taken_in_full_pages_and_in_order():
    pages = list(everything(Trickle(iter(range(1050)), 100)))
    assert [item for page in pages for item in page] == list(range(1050))
    assert max(map(len, pages)) == 100


def test_what_is_there_is_taken_while_the_next_item_is_waited_for():
    free = threading.Event()

    def slow():
        yield "first"
        free.wait(10)
        yield "second"

    trickle = Trickle(slow(), 100)
    assert trickle.take() == ["first"]
    free.set()
    assert trickle.take() == ["second"]
    assert trickle.take() == []


def test_what_was_read_before_it_broke_is_taken_first():
    def breaks():
        yield from range(3)
        raise ValueError("no more")

    trickle = Trickle(breaks(), 2)
    assert [trickle.take(), trickle.take()] == [[0, 1], [2]]
    for _ in range(2):
        with pytest.raises(ValueError, match="no more"):
            trickle.take()


def test_no_more_is_read_ahead_than_a_page():
    read = []
    trickle = Trickle((read.append(number) or number for number in range(50)), 10)
    assert trickle.take() == list(range(10))
    assert read == list(range(10))
