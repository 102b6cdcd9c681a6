"""The list of models that a v2 server offers, as OpenAI's API has it (`GET /v2/models`)."""

from __future__ import annotations

from .base import EmptyBody, Record
from .endpoints import Endpoint


class AvailableModel(Record):
    """One model of a server."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = ""


class AvailableModelList(Record):
    """All models of a server."""

    object: str = "list"
    data: list[AvailableModel] = []


MODELS_V2 = Endpoint("models.v2", "/v2/models", EmptyBody, AvailableModelList, plane="v2", method="GET")
