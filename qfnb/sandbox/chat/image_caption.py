"""What the sandbox can truly say about a picture: its size and its colours."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

_COLOURS = {
    "黑 black": (20, 20, 20),
    "白 white": (240, 240, 240),
    "灰 grey": (128, 128, 128),
    "红 red": (200, 40, 40),
    "橙 orange": (240, 140, 40),
    "黄 yellow": (235, 215, 60),
    "绿 green": (60, 160, 70),
    "青 cyan": (60, 190, 200),
    "蓝 blue": (50, 90, 200),
    "紫 purple": (130, 60, 160),
    "棕 brown": (120, 80, 50),
    "粉 pink": (240, 170, 190),
}


def describe_content(content: Any) -> str:
    """Return a description of the pictures in a turn, "" when it has none."""
    parts = content if isinstance(content, list) else []
    urls = [
        str((part.get("image_url") or {}).get("url", "")) for part in parts if part.get("type") == "image_url"
    ]
    return "\n".join(map(_describe_url, urls))


def _describe_url(url: str) -> str:
    head, _, encoded = url.partition(",")
    if not head.startswith("data:image/"):
        return (
            "（本地沙盒）只看得到随消息附上的图片 / the sandbox sees pictures that come with the message only"
        )
    try:
        return describe_image(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, OSError):
        return "（本地沙盒）这张图片打不开 / the picture cannot be opened"


def describe_image(content: bytes) -> str:
    """Return size and main colours of a picture file.

    Raises:
        OSError: it is none.
    """
    from PIL import Image  # noqa: PLC0415 - only when there is a picture

    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
        colours = image.convert("RGB").resize((24, 24)).quantize(4).convert("RGB").getcolors(576) or []
    names = list(dict.fromkeys(_colour_name(pixel) for _, pixel in sorted(colours, reverse=True)))
    return f"（本地沙盒）图片 {width}×{height} 像素，主要颜色 main colours: {'、'.join(names[:3])}"


def _colour_name(pixel: Any) -> str:
    return min(
        _COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(_COLOURS[name], pixel, strict=True))
    )
