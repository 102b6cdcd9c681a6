"""The checksum of what a journal stores: disks and copies may change bits, which SQLite does not notice."""

import zlib
from collections.abc import Iterable


def checksum(values: Iterable[object]) -> int:
    """Return the CRC-32 of values as SQLite returns them."""
    return zlib.crc32("\x1f".join(map(str, values)).encode("utf-8", "surrogatepass"))
