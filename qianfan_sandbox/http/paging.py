"""Pages of a list: by marker (v2 actions), and by number (v1)."""

from collections.abc import Sequence
from typing import Any, TypeVar

from qfnb.wire.base import PageRequest

from .call import Call

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 10
MAX_PAGE_SIZE = 100
"""Rows of a page: the default, and the maximum."""


def page_by_marker(
    call: Call,
    rows: Sequence[dict[str, Any]],
    id_field: str,
    request: PageRequest,
    name: str = "items",
) -> dict[str, Any]:
    """Return a page of rows under a name, and its `pageInfo`.

    Args:
        call: the call.
        rows: all rows, the newest first.
        id_field: the key of a row's id; markers are ids.
        request: the requested page.
        name: the key of the page in the answer.
    """
    size = _validate_size(call, "maxKeys", request.max_keys)
    indexes = {row[id_field]: index for index, row in enumerate(rows)}
    if request.marker and request.marker not in indexes:
        raise call.invalid("marker", f"{request.marker} does not exist")
    if request.page_reverse:
        end = indexes[request.marker] if request.marker else len(rows)
        start = max(0, end - size)
        page = list(rows[start:end])
        has_more = start > 0
        next_marker = page[0][id_field] if page else None
    else:
        start = indexes[request.marker] + 1 if request.marker else 0
        page = list(rows[start : start + size])
        has_more = start + size < len(rows)
        next_marker = page[-1][id_field] if page else None
    info = {"marker": request.marker or "", "maxKeys": size, "isTruncated": has_more}
    return {name: page, "pageInfo": info | ({"nextMarker": next_marker} if has_more else {})}


def page_by_number(call: Call, rows: Sequence[T], page: int | None, size: int | None) -> list[T]:
    """Return a page of rows by its number.

    Args:
        call: the call.
        rows: all rows.
        page: the number of the page, from 1; default: 1.
        size: rows of a page, 1 to 100; default: 20.

    Raises:
        Refusal: the number or the size is out of range.
    """
    if page is not None and page < 1:
        raise call.invalid("pageNo", f"{page}; pages count from 1")
    size = _validate_size(call, "pageSize", size, default=20)
    start = ((page or 1) - 1) * size
    return list(rows[start : start + size])


def page_by_offset(
    call: Call,
    rows: Sequence[T],
    offset: int | None,
    size: int | None,
    *,
    max_size: int = MAX_PAGE_SIZE,
) -> list[T]:
    """Return a page of rows from an offset.

    Args:
        call: the call.
        rows: all rows.
        offset: the index of the first row, from 0.
        size: rows of a page, 1 to `max_size`; default: 10.
        max_size: the largest page.

    Raises:
        Refusal: the offset or the size is out of range.
    """
    if offset is not None and offset < 0:
        raise call.invalid("offset", f"{offset}; rows count from 0")
    size = _validate_size(call, "pageSize", size, max_size=max_size)
    return list(rows[offset or 0 : (offset or 0) + size])


def _validate_size(
    call: Call,
    name: str,
    size: int | None,
    *,
    default: int = DEFAULT_PAGE_SIZE,
    max_size: int = MAX_PAGE_SIZE,
) -> int:
    if size is None:
        return min(default, max_size)
    if size < 1 or (size > max_size and name != "maxKeys"):
        raise call.invalid(name, f"{size}; a page has 1 to {max_size} rows")
    return min(size, max_size)  # a larger maxKeys counts as the maximum, as the API pages say
