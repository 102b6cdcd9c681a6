"""Text to image and back: a drawing program, which says on each picture what it is and what it understood."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...wire import catalog, inference
from ..http.call import Call, Stream, emulates
from ..http.refusals import v1_refusal, v2_refusal
from ..state.world import World
from . import image_caption
from .chat import build_v1_answer, tool_reply
from .response import count_tokens

ENGINE_LABEL = "qfnb drawing program, not a model"
_RANGES = {"n": (1, 4), "steps": (10, 50), "seed": (0, 4294967295), "cfg_scale": (0, 30)}


@emulates(inference.TEXT2IMAGE_V1)
async def generate_v1(call: Call, body: inference.ImageRequest) -> dict[str, Any]:
    """Answer `/text2image/<endpoint>`."""
    if catalog.find_model("text2image", call.path["model"]) is None:
        raise v1_refusal(3, "Unsupported openapi method")
    _validate_v1(call, body)
    pictures = await _draw_pictures(body.prompt, body.size or "1024x1024", body.n or 1, body.seed)
    data = [
        {
            "object": "image",
            "b64_image": base64.b64encode(content).decode("ascii"),
            "index": index,
            "sandbox": mark,
        }
        for index, (content, mark) in enumerate(pictures, 1)
    ]
    return _build_response(call, body.prompt, data)


@emulates(inference.TEXT2IMAGE_V2)
async def generate_v2(call: Call, body: inference.ImageRequestV2) -> dict[str, Any]:
    """Answer `/v2/images/generations`: the pictures are fetched by their addresses."""
    if catalog.find_model("text2image", body.model) is None:
        raise v2_refusal("invalid_model", f"No permission to use the model {body.model!r}", status=401)
    size = re.fullmatch(r"(\d{3,4})x(\d{3,4})", body.size or "1024x1024")
    if size is None or not all(512 <= int(side) <= 2048 for side in size.groups()):
        raise call.refusal("size must be WxH, each from 512 to 2048")
    if not body.prompt.strip() or len(body.prompt) > 1024 or not 1 <= (body.n or 1) <= 4:
        raise call.refusal("prompt must have 1 to 1024 characters, n is 1 to 4")
    seed = (body.model_extra or {}).get("seed")
    pictures = await _draw_pictures(
        body.prompt, size.group(), body.n or 1, seed if isinstance(seed, int) else None
    )
    base_url = f"{call.world.address.url}/_pictures"
    data = [
        {"url": f"{base_url}/{call.world.store_picture(content)}", "sandbox": mark}
        for content, mark in pictures
    ]
    return _build_response(call, body.prompt, data)


@emulates(inference.IMAGE2TEXT_V1)
def image_to_text(call: Call, body: inference.VisionRequest) -> dict[str, Any] | Stream:
    """Answer `/image2text/<endpoint>`."""
    try:
        description = image_caption.describe_image(base64.b64decode(body.image, validate=True))
    except (binascii.Error, ValueError, OSError):
        raise call.refusal("image must be base64 of a picture file") from None
    return build_v1_answer(call, tool_reply(description, kind="picture"), [body.prompt], body.stream)


def routes(world: World) -> list[Route]:
    """Return the route that pictures of v2 are fetched from; their names cannot be guessed."""

    async def fetch(request: Request) -> Response:
        content = world.pictures.get(request.path_params["name"])
        if content is None:
            return Response("this picture is no longer kept", 404)
        return Response(content, media_type="image/png")

    return [Route("/_pictures/{name}", fetch, methods=["GET"])]


async def _draw_pictures(
    prompt: str, size: str, n: int, seed: int | None
) -> list[tuple[bytes, dict[str, Any]]]:
    """Draw n pictures; return each with what it says about itself."""
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
