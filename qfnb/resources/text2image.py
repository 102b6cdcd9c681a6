"""Text to image."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal, Unpack

from .. import connect
from ..errors import InvalidArgumentError, UnexpectedContent
from ..transport import portal
from ..transport.client import Limits
from ..transport.response import Response
from ..wire import catalog
from ..wire import image as wire
from . import options
from .options import ImageOptions, Keys

MAX_PROMPT = 1024
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


class ImageResponse(Response[wire.ImageReply]):
    """Pictures; `.images` are the files' bytes, in order."""

    prompt: str = ""

    @property
    def images(self) -> list[bytes]:
        """The picture files.

        Raises:
            UnexpectedContent: a picture is not base64, or not a PNG, JPEG or WebP file.
        """
        return [_decode(picture.b64_image) for picture in self.data.data]

    def __repr__(self) -> str:
        return f"<{len(self.data.data)} image(s) of {self.prompt!r}>"


class Text2Image:
    """Draw pictures from a description.

    Args:
        model: a preset model; default Stable-Diffusion-XL.
        endpoint: a service of your own; wins over `model`.
        **keys: keys instead of the settings', as for `ChatCompletion`.

    Source: seed 003 (文生图).
    """

    def __init__(self, model: str | None = None, endpoint: str | None = None, **keys: Unpack[Keys]) -> None:
        self.model, self.endpoint = model, endpoint
        self._keys: dict[str, Any] = dict(keys)

    def do(
        self,
        prompt: str,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        with_decode: Literal["base64"] | None = None,
        request_timeout: float | None = None,
        **options_: Unpack[ImageOptions],
    ) -> ImageResponse:
        """Draw; with `with_decode="base64"` each item of `resp["data"]` also has "image": the file's bytes.

        Args:
            prompt: what to draw, at most 1,024 characters.
            model: a model for this call.
            endpoint: a service of your own for this call.
            with_decode: "base64" decodes the pictures.
            request_timeout: seconds for the whole call.
            **options_: size (wire.image.SIZES), n (1-4), seed, style, steps, ...

        Raises:
            InvalidArgumentError: the prompt or an option is wrong; nothing was sent.
        """
        return portal.run(self._draw(prompt, model, endpoint, with_decode, request_timeout, options_))

    async def ado(
        self,
        prompt: str,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        with_decode: Literal["base64"] | None = None,
        request_timeout: float | None = None,
        **options_: Unpack[ImageOptions],
    ) -> ImageResponse:
        """The awaited form of `do`."""
        return await portal.hop(self._draw(prompt, model, endpoint, with_decode, request_timeout, options_))

    async def _draw(
        self,
        prompt: str,
        model: str | None,
        endpoint: str | None,
        with_decode: str | None,
        timeout: float | None,
        given: ImageOptions,
    ) -> ImageResponse:
        request = _request(prompt, with_decode, given)
        name = (
            endpoint
            or self.endpoint
            or catalog.image_endpoint(model or self.model or catalog.DEFAULT_TEXT2IMAGE)
        )
        client = await connect.aclient(self._keys)
        answer = await client.send(wire.TEXT2IMAGE_V1, request, path={"model": name}, limits=Limits(timeout))
        reply = ImageResponse(answer.body, answer.data_type, answer.code, answer.headers, answer.statistic)
        reply.prompt = prompt
        if with_decode:
            for item, image in zip(reply.body["data"], reply.images, strict=True):
                item["image"] = image
        return reply


def _request(prompt: str, with_decode: str | None, given: ImageOptions) -> wire.ImageRequest:
    if not isinstance(prompt, str) or not prompt.strip():
        raise InvalidArgumentError("prompt is empty: describe the picture")
    if len(prompt) > MAX_PROMPT:
        raise InvalidArgumentError(f"prompt has {len(prompt)} characters: at most {MAX_PROMPT} are allowed")
    if with_decode not in {None, "base64"}:
        raise InvalidArgumentError(f"with_decode={with_decode!r}: it is 'base64' or None")
    checked = options.check(given)
    if checked.get("size") not in {None, *wire.SIZES}:
        raise InvalidArgumentError(f"size={checked['size']!r}: it is one of {', '.join(wire.SIZES)}")
    return wire.ImageRequest(prompt=prompt, **checked)


def _decode(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UnexpectedContent("a picture came that is not base64") from None
    if not content.startswith(_MAGIC):
        raise UnexpectedContent("a picture came that is not a PNG, JPEG or WebP file")
    return content
