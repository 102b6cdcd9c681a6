"""Pages of a list: by marker (v2 actions), and by number (v1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ..wire.base import Paged
from .routing import Call, refuse_call

T = TypeVar("T")

USUAL, MOST = 10, 100
"""Rows of a page when nothing is said, and at most."""


def by_marker(
    call: Call, rows: Sequence[dict[str, Any]], id_: str, ask: Paged
) -> tuple[list[Any], dict[str, Any]]:
    """Return a page of rows, which come newest first, and the `pageInfo` that goes with it.

    Args:
        call: who asks.
        rows: all of them, in order.
        id_: the key under which a row has its id, which is what markers are.
        ask: the page that is wanted.
    """
    size = _size(call, "maxKeys", ask.max_keys)
    places = {row[id_]: place for place, row in enumerate(rows)}
    if ask.marker and ask.marker not in places:
        raise refuse_call(call, f"param[marker] invalid: {ask.marker} does not exist")
    if ask.page_reverse:
        end = places[ask.marker] if ask.marker else len(rows)
        start = max(0, end - size)
        page, more = list(rows[start:end]), start > 0
        following = page[0][id_] if page else None
    else:
        start = places[ask.marker] + 1 if ask.marker else 0
        page, more = list(rows[start : start + size]), start + size < len(rows)
        following = page[-1][id_] if page else None
    info = {"marker": ask.marker or "", "maxKeys": size, "isTruncated": more}
    return page, info | ({"nextMarker": following} if more else {})


def by_number(call: Call, rows: Sequence[T], page: int | None, size: int | None) -> list[T]:
    """Return page 1, 2, ... of rows."""
    if page is not None and page < 1:
        raise refuse_call(call, f"param[pageNo] invalid: {page}; pages count from 1")
    size = _size(call, "pageSize", size, usual=20)
    start = ((page or 1) - 1) * size
    return list(rows[start : start + size])


def by_offset(
    call: Call, rows: Sequence[T], offset: int | None, size: int | None, *, most: int = MOST
) -> list[T]:
    """Return rows from an offset on."""
    if offset is not None and offset < 0:
        raise refuse_call(call, f"param[offset] invalid: {offset}; rows count from 0")
    size = _size(call, "pageSize", size, most=most)
    return list(rows[offset or 0 : (offset or 0) + size])


def _size(call: Call, name: str, size: int | None, *, usual: int = USUAL, most: int = MOST) -> int:
    if size is None:
        return min(usual, most)
    if size < 1 or (size > most and name != "maxKeys"):
        raise refuse_call(call, f"param[{name}] invalid: {size}; a page has 1 to {most} rows")
    return min(size, most)  # more maxKeys count as a hundred, the API pages say
