"""An iterator's items as they come: what is there can be taken while the next one is still waited for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

FILL_TIMEOUT_S: Final = 0.02
"""Seconds that a fast iterator gets to fill what is taken at once."""


class Prefetcher(Generic[T]):
    """Reads an iterator ahead, in a thread that ends when enough is there.

    Args:
        items: what is read; it may block, and it may raise.
        most: items that are taken at once, and read ahead.
    """

    def __init__(self, items: Iterator[T], max_items: int) -> None:
        self._items, self._max_items = items, max_items
        self._buffer: deque[T] = deque()
        self._changed = threading.Condition()
        self._is_reading = self._is_finished = False
        self._error: Exception | None = None

    def next_page(self) -> list[T]:
        """Return what is there, waiting for the first item; nothing at the end.

        Raises:
            Exception: what the iterator raised, when all before it was taken.
        """
        with self._changed:
            if not (self._is_reading or self._is_finished or self._is_full()):
                self._is_reading = True
                threading.Thread(target=self._read, name="qfnb-input", daemon=True).start()
            self._changed.wait_for(lambda: self._buffer or self._is_finished)
            self._changed.wait_for(lambda: self._is_full() or self._is_finished, FILL_TIMEOUT_S)
            page = [self._buffer.popleft() for _ in range(min(self._max_items, len(self._buffer)))]
            if not page and self._error is not None:
                raise self._error
            return page

    def _is_full(self) -> bool:
        return len(self._buffer) >= self._max_items

    def _read(self) -> None:
        while True:
            try:
                item = next(self._items)
            except StopIteration:
                self._finish(None)
                return
            except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
                self._finish(error)
                return
            with self._changed:
                self._buffer.append(item)
                self._is_reading = not self._is_full()
                if len(self._buffer) == 1 or not self._is_reading:
                    self._changed.notify_all()
                if not self._is_reading:
                    return

    def _finish(self, error: Exception | None) -> None:
        with self._changed:
            self._is_finished, self._is_reading, self._error = True, False, error
            self._changed.notify_all()
