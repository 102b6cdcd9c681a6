"""Copies of the whole state under a name, made and put back while the server runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .store import Store, make_private

if TYPE_CHECKING:
    from .world import World

FOLDER, ABOUT = "snapshots", "about.json"
KEPT_KINDS = ("token", "bearer")
"""What is not put back: a client that holds an access token goes on with it."""

_NAME = re.compile(r"\w[\w.-]{0,63}")


def listed(home: Path) -> list[dict[str, Any]]:
    """Return the snapshots with their name, moment and size in bytes, the oldest first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (home / FOLDER).glob(f"[!.]*/{ABOUT}")]
    return sorted(found, key=lambda about: about["made"])


def make(world: World, name: str) -> dict[str, Any]:
    """Copy the database and the files as they are now.

    Raises:
        ValueError: the name cannot be a folder's, or is taken.
    """
    place = _place(world.folder, name)
    if place.exists():
        raise ValueError(f"there is a snapshot {name!r} already; remove it first")
    draft = place.with_name(f".{name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    world.store.copy_to(draft)
    about = {"name": name, "made": time.time(), "bytes": _size(draft)}
    (draft / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    make_private(world.folder / FOLDER)
    draft.replace(place)
    return about


def restore(world: World, name: str) -> dict[str, Any]:
    """Put a snapshot in the place of the state; trainings and batches of that moment begin anew.

    Raises:
        LookupError: there is no such snapshot.
    """
    place = _existing(world.folder, name)
    copy = world.folder / f".restoring.{os.getpid()}"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(mode=0o700)
    with_source = Store(place)
    with_source.copy_to(copy)
    with_source.close()
    kept = [(kind, row) for kind in KEPT_KINDS for row in world.store.all(kind)]
    world.close()
    Store.exchange(world.folder, copy)
    world.open(world.folder)
    for kind, row in kept:
        world.store.keep(kind, row)
    return {"restored": name}


def remove(home: Path, name: str) -> None:
    """Delete a snapshot.

    Raises:
        LookupError: there is no such snapshot.
    """
    shutil.rmtree(_existing(home, name))


def _place(home: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r}: a snapshot's name has 1 to 64 letters, digits and _.- and no leading dot"
        )
    return home / FOLDER / name


def _existing(home: Path, name: str) -> Path:
    place = _place(home, name)
    if not (place / ABOUT).is_file():
        raise LookupError(f"there is no snapshot {name!r}")
    return place


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
