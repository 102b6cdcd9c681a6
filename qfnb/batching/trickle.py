"""An iterator's items as they come: what is there can be taken while the next one is still waited for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

GRACE: Final = 0.02
"""Seconds that a fast iterator gets to fill what is taken at once."""


class Trickle(Generic[T]):
    """Reads an iterator ahead, in a thread that ends when enough is there.

    Args:
        items: what is read; it may block, and it may raise.
        most: items that are taken at once, and read ahead.
    """

    def __init__(self, items: Iterator[T], most: int) -> None:
        self._items, self._most = items, most
        self._there: deque[T] = deque()
        self._news = threading.Condition()
        self._reading = self._ended = False
        self._problem: Exception | None = None

    def take(self) -> list[T]:
        """Return what is there, waiting for the first item; nothing at the end.

        Raises:
            Exception: what the iterator raised, when all before it was taken.
        """
        with self._news:
            if not (self._reading or self._ended or self._full()):
                self._reading = True
                threading.Thread(target=self._read, name="qfnb-input", daemon=True).start()
            self._news.wait_for(lambda: self._there or self._ended)
            self._news.wait_for(lambda: self._full() or self._ended, GRACE)
            taken = [self._there.popleft() for _ in range(min(self._most, len(self._there)))]
            if not taken and self._problem is not None:
                raise self._problem
            return taken

    def _full(self) -> bool:
        return len(self._there) >= self._most

    def _read(self) -> None:
        while True:
            try:
                item = next(self._items)
            except StopIteration:
                self._end(None)
                return
            except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
                self._end(error)
                return
            with self._news:
                self._there.append(item)
                self._reading = not self._full()
                if len(self._there) == 1 or not self._reading:
                    self._news.notify_all()
                if not self._reading:
                    return

    def _end(self, problem: Exception | None) -> None:
        with self._news:
            self._ended, self._reading, self._problem = True, False, problem
            self._news.notify_all()
