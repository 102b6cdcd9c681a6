"""Snapshots: named copies of the whole state, created and restored while the server runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from qfnb.wire.base import JsonObject

from .store import Store, make_private

if TYPE_CHECKING:
    from .world import World

FOLDER = "snapshots"
MANIFEST = "about.json"
PRESERVED_KINDS = ("token", "bearer")
"""Documents that a restore keeps: a client's access token stays valid."""

_NAME = re.compile(r"\w[\w.-]{0,63}")


def list_snapshots(home: Path) -> list[JsonObject]:
    """Return the snapshots: name, time and size in bytes, the oldest first."""
    manifests = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (home / FOLDER).glob(f"[!.]*/{MANIFEST}")
    ]
    return sorted(manifests, key=lambda manifest: manifest["made"])


def create_snapshot(world: World, name: str) -> JsonObject:
    """Copy the database and the files as they are now.

    Raises:
        ValueError: the name is not valid, or is used already.
    """
    target = _snapshot_path(world.folder, name)
    if target.exists():
        raise ValueError(f"there is a snapshot {name!r} already; remove it first")
    draft = target.with_name(f".{name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    world.store.copy_to(draft)
    size = sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
    manifest = {"name": name, "made": time.time(), "bytes": size}
    (draft / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    make_private(world.folder / FOLDER)
    draft.replace(target)
    return manifest


def restore_snapshot(world: World, name: str) -> JsonObject:
    """Replace the state by a snapshot; its unfinished trainings and batches start again.

    Raises:
        LookupError: the snapshot does not exist.
    """
    snapshot = _existing_snapshot(world.folder, name)
    copy = world.folder / f".restoring.{os.getpid()}"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(mode=0o700)
    source = Store(snapshot)
    source.copy_to(copy)
    source.close()
    preserved = [(kind, row) for kind in PRESERVED_KINDS for row in world.store.all(kind)]
    world.close()
    Store.replace_state(world.folder, copy)
    world.open(world.folder)
    for kind, row in preserved:
        world.store.insert_missing(kind, row)
    return {"restored": name}


def remove_snapshot(home: Path, name: str) -> JsonObject:
    """Delete a snapshot; return its name.

    Raises:
        LookupError: the snapshot does not exist.
    """
    shutil.rmtree(_existing_snapshot(home, name))
    return {"removed": name}


def _snapshot_path(home: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r}: a snapshot's name has 1 to 64 letters, digits and _.- and no leading dot"
        )
    return home / FOLDER / name


def _existing_snapshot(home: Path, name: str) -> Path:
    path = _snapshot_path(home, name)
    if not (path / MANIFEST).is_file():
        raise LookupError(f"snapshot {name!r} does not exist")
    return path
