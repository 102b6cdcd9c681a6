"""The sweeps of this user on disk, so that a kernel that has none of their cells goes on with them.

A private file each: a line of facts, and a line with what `sweep` takes to make it again. The
newest `MAX_SWEEPS` stay.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import time
import zlib
from dataclasses import dataclass
from typing import Any, Final

from ... import config
from ...base.language import tr
from ...base.private_files import modified_at, write_private
from ...base.text import did_you_mean
from ...errors import InvalidArgumentError

FOLDER: Final = "sweeps"
SUFFIX: Final = ".jsonl.gz"
MAX_SWEEPS: Final = 20
VERSION: Final = 1

Arguments = dict[str, Any]
"""What a sweep is made of, as values of JSON."""


@dataclass(frozen=True)
class StoredSweep:
    """What is known of a sweep without its data.

    Attributes:
        created: Unix seconds.
        model: that is tuned.
        labels: of the trainings.
        platform: where they are.
    """

    id: str
    created: float
    model: str
    labels: tuple[str, ...]
    platform: str


def sweep_id(arguments: Arguments) -> str:
    """Return the id of a sweep: the same for the same data, models, settings and questions."""
    content = {name: value for name, value in arguments.items() if name != "parallel"}
    digest = hashlib.blake2b(_to_json(content), digest_size=5)
    return f"sweep-{digest.hexdigest()}"


def save(id_: str, labels: list[str], arguments: Arguments) -> None:
    """Write a sweep; a full disk or a folder that is read-only is no error."""
    facts = {"qfnb_sweep": VERSION, "created": time.time(), "labels": labels}
    facts |= {name: arguments[name] for name in ("train_type", "platform")}
    with contextlib.suppress(OSError):
        path = config.state_dir(FOLDER) / f"{id_}{SUFFIX}"
        write_private(
            path, gzip.compress(_to_json(facts) + b"\n" + _to_json(arguments) + b"\n", mtime=0)
        )
        for old in sorted(
            config.state_dir(FOLDER).glob(f"*{SUFFIX}"), key=modified_at, reverse=True
        )[MAX_SWEEPS:]:
            old.unlink(missing_ok=True)


def list_sweeps() -> list[StoredSweep]:
    """Return the sweeps of this user that can be read, the newest first."""
    sweeps = []
    for path in config.state_dir(FOLDER).glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError, EOFError, zlib.error, ValueError, KeyError, TypeError):
            with gzip.open(path, "rb") as lines:
                facts = json.loads(next(lines))
            name = path.name.removesuffix(SUFFIX)
            row = facts["train_type"], tuple(facts["labels"]), facts["platform"]
            sweeps.append(StoredSweep(name, float(facts["created"]), *row))
    return sorted(sweeps, key=lambda row: row.created, reverse=True)


def read(id_: str) -> dict[str, Any]:
    """Return what a sweep is made of.

    Raises:
        InvalidArgumentError: there is no such sweep, its file is damaged, or a later version's.
    """
    ids = [row.id for row in list_sweeps()]
    path = config.state_dir(FOLDER) / f"{id_}{SUFFIX}"
    if id_ not in ids and not (id_.startswith("sweep-") and "/" not in id_ and path.is_file()):
        hint = did_you_mean(id_, ids) or tr("; `%qftrain list` shows stored ones")
        raise InvalidArgumentError(tr("no sweep {id!r} is on this computer", id=id_) + hint)
    try:
        with gzip.open(path, "rb") as lines:
            facts = json.loads(next(lines))
            arguments = json.loads(next(lines))
        if facts["qfnb_sweep"] > VERSION or not isinstance(arguments, dict):
            raise ValueError(f"version {facts['qfnb_sweep']}")
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, StopIteration) as error:
        raise InvalidArgumentError(
            tr(
                "the sweep {id} cannot be opened, its file is damaged ({reason}); run its cell "
                "again",
                id=id_,
                reason=error,
            )
        ) from None
    return arguments


def _to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str).encode(
        "utf-8", "surrogatepass"
    )
