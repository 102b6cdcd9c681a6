"""Files that only their user can read, and that are either old or new, never half written."""

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .. import errors
from .language import tr


def write_private(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Replace a file atomically, with mode 0600.

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


def modified_at(path: Path) -> float:
    """Return when a file was changed last, 0 where another process has just deleted it."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the path's place when all of it has been written, and vanishes
    otherwise.
    """
    part_path = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part_path.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part_path.replace(path)
    except (TimeoutError, ConnectionError):  # the network's, not the disk's
        raise
    except OSError as error:
        raise errors.InvalidArgumentError(
            tr("{path} cannot be written: {reason}", path=path, reason=error.strerror or error)
        ) from None
    finally:
        part_path.unlink(missing_ok=True)
