"""Reading an iterator ahead: items that were read can be taken while the next is waited for."""

import threading

import pytest

from qfnb.batching.input_source import Prefetcher


def read_pages(prefetcher):
    while page := prefetcher.next_page():
        yield page


def test_what_is_there_is_taken_while_the_next_item_is_waited_for():
    unblock = threading.Event()

    def slow():
        yield "first"
        unblock.wait(180)
        yield "second"

    prefetcher = Prefetcher(slow(), 100)
    assert prefetcher.next_page() == ["first"]
    unblock.set()
    assert prefetcher.next_page() == ["second"]
    assert prefetcher.next_page() == []


def test_what_was_read_before_it_broke_is_taken_first():
    def breaks():
        yield from range(3)
        raise ValueError("no more")

    prefetcher = Prefetcher(breaks(), 2)
    assert [prefetcher.next_page(), prefetcher.next_page()] == [[0, 1], [2]]
    for _ in range(2):
        with pytest.raises(ValueError, match="no more"):
            prefetcher.next_page()
