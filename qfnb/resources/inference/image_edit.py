"""Image to image: pictures that are changed by a description."""

import base64
import binascii
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Unpack
from urllib.parse import urlsplit

from ...base.language import tr
from ...base.text import format_value
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from ...transport.platform import Platform
from ...wire import inference as wire
from .arguments import ImageOptions
from .chat_request import validate_encodable, validate_options
from .image_reply import ImageModel, ImageResponse, validate_with_decode
from .inference_model import InferenceCall, InferenceRequest
from .model_choice import ModelChoice, find_target

ReferencePicture = str | bytes | Path
"""A path, the bytes of a file, a data URL, or an http(s) address that the platform can reach."""

MAX_PICTURES = 3
MAX_BYTES = 10 * 1024 * 1024
MIN_SIDE = 128
MAX_RATIO = 4
MAX_URL_BYTES = 1024
"""Limits of the API page: pictures, bytes and pixels of each, longer side to shorter, bytes of an
address.
"""

_SIGNATURES: Final = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
    b"RIFF": "image/webp",
    b"\0\0\1\0": "image/x-icon",
}

_JPEG_SIZE_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def encode_pictures(pictures: ReferencePicture | Iterable[ReferencePicture]) -> str | list[str]:
    """Return 1 to 3 pictures as `/v2/images/edits` takes them: data URLs, and addresses as they
    are.

    Raises:
        InvalidArgumentError: there are more or fewer, or one cannot be read or is not a picture
            that the page allows.
    """
    is_one = isinstance(pictures, (str, bytes, Path))
    if not isinstance(pictures, Iterable | Path):
        raise InvalidArgumentError(
            tr(
                "pictures={pictures}: must be a path, an address or bytes, or a list of 1 to 3 of "
                "them",
                pictures=format_value(pictures),
            )
        )
    rows: list[ReferencePicture] = [pictures] if is_one else list(pictures)  # type: ignore[list-item, arg-type]
    if not 1 <= len(rows) <= MAX_PICTURES:
        raise InvalidArgumentError(
            tr(
                "pictures: there are {count}, and 1 to {limit} are allowed",
                count=len(rows),
                limit=MAX_PICTURES,
            )
        )
    encoded = [_encode(f"pictures[{index}]", picture) for index, picture in enumerate(rows)]
    if is_one:
        return encoded[0]
    return encoded


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a picture file in pixels, None where its head does not say
    them.
    """
    try:
        if content.startswith(b"\x89PNG"):
            return _unpack(">II", content, 16)
        if content.startswith(b"BM"):
            width, height = _unpack("<ii", content, 18)
            return abs(width), abs(height)
        if content.startswith(b"\0\0\1\0"):
            return content[6] or 256, content[7] or 256
        if content.startswith(b"RIFF"):
            return _webp_size(content)
        return _jpeg_size(content)
    except (struct.error, IndexError):
        return None


def _encode(name: str, picture: ReferencePicture) -> str:
    if isinstance(picture, str) and urlsplit(picture).scheme in {"http", "https"}:
        if len(picture.encode()) > MAX_URL_BYTES:
            raise InvalidArgumentError(
                tr(
                    "{name}: an address has at most {limit:,} bytes; pass the file itself",
                    name=name,
                    limit=MAX_URL_BYTES,
                )
            )
        return picture
    content = _read(name, picture)
    media_type = next(
        (kind for magic, kind in _SIGNATURES.items() if content.startswith(magic)), None
    )
    if media_type is None:
        raise InvalidArgumentError(
            tr("{name} is not a picture file: must be PNG, JPEG, WebP, BMP or ICO", name=name)
        )
    if len(content) >= MAX_BYTES:
        raise InvalidArgumentError(
            tr(
                "{name} has {count:,} bytes: less than {limit:,} are allowed",
                name=name,
                count=len(content),
                limit=MAX_BYTES,
            )
        )
    if size := picture_size(content):
        _validate_size(name, *size)
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _validate_size(name: str, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise InvalidArgumentError(
            tr(
                "{name} has {width}x{height} pixels: each side must have at least {limit}",
                name=name,
                width=width,
                height=height,
                limit=MIN_SIDE,
            )
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise InvalidArgumentError(
            tr(
                "{name} has {width}x{height} pixels: one side may have at most {limit} times the "
                "other",
                name=name,
                width=width,
                height=height,
                limit=MAX_RATIO,
            )
        )


def _read(name: str, picture: ReferencePicture) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str) and picture.startswith("data:"):
        try:
            return base64.b64decode(picture.partition(",")[2], validate=True)
        except binascii.Error:
            raise InvalidArgumentError(
                tr("{name} is a data URL whose content is not base64", name=name)
            ) from None
    if not isinstance(picture, (str, Path)):
        raise InvalidArgumentError(
            tr(
                "{name} is a {kind}: must be a path, bytes, a data URL or an http(s) address",
                name=name,
                kind=type(picture).__name__,
            )
        )
    try:
        return Path(picture).expanduser().read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidArgumentError(
            tr(
                "{name}={picture!r} cannot be read: {reason}",
                name=name,
                picture=str(picture)[:80],
                reason=reason,
            )
        ) from None


def _unpack(form: str, content: bytes, offset: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, content, offset)
    return first, second


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = (
            int.from_bytes(content[start : start + 3], "little") + 1 for start in (24, 27)
        )
        return width, height
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = _unpack("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return the size in the first frame header; segments before it are skipped."""
    offset = 2
    while content[offset] == 0xFF:
        marker = content[offset + 1]
        if marker in _JPEG_SIZE_MARKERS:
            height, width = _unpack(">HH", content, offset + 5)
            return width, height
        offset += 2 + int.from_bytes(content[offset + 2 : offset + 4], "big")
    return None


