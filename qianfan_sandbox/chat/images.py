"""Text to image and edits by drawing programs, and image to text: a picture's true size and
colours.

Each drawing says that it is one, and what was understood of its prompt.
"""

import asyncio
import base64
import binascii
import re
import secrets
import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qfnb.base.text import count_tokens
from qfnb.wire import image_rules, inference
from qfnb.wire.base import JsonObject

from ..http.call import Call, Stream, emulates
from ..state.world import World
from . import pictures
from .answers import v1_answer
from .conversion import tool_reply, unknown_model
from .served_models import require_preset

ENGINE_LABEL = "qfnb drawing program, not a model"
_OLDER_RULES = image_rules.ImageRules(1024, 4)
_RANGES = {"n": (1, 4), "steps": (10, 50), "seed": (0, 4294967295), "cfg_scale": (0, 30)}


@emulates(inference.TEXT2IMAGE_V1)
async def generate_v1(call: Call, body: inference.ImageRequest) -> JsonObject:
    """Answer `/text2image/<endpoint>`."""
    require_preset(call, "text2image", call.path["model"])
    _validate_v1(call, body)
    drawn = await _draw_pictures(body.prompt, body.size or "1024x1024", body.n or 1, body.seed)
    data = [
        {
            "object": "image",
            "b64_image": base64.b64encode(content).decode("ascii"),
            "index": index,
            "sandbox": mark,
        }
        for index, (content, mark) in enumerate(drawn, 1)
    ]
    return _build_response(call, body.prompt, data)


@emulates(inference.MUSESTEAMER_IMAGE_V2)
@emulates(inference.TEXT2IMAGE_V2)
async def generate_v2(call: Call, body: inference.ImageRequestV2) -> JsonObject:
    """Answer `/v2/images/generations`, and the path that musesteamer's models have."""
    row = require_preset(call, "text2image", body.model)
    n = 1 if body.n is None else body.n
    is_own_path = row.id.startswith("musesteamer") == (
        call.endpoint is inference.MUSESTEAMER_IMAGE_V2
    )
    if call.world.modes.strict and not is_own_path:
        raise unknown_model(call, body.model, f": {call.endpoint.path} does not serve it")
    rules = image_rules.IMAGE_RULES.get(row.id, _OLDER_RULES)
    _validate_prompt(call, body.prompt, rules.max_chars)
    size = body.size or "1024x1024"
    match = re.fullmatch(r"(\d{3,4})x(\d{3,4})", body.size or "1024x1024")
    if rules.sizes:
        size = size if size in rules.sizes else "1024x1024"
    elif match is None or not all(512 <= int(side) <= 2048 for side in match.groups()):
        raise call.refusal("size must be WxH, each from 512 to 2048")
    if not 1 <= n <= rules.max_n:
        raise call.refusal(f"n must be 1 to {rules.max_n}, it is {n}")
    seed = (body.model_extra or {}).get("seed")
    drawn = await _draw_pictures(body.prompt, size, n, seed if isinstance(seed, int) else None)
    return _build_response(call, body.prompt, _hand_out(call, body, drawn))


@emulates(inference.IMAGE_EDIT_V2)
async def edit(call: Call, body: inference.ImageEditRequest) -> JsonObject:
    """Answer `/v2/images/edits`: the reference pictures, changed by the operations that the prompt
    names.
    """
    from ..engines.drawing import edit  # noqa: PLC0415 - Pillow

    require_preset(call, "image2image", body.model)
    _validate_prompt(call, body.prompt, image_rules.IMAGE_RULES["qwen-image-edit"].max_chars)
    references = pictures.read_references(call, body.image)
    seed = (body.model_extra or {}).get("seed")
    seed = seed if isinstance(seed, int) else 0
    content, understood = await asyncio.to_thread(edit, body.prompt, references, seed)
    mark = {"engine": ENGINE_LABEL, "understood": understood, "seed": seed}
    return _build_response(call, body.prompt, _hand_out(call, body, [(content, mark)]))


@emulates(inference.IMAGE2TEXT_V1)
def image_to_text(call: Call, body: inference.VisionRequest) -> JsonObject | Stream:
    """Answer `/image2text/<endpoint>`."""
    try:
        description = pictures.describe_image(base64.b64decode(body.image, validate=True))
    except (binascii.Error, ValueError, OSError):
        raise call.refusal("image must be base64 of a picture file") from None
    return v1_answer(call, tool_reply(description, kind="picture"), body.prompt, body.stream)


def routes(world: World) -> list[Route]:
    """Return the route that v2's pictures are downloaded from; their names cannot be guessed."""

    async def fetch(request: Request) -> Response:
        content = world.read_picture(request.path_params["name"])
        if content is None:
            return Response("this picture is not kept any more", 404)
        return Response(content, media_type="image/png")

    return [Route("/_pictures/{name}", fetch, methods=["GET"])]


async def _draw_pictures(
    prompt: str, size: str, n: int, seed: int | None
) -> list[tuple[bytes, JsonObject]]:
    """Return n pictures as PNG files, each with its field `sandbox`."""
    from ..engines.drawing import picture  # noqa: PLC0415 - Pillow

    width, height = map(int, size.split("x"))
    if seed is None:
        first_seed = secrets.randbelow(2**32)
    else:
        first_seed = seed
    drawn = []
    for picture_seed in range(first_seed, first_seed + n):
        content, understood = await asyncio.to_thread(
            picture, prompt, (width, height), picture_seed
        )
        drawn.append(
            (content, {"engine": ENGINE_LABEL, "understood": understood, "seed": picture_seed})
        )
    return drawn


def _hand_out(
    call: Call,
    body: inference.ImageRequestV2 | inference.ImageEditRequest,
    drawn: Sequence[tuple[bytes, JsonObject]],
) -> list[JsonObject]:
    """Return pictures as base64 or as addresses, which are valid for a day."""
    wanted_format = (body.model_extra or {}).get("response_format") or "url"
    if wanted_format == "b64_json":
        return [
            {"b64_json": base64.b64encode(content).decode("ascii"), "sandbox": mark}
            for content, mark in drawn
        ]
    call.validate_choice("response_format", wanted_format, ("url", "b64_json"))
    base_url = f"{call.world.address.url}/_pictures"
    return [
        {"url": f"{base_url}/{call.world.store_picture(content)}", "sandbox": mark}
        for content, mark in drawn
    ]


def _validate_prompt(call: Call, prompt: str, max_chars: int) -> None:
    if not prompt.strip() or len(prompt) > max_chars:
        message = f"prompt must have 1 to {max_chars} characters, it has {len(prompt)}"
        raise call.refusal(message, v2_code="invalid_image_genration_prompt")


def _build_response(call: Call, prompt: str, data: list[JsonObject]) -> JsonObject:
    tokens = count_tokens(prompt)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {
        "id": call.id,
        "object": "image",
        "created": int(time.time()),
        "data": data,
        "usage": usage,
    }


def _validate_v1(call: Call, body: inference.ImageRequest) -> None:
    if not body.prompt.strip() or len(body.prompt) > 1024:
        raise call.refusal("prompt must have 1 to 1024 characters")
    if body.size not in {None, *inference.IMAGE_SIZES}:
        raise call.refusal(f"size must be one of {', '.join(inference.IMAGE_SIZES)}")
    for name, (low, high) in _RANGES.items():
        value = getattr(body, name)
        if value is not None and not low <= value <= high:
            raise call.refusal(f"{name} must be in [{low}, {high}]")
