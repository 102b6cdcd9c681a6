"""Pictures in requests: read and checked by the platform's limits, and described by their size and
colours.
"""

import base64
import binascii
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qfnb.base.language import tr, tr_noop
from qfnb.wire.chat import Message

from ..http.call import Call
from ..state.world import World

MEGABYTE = 1 << 20
MAX_URL_BYTES = 1024
MAX_CHAT_PICTURES = 10


@dataclass(frozen=True)
class PictureLimits:
    """What a picture of a request may be."""

    formats: frozenset[str]
    max_bytes: int
    min_side: int  # pixels of the shorter side
    max_side: int | None = None  # pixels of the longer side
    max_ratio: float | None = None  # of the longer side to the shorter one


CHAT_LIMITS = PictureLimits(frozenset({"JPEG", "PNG", "BMP"}), 10 * MEGABYTE, 5, max_side=5999)
EDIT_LIMITS = PictureLimits(
    frozenset({"JPEG", "PNG", "WEBP", "BMP", "ICO"}), 10 * MEGABYTE, 128, max_ratio=4
)


def validate_pictures(call: Call, messages: Sequence[Message]) -> None:
    """Refuse pictures of a conversation that the platform refuses.

    Raises:
        Refusal: `invalid_image_url`, with the picture and the limit.
    """
    urls = [url for message in messages for url in _picture_urls(message.content)]
    if len(urls) > MAX_CHAT_PICTURES:
        message = f"at most {MAX_CHAT_PICTURES} pictures, these are {len(urls)}"
        raise call.refusal(message, v2_code="invalid_image_url")
    for number, url in enumerate(urls, 1):
        if problem := _problem(call.world, url, CHAT_LIMITS):
            raise call.refusal(f"picture {number}: {problem}", v2_code="invalid_image_url")


def read_references(call: Call, value: Any) -> list[bytes]:
    """Return the picture files of an edit.

    Args:
        call: the call.
        value: one address, data URL or base64, or a list of 1 to 3.

    Raises:
        Refusal: there is none, or one is not acceptable.
    """
    if isinstance(value, str):
        urls = [value]
    else:
        urls = value
    code = "invalid_image_genration_refer_image"
    if (
        not isinstance(urls, list)
        or not 1 <= len(urls) <= 3
        or not all(isinstance(url, str) for url in urls)
    ):
        raise call.refusal("image must be a text or a list of 1 to 3 texts", v2_code=code)
    for number, url in enumerate(urls, 1):
        if problem := _problem(call.world, url, EDIT_LIMITS):
            raise call.refusal(f"image {number}: {problem}", v2_code=code)
    contents = [_read_picture(call.world, url) for url in urls]
    if None in contents:
        raise call.refusal(
            "image: the sandbox fetches no addresses but its own; send base64", v2_code=code
        )
    return [content for content in contents if content is not None]


def describe_content(world: World, content: Any) -> str:
    """Return a description of the pictures in a turn, "" when it has none."""
    return "\n".join(_describe_url(world, url) for url in _picture_urls(content))


def _picture_urls(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if part.get("type") == "image_url":
            value = part.get("image_url")
            yield str(value.get("url", "") if isinstance(value, dict) else value)


def _problem(world: World, url: str, limits: PictureLimits) -> str:
    """Return what is wrong with a picture, "" if it is acceptable or is at another server's
    address.
    """
    from PIL import Image  # noqa: PLC0415 - only when there is a picture

    if url.startswith(("https://", "http://")) and len(url.encode()) > MAX_URL_BYTES:
        return f"an address has at most {MAX_URL_BYTES} bytes"
    try:
        content = _read_picture(world, url)
        if content is None:
            return ""
        with Image.open(io.BytesIO(content)) as image:
            format_name = str(image.format)
            sides = sorted(image.size)
    except (binascii.Error, ValueError, OSError, Image.DecompressionBombError):
        return "neither an address nor base64 of a picture file"
    problems = {
        f"the format is {format_name}, not {', '.join(sorted(limits.formats))}": format_name
        not in limits.formats,
        f"a picture has at most {limits.max_bytes // MEGABYTE} MB": len(content) > limits.max_bytes,
        f"a side must have at least {limits.min_side} pixels, they have {sides}": sides[0]
        < limits.min_side,
        f"a side has at most {limits.max_side} pixels, they have {sides}": sides[1]
        > (limits.max_side or sides[1]),
        f"one side is at most {limits.max_ratio} times the other": sides[1]
        > (limits.max_ratio or sides[1]) * sides[0],
    }
    return next((text for text, is_true in problems.items() if is_true), "")


def _read_picture(world: World, url: str) -> bytes | None:
    """Return the bytes of a data URL, of base64, or of a picture of this sandbox; None for other
    addresses.

    Raises:
        ValueError: it is none of these.
    """
    if url.startswith(own := f"{world.address.url}/_pictures/"):
        return world.read_picture(url.removeprefix(own)) or b""
    if url.startswith(("https://", "http://")):
        return None
    if url.startswith("data:image/"):
        encoded = url.partition(",")[2]
    else:
        encoded = url
    return base64.b64decode(encoded, validate=True)


def _describe_url(world: World, url: str) -> str:
    content = _read_picture(world, url)
    if content is None:
        return tr("(local sandbox) only pictures that come with the message are seen")
    return describe_image(content)


_COLOURS = {
    tr_noop("black"): (20, 20, 20), tr_noop("white"): (240, 240, 240), tr_noop("grey"): (128, 128,
    128),
    tr_noop("red"): (200, 40, 40), tr_noop("orange"): (240, 140, 40), tr_noop("yellow"): (235, 215,
    60),
    tr_noop("green"): (60, 160, 70), tr_noop("cyan"): (60, 190, 200), tr_noop("blue"): (50, 90,
    200),
    tr_noop("purple"): (130, 60, 160), tr_noop("brown"): (120, 80, 50), tr_noop("pink"): (240, 170,
    190),
}  # fmt: skip


def describe_image(content: bytes) -> str:
    """Return size and main colours of a picture file.

    Raises:
        OSError: it is not a picture file.
    """
    from PIL import Image  # noqa: PLC0415 - only when there is a picture

    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
        colours = (
            image.convert("RGB").resize((24, 24)).quantize(4).convert("RGB").getcolors(576) or []
        )
    names = list(dict.fromkeys(_colour_name(pixel) for _, pixel in sorted(colours, reverse=True)))
    return tr(
        "(local sandbox) a picture of {width}×{height} pixels, main colours: {names}",
        width=width,
        height=height,
        names=", ".join(map(tr, names[:3])),
    )


def _colour_name(pixel: Any) -> str:
    return min(
        _COLOURS,
        key=lambda name: sum((a - b) ** 2 for a, b in zip(_COLOURS[name], pixel, strict=True)),
    )
