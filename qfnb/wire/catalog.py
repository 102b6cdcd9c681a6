"""The catalogue of models (`models.csv`): names, paths, input limits and prices.

An unknown name is never refused: it is passed through and the platform decides. Facts from the model pages of
the documentation and the official SDK's tables (0.4.12), read in 2026-11. Prices are CNY per 1,000 tokens as
listed there, and empty where no list price is known; old names are kept because the seeds use them.
"""

import csv
import functools
from dataclasses import dataclass
from importlib import resources
from typing import Literal

ModelKind = Literal["chat", "completion", "embedding", "text2image", "image2text", "reranker", "plugin"]

DEFAULTS: dict[ModelKind, str] = {
    "chat": "ERNIE-Bot-turbo",
    "completion": "ERNIE-Bot-turbo",
    "embedding": "Embedding-V1",
    "text2image": "Stable-Diffusion-XL",
    "image2text": "Fuyu-8B",
    "reranker": "bce-reranker-base_v1",
    "plugin": "EBPlugin",
}
DEFAULT_CHAT = DEFAULTS["chat"]


@dataclass(frozen=True)
class CatalogModel:
    """One model.

    Attributes:
        v1: its path segment on v1, "" when it is not there.
        v2: its id on v2.
        chars, tokens: the longest input, None where unknown.
        input_price, output_price: CNY per 1,000 tokens, None where unknown.
        renamed: today's name of a model under an old one.
    """

    kind: ModelKind
    name: str
    v1: str
    v2: str
    chars: int | None = None
    tokens: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    renamed: str = ""


@functools.cache
def load_models() -> tuple[CatalogModel, ...]:
    """Return all models of the catalogue."""
    text = resources.files(__package__).joinpath("models.csv").read_text(encoding="utf-8")
    return tuple(_parse_model(row) for row in csv.DictReader(text.splitlines()))


def model_names(kind: ModelKind) -> list[str]:
    """Return the names of all known models of a kind, renamed ones last."""
    rows = [row for row in load_models() if row.kind == kind]
    return [row.name for row in sorted(rows, key=lambda row: bool(row.renamed))]


def find_model(kind: ModelKind, name: str) -> CatalogModel | None:
    """Return a model by any of its names, None if it is unknown."""
    return _models_by_name().get((kind, name.lower()))


def path_segment(kind: ModelKind, name: str) -> str:
    """Return the path segment that serves a model on v1."""
    row = find_model(kind, name)
    return row.v1 if row and row.v1 else name.lower()


def v2_id(kind: ModelKind, name: str) -> str:
    """Return the id that names a model on v2."""
    row = find_model(kind, name)
    return row.v2 if row else name


@functools.cache
def _models_by_name() -> dict[tuple[ModelKind, str], CatalogModel]:
    """Index the models by id, path segment and name; a name takes precedence over another model's id."""
    index: dict[tuple[ModelKind, str], CatalogModel] = {}
    for key in ("v1", "v2", "name"):
        for row in reversed(load_models()):
            if value := getattr(row, key):
                index[row.kind, value.lower()] = row
    return index


def _parse_model(row: dict[str, str]) -> CatalogModel:
    chars, tokens = (int(row[name]) if row[name] else None for name in ("chars", "tokens"))
    prices = [float(row[name]) if row[name] else None for name in ("input_price", "output_price")]
    kind: ModelKind = row["kind"]  # type: ignore[assignment]
    return CatalogModel(kind, row["name"], row["v1"], row["v2"], chars, tokens, prices[0], prices[1], row["renamed"])
