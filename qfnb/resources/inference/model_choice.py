"""Which model a call asks, and how one platform names it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ...transport.platform import Platform
from ...wire import catalog

V1_IMAGE_MODEL = "Stable-Diffusion-XL"
"""The default of v1, whose image models are not those of v2."""


@dataclass(frozen=True)
class ModelChoice:
    """What the user says about the model of a call.

    Attributes:
        kind: of the model.
        model: any of its names, None for the default.
        endpoint: a service of the user's own; wins over `model`.
        version: 1 or 2, None where the keys decide.
    """

    kind: catalog.ModelKind
    model: str | None = None
    endpoint: str | None = None
    version: int | None = None


class Target(NamedTuple):
    """A model on one platform: the API version, its id (v2) or segment of the path (v1), its row of the catalogue."""

    version: int
    model: str
    row: catalog.CatalogModel | None = None


@lru_cache(maxsize=256)
def find_target(choice: ModelChoice, platform: Platform) -> Target:
    """Return how a platform names the model of a call."""
    version = choice.version or _default_version(choice, platform)
    if platform.openai:
        return Target(2, choice.endpoint or choice.model or catalog.DEFAULTS[choice.kind])
    if choice.endpoint:
        return Target(version, choice.endpoint)
    is_old_image = version == 1 and choice.kind == "text2image"
    name = choice.model or (V1_IMAGE_MODEL if is_old_image else catalog.DEFAULTS[choice.kind])
    model = catalog.path_segment(choice.kind, name) if version == 1 else catalog.v2_id(choice.kind, name)
    return Target(version, model, catalog.find_model(choice.kind, name))


def _default_version(choice: ModelChoice, platform: Platform) -> int:
    """Return the API version that the keys of a platform are for."""
    keys = platform.credentials
    if choice.kind in {"text2image", "image2image"}:
        return 2
    return 2 if keys.api_key or keys.access_key else 1  # a service of the user's own is a `model` of v2, too
