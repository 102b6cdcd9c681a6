"""Text to image: v1 (`/text2image/<endpoint>`) and v2 (`/v2/images/generations`)."""

from __future__ import annotations

from .base import Record
from .chat import V1_PREFIX, Usage
from .endpoints import Endpoint

IMAGE_SIZES = ("768x768", "768x1024", "1024x768", "576x1024", "1024x576", "1024x1024")


class ImageRequest(Record):
    """What to draw; `size` is one of SIZES, `n` 1-4, `steps` 10-50, `seed` 0-4294967295."""

    prompt: str
    negative_prompt: str | None = None
    size: str | None = None
    n: int | None = None
    steps: int | None = None
    sampler_index: str | None = None
    seed: int | None = None
    cfg_scale: float | None = None
    style: str | None = None


class ImageRequestV2(Record):
    """v2 names the model in the body; `size` is any WxH from 512 to 2048."""

    prompt: str
    model: str
    n: int | None = None
    size: str | None = None


class Picture(Record):
    """One drawn picture: `b64_image` is base64 of the file (v1), `url` where it is for some hours (v2)."""

    object: str = "image"
    b64_image: str = ""
    url: str = ""
    index: int = 0


class ImageReply(Record):
    """The pictures that were drawn."""

    id: str = ""
    object: str = "image"
    created: int = 0
    data: list[Picture] = []
    usage: Usage | None = None


TEXT2IMAGE_V1 = Endpoint(
    "text2image.v1", V1_PREFIX + "/text2image/{model}", ImageRequest, ImageReply, plane="v1"
)
TEXT2IMAGE_V2 = Endpoint("text2image.v2", "/v2/images/generations", ImageRequestV2, ImageReply, plane="v2")
