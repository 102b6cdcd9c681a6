"""The platform's own models as the repository shows them: each of the catalogue with one version."""

from __future__ import annotations

import functools
import hashlib
import string

from ...wire import catalog
from ...wire import model as wire
from ..state.store import Document

KINDS = {
    "chat": "Text2Text",
    "completion": "Text2Text",
    "text2image": "Text2Image",
    "embedding": "TextRepresentation",
    "image2text": "ImageUnderstanding",
}
"""The catalogue's kinds that the repository has, in its words."""

CREATED_AT = 1_672_531_200.0
"""The date that presets carry, 2023-01-01; the real ones are not known."""

_FIRST = 10**9
_DIGITS = string.digits + string.ascii_lowercase


def find_preset(kind: str, key: int | str) -> Document | None:
    """Return a preset "model" or "version" by its id or number, None when there is none."""
    return _index().get((kind, str(key)))


@functools.cache
def preset_models() -> tuple[Document, ...]:
    """Return the preset models in the catalogue's order."""
    names: dict[str, catalog.CatalogModel] = {}
    for row in catalog.load_models():
        if row.kind in KINDS and not row.renamed:
            names.setdefault(row.name, row)
    return tuple(_model(row) for row in names.values())


def preset_version(model: Document) -> Document:
    """Return the one version of a preset model."""
    return {
        **_ids("amv-", model["name"]),
        "model": model["id"],
        "version": model["name"],
        "source": wire.PRESET,
        "origin": {},
        "base": model["name"],
        "description": "",
        "created": CREATED_AT,
        "plan": [[wire.READY, None]],
    }


def _model(row: catalog.CatalogModel) -> Document:
    return {
        **_ids("am-", row.name),
        "name": row.name,
        "type": KINDS[row.kind],
        "source": wire.PRESET,
        "description": "",
        "labels": [],
        "tags": None,
        "created": CREATED_AT,
    }


def _ids(prefix: str, name: str) -> Document:
    """Return an id and a number that are always the same, the number above those of the user's objects."""
    number = int.from_bytes(hashlib.sha256(f"{prefix}{name}".encode()).digest()[:8], "big")
    letters = "".join(_DIGITS[number // 36**exponent % 36] for exponent in range(12))
    return {"id": prefix + letters, "number": _FIRST + number % _FIRST}


@functools.cache
def _index() -> dict[tuple[str, str], Document]:
    index: dict[tuple[str, str], Document] = {}
    for model in preset_models():
        for kind, row in (("model", model), ("version", preset_version(model))):
            index[kind, row["id"]] = index[kind, str(row["number"])] = row
    return index