Pictures = ReferencePicture | Iterable[ReferencePicture]


class ImageEditCall(InferenceCall[ImageResponse]):
    """Pictures that are changed; the options are the fields of the body."""

    def request_for(self, platform: Platform) -> InferenceRequest:
        """Return the request as a platform takes it."""
        model = find_target(self.choice, platform).model
        record = wire.ImageEditRequest(model=model, **self.options)
        return InferenceRequest(wire.IMAGE_EDIT_V2, record, model)


class ImageEdit(ImageModel):
    """A model that changes pictures by a description.

    Args:
        model: a preset model; default qwen-image-edit.
        endpoint: a service of your own; wins over `model`.
        **keys: see `ChatCompletion`.

    Source: API page of /v2/images/edits.
    """

    kind = "image2image"

    def do(
        self,
        prompt: str,
        pictures: Pictures,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        with_decode: Literal["base64"] | None = None,
        request_timeout: float | None = None,
        **options_: Unpack[ImageOptions],
    ) -> ImageResponse:
        """Change pictures; the files' bytes are in `reply.images`, `reply.save()` writes them.

        Args:
            prompt: what is changed; qwen-image-edit takes 800 characters.
            pictures: 1 to 3 reference pictures: paths, bytes, data URLs or http(s) addresses; PNG,
                JPEG, WebP, BMP or ICO of less than 10 MB, with sides of at least 128 pixels and at
                most 1:4.
            model: a model for this call.
            endpoint: a service of your own for this call.
            with_decode: "base64" also puts the bytes into each item of `resp["data"]` as "image".
            request_timeout: seconds for the whole call.
            **options_: size, seed, ...: sent as they are.

        Raises:
            InvalidArgumentError: the prompt or a picture is wrong; nothing was sent.
        """
        call = self.prepare(
            (prompt, pictures), model, endpoint, request_timeout=request_timeout, **options_
        )
        return event_loop.run(self.draw([call], prompt, decode=validate_with_decode(with_decode)))

    async def ado(
        self,
        prompt: str,
        pictures: Pictures,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        with_decode: Literal["base64"] | None = None,
        request_timeout: float | None = None,
        **options_: Unpack[ImageOptions],
    ) -> ImageResponse:
        """The awaited form of `do`."""
        call = self.prepare(
            (prompt, pictures), model, endpoint, request_timeout=request_timeout, **options_
        )
        return await event_loop.run_async(
            self.draw([call], prompt, decode=validate_with_decode(with_decode))
        )

    def prepare_call(
        self,
        item: tuple[str, Pictures],
        choice: ModelChoice,
        options: Mapping[str, Any],
        call_options: CallOptions,
        *,
        stream: bool,
    ) -> ImageEditCall:
        """Return the validated call for one (prompt, pictures)."""
        prompt, pictures = item
        if not isinstance(prompt, str) or not prompt.strip():
            raise InvalidArgumentError(tr("prompt is empty: describe the change"))
        validate_encodable("prompt", prompt)
        if stream:
            raise InvalidArgumentError(tr("stream=True: images cannot be streamed"))
        self.warn_by_page(choice, prompt, options)
        fields = {"prompt": prompt, "image": encode_pictures(pictures), **validate_options(options)}
        return ImageEditCall(choice, fields, call_options)
