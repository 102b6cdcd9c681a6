"""How a journal stores values: with checksums, as disks and copies may change bits, and long texts
compressed.
"""

import zlib
from collections.abc import Iterable

MIN_PACKED_BYTES = 128
"""Shorter answers do not become shorter."""


def checksum(values: Iterable[object]) -> int:
    """Return the CRC-32 of values as SQLite returns them."""
    return zlib.crc32("\x1f".join(map(str, values)).encode("utf-8", "surrogatepass"))


def pack_text(text: str | None) -> str | bytes | None:
    """Return a text, or its compressed bytes where these are fewer.

    Raises:
        UnicodeEncodeError: it has a lone surrogate.
    """
    if text is None or len(text) * 3 < MIN_PACKED_BYTES:
        return text
    content = text.encode()
    packed = zlib.compress(content, 1)
    return packed if len(packed) < len(content) else text


def unpack_text(value: str | bytes | None) -> str | None:
    """Return the text that `pack_text` was called with; None for what is none of its values."""
    if isinstance(value, bytes):
        try:
            return zlib.decompress(value).decode("utf-8", "replace")
        except zlib.error:
            return None
    return value
