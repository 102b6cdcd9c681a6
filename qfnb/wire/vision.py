"""Questions about a picture, v1 (`/image2text/<endpoint>`)."""

from __future__ import annotations

from .base import Record
from .chat import V1_PREFIX, ChatReply
from .endpoints import Endpoint

MAX_IMAGE_BYTES = 4 * 1024 * 1024
IMAGE_SIDES = (15, 4096)
"""Pixels of the shortest and of the longest side."""


class VisionRequest(Record):
    """A question and a picture (base64 of a JPEG, PNG or BMP file, without a data-URL head)."""

    prompt: str
    image: str
    stream: bool = False


IMAGE2TEXT_V1 = Endpoint(
    "image2text.v1", V1_PREFIX + "/image2text/{model}", VisionRequest, ChatReply, plane="v1"
)
