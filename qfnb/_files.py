"""Files that only their user can read, and that are either old or new, never half written."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_private(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Replace a file atomically, with mode 0600.

    Args:
        path: the file; its folder exists.
        content: text is written as UTF-8.
        durable: return only once the content is on the disk.

    Raises:
        OSError: the folder cannot be written, or the disk is full; the old file is unchanged.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
