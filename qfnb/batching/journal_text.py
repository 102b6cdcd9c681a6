"""Answers as a journal holds them: long ones compressed."""

import zlib
from contextlib import suppress
from typing import Final

MIN_PACKED_BYTES: Final = 128
"""Shorter answers do not become shorter."""


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
        with suppress(zlib.error):
            return zlib.decompress(value).decode("utf-8", "replace")
        return None
    return value
