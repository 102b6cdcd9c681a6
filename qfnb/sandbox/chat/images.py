"""Text to image by a drawing program, and image to text: a picture's true size and colours.

Each drawing says that it is one, and what was understood of its prompt.
"""

import asyncio
import base64
import binascii
import io
import re
import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...wire import catalog, inference
from ..engines.protocol import count_tokens
from ..http.call import Call, Stream, emulates
from ..state.world import World
from .conversion import build_v1_answer, tool_reply, unknown_model

ENGINE_LABEL = "qfnb drawing program, not a model"
_RANGES = {"n": (1, 4), "steps": (10, 50), "seed": (0, 4294967295), "cfg_scale": (0, 30)}


@emulates(inference.TEXT2IMAGE_V1)
async def generate_v1(call: Call, body: inference.ImageRequest) -> dict[str, Any]:
    """Answer `/text2image/<endpoint>`."""
    if catalog.find_model("text2image", call.path["model"]) is None:
        raise unknown_model(call, call.path["model"])
    _validate_v1(call, body)
    pictures = await _draw_pictures(body.prompt, body.size or "1024x1024", body.n or 1, body.seed)
    data = [
        {"object": "image", "b64_image": base64.b64encode(content).decode("ascii"), "index": index, "sandbox": mark}
        for index, (content, mark) in enumerate(pictures, 1)
    ]
    return _build_response(call, body.prompt, data)


@emulates(inference.TEXT2IMAGE_V2)
async def generate_v2(call: Call, body: inference.ImageRequestV2) -> dict[str, Any]:
    """Answer `/v2/images/generations` with the addresses of the pictures."""
    if catalog.find_model("text2image", body.model) is None:
        raise unknown_model(call, body.model)
    size = re.fullmatch(r"(\d{3,4})x(\d{3,4})", body.size or "1024x1024")
    if size is None or not all(512 <= int(side) <= 2048 for side in size.groups()):
        raise call.refusal("size must be WxH, each from 512 to 2048")
    if not body.prompt.strip() or len(body.prompt) > 1024 or not 1 <= (body.n or 1) <= 4:
        raise call.refusal("prompt must have 1 to 1024 characters, n is 1 to 4")
    seed = (body.model_extra or {}).get("seed")
    pictures = await _draw_pictures(body.prompt, size.group(), body.n or 1, seed if isinstance(seed, int) else None)
    base_url = f"{call.world.address.url}/_pictures"
    data = [{"url": f"{base_url}/{call.world.store_picture(content)}", "sandbox": mark} for content, mark in pictures]
    return _build_response(call, body.prompt, data)


@emulates(inference.IMAGE2TEXT_V1)
def image_to_text(call: Call, body: inference.VisionRequest) -> dict[str, Any] | Stream:
    """Answer `/image2text/<endpoint>`."""
    try:
        description = describe_image(base64.b64decode(body.image, validate=True))
    except (binascii.Error, ValueError, OSError):
        raise call.refusal("image must be base64 of a picture file") from None
    return build_v1_answer(call, tool_reply(description, kind="picture"), [body.prompt], body.stream)


def routes(world: World) -> list[Route]:
    """Return the route that v2's pictures are downloaded from; their names cannot be guessed."""

    async def fetch(request: Request) -> Response:
        content = world.read_picture(request.path_params["name"])
        if content is None:
            return Response("this picture is not kept any more", 404)
        return Response(content, media_type="image/png")

    return [Route("/_pictures/{name}", fetch, methods=["GET"])]


async def _draw_pictures(prompt: str, size: str, n: int, seed: int | None) -> list[tuple[bytes, dict[str, Any]]]:
    """Return n pictures as PNG files, each with its field `sandbox`."""
    from ..engines.drawing import picture  # noqa: PLC0415 - Pillow

    width, height = map(int, size.split("x"))
    first_seed, pictures = secrets.randbelow(2**32) if seed is None else seed, []
    for picture_seed in range(first_seed, first_seed + n):
        content, understood = await asyncio.to_thread(picture, prompt, (width, height), picture_seed)
        pictures.append((content, {"engine": ENGINE_LABEL, "understood": understood, "seed": picture_seed}))
    return pictures


def _build_response(call: Call, prompt: str, data: list[dict[str, Any]]) -> dict[str, Any]:
    tokens = count_tokens(prompt)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"id": call.id, "object": "image", "created": int(time.time()), "data": data, "usage": usage}


def _validate_v1(call: Call, body: inference.ImageRequest) -> None:
    if not body.prompt.strip() or len(body.prompt) > 1024:
        raise call.refusal("prompt must have 1 to 1024 characters")
    if body.size not in {None, *inference.IMAGE_SIZES}:
        raise call.refusal(f"size must be one of {', '.join(inference.IMAGE_SIZES)}")
    for name, (low, high) in _RANGES.items():
        value = getattr(body, name)
        if value is not None and not low <= value <= high:
            raise call.refusal(f"{name} must be in [{low}, {high}]")


_COLOURS = {
    "黑 black": (20, 20, 20), "白 white": (240, 240, 240), "灰 grey": (128, 128, 128), "红 red": (200, 40, 40),
    "橙 orange": (240, 140, 40), "黄 yellow": (235, 215, 60), "绿 green": (60, 160, 70), "青 cyan": (60, 190, 200),
    "蓝 blue": (50, 90, 200), "紫 purple": (130, 60, 160), "棕 brown": (120, 80, 50), "粉 pink": (240, 170, 190),
}  # fmt: skip


def describe_content(content: Any) -> str:
    """Return a description of the pictures in a turn, "" when it has none."""
    parts = content if isinstance(content, list) else []
    urls = [str((part.get("image_url") or {}).get("url", "")) for part in parts if part.get("type") == "image_url"]
    return "\n".join(map(_describe_url, urls))


def _describe_url(url: str) -> str:
    head, _, encoded = url.partition(",")
    if not head.startswith("data:image/"):
        return "（本地沙盒）只看得到随消息附上的图片 / the sandbox sees pictures that come with the message only"
    try:
        return describe_image(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, OSError):
        return "（本地沙盒）这张图片打不开 / the picture cannot be opened"


def describe_image(content: bytes) -> str:
    """Return size and main colours of a picture file.

    Raises:
        OSError: it is not a picture file.
    """
    from PIL import Image  # noqa: PLC0415 - only when there is a picture

    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
        colours = image.convert("RGB").resize((24, 24)).quantize(4).convert("RGB").getcolors(576) or []
    names = list(dict.fromkeys(_colour_name(pixel) for _, pixel in sorted(colours, reverse=True)))
    return f"（本地沙盒）图片 {width}×{height} 像素，主要颜色 main colours: {'、'.join(names[:3])}"


def _colour_name(pixel: Any) -> str:
    return min(_COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(_COLOURS[name], pixel, strict=True)))
